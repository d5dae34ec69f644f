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

Each error is an :class:`ImageStreamError`, and also of the class that code
which was written for openstacksdk alone catches in its place:

- An error of openstacksdk, :class:`openstack.exceptions.SDKException`, unless
  the request of a call got no response. There upstream's call raises an error
  of keystoneauth, which is no SDKException, and so does this package. To be
  both would not do: Ironic's client, for one, catches SDKException first, and
  retries only what remains.
- For a response with an unwanted status, the SDK's HttpException.
- For what may be raised while the body of a response is read, a
  RequestException of requests.

Errors of the local machine (a full disk, a missing permission) are not
translated: they reach the caller as the :class:`OSError` they are.

Each error has its values as attributes, and survives a round trip through
:mod:`pickle`.
"""

from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions
from requests import exceptions as requests_exceptions


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

    It was removed, replaced or changed, or another download writes to it.
    """


class UnusableHashError(ImageStreamError, exceptions.SDKException):
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


class UnexpectedResponseError(ImageStreamError, exceptions.HttpException):
    """A response that is not one to a request for an image.

    Its status is no error but does not belong there, it redirects to another
    host, or it does not describe an image. The attributes of the SDK's
    HttpException are there.

    :param message: What happened, for a person.
    :param response: The response, its content loaded.
    """

    def __init__(
        self, message: str | None = None, *, response: Any = None
    ) -> None:
        super().__init__(message)
        _set_response(self, response)


class ImageDataMissingError(ImageStreamError, exceptions.NotFoundException):
    """The image exists but has no data yet.

    Glance responds with 204 for an image whose data was never uploaded. It is
    also the SDK's NotFoundException, since code that uses the SDK handles
    some HttpExceptions only: those for 400, 403 and 404. ``status_code`` is
    204 all the same.

    :param message: What happened, for a person.
    :param image_id: ID of the image.
    :param status: Status of the image, ``queued`` for example.
    :param response: The response, its content loaded.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        image_id: str | None = None,
        status: str | None = None,
        response: Any = None,
    ) -> None:
        super().__init__(message)
        _set_response(self, response)
        self.image_id = image_id
        self.status = status


class ReadError(
    ImageStreamError,
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


class ChecksumMismatchError(ReadError, exceptions.InvalidResponse):
    """The bytes that arrived are not the image's.

    :param message: What happened, for a person.
    :param algorithm: Name of the hash algorithm.
    :param expected: Digest that the image announces, in hexadecimal.
    :param actual: Digest of what arrived, in hexadecimal.
    :param image_id: ID of the image.
    :param path: The output, if that is a path.
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


class IncompleteDownloadError(ImageStreamError):
    """The image did not arrive whole.

    The base of the errors below, one of which is what is raised.

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
        self._extend(
            f'; the partial file {partial_path!r} is kept: '
            'start the same download again to resume it'
        )


class InterruptedDownloadError(IncompleteDownloadError, ReadError):
    """The data began to arrive, and did not arrive whole."""


class ConnectionFailedError(
    IncompleteDownloadError, ksa_exceptions.ConnectFailure
):
    """There is no connection to the service, or it ended without a response.

    ``expected`` is unknown where it was the metadata that were requested; so
    it is for the errors below.
    """


class ConnectionTimeoutError(
    IncompleteDownloadError, ksa_exceptions.ConnectTimeout
):
    """The service did not respond within the timeout."""


class TLSError(IncompleteDownloadError, ksa_exceptions.SSLError):
    """There is no encrypted connection, or its certificate is not trusted."""


class RequestFailedError(
    IncompleteDownloadError, ksa_exceptions.UnknownConnectionError
):
    """A request failed in any other way.

    Where an image is downloaded into memory, a body that does not arrive
    whole is a request that failed, as it is for upstream.
    """

    #: As every UnknownConnectionError has it; the exception that was raised
    #: first is the ``__cause__``.
    original: Any = None


class ServiceAccessError(
    IncompleteDownloadError, ksa_exceptions.ClientException
):
    """keystoneauth could not send a request: there is no endpoint, say."""


class IdentityServiceError(IncompleteDownloadError, ksa_exceptions.HttpError):
    """The Identity service responded with an error to a request for a token.

    :param message: What happened, for a person.
    :param http_status: The status of its response.
    :param others: Those of :class:`IncompleteDownloadError`.
    """

    #: As every HttpError has them.
    details: Any = None
    method: Any = None
    request_id: Any = None
    response: Any = None
    retry_after: Any = 0
    url: Any = None

    def __init__(
        self,
        message: str | None = None,
        *,
        http_status: int = 0,
        **others: Any,
    ) -> None:
        super().__init__(message, **others)
        self.http_status = http_status


class AuthenticationError(IdentityServiceError, ksa_exceptions.Unauthorized):
    """The Identity service refuses the credentials."""


def _set_response(error: exceptions.HttpException, response: Any) -> None:
    """Give an error the attributes of the SDK's HttpException."""
    request = getattr(response, 'request', None)
    status = getattr(response, 'status_code', None)
    headers = getattr(response, 'headers', None) or {}
    error.response = response
    error.request = request
    error.status_code = status
    error.details = None
    error.request_id = headers.get('x-openstack-request-id')
    error.url = getattr(request, 'url', None)
    error.method = getattr(request, 'method', None)
    error.source = 'Client' if status and 400 <= status < 500 else 'Server'
