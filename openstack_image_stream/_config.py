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

from collections.abc import Callable, Mapping
import dataclasses
import functools
import inspect
import re
import reprlib
import textwrap
from typing import Annotated, Any, Final, get_args, get_type_hints, Literal
from typing import TypedDict, TypeVar

from openstack_image_stream import exceptions
from openstack_image_stream import progress as _progress
from openstack_image_stream._common import signals

#: Bytes in a mebibyte.
MIB = 1024 * 1024

#: What an option is called in the configuration of a cloud begins with this,
#: in the manner of openstacksdk: ``<service>_<option>``.
PREFIX = 'image_stream_'

#: The number of connections that is measured while downloading.
AUTO: Final = 'auto'

#: More than any service would serve, and little enough for the memory of the
#: parts that are fetched at a time.
_MOST_CONNECTIONS = 1000

#: Some eleven days. What a socket takes for a timeout has an end, too.
_MOST_SECONDS = 1_000_000

_FLAGS = {
    **dict.fromkeys(('true', 'yes', 'on', '1'), True),
    **dict.fromkeys(('false', 'no', 'off', '0'), False),
}

_Function = TypeVar('_Function', bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a value must be, and how to read it from a text.

    :param words: What must hold, for a message.
    :param holds: Whether it holds.
    :param read: Makes a value of a text. It raises :exc:`ValueError` or
        :exc:`KeyError` for a text that is not one.
    """

    words: str
    holds: Callable[[Any], bool]
    read: Callable[[str], Any]


@dataclasses.dataclass(frozen=True)
class Option:
    """The declaration of an option.

    :param default: Its value if neither the caller nor the cloud sets it.
    :param rule: What its value must be.
    :param text: What it means, with units and default, in reStructuredText.
    """

    default: Any
    rule: Rule
    text: str


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    # True is an int to Python, but it does not mean one byte.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_chunk_size(value: Any) -> bool:
    return value is None or (_is_whole(value) and value > 0)


def _is_retries(value: Any) -> bool:
    return _is_whole(value) and value >= 0


def _is_connections(value: Any) -> bool:
    if isinstance(value, str):
        return value == AUTO
    return _is_whole(value) and 0 < value <= _MOST_CONNECTIONS


def _is_seconds(value: Any) -> bool:
    # This is never true of what is not a number.
    number = _is_whole(value) or isinstance(value, float)
    return number and 0 < value <= _MOST_SECONDS


def _is_progress(value: Any) -> bool:
    return value is None or _is_flag(value) or callable(value)


def _read_connections(text: str) -> int | str:
    return AUTO if text.strip().lower() == AUTO else int(text)


def _read_flag(text: str) -> bool:
    return _FLAGS[text.strip().lower()]


_FLAG = Rule('True or False', _is_flag, _read_flag)
_CONNECTIONS = Rule(
    f"a whole number from 1 to {_MOST_CONNECTIONS}, or '{AUTO}'",
    _is_connections,
    _read_connections,
)
_RETRIES = Rule('a whole number, 0 or more', _is_retries, int)
_SECONDS = Rule(
    f'a positive number of seconds, at most {_MOST_SECONDS:,}',
    _is_seconds,
    float,
)
_PROGRESS = Rule('True, False or a function', _is_progress, _read_flag)


class DownloadOptions(TypedDict, total=False):
    """The keywords of a download that upstream does not have."""

    validate_checksum: Annotated[
        bool,
        Option(
            True,
            _FLAG,
            """
            Whether the digest is compared, which is the default. The length
            is compared always. ``False`` where the caller hashes the data; a
            partial file is not resumed then.
            """,
        ),
    ]
    allow_md5_fallback: Annotated[
        bool,
        Option(
            False,
            _FLAG,
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
            _CONNECTIONS,
            """
            How many byte ranges of the image to request at a time, 1 to 1000,
            1 by default. More are of use where the service or the network
            limits each connection, and where one does not use all of the
            bandwidth. With N of them the download takes at most
            64 MiB + (N + 2) x 8 MiB of memory above that of the connected
            process. ``'auto'`` begins with one, adds others as long as that
            makes the download faster, up to 8, and removes them again where
            it does not. Images of up to 8 MiB and stores that serve no ranges
            are downloaded over one all the same.
            """,
        ),
    ]
    retries: Annotated[
        int,
        Option(
            5,
            _RETRIES,
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
            _SECONDS,
            """
            Longest silence of a connection in seconds, more than 0 and at
            most 1,000,000. The default is the ``api_timeout`` of the cloud,
            or 60 where it has none. It does not limit the whole download.
            More is of use where a store takes minutes before its first byte.
            """,
        ),
    ]
    resume: Annotated[
        bool,
        Option(
            True,
            _FLAG,
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
            _FLAG,
            """
            Whether runs of zeros become holes in a regular file at an
            ``output`` path, which is the default. ``False`` has all of the
            file's space allocated.
            """,
        ),
    ]
    progress: Annotated[
        bool | Callable[[_progress.Progress], object] | None,
        Option(
            None,
            _PROGRESS,
            """
            ``True`` for a bar on standard error if that is a terminal, which
            takes the extra ``progress`` of this package, or a function. It is
            called with a :class:`~openstack_image_stream.Progress` some ten
            times a second and at the end, in the thread that downloads. What
            it raises ends the download. Nothing is shown by default.
            """,
        ),
    ]


_HINTS = {
    name: get_args(hint)
    for name, hint in get_type_hints(
        DownloadOptions, include_extras=True
    ).items()
}

#: The declarations of the options by their names.
OPTIONS: dict[str, Option] = {
    name: declaration for name, (_, declaration) in _HINTS.items()
}

#: The parameter of upstream's that a cloud can set, too.
_SETTINGS: dict[str, Option] = {
    'chunk_size': Option(
        MIB,
        Rule('a positive whole number of bytes or None', _is_chunk_size, int),
        '',
    ),
    **OPTIONS,
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
        rule = _SETTINGS[name].rule
        if not rule.holds(value):
            raise exceptions.InvalidArgumentError(
                f'{name} must be {rule.words}, not {_shown(value)}'
            )
    options: Any = {name: option.default for name, option in OPTIONS.items()}
    options.update((name, given[name]) for name in options if name in given)
    made: DownloadOptions = options
    return made


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
            f'{_shown(store_preferences)}'
        )
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            # What os.fsdecode() makes of bytes that are no UTF-8, say.
            raise exceptions.InvalidArgumentError(
                'store_preferences must be names that can be written as '
                f'UTF-8, not {_shown(name)}'
            ) from None
    return names


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except ValueError as exc:
        if signals.find_raised(exc) is not None:
            raise
        # Python writes no number of more than some thousand digits.
        return f'a very long {type(value).__name__}'


def from_cloud(config: Mapping[str, Any], cloud: str) -> dict[str, Any]:
    """Read the options that the configuration of a cloud sets.

    :param config: Configuration of the cloud; only ``api_timeout`` and what
        begins with ``image_stream_`` is looked at.
    :param cloud: Name of the cloud, for messages.
    :returns: The options that are set, by their names as parameters.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when one is unknown or has a value that it must not have.
    """
    found: dict[str, Any] = {}
    for key, value in sorted(config.items()):
        if key == 'api_timeout':
            # The SDK takes every key that ends in timeout, so also
            # image_stream_timeout, for this one.
            name = 'timeout'
        elif key.startswith(PREFIX):
            name = key[len(PREFIX) :]
        else:
            continue
        if value is not None:
            found[name] = _read_setting(key, name, value, cloud)
    return found


def _read_setting(key: str, name: str, value: Any, cloud: str) -> Any:
    where = f'{key} in the configuration of the cloud {cloud!r}'
    if name not in _SETTINGS:
        known = ', '.join(PREFIX + option for option in _SETTINGS)
        raise exceptions.InvalidArgumentError(
            f'{where} is not known, there are: {known}'
        )
    rule = _SETTINGS[name].rule
    read = value
    if isinstance(value, str):
        # The environment has nothing but texts.
        with signals.suppress(ValueError, KeyError):
            read = rule.read(value)
    # A function can be given in a call alone.
    if callable(read) or not rule.holds(read):
        raise exceptions.InvalidArgumentError(
            f'{where} must be {rule.words}, not {_shown(value)}'
        )
    return read


def takes_options(
    connection_of: Callable[[Mapping[str, Any]], Any],
) -> Callable[[_Function], _Function]:
    """Let a method take the options as keywords.

    What the caller names stands, also where it is the same as the default.
    The rest comes from the configuration of the cloud, and only then from the
    declarations. The method itself gets all options, checked.

    :param connection_of: Finds the connection of a call in its arguments, by
        their names.
    :returns: A decorator. The method has a last parameter ``**options``,
        which is replaced by the options in its signature and docstring.
    """

    def decorate(function: _Function) -> _Function:
        signature = _with_options(inspect.signature(function))

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            named = signature.bind(*args, **kwargs).arguments
            given = {}
            connection = connection_of(named)
            if connection is not None:
                config = connection.config
                given = from_cloud(config.config, config.name)
            given.update((n, named[n]) for n in _SETTINGS if n in named)
            others = {n: v for n, v in kwargs.items() if n not in OPTIONS}
            return function(*args, **others, **checked(**given))

        wrapper.__signature__ = signature  # type: ignore[attr-defined]
        wrapper.__doc__ = re.sub(
            r'^( *):param options:.*\n',
            lambda found: textwrap.indent(documentation(), found[1]),
            function.__doc__ or '',
            flags=re.MULTILINE,
        )
        return wrapper  # type: ignore[return-value]

    return decorate


def documentation() -> str:
    """Return the fields of a docstring that describe the options."""
    return ''.join(
        f':param {name}: {textwrap.indent(text, "    ").strip()}\n'
        for name, option in OPTIONS.items()
        if (text := textwrap.dedent(option.text).strip())
    )


def _with_options(signature: inspect.Signature) -> inspect.Signature:
    *own, _ = signature.parameters.values()
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=_HINTS[name][0],
        )
        for name, option in OPTIONS.items()
    ]
    return signature.replace(parameters=[*own, *added])
