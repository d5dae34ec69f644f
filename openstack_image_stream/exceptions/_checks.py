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

"""Errors of checks: what arrives is wrong, or cannot be checked."""

from openstack import exceptions

from openstack_image_stream.exceptions import _base
from openstack_image_stream.exceptions import _contents


class UnusableHashError(_base.ImageStreamError, exceptions.SDKException):
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


class UnverifiableImageError(_base.ImageStreamError, exceptions.SDKException):
    """The image has no hash that its data can be verified by.

    Raised before they are requested, where ``validate_checksum='required'``
    asks for a hash, and where a file is to be verified.

    :param message: What happened, for a person.
    :param image_id: ID of the image.
    :param algorithm: Algorithm of a hash that is announced without a value,
        as the Image service does while it computes the hash; ``None``
        otherwise.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        image_id: str | None = None,
        algorithm: str | None = None,
    ) -> None:
        super().__init__(message)
        self.image_id = image_id
        self.algorithm = algorithm


class ChecksumMismatchError(_contents.ReadError, exceptions.InvalidResponse):
    """The bytes that arrived are not the image's.

    :param message: What happened, for a person.
    :param algorithm: Name of the hash algorithm; ``size`` where the length of
        a file was compared.
    :param expected: Digest that the image announces, in hexadecimal.
    :param actual: Digest of what arrived, in hexadecimal.
    :param image_id: ID of the image.
    :param path: The output, if that is a path, or the file that was verified.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        algorithm: str | None = None,
        expected: str | None = None,
        actual: str | None = None,
        image_id: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message)
        self.algorithm = algorithm
        self.expected = expected
        self.actual = actual
        self.image_id = image_id
        self.path = path


class UncheckableImageError(_base.ImageStreamError, exceptions.SDKException):
    """The content of the image cannot be checked.

    It is in a container, or of a format that has no safety checks. Raised
    before its data are requested.

    :param message: What happened, for a person.
    :param announced: ``disk_format`` of the image.
    :param container_format: ``container_format`` of the image.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        announced: str | None = None,
        container_format: str | None = None,
    ) -> None:
        super().__init__(message)
        self.announced = announced
        self.container_format = container_format


class UnsafeImageError(_contents.ReadError):
    """The content of the image is not safe, or not what it is said to be.

    :param message: What happened, for a person.
    :param announced: ``disk_format`` of the image.
    :param detected: Names of the formats that the content has; empty when
        the data were not requested.
    :param failures: A sentence for each safety check that failed, by the
        name of the check; empty when the format is only another one.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        announced: str | None = None,
        detected: tuple[str, ...] = (),
        failures: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.announced = announced
        self.detected = tuple(detected)
        self.failures = dict(failures or {})


class SignatureError(_contents.ReadError, exceptions.InvalidResponse):
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


#: The bytes are not what they should be: to keep them is of no use.
REFUSALS = (ChecksumMismatchError, UnsafeImageError, SignatureError)
