# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The options of a download, each of which is declared here and only here.

To add one is to add it to :class:`DownloadOptions`, and to write the code that
acts on it. Signature, documentation, rule, default and the setting of a cloud
come from the declaration.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import os
import reprlib
from typing import Annotated, Any, get_args, get_type_hints, Literal, TypedDict

from openstack_image_stream._common import signals
from openstack_image_stream import _rules
from openstack_image_stream import exceptions
from openstack_image_stream import progress as _progress

#: Bytes in a mebibyte.
MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Option:
    """The declaration of an option.

    :param default: Its value if neither the caller nor the cloud sets it.
    :param rule: What its value must be.
    :param text: What it means, with units and default, in reStructuredText.
    :param setting: Whether the configuration of a cloud may set it.
    :param applies: Whether the setting of a cloud is for a call with these
        arguments. An option that is given in the call always is.
    """

    default: Any
    rule: _rules.Rule
    text: str
    setting: bool = True
    applies: Callable[[Mapping[str, Any]], bool] = lambda arguments: True


def _has_a_file(arguments: Mapping[str, Any]) -> bool:
    return (
        isinstance(arguments.get('output'), (str, bytes, os.PathLike))
        and arguments.get('validate_checksum') is not False
    )


def _is_verified(arguments: Mapping[str, Any]) -> bool:
    # Of open_image(); others have no such parameter.
    return arguments.get('verified') is not False


