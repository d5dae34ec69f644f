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

from collections.abc import Callable
import contextlib
import io
from typing import Any, Literal, TypedDict

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


class OpenOptions(TypedDict, total=False):
    """The options of a download that a caller can give to ``open_image``.

    Those of a cloud's configuration that are not among them, such as
    ``sparse``, apply as well. See :class:`.DownloadOptions`.
    """

    allow_md5_fallback: bool
    connections: int | Literal['auto']
    retries: int
    timeout: float
    progress: bool | Callable[[_progress.Progress], object] | None


def check(verified: Any, block_size: Any) -> None:
    """Check the parameters that are no options.

    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when one does not follow its rule.
    """
    for name, value, rule in (
        ('verified', verified, _rules.FLAG),
        ('block_size', block_size, _rules.BLOCK_SIZE),
    ):
        if not rule.holds(value):
            raise exceptions.InvalidArgumentError(
                f'{name} must be {rule.words}, not {_config.shown(value)}'
            )


def open_verified(context: _context.Context) -> io.BufferedReader:
    """Download an image to a file without a name, and return that.

    :param context: The image and the options.
    :raises: :exc:`~openstack_image_stream.exceptions.UnverifiableImageError`
        for an image without a hash, before its data are requested.
    """
    context.fetch_info()
    if context.expected is None:
        raise exceptions.UnverifiableImageError(
            f'image {context.image_id} has no hash to verify it by: open it '
            'with verified=False to read it as it is',
            image_id=context.image_id,
        )
    sink = unnamed.UnnamedSink(sparse=context.options['sparse'])
    _download.drain(context, sink)
    return io.BufferedReader(sink.take())


def open_unverified(
    context: _context.Context, block_size: int
) -> io.BufferedReader:
    """Return a file that requests the bytes of an image as they are read.

    :param context: The image and the options.
    :param block_size: Bytes of a block.
    """
    # The metadata are there then, and the hash is of no use here.
    with contextlib.suppress(exceptions.UnusableHashError):
        context.fetch_info()
    # With a hash of the whole the Content-MD5 of a part would not be looked
    # at. Here it is what tells that the image is still the same.
    context.expected = None
    source = random_access.RandomAccess(
        context.fetcher(),
        context.policy,
        coordination.Coordinator(context.image_id),
        block_size=block_size,
    )
    source.open()
    return image_file.buffered(source, block_size)
