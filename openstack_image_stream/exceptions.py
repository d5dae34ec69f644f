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

"""What can go wrong with a download, by topic.

Every error here is an :class:`openstack.exceptions.SDKException`. Errors of
the local machine (a full disk, a missing permission) are not translated: they
reach the caller as the :class:`OSError` they are.

Each error carries what it speaks of in attributes, and survives a round trip
through :mod:`pickle`.
"""

from openstack import exceptions


class ImageStreamError(exceptions.SDKException):
    """Base of the errors of this package.

    :param message: What happened, for a person.
    """

    def __init__(self, message: str | None = None) -> None:
        # By name: in the middle of a subclass that is an upstream error too,
        # some SDKs have constructors that make of a message what they want.
        exceptions.SDKException.__init__(self, message)


class InvalidArgumentError(ImageStreamError, ValueError):
    """A parameter or a setting of a download cannot work.

    Raised before any request is made.
    """


class NotRegisteredError(ImageStreamError):
    """The service description of this package is not registered.

    The package is importable but not installed, so that its entry point is
    missing.
    """


class ImageDataMissingError(ImageStreamError):
    """The image exists but has no data yet.

    Glance responds with 204 for an image whose data was never uploaded.

    :param message: What happened, for a person.
    :param image_id: ID of the image.
    :param status: Status of the image, ``queued`` for example.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        image_id: str | None = None,
        status: str | None = None,
    ) -> None:
        super().__init__(message)
        self.image_id = image_id
        self.status = status


class UnusableHashError(ImageStreamError):
    """The image's hash cannot be checked on this machine.

    Its algorithm is not available in this Python, or its value is no digest
    of that algorithm.

    :param message: What happened, for a person.
    :param algorithm: Name of the algorithm, as the image gives it.
    :param expected: Digest, as the image gives it.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        algorithm: str | None = None,
        expected: str | None = None,
    ) -> None:
        super().__init__(message)
        self.algorithm = algorithm
        self.expected = expected


class ChecksumMismatchError(ImageStreamError, exceptions.InvalidResponse):
    """The bytes that arrived are not the image's.

    :param message: What happened, for a person.
    :param algorithm: Name of the hash algorithm.
    :param expected: Digest that the image announces, in hexadecimal.
    :param actual: Digest of what arrived, in hexadecimal.
    """

    #: The InvalidResponse of older SDKs carries a response.
    response = None

    def __init__(
        self,
        message: str | None = None,
        *,
        algorithm: str | None = None,
        expected: str | None = None,
        actual: str | None = None,
    ) -> None:
        super().__init__(message)
        self.algorithm = algorithm
        self.expected = expected
        self.actual = actual


class IncompleteDownloadError(ImageStreamError):
    """The image did not arrive whole.

    :param message: What happened, for a person.
    :param received: Bytes of the image that arrived.
    :param expected: Bytes that the image has, ``None`` if it is unknown.
    :param reason: The last failure, as a text; the exception itself is the
        ``__cause__``.
    :param partial_path: Where the bytes that arrived are kept, ``None`` if
        they are not.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        received: int = 0,
        expected: int | None = None,
        reason: str | None = None,
        partial_path: str | None = None,
    ) -> None:
        super().__init__(message)
        self.received = received
        self.expected = expected
        self.reason = reason
        self.partial_path = partial_path

    def keep(self, partial_path: str) -> None:
        """Note where the bytes that arrived are kept.

        :param partial_path: Path of the partial file.
        """
        self.partial_path = partial_path
        self.message = (
            f'{self.message}; the partial file {partial_path!r} is kept: '
            'start the same download again to resume it'
        )
        self.args = (self.message,)


class ImageChangedError(ImageStreamError):
    """The server sends something else than the image it announced.

    :param message: What happened, for a person.
    :param expected: What was announced (a length in bytes, for example).
    :param actual: What came instead.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        expected: str | int | None = None,
        actual: str | int | None = None,
    ) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class DownloadClosedError(ImageStreamError, ValueError):
    """The download was closed before or while it was read.

    Reading a closed file raises :exc:`ValueError`, so this is one, too.

    :param message: What happened, for a person.
    :param image_id: ID of the image.
    """

    def __init__(
        self, message: str | None = None, *, image_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.image_id = image_id


class SignatureError(ImageStreamError, exceptions.InvalidResponse):
    """The signature of an image is missing, unusable or wrong.

    So is one whose certificate is not trusted.

    :param message: What happened, for a person.
    :param image_id: ID of the image.
    :param key_type: ``img_signature_key_type`` of the image, if it is one.
    :param hash_method: ``img_signature_hash_method`` of the image, if it is
        one.
    :param property_name: Which property of the image is missing or malformed,
        ``None`` if that is not the reason.
    :param reason: Why it was refused, without the rest of the message.
    """

    #: The InvalidResponse of older SDKs carries a response.
    response = None

    def __init__(
        self,
        message: str | None = None,
        *,
        image_id: str | None = None,
        key_type: str | None = None,
        hash_method: str | None = None,
        property_name: str | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.image_id = image_id
        self.key_type = key_type
        self.hash_method = hash_method
        self.property_name = property_name
        self.reason = reason
