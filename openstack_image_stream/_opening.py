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

"""Opening an image as a file: from a verified copy, or by range requests."""

from collections.abc import Callable, Mapping, Sequence
import contextlib
import io
from typing import Any

from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream import _download
from openstack_image_stream._output import image_file
from openstack_image_stream._output import unnamed
from openstack_image_stream import _rules
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import random_access
from openstack_image_stream import exceptions
from openstack_image_stream import progress as _progress


class OpenOptions(_config.TransferOptions, total=False):
    """The options of a download that an image file has, too.

    Those of a cloud's configuration that are not among them, such as
    ``sparse``, apply as well. See :class:`.DownloadOptions`.
    """

    expected_digest: str | None
    check_format: bool | Sequence[str]
    signed_by: Any
    trusted_certificates: Any
    progress: bool | Callable[[_progress.Progress], object] | None


#: Those that are about the whole image.
_OF_THE_WHOLE = (
    'expected_digest',
    'check_format',
    'signed_by',
    'trusted_certificates',
    'deadline',
)

#: Those that count where parts of it are read.
_OF_PARTS = (
    'retries',
    'timeout',
    'max_bandwidth',
    'low_speed_limit',
    'low_speed_time',
)


def open_image(
    image: Any,
    session: Any,
    options: _config.DownloadOptions,
    *,
    verified: bool,
    block_size: int,
    store_preferences: Sequence[str] | None,
) -> io.BufferedReader:
    """Open an image as a file.

    :param image: The image resource.
    :param session: The proxy of the Image service.
    :param options: All options.
    :param verified: Whether it is downloaded and verified first.
    :param block_size: Bytes of a block, if not.
    :param store_preferences: Names of stores, best first.
    :raises: as :meth:`.ImageProxy.open_image`.
    """
    _config.check('verified', verified, _rules.FLAG)
    _config.check('block_size', block_size, _rules.BLOCK_SIZE)
    if verified:
        options = {**options, 'validate_checksum': _rules.REQUIRED}
    else:
        given: Mapping[str, Any] = options
        _refuse_those_of_the_whole(given)
        options = _config.checked(**{name: given[name] for name in _OF_PARTS})
    context = _context.Context(image, session, options, store_preferences)
    if verified:
        return _open_verified(context)
    return _open_unverified(context, block_size)


def _refuse_those_of_the_whole(options: Mapping[str, Any]) -> None:
    for name in _OF_THE_WHOLE:
        if options[name] is not _config.OPTIONS[name].default:
            raise exceptions.InvalidArgumentError(
                f'{name} is about a whole image, and verified=False reads '
                'parts of one: give verified=True'
            )


def _open_verified(context: _context.Context) -> io.BufferedReader:
    """Download an image to a file without a name, and return that."""
    context.fetch_info()
    sink = unnamed.UnnamedSink(sparse=context.options['sparse'])
    _download.drain(context, sink)
    return io.BufferedReader(sink.take())


def _open_unverified(
    context: _context.Context, block_size: int
) -> io.BufferedReader:
    """Return a file that requests the bytes of an image as they are read."""
    # The metadata are there then, and the hash is of no use here.
    with contextlib.suppress(exceptions.UnusableHashError):
        context.fetch_info()
    source = random_access.RandomAccess(
        # The Content-MD5 of each part is looked at: it is all that tells that
        # the image is still the same.
        context.fetcher(whole=False),
        context.policy,
        coordination.Coordinator(context.image_id),
        block_size=block_size,
        bucket=context.bucket,
    )
    source.open()
    return image_file.buffered(source, block_size)