class DownloadOptions(TypedDict, total=False):
    """The keywords of a download that upstream does not have."""

    validate_checksum: Annotated[
        bool | Literal['required'],
        Option(
            True,
            _rules.VALIDATION,
            """
            Whether the digest is compared, which is the default. The length
            is compared always. ``False`` where the caller hashes the data; a
            partial file is not resumed then. ``'required'`` refuses an image
            that nothing can verify, before its data are requested: neither a
            hash of the service, nor ``expected_digest``, nor a signature. It
            does not accept ``Content-MD5`` alone, unless
            ``allow_md5_fallback`` is set.
            """,
        ),
    ]
    expected_digest: Annotated[
        str | None,
        Option(
            None,
            _rules.DIGEST,
            """
            Digest that the image must have, from elsewhere: the page of a
            distributor, say. ``'sha256:'`` and 64 hexadecimal digits, or
            ``sha224``, ``sha384``, ``sha512``. If the service has a digest of
            the same algorithm the two are compared before any data are
            requested, otherwise it is computed beside the one of the service.
            It also makes a partial file of an image without a hash
            resumable. Cannot be set for a cloud.
            """,
            setting=False,
        ),
    ]
    check_format: Annotated[
        bool | Sequence[str],
        Option(
            False,
            _rules.FORMATS,
            """
            ``True`` to require that the content is of the format that
            ``disk_format`` announces, and refers to no other file: no backing
            file, no external data file, no unknown features. A list of names
            of formats allows these alone. Takes the extra ``inspect`` of this
            package. Bytes are handed out once the format is known, mostly
            after 256 KiB, at most after 12 MiB. ``False`` by default.
            """,
            applies=_is_verified,
        ),
    ]
    signed_by: Annotated[
        Any,
        Option(
            None,
            _rules.CERTIFICATES,
            """
            Who must have signed the image: the path of a PEM file with
            certificates or public keys, such an object of
            ``cryptography``, or several of these. The properties
            ``img_signature*`` of the image must hold a signature that is
            right under one of them. Where its hash is that of
            ``os_hash_algo`` it is verified before any data are requested.
            """,
            applies=_is_verified,
        ),
    ]
    trusted_certificates: Annotated[
        Any,
        Option(
            None,
            _rules.CERTIFICATES,
            """
            Which certificates are trusted, given as for ``signed_by``: the
            certificate that ``img_signature_certificate_uuid`` names is
            fetched from the key manager of the cloud, its chain must end in
            one of these, and it must have signed the image.
            """,
            applies=_is_verified,
        ),
    ]
    allow_md5_fallback: Annotated[
        bool,
        Option(
            False,
            _rules.FLAG,
            """
            Whether the MD5 ``checksum`` of the image may replace a multihash
            whose algorithm is not available. It may not by default.
            """,
        ),
    ]
    connections: Annotated[
        int | Literal['auto'],
        Option(
            1,
            _rules.CONNECTIONS,
            """
            How many byte ranges of the image to request at a time at the most,
            1 to 1000, 1 by default. More are of use where the service or the
            network limits each connection, and where one does not use all of
            the bandwidth. Where the hash, the disk or the reader is the limit,
            they give way to one. With N of them the download takes at most
            48 MiB + N x 6 MiB of memory above that of the connected process.
            ``'auto'`` begins with one, adds others as long as that makes the
            download faster, up to 8, and removes them again where
            it does not. Images of up to 8 MiB, stores that serve no ranges,
            and images that only the header ``Content-MD5`` of the whole can
            verify are downloaded over one all the same.
            """,
        ),
    ]
    retries: Annotated[
        int,
        Option(
            5,
            _rules.RETRIES,
            """
            Retries in a row without a single new byte, 5 by default; with 0
            there is one attempt. Before each retry there is a wait of random
            length, of up to 0.5 s before the first, twice as long each time,
            up to 30 s. What ``Retry-After`` asks for, up to half an hour, is
            added to it. The backoff starts over once 64 KiB have come. More
            are of use where a service is gone for minutes at a time. From a
            store that serves no ranges it is also how often, in all, the
            image is fetched from its first byte again.
            """,
        ),
    ]
    timeout: Annotated[
        float,
        Option(
            60,
            _rules.SECONDS,
            """
            Longest silence of a connection in seconds, more than 0 and at
            most 1,000,000. The default is the ``api_timeout`` of the cloud,
            or 60 where it has none. It does not limit the whole download.
            More is of use where a store takes minutes before its first byte.
            """,
        ),
    ]
    max_bandwidth: Annotated[
        int | None,
        Option(
            None,
            _rules.BANDWIDTH,
            """
            Bytes per second that all connections of the download receive
            together, at the most; at least 1024. There is no limit by
            default.
            """,
        ),
    ]
    low_speed_limit: Annotated[
        int | None,
        Option(
            None,
            _rules.BYTES_PER_SECOND,
            """
            Bytes per second that a connection brings at the least. One that
            brings less over ``low_speed_time`` counts as lost, as one that is
            silent does: its bytes are kept and the next ones are requested
            over another connection, but they do not reset the count of
            ``retries``. There is no limit by default.
            """,
        ),
    ]
    low_speed_time: Annotated[
        float,
        Option(
            30,
            _rules.SECONDS,
            """
            Seconds over which a connection is measured by
            ``low_speed_limit``, 30 by default. It has no effect without that.
            """,
        ),
    ]
    deadline: Annotated[
        float | None,
        Option(
            None,
            _rules.SECONDS_OR_NONE,
            """
            Seconds from the call until the download ends with
            :exc:`~openstack_image_stream.IncompleteDownloadError` if it is
            not complete by then, with everything included: metadata, waits,
            retries, and what a caller does with a stream in between. A
            partial file is kept. There is no deadline by default.
            """,
            applies=_is_verified,
        ),
    ]
    resume: Annotated[
        bool,
        Option(
            True,
            _rules.FLAG,
            """
            Whether the partial file of an ``output`` path is kept after a
            failure and resumed by the next download, which is the default.
            ``False`` leaves nothing behind. A lost connection is resumed in
            either case.
            """,
        ),
    ]
    sparse: Annotated[
        bool,
        Option(
            True,
            _rules.FLAG,
            """
            Whether runs of zeros become holes in a regular file at an
            ``output`` path, which is the default. ``False`` has all of the
            file's space allocated.
            """,
        ),
    ]
    skip_current: Annotated[
        bool,
        Option(
            False,
            _rules.FLAG,
            """
            Whether an image is not downloaded if the file at an ``output``
            path is that image already, by its length and its hash, and by all
            other checks of the call. The response is a 304 without content
            then. ``False`` by default. With ``True``, ``output`` must be a
            path, and ``validate_checksum`` must not be ``False``; the setting
            of a cloud has no effect on other calls. An image without a hash
            is always downloaded.
            """,
            applies=_has_a_file,
        ),
    ]
    progress: Annotated[
        bool | Callable[[_progress.Progress], object] | None,
        Option(
            None,
            _rules.PROGRESS,
            """
            ``True`` for a bar on standard error if that is a terminal, which
            takes the extra ``progress`` of this package, or a function. It is
            called with a :class:`~openstack_image_stream.Progress` some ten
            times a second and at the end, in the thread that downloads. What
            it raises ends the download. Nothing is shown by default.
            """,
        ),
    ]


