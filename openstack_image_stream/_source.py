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

"""Where an image's bytes come from: the only place that knows of requests.

A source opens the image, checks what the server answers before any byte is
handed on, and names every failure of the way in one manner.
"""

from collections.abc import Callable, Mapping
import http.client
import logging
from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from openstack import _log
from openstack import exceptions as sdk_exceptions
import requests
import urllib3

from openstack_image_stream import exceptions

#: Sends one GET for the image's data with these headers, and returns the
#: answer with its body unread.
Opener = Callable[[Mapping[str, str]], requests.Response]

#: Bytes of an error message that are read. The server decides how long its
#: message is; nobody reads more than a page of it.
_ERROR_BODY = 64 * 1024

_LOG: logging.Logger = _log.setup_logging('openstack.image_stream')


class Source:
    """The bytes of one image, in order.

    Whoever makes one calls :meth:`close`.

    :param opener: Sends the request.
    :param image_id: ID of the image, for messages.
    :param image_status: Status of the image, for messages.
    :param size: Size of the image in bytes, ``None`` if the metadata do not
        say.
    """

    def __init__(
        self,
        opener: Opener,
        *,
        image_id: str,
        image_status: str | None,
        size: int | None,
    ) -> None:
        self._opener = opener
        self._image_id = image_id
        self._image_status = image_status
        self._raw: Any = None
        self._encoded = False
        #: Size of the image in bytes, ``None`` if neither the metadata nor
        #: the server say.
        self.size = size
        #: Bytes that were received.
        self.received = 0

    def open(self) -> requests.Response:
        """Ask for the image.

        :returns: The answer, its body unread. It belongs to the source, which
            closes it.
        :raises: :exc:`~openstack.exceptions.HttpException` or a subclass for
            an error status,
            :exc:`~openstack_image_stream.exceptions.ImageDataMissingError`
            for an image without data,
            :exc:`~openstack_image_stream.exceptions.ImageChangedError` when
            the answer has another length than the image,
            :exc:`~openstack_image_stream.exceptions.IncompleteDownloadError`
            when there is no answer.
        """
        try:
            response = self._opener({'Accept-Encoding': 'identity'})
        except ksa_exceptions.ConnectionError as exc:
            raise self._incomplete(exc) from exc
        except ksa_exceptions.ClientException as exc:
            raise exceptions.ImageStreamError(
                f'cannot download image {self._image_id}: {exc}'
            ) from exc
        _LOG.debug(
            'image %s: GET answered %s, Content-Length %s',
            self._image_id,
            response.status_code,
            response.headers.get('Content-Length'),
        )
        try:
            self._check_status(response)
            self._encoded = _is_encoded(response)
            if not self._encoded:
                self._check_length(response)
        except BaseException:
            response.close()
            raise
        self._raw = response.raw
        return response

    def read(self, size: int) -> bytes:
        """Read the next bytes.

        :param size: How many at the most, positive.
        :returns: The bytes, fewer than asked for only before the end, ``b''``
            at the end.
        :raises: :exc:`~openstack_image_stream.exceptions.\
IncompleteDownloadError` when the connection fails or ends early,
            :exc:`~openstack_image_stream.exceptions.ImageChangedError` when
            more comes than the image has.
        """
        try:
            # Decoding is asked for only where there is something to decode,
            # as urllib3 copies everything through a buffer for it.
            piece: bytes = self._raw.read(size, decode_content=self._encoded)
        except (
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
        ) as exc:
            raise self._incomplete(exc) from exc
        self.received += len(piece)
        if self.size is not None:
            if self.received > self.size:
                raise exceptions.ImageChangedError(
                    f'image {self._image_id} has {self.size} bytes, but the '
                    'server sends more',
                    expected=self.size,
                    actual=self.received,
                )
            if not piece and self.received < self.size:
                raise self._incomplete(None)
        return piece

    def close(self) -> None:
        """Close the connection, or give it back if all was read.

        May be called more than once.
        """
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()
            raw.release_conn()

    def _check_status(self, response: requests.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        if status == 204:
            raise exceptions.ImageDataMissingError(
                f'image {self._image_id} has no data to download, its status '
                f'is {self._image_status!r}',
                image_id=self._image_id,
                status=self._image_status,
            )
        message = f'Unable to download image {self._image_id}'
        if status >= 400:
            _load_error_body(response)
            sdk_exceptions.raise_from_response(response, message)
        raise exceptions.ImageStreamError(
            f'{message}: the server answered {status} {response.reason}, '
            'which is no answer to a request for a whole image'
        )

    def _check_length(self, response: requests.Response) -> None:
        header = response.headers.get('Content-Length', '')
        # int() would let signs, blanks and underscores pass, RFC 9110 does
        # not; a transfer in chunks has no length to speak of.
        if not (header.isascii() and header.isdigit()):
            return
        # Of thousands of digits, which int() refuses, the first ones tell
        # enough: no image is that large.
        length = int(header[:21])
        if self.size is None:
            self.size = length
        elif length != self.size:
            raise exceptions.ImageChangedError(
                f'image {self._image_id} has {self.size} bytes, but the '
                f'server announces {length}',
                expected=self.size,
                actual=length,
            )

    def _incomplete(
        self, cause: BaseException | None
    ) -> exceptions.IncompleteDownloadError:
        reason = str(cause) if cause else 'the server ended the data early'
        total = 'an unknown number of' if self.size is None else self.size
        return exceptions.IncompleteDownloadError(
            f'image {self._image_id} did not arrive whole, {self.received} of '
            f'{total} bytes were received: {reason}',
            received=self.received,
            expected=self.size,
            reason=reason,
        )


def _is_encoded(response: requests.Response) -> bool:
    coding = response.headers.get('Content-Encoding', '').strip().lower()
    return coding not in ('', 'identity')


def _load_error_body(response: requests.Response) -> None:
    # keystoneauth has read it already where it logs at DEBUG.
    if response._content_consumed:  # type: ignore[attr-defined]
        return
    # The SDK reads response.content for the server's words. Put a bounded
    # part of them there; an error is an error also when its text breaks off.
    try:
        body = response.raw.read(_ERROR_BODY, decode_content=True)
    except (urllib3.exceptions.HTTPError, OSError):
        body = b''
    # What is left of it must not wait in the pool for the next request.
    response.raw.close()
    response._content = body
    response._content_consumed = True  # type: ignore[attr-defined]
