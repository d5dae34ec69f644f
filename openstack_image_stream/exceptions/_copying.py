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

"""Errors of a copy to another cloud."""

from openstack import exceptions

from openstack_image_stream.exceptions import _base


class NotCopyableError(_base.ImageStreamError, exceptions.SDKException):
    """The image has nothing that could be copied.

    It has no data yet, or it is the snapshot of an instance that was booted
    from a volume: its data are a snapshot in the Block Storage service, and
    the image only refers to that. Raised before anything is created.

    :param message: What happened, for a person.
    :param image_id: ID of the image.
    :param status: Status of the image.
    :param property_name: The property that refers to a volume, ``None`` if
        that is not the reason.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        image_id: str | None = None,
        status: str | None = None,
        property_name: str | None = None,
    ) -> None:
        super().__init__(message)
        self.image_id = image_id
        self.status = status
        self.property_name = property_name


class EncryptedImageError(_base.ImageStreamError, exceptions.SDKException):
    """The image is encrypted, and its key is in the other cloud.

    Raised before anything is created. The parameter ``properties`` says which
    key the copy is to have, or that it is to have none.

    :param message: What happened, for a person.
    :param image_id: ID of the image.
    :param property_names: The properties that name a key.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        image_id: str | None = None,
        property_names: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.image_id = image_id
        self.property_names = tuple(property_names)


class CopyFailedError(_base.ImageStreamError, exceptions.SDKException):
    """The destination did not take the copy, or kept what is left of it.

    :param message: What happened, for a person.
    :param image_id: ID of the image at the destination, ``None`` if none was
        created.
    :param left_behind: Whether that image may still be there.
    :param reason: The last failure, as a text; the exception itself is the
        ``__cause__``.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        image_id: str | None = None,
        left_behind: bool = False,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.image_id = image_id
        self.left_behind = left_behind
        self.reason = reason
