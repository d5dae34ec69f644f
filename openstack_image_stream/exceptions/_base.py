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

"""The base of the errors, and those of a call that cannot work."""

from typing import Any

from openstack import exceptions


class ImageStreamError(Exception):
    """Base of the errors of this package; never raised itself.

    :param message: What happened, for a person.
    """

    # The constructors of the other base classes are not called: they differ
    # between releases, and some of them reword the message.
    def __init__(self, message: str | None = None) -> None:
        self.message = type(self).__name__ if message is None else message
        #: As every SDKException has it.
        self.extra_data: Any = None
        Exception.__init__(self, self.message)

    def __str__(self) -> str:
        return self.message

    def _extend(self, text: str) -> None:
        self.message = f'{self.message}{text}'
        self.args = (self.message,)


class InvalidArgumentError(
    ImageStreamError, exceptions.SDKException, ValueError
):
    """A parameter or a setting of a download cannot work.

    Raised before any request is made.
    """


class NotRegisteredError(ImageStreamError, exceptions.SDKException):
    """The service description of this package is not registered.

    The package is importable but not installed, so that its entry point is
    missing.
    """


class UnsupportedPlatformError(ImageStreamError, exceptions.SDKException):
    """This system lacks what the plugin needs to write files safely.

    Windows, for example, has no ``fcntl``.
    """


class ForeignServiceError(ImageStreamError, exceptions.SDKException):
    """The Image service of all connections was replaced by other software.

    :func:`~openstack_image_stream.install` does not replace it once more.
    """


class OutputError(ImageStreamError, exceptions.SDKException):
    """The output, or its partial file, is used by another program, too.

    It was removed, replaced or changed, or another download writes to it. So
    is a file that is changed while it is verified.
    """
