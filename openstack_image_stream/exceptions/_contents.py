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

"""Errors of reading: there is no more of the image to be had."""

import io
from typing import Any

from openstack import exceptions
from requests import exceptions as requests_exceptions

from openstack_image_stream.exceptions import _base


class ReadError(
    _base.ImageStreamError,
    exceptions.SDKException,
    requests_exceptions.RequestException,
):
    """The image cannot be read any further.

    The base of what is raised where the body of a response is read. Raised
    itself where the message says all there is: the download was interrupted,
    another thread is reading it, or it was begun in another process.

    :param message: What happened, for a person.
    """

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message)
        #: As every RequestException has them.
        self.response: Any = None
        self.request: Any = None
        #: The output, if that is a path.
        self.path: str | None = None

    def add_path(self, path: str) -> None:
        """Note which output the bytes were for.

        :param path: Path of the output.
        """
        self.path = path
        self._extend(f' (output {path!r})')


class ImageChangedError(ReadError):
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


class RangeNotSupportedError(ReadError, io.UnsupportedOperation):
    """The image cannot be read by byte ranges.

    Its store serves it only as a whole. In Glance, the stores ``filesystem``
    and ``cinder`` serve ranges; ``rbd``, ``swift``, ``s3``, ``http`` and
    ``vmware`` do not.

    :param message: What happened, for a person.
    :param image_id: ID of the image.
    """

    def __init__(
        self, message: str | None = None, *, image_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.image_id = image_id


class DownloadClosedError(ReadError, ValueError):
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
