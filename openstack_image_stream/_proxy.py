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

"""The proxy of the Image service, which hands out our images."""

from collections.abc import Sequence
from typing import Any

from openstack.image.v2 import _proxy as _upstream
from openstack.image.v2 import image as _upstream_image
import requests

from openstack_image_stream import _options
from openstack_image_stream import image as _image


class Proxy(_upstream.Proxy):
    """The Image service, as upstream's, with another download.

    Upstream names its image class in each of its methods. They all end in the
    few below, where the class is exchanged.
    """

    _resource_registry = {
        **_upstream.Proxy._resource_registry,
        'image': _image.Image,
    }

    def download_image(
        self,
        image: Any,
        *,
        stream: bool = False,
        output: Any = None,
        chunk_size: int = _options.MIB,
        store_preferences: Sequence[str] | None = None,
        validate_checksum: bool = True,
        allow_md5_fallback: bool = False,
    ) -> requests.Response:
        """Download an image, verified while it streams.

        Two requests are made: one for the image's metadata, one for its data.
        Memory stays constant unless the content is asked for as a whole, and
        what was received is compared with the image's hash before anybody
        has all of it.

        :param image: ID of an image, or an
            :class:`~openstack.image.v2.image.Image` of this or of the
            upstream class.
        :param stream: With ``True`` and no ``output`` the body of the
            returned response is unread, for the caller to iterate over. The
            caller closes that response, or reads it to its end.
        :param output: Where to write the image: a path (:class:`str` or
            :class:`os.PathLike`) or an object with ``write()``, open for
            bytes. At a path the file appears once it is complete and
            verified; what was there stays until then. To an object it is
            written in order from its present position, and the object is
            not closed.
        :param chunk_size: Bytes per piece, positive, 1 MiB by default. Kept
            for compatibility: ``iter_content`` takes its own, and how much is
            read at a time for an ``output`` is not the caller's concern.
        :param store_preferences: Names of stores of a multi-store Image
            service to read from, best first.
        :param validate_checksum: Whether the digest is compared. The length
            is compared always.
        :param allow_md5_fallback: Whether the MD5 ``checksum`` of the image
            may stand in for a multihash whose algorithm is not available.
        :returns: The :class:`requests.Response` to the request for the data.
            Without ``output`` and ``stream`` its ``content`` is the image;
            with ``stream`` its body is unread; with ``output`` its body is
            consumed. ``Content-MD5`` is among its headers if the image has a
            checksum.
        :raises: :exc:`~openstack_image_stream.exceptions.\
InvalidArgumentError` for a parameter that cannot work, before any request.
        :raises: :exc:`~openstack.exceptions.NotFoundException`,
            :exc:`~openstack.exceptions.ForbiddenException` and other
            :exc:`~openstack.exceptions.HttpException` for an error status,
            before a byte is written.
        :raises: :exc:`~openstack_image_stream.exceptions.\
ImageDataMissingError` when the image has no data yet.
        :raises: :exc:`~openstack_image_stream.exceptions.UnusableHashError`
            when its hash cannot be computed here, before the data are asked
            for.
        :raises: :exc:`~openstack_image_stream.exceptions.\
ChecksumMismatchError` when the bytes are not the image's.
        :raises: :exc:`~openstack_image_stream.exceptions.\
IncompleteDownloadError` when they do not arrive whole.
        :raises: :exc:`~openstack_image_stream.exceptions.ImageChangedError`
            when the server announces or sends another length than the
            image's.
        :raises: :exc:`OSError` of the local machine, as it is.

        With ``stream`` the last four are raised where the body is read, and
        the last piece is handed out only after the digest agreed.

        Sources: `Image API v2, download binary image data
        <https://docs.openstack.org/api-ref/image/v2/#download-binary-image-data>`_,
        :meth:`requests.Response.iter_content`.
        """
        ours = self._get_resource(_image.Image, _id_of_stock(image))
        response: requests.Response = ours.download(
            self,
            stream=stream,
            output=output,
            chunk_size=chunk_size,
            store_preferences=store_preferences,
            validate_checksum=validate_checksum,
            allow_md5_fallback=allow_md5_fallback,
        )
        return response

    def _get_resource(
        self, resource_type: Any, value: Any, **attrs: Any
    ) -> Any:
        # An image of upstream's own class (from another connection, say)
        # stays the caller's object, which upstream updates in place.
        if not _is_stock(value):
            resource_type = _ours(resource_type)
        return super()._get_resource(resource_type, value, **attrs)

    def _get(
        self, resource_type: Any, value: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        return self._adopt(super()._get(resource_type, value, *args, **kwargs))

    def _update(
        self, resource_type: Any, value: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        return self._adopt(
            super()._update(resource_type, value, *args, **kwargs)
        )

    def _find(self, resource_type: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._find(_ours(resource_type), *args, **kwargs)

    def _create(self, resource_type: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._create(_ours(resource_type), *args, **kwargs)

    def _list(self, resource_type: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._list(_ours(resource_type), *args, **kwargs)

    def _existing_image(self, **kwargs: Any) -> _image.Image:
        return _image.Image.existing(
            connection=self._get_connection(), **kwargs
        )

    def _adopt(self, resource: Any) -> Any:
        if not _is_stock(resource):
            return resource
        return self._existing_image(**resource._body.attributes)


def _ours(resource_type: Any) -> Any:
    if resource_type is _upstream_image.Image:
        return _image.Image
    return resource_type


def _is_stock(value: Any) -> bool:
    return isinstance(value, _upstream_image.Image) and not isinstance(
        value, _image.Image
    )


def _id_of_stock(image: Any) -> Any:
    # Given a resource of another class, the SDK takes the whole object for
    # an ID.
    return image.id if _is_stock(image) else image
