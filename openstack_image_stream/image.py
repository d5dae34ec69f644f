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

"""The image resource, whose download streams."""

from collections.abc import Iterator, Sequence
import functools
from typing import Any, TYPE_CHECKING

from keystoneauth1 import adapter
from openstack.image.v2 import image as _upstream
import requests

from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream import _download
from openstack_image_stream._sdk import compat
from openstack_image_stream import _settings
from openstack_image_stream import _verification
from openstack_image_stream import exceptions

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Image(_upstream.Image):
    """An image of the Image service, as upstream's, with another download."""

    @classmethod
    def _attributes_iterator(  # type: ignore[override]
        cls, *args: Any, **kwargs: Any
    ) -> Iterator[Any]:
        # Upstream looks through the class and its bases some ten times for
        # each image that it makes.
        return iter(_attributes(cls, *args, **kwargs))

    @_settings.takes_options(
        lambda arguments: compat.connection_of(arguments['session'])
    )
    def download(
        self,
        session: adapter.Adapter,
        stream: bool = False,
        output: Any = None,
        chunk_size: int | None = _config.MIB,
        *,
        store_preferences: Sequence[str] | None = None,
        **options: 'Unpack[_config.DownloadOptions]',
    ) -> requests.Response:
        """Download the data of this image.

        See :meth:`.ImageProxy.download_image`, which takes the
        same parameters and describes them.

        :param session: The proxy of the Image service, or another
            :class:`keystoneauth1.adapter.Adapter` for it.
        :raises: :exc:`~openstack_image_stream.exceptions.\
InvalidArgumentError` when it is anything else, a connection for example.
        """
        if not isinstance(session, adapter.Adapter):
            raise exceptions.InvalidArgumentError(
                'session must be the proxy of the Image service, such as '
                'conn.image, or another keystoneauth1 adapter, not an object '
                f'of the class {type(session).__name__}'
            )
        _verification.check_call(options, output)
        context = _context.Context(self, session, options, store_preferences)
        if output is not None:
            return _download.to_output(context, output)
        if stream:
            return _download.to_stream(context)
        return _download.to_memory(context)


@functools.lru_cache(maxsize=64)
def _attributes(
    cls: type[Image], *args: Any, **kwargs: Any
) -> tuple[Any, ...]:
    """Return the attributes of a class of images, with their declarations."""
    return tuple(super(Image, cls)._attributes_iterator(*args, **kwargs))
