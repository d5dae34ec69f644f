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

from collections.abc import Iterable, Mapping, Sequence
import functools
import io
import os
from typing import Any, Literal, TYPE_CHECKING

from openstack import connection
from openstack.image.v2 import _proxy as _upstream
from openstack.image.v2 import image as _upstream_image
import requests

from openstack_image_stream import _audit_arguments
from openstack_image_stream import _auditing
from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream import _copy_arguments
from openstack_image_stream import _copying
from openstack_image_stream._http import redirects
from openstack_image_stream import _inspection
from openstack_image_stream import _opening
from openstack_image_stream._sdk import compat
from openstack_image_stream import _settings
from openstack_image_stream import _verification
from openstack_image_stream import exceptions
from openstack_image_stream import image as _image

if TYPE_CHECKING:
    from typing_extensions import Unpack


#: What an image may be given as, to be audited.
_AUDITED = (str, _upstream_image.Image)


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
            headers if the image has a checksum. With ``skip_current`` and a
            file that is the image already, a 304 that no server has sent.
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
        response: requests.Response = self._image_of(image).download(
            self,
            stream=stream,
            output=output,
            chunk_size=chunk_size,
            store_preferences=store_preferences,
            **options,
        )
        return response

    @_settings.takes_options(
        lambda arguments: compat.connection_of(arguments['self']),
        tuple(_verification.VerifyOptions.__annotations__),
    )
    def verify_image(
        self,
        image: Any,
        path: 'str | bytes | os.PathLike[Any]',
        **options: 'Unpack[_verification.VerifyOptions]',
    ) -> None:
        """Verify that a local file is an image, without downloading it.

        One request is made, for the image's metadata. The length is compared
        first, then the hash, as for a download. The file that is opened is
        the one that is judged: links in its path are followed once.

        What is not named in the call comes from the configuration of the
        cloud, as for :meth:`download_image`; so do ``retries`` and
        ``timeout``.

        :param image: As for :meth:`download_image`.
        :param path: Of the file, a regular one.
        :param options: Those of :class:`.VerifyOptions`.
        :returns: Nothing; what is wrong with the file is raised.
        :raises: :exc:`~openstack_image_stream.exceptions.\
InvalidArgumentError` for a parameter that cannot work, and for what is no
            regular file, before any request.
        :raises: :exc:`~openstack_image_stream.exceptions.\
ChecksumMismatchError` when the length of the file (then ``algorithm`` is
            ``'size'``) or its hash is not that of the image, and when
            ``expected_digest`` is not that of the image.
        :raises: :exc:`~openstack_image_stream.exceptions.SignatureError` when
            there is no signature, or it is not of this file and these keys.
        :raises: :exc:`~openstack_image_stream.exceptions.\
UnverifiableImageError` when there is nothing to verify it by.
        :raises: :exc:`~openstack_image_stream.exceptions.UnusableHashError`
            when the hash of the image cannot be computed here.
        :raises: :exc:`~openstack_image_stream.exceptions.OutputError` when
            the file is changed or replaced while it is read.
        :raises: what :meth:`download_image` raises when the metadata cannot
            be had.
        :raises: :exc:`OSError` of the local machine, as it is.
        """
        complete: Any = options
        _verification.verify(self._image_of(image), self, path, complete)

    @_settings.takes_options(
        lambda arguments: compat.connection_of(arguments['self']), ()
    )
    def inspect_image(
        self,
        image: Any,
        *,
        whole: bool = False,
        **options: 'Unpack[_inspection.InspectOptions]',
    ) -> _inspection.ImageInspection:
        """Look at what format an image really has, and whether it is safe.

        The image is read from its beginning until that is known, mostly
        after 256 KiB and after 12 MiB at the most, by one request for the
        data that is then broken off. Nothing is written, and nothing is
        refused: what is found is returned. This needs oslo.utils, which is
        the extra ``inspect`` of this package.

        ``allow_md5_fallback``, ``connections``, ``retries``, ``timeout`` and
        the limits of rate and time come from the configuration of the cloud,
        as for :meth:`download_image`.

        :param image: As for :meth:`download_image`.
        :param whole: Whether to read all of the image, and to verify it by
            its hash. Otherwise what was read is not verified, and the second
            header of a VMDK, which some have at their end, is not seen.
        :param options: None so far.
        :returns: What was found.
        :raises: :exc:`~openstack_image_stream.exceptions.\
InvalidArgumentError` when oslo.utils is missing or too old, before any
            request.
        :raises: what :meth:`download_image` raises when the image cannot be
            read, and, with ``whole``, when it is not verified.
        """
        complete: Any = options
        return _inspection.inspect(
            self._image_of(image), self, complete, whole=whole
        )

    @_settings.takes_options(
        lambda arguments: compat.connection_of(arguments['self']),
        tuple(_opening.OpenOptions.__annotations__),
    )
    def open_image(
        self,
        image: Any,
        *,
        verified: bool,
        block_size: int = _config.MIB,
        store_preferences: Sequence[str] | None = None,
        **options: 'Unpack[_opening.OpenOptions]',
    ) -> io.BufferedReader:
        """Open an image as a file, to read it at any position.

        The file is read-only and seekable, and is used as one of the standard
        library: several threads may use it, but share its position. The
        caller closes it.

        With ``verified=True`` the whole image is downloaded and verified
        first, to a temporary file without a name. What is read is the image.

        With ``verified=False`` only what is read is downloaded, by range
        requests. **Nothing of it can be verified:** the hashes of an image
        are those of the whole. A damaged store, a cache or an attacker behind
        an endpoint without TLS can have any byte changed. What can be checked
        is checked: that the size of the image and, if the first response has
        it, its ``Content-MD5`` stay the same, and that each response is for
        the range that was requested.

        There is no default, so that each program says which of the two it
        relies on.

        With ``verified=False`` the first block is requested by the call, and
        each other one when it is read. As long as reads are consecutive, each
        request is for twice as many blocks as the one before, up to 8. The 16
        blocks that were used last are kept, so that the file takes at most 18
        times ``block_size`` of memory, plus 64 KiB. No connection is held
        between two requests. A lost connection is retried as in a download.
        After an error the position is undefined; the file can be read again
        after ``seek()``. A forked child cannot read it.

        :meth:`~io.IOBase.close` can be called from any thread at any moment;
        a thread that reads gets a
        :exc:`~openstack_image_stream.DownloadClosedError`, which is a
        :exc:`ValueError`, as for any closed file.

        :param image: ID of an image, or an
            :class:`~openstack.image.v2.image.Image` of this or of the
            upstream class. If that has a hash, the service must still
            announce the same one.
        :param verified: Whether to download and verify the whole image before
            it is read. Has no default.
        :param block_size: Bytes to request at a time with ``verified=False``,
            4096 to 67108864, 1 MiB by default. Smaller blocks transfer less
            for a few small reads, larger ones need fewer requests.
        :param store_preferences: Names of stores of a multi-store Image
            service to read from, best first.
        :param options: Those of :class:`.OpenOptions`. With
            ``verified=False`` only ``retries``, ``timeout``,
            ``max_bandwidth``, ``low_speed_limit`` and ``low_speed_time`` are
            used, and those that ask for a check of the whole image, or for a
            ``deadline``, are refused; what the cloud sets of these is for
            ``verified=True``.
        :returns: The file, at its beginning.
        :raises: :exc:`~openstack_image_stream.exceptions.\
InvalidArgumentError` for a parameter or a setting of the cloud that cannot
            work, before any request.
        :raises: :exc:`~openstack_image_stream.exceptions.\
UnverifiableImageError` with ``verified=True`` when nothing can verify the
            image, as with ``validate_checksum='required'``.
        :raises: :exc:`~openstack_image_stream.exceptions.\
RangeNotSupportedError` with ``verified=False`` when the store serves no
            ranges. It is also an :exc:`io.UnsupportedOperation`.
        :raises: all that :meth:`download_image` raises, and :exc:`OSError`
            of the local machine, of a full disk for example.
            With ``verified=True`` by this call alone, with ``verified=False``
            where the file is read, too.
        """
        complete: Any = options
        return _opening.open_image(
            self._image_of(image),
            self,
            complete,
            verified=verified,
            block_size=block_size,
            store_preferences=store_preferences,
        )

    @_settings.takes_options(
        lambda arguments: compat.connection_of(arguments['self'])
    )
    def copy_image(
        self,
        image: Any,
        *,
        to: connection.Connection,
        name: str | None = None,
        image_id: str | None = None,
        properties: Mapping[str, str | None] | None = None,
        keep: Iterable[str] | None = None,
        visibility: Literal[
            'private', 'shared', 'community', 'public'
        ] = 'private',
        protected: bool | None = None,
        tags: bool = True,
        stores: Iterable[str] | None = None,
        **options: 'Unpack[_config.DownloadOptions]',
    ) -> _image.Image:
        """Copy an image to another cloud, verified on both sides.

        The data are uploaded while they are downloaded, without a file, in
        constant memory. A download that breaks is resumed while the upload
        waits; an upload that fails is retried from the first byte. A bad
        source never becomes an active image, since the last chunk is sent
        only once the source is verified, and what the destination has is
        compared with the source at the end. After a failure, or Ctrl-C, the
        image that was created at the destination is deleted again. An image
        that was there before is never touched.

        What the copy has of the original: its data, name, formats,
        ``min_disk`` and ``min_ram``, tags, and properties. What belongs to
        the record or the cloud of the original is left out: owner and time
        stamps, hashes, stores and locations, ``os_glance_*``, the signature
        (with a warning in the log), and what refers to instances, users,
        kernels and ramdisks.

        :param image: ID of an image of this cloud, or an
            :class:`~openstack.image.v2.image.Image`, as for
            :meth:`download_image`.
        :param to: The :class:`openstack.connection.Connection` of the other
            cloud, with or without the plugin. It may be that of this one. It
            is not closed.
        :param name: Name of the copy, that of the original by default.
        :param image_id: ID of the copy, a UUID. The service makes one up by
            default.
        :param properties: Properties of the copy by their names, as texts.
            They replace those of the original; ``None`` leaves one out.
        :param keep: Names of the properties that are carried over at the
            most, all by default.
        :param visibility: ``'private'``, which is the default, ``'shared'``,
            ``'community'`` or ``'public'``.
        :param protected: Whether the copy is protected against deletion, once
            it is complete. It is not by default.
        :param tags: Whether the tags are carried over, which is the default.
        :param stores: Names of the stores of the other cloud to put the data
            into, in all of which they must arrive. They are staged there, and
            imported once the source is verified. By default they are uploaded
            to the default store.
        :param options: Those of :class:`.DownloadOptions`. ``timeout`` and
            ``retries`` apply to both sides. A ``deadline`` ends the copy;
            what it has made is deleted after that, which may take some
            seconds. ``resume``, ``sparse`` and ``skip_current`` change
            nothing.
        :returns: The copy, active, as an
            :class:`~openstack_image_stream.image.Image` of the other cloud.
        :raises: :exc:`~openstack_image_stream.exceptions.\
InvalidArgumentError` for a parameter that cannot work, before any request.
        :raises: :exc:`~openstack_image_stream.exceptions.NotCopyableError`
            when the image has no data of its own, and
            :exc:`~openstack_image_stream.exceptions.EncryptedImageError` when
            it is encrypted and ``properties`` does not say with which key.
        :raises: what :meth:`download_image` raises for the source.
        :raises: :exc:`~openstack.exceptions.HttpException` or a subclass when
            the other cloud refuses the image, by policy, by quota, or because
            there is one of this ID already.
        :raises: :exc:`~openstack_image_stream.exceptions.\
ChecksumMismatchError` when the source is damaged, and when the other cloud
            has other bytes than were sent.
        :raises: :exc:`~openstack_image_stream.exceptions.CopyFailedError`
            when the other cloud cannot be reached, or does not take the image
            after all retries. Its ``left_behind`` says whether an image may
            be left there, and ``image_id`` which.

        Source: `Image API v2
        <https://docs.openstack.org/api-ref/image/v2/>`_, image data, and
        interoperable image import.
        """
        wanted = _copy_arguments.checked(
            name=name,
            image_id=image_id,
            properties=properties,
            keep=keep,
            visibility=visibility,
            protected=protected,
            tags=tags,
            stores=stores,
        )
        if not isinstance(to, connection.Connection):
            raise exceptions.InvalidArgumentError(
                'to must be a connection to the other cloud, such as '
                "openstack.connect(cloud='NAME') makes, not an object of the "
                f'class {type(to).__name__}'
            )
        ours = self._image_of(image)
        context = _context.Context(ours, self, options)
        destination = to.image
        if not isinstance(destination, _upstream.Proxy):
            raise exceptions.InvalidArgumentError(
                'to must be a cloud with version 2 of the Image API'
            )
        record = _copying.copy(context, destination, wanted)
        made = _image.Image.existing(id=record.document['id'], connection=to)
        described: _image.Image = compat.described(made, record.response)
        return described

    def _image_of(self, image: Any) -> Any:
        """Return our image for what a caller gives as one."""
        ours = self._get_resource(_image.Image, _id_of_stock(image))
        if _is_stock(image):
            # The hashes that its holder knows shall be those that count.
            compat.update(
                ours,
                hash_algo=image.hash_algo,
                hash_value=image.hash_value,
                checksum=image.checksum,
            )
        return ours

    @_settings.takes_options(
        lambda arguments: compat.connection_of(arguments['self']),
        tuple(_audit_arguments.AuditOptions.__annotations__),
    )
    def audit_images(
        self,
        images: Iterable[Any] | None = None,
        *,
        jobs: int = 4,
        **options: 'Unpack[_audit_arguments.AuditOptions]',
    ) -> _auditing.Audit:
        """Verify what the Image service delivers of many images.

        Each image is downloaded as by :meth:`download_image`, with all checks
        that are given, several at a time, and nothing is written. What is
        wrong with an image is its result and ends nothing. Memory stays
        constant: each job takes as much as a streamed download.

        What is not named in the call comes from the configuration of the
        cloud, as for :meth:`download_image`.

        :param images: IDs of images, or
            :class:`~openstack.image.v2.image.Image` resources; no names. They
            are taken from the iterable as they are needed, in the thread that
            iterates over the results. By default all that ``images()``
            lists, when the first result is asked for.
        :param jobs: How many images to download at a time, 1 to 64, 4 by
            default.
        :param options: Those of :class:`.AuditOptions`. ``max_bandwidth`` is
            for all jobs together, the ``deadline`` for each image: one that
            takes longer is ``'incomplete'``.
        :returns: An iterator of
            :class:`~openstack_image_stream.AuditResult`, in the order in
            which the downloads end. Nothing is requested before the first one
            is asked for. It can be closed, and used in a ``with`` statement.
        :raises: :exc:`~openstack_image_stream.exceptions.\
InvalidArgumentError` for a parameter or a setting of the cloud that cannot
            work, before any request. The iterator raises it for an item of
            an iterable that is no image.
        :raises: what ``images()`` raises, by the iterator.
        """
        complete: Any = {**options, 'progress': None}
        _audit_arguments.check(images, jobs, complete, _AUDITED)
        make = functools.partial(self._get_resource, _image.Image)
        return _auditing.Audit(
            _audit_arguments.listed(
                functools.partial(self.images, limit=1000), make
            )
            if images is None
            else _audit_arguments.given(images, make, _AUDITED),
            self,
            complete,
            jobs,
        )

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