class TransferOptions(TypedDict, total=False):
    """The keywords that all operations have that read whole images.

    See :class:`DownloadOptions`.
    """

    allow_md5_fallback: bool
    connections: int | Literal['auto']
    retries: int
    timeout: float
    max_bandwidth: int | None
    low_speed_limit: int | None
    low_speed_time: float
    deadline: float | None


#: The types of the options and their declarations, by their names.
HINTS = {
    name: get_args(hint)
    for name, hint in get_type_hints(
        DownloadOptions, include_extras=True
    ).items()
}

#: The declarations of the options by their names.
OPTIONS: dict[str, Option] = {
    name: declaration for name, (_, declaration) in HINTS.items()
}

#: What is checked: the parameter of upstream's that a cloud can set, too.
_CHECKED: dict[str, Option] = {
    'chunk_size': Option(
        MIB,
        _rules.CHUNK_SIZE,
        '',
    ),
    **OPTIONS,
}

#: What the configuration of a cloud may set.
SETTINGS = {
    name: option for name, option in _CHECKED.items() if option.setting
}


def checked(**given: Any) -> DownloadOptions:
    """Complete options with their defaults, and check them.

    :param given: Those that are set, by their names; also ``chunk_size``,
        which is checked and does nothing.
    :returns: All options.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when one does not follow its rule.
    """
    for name, value in given.items():
        check(name, value, _CHECKED[name].rule)
    options: Any = {name: option.default for name, option in OPTIONS.items()}
    options.update((name, given[name]) for name in options if name in given)
    made: DownloadOptions = options
    return made


def check(name: str, value: Any, rule: _rules.Rule) -> None:
    """Check a parameter.

    :param name: Its name.
    :param value: Its value.
    :param rule: What that must be.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when it is not.
    """
    if not rule.holds(value):
        raise exceptions.InvalidArgumentError(
            f'{name} must be {rule.words}, not {shown(value)}'
        )


def checked_stores(store_preferences: Any) -> tuple[str, ...]:
    """Check the names of stores to read from.

    :param store_preferences: As a caller gave them.
    :returns: The names, none for ``None``.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when they are not a sequence of names.
    """
    if store_preferences is None:
        return ()
    names = None
    # A text is a sequence of texts to Python.
    if not isinstance(store_preferences, (str, bytes)):
        with signals.suppress(TypeError):
            names = tuple(store_preferences)
    if names is None or not all(isinstance(name, str) for name in names):
        raise exceptions.InvalidArgumentError(
            'store_preferences must be a list of names of stores, not '
            f'{shown(store_preferences)}'
        )
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            # What os.fsdecode() makes of bytes that are no UTF-8, say.
            raise exceptions.InvalidArgumentError(
                'store_preferences must be names that can be written as '
                f'UTF-8, not {shown(name)}'
            ) from None
    return names


def shown(value: Any) -> str:
    """Return a value for a message, shortened."""
    try:
        return reprlib.repr(value)
    except ValueError as exc:
        if signals.find_raised(exc) is not None:
            raise
        # Python writes no number of more than some thousand digits.
        return f'a very long {type(value).__name__}'
