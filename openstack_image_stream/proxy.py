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
from typing import Any, TYPE_CHECKING

from openstack.image.v2 import _proxy as _upstream
from openstack.image.v2 import image as _upstream_image
import requests

from openstack_image_stream import _config
from openstack_image_stream._http import redirects
from openstack_image_stream._sdk import compat
from openstack_image_stream import _settings
from openstack_image_stream import image as _image

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ImageProxy(_upstream.Proxy):
    """The Image service, as upstream's, with another download.

    Upstream names its image class in each of its methods. They all end in the
    few below, where the class is exchanged.
    """

    _resource_registry = {
        **compat.resource_registry(_upstream.Proxy),
        'image': _image.Image,
    }

    def request(
        self, url: str, method: str, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request, as upstream's, but for redirects to other hosts.

        See :func:`.follow`.
        """
        return redirects.follow(super().request, url, method, *args, **kwargs)

    @_settings.takes_options(
        lambda arguments: compat.connection_of(arguments['self'])
    )
    def download_image(
        self,
        image: Any,
        *,
        stream: bool = False,
        output: Any = None,
        chunk_size: int | None = _config.MIB,
        store_preferences: Sequence[str] | None = None,
        **options: 'Unpack[_config.DownloadOptions]',
    ) -> requests.Response:
        """Download an image, verified while it streams.

        Two requests are made where nothing goes wrong: one for the image's
        metadata, one for its data. Memory stays constant unless the content
        is asked for as a whole, a lost connection is resumed at the next
        byte, and what was received is compared with the
        image's hash before the caller has all of it.

        Whatever is not named in the call comes from the configuration of the
        cloud, as ``image_stream_<parameter>``, and only then from the
        defaults here. ``stream``, ``output`` and ``store_preferences`` are
        not looked for there.

        :param image: ID of an image, or an
            :class:`~openstack.image.v2.image.Image` of this or of the
            upstream class. If that has a hash, the service must still
            announce the same one.
        :param stream: With ``True`` and no ``output`` the body of the
            returned response is unread, for the caller to iterate over. The
            caller closes that response, or reads it to its end.
        :param output: Where to write the image: a path (:class:`str`,
            :class:`bytes` or :class:`os.PathLike`), a descriptor
            (:class:`int`) or an object with ``write()``, open for bytes. At a
            path the file appears once it is complete and verified; what was
            there stays until then. To a descriptor or an object it is written
            in order from its present position, and it is not closed.
        :param chunk_size: Bytes or ``None``, 1 MiB by default.
            Kept for compatibility, it changes nothing: ``iter_content`` takes
            its own, and how much is read at a time for an ``output`` is not
            the caller's concern.
        :param store_preferences: Names of stores of a multi-store Image
            service to read from, best first.
        :param options: Those of :class:`.DownloadOptions`.
        :returns: The :class:`requests.Response` to the first request for the
            data; its status and its length are those of the whole image, also
            where it was for a part. Without ``output`` and ``stream`` its
            ``content`` is the image; with ``stream`` its body is unread; with
            ``output`` its body is consumed. ``Content-MD5`` is among its
            headers if the image has a checksum.
        :raises: :exc:`~openstack_image_stream.exceptions.\
InvalidArgumentError` for a parameter or a setting of the cloud that cannot
            work, before any request.
        :raises: :exc:`~openstack.exceptions.NotFoundException`,
            :exc:`~openstack.exceptions.ForbiddenException` and other
            :exc:`~openstack.exceptions.HttpException` for an error status,
            before a byte is written. 408, 429, 500, 502, 503 and 504 are
            tried again first.
        :raises: :exc:`~openstack_image_stream.exceptions.\
ImageDataMissingError` when the image has no data yet.
        :raises: :exc:`~openstack_image_stream.exceptions.UnusableHashError`
            when its hash cannot be computed here, before the data are asked
            for.
        :raises: :exc:`~openstack_image_stream.exceptions.\
UnverifiableImageError` when nothing can verify it and that is required.
        :raises: :exc:`~openstack_image_stream.exceptions.\
UncheckableImageError` when its format cannot be checked, and
            :exc:`~openstack_image_stream.exceptions.UnsafeImageError` when
            its content is not safe, or not of its format.
        :raises: :exc:`~openstack_image_stream.exceptions.SignatureError` when
            its signature is missing, wrong, or not of the right signer.
        :raises: :exc:`~openstack_image_stream.exceptions.\
ChecksumMismatchError` when the bytes are not the image's.
        :raises: :exc:`~openstack_image_stream.exceptions.\
IncompleteDownloadError` when they do not arrive whole after all retries,
            an intermediary sends something else, there is no response, to
            the request for the metadata either, or at the deadline. It names
            the partial file if one was kept. Without a response it is also an
            error of keystoneauth, and no
            :exc:`~openstack.exceptions.SDKException`.
        :raises: :exc:`~openstack_image_stream.exceptions.ImageChangedError`
            when the first response has another length than the image, when
            more is sent than the image has, or another ``Content-MD5`` than
            before, or when the given image has another hash.
        :raises: :exc:`~openstack_image_stream.exceptions.\
UnexpectedResponseError` when the server responds with what does not belong
            to an image.
        :raises: :exc:`~openstack_image_stream.exceptions.OutputError` when
            the output or the partial file was changed by another program.
        :raises: :exc:`~openstack_image_stream.exceptions.ReadError`, the base
            of what is raised where a body is read, when the download is
            interrupted or read by two threads.
        :raises: :exc:`OSError` of the local machine, as it is.

        With ``stream`` all that the first response shows is raised by the
        call, :exc:`~openstack_image_stream.exceptions.ImageChangedError` for
        another announced length and
        :exc:`~openstack_image_stream.exceptions.IncompleteDownloadError` for
        no response included. The rest is raised where the body is read, and
        the last chunk is withheld until the digest agreed.

        Sources: `Image API v2, download binary image data
        <https://docs.openstack.org/api-ref/image/v2/#download-binary-image-data>`_;
        RFC 9110, `section 14
        <https://www.rfc-editor.org/rfc/rfc9110#section-14>`_ (ranges) and
        `section 10.2.3
        <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>`_
        (``Retry-After``); :meth:`requests.Response.iter_content`.
        """
        ours = self._get_resource(_image.Image, _id_of_stock(image))
        if _is_stock(image):
            # The hashes that its holder knows shall be those that count.
            compat.update(
                ours,
                hash_algo=image.hash_algo,
                hash_value=image.hash_value,
                checksum=image.checksum,
            )
        response: requests.Response = ours.download(
            self,
            stream=stream,
            output=output,
            chunk_size=chunk_size,
            store_preferences=store_preferences,
            **options,
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
            connection=compat.connection_of(self), **kwargs
        )

    def _adopt(self, resource: Any) -> Any:
        if not _is_stock(resource):
            return resource
        return self._existing_image(**compat.attributes_of(resource))


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
