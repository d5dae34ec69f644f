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

"""Errors of requests: no response, a wrong one, or half of one."""

from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions

from openstack_image_stream.exceptions import _base
from openstack_image_stream.exceptions import _contents


class UnexpectedResponseError(
    _base.ImageStreamError, exceptions.HttpException
):
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


class ImageDataMissingError(
    _base.ImageStreamError, exceptions.NotFoundException
):
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


class IncompleteDownloadError(_base.ImageStreamError):
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


class InterruptedDownloadError(IncompleteDownloadError, _contents.ReadError):
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
