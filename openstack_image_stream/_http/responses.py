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

"""Responses of a server that may send anything, read without harm."""

from collections.abc import Iterator
import contextlib
import http.client
import io
from typing import Any

from openstack import exceptions as sdk_exceptions
import requests
import urllib3

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import printing
from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream._http import compat
from openstack_image_stream._http import decoding
from openstack_image_stream._http import reasons
from openstack_image_stream import exceptions

#: What reading from a connection may raise. http.client is where the
#: ValueError comes from, for a chunk of less than no bytes.
_FAILURES = (
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)

#: Bytes of an error message that are read. The server decides how long its
#: message is; a page of it is enough, and the SDK takes time that grows with
#: the square of it to find tags there.
_ERROR_TEXT = 4 * 1024

#: Codings that can be undone.
CODINGS = decoding.CODINGS

#: Bytes of a body that are read at a time.
_BLOCK = 64 * 1024

#: Bytes of a coded error message that are undone. Of zeros they make a
#: thousand times as many, and some releases of urllib3 return them all.
_ENCODED = 4 * 1024


@contextlib.contextmanager
def retriable_errors() -> Iterator[None]:
    """Make a failed connection a :exc:`.RetriableError`.

    What a signal handler raised, and errors of this package, pass unchanged.
    """
    try:
        with signals.reraised():
            yield
    except exceptions.ImageStreamError:
        # One of them is a ValueError.
        raise
    except _FAILURES as exc:
        if signals.find_raised(exc) is not None:
            raise
        raise retry.RetriableError(reasons.reason(exc)) from exc


def content_coding(response: requests.Response) -> str:
    """Return the coding of a body, an empty string if it has none."""
    name: str = response.headers.get('Content-Encoding', '').strip().lower()
    return '' if name == 'identity' else name


def announced_length(response: requests.Response) -> int | None:
    """Return the length that the header of a response gives its body.

    :param response: The response.
    :returns: Bytes; ``None`` if there is no such header, or if it does not
        count: with a ``Transfer-Encoding`` it is to be ignored (RFC 9112,
        section 6.3).
    """
    if 'Transfer-Encoding' in response.headers:
        return None
    return byte_ranges.parse_length(response.headers.get('Content-Length'))


def is_page(response: requests.Response) -> bool:
    """Tell whether a body is meant for a browser."""
    kind = response.headers.get('Content-Type', '').partition(';')[0]
    return kind.strip().lower() in ('text/html', 'application/xhtml+xml')


def load(response: requests.Response, most: int, what: str) -> None:
    """Read all of a body, if it is not too long.

    :param response: Any response, closed afterwards. keystoneauth has read
        the body already where it logs bodies.
    :param most: Bytes that are accepted.
    :param what: What the body is, for a message.
    :raises: :exc:`.RetriableError` when the connection fails, and
        :exc:`~openstack_image_stream.exceptions.UnexpectedResponseError`
        when the body is longer.
    """
    if not compat.is_loaded(response):
        with contextlib.closing(response):
            put_content(response, _read(response, most, what))
        fix_charset(response)


def _read(response: requests.Response, most: int, what: str) -> bytes:
    compat.check_chunk_sizes(response)
    body = bytearray()
    with retriable_errors():
        while chunk := response.raw.read(_BLOCK, decode_content=True):
            body += chunk
            if len(body) > most:
                raise unexpected(
                    f'{what} in the response are longer than {most} bytes, '
                    'which is the most that is accepted',
                    response,
                )
        _check_length(response, len(body))
    return bytes(body)


def _check_length(response: requests.Response, length: int) -> None:
    # Not every release of urllib3 does it by itself.
    announced = announced_length(response)
    if announced and length < announced and not content_coding(response):
        raise http.client.IncompleteRead(b'', announced - length)


def load_error_text(response: requests.Response) -> None:
    """Read the text of an error, a bounded part of it.

    The SDK reads ``response.content`` for the server's words. An error is an
    error also when its text breaks off.

    :param response: A response with an error status, closed afterwards.
    """
    # keystoneauth has read it already where it logs at DEBUG.
    if not compat.is_loaded(response):
        compat.check_chunk_sizes(response)
        name = content_coding(response)
        body = b''
        if not name or name in CODINGS:
            with signals.suppress(*_FAILURES):
                body = response.raw.read(
                    _ENCODED if name else _ERROR_TEXT, decode_content=True
                )
        # What is left of it must not wait in the pool for the next request.
        response.raw.close()
        put_content(response, body[:_ERROR_TEXT])
    fix_charset(response)


def fix_charset(response: requests.Response) -> None:
    """Have a text decoded as UTF-8 where it cannot be as the server says.

    :param response: A response with its content loaded.
    """
    try:
        response.content.decode(response.encoding or 'utf-8', 'replace')
    except (LookupError, ValueError) as exc:
        if signals.find_raised(exc) is not None:
            raise
        response.encoding = 'utf-8'


def sanitize_error(error: sdk_exceptions.SDKException) -> None:
    """Make an error of the SDK fit for a terminal and a log.

    It quotes the server, and the URL with all that is in it.

    :param error: The error, which is changed.
    """
    for name in ('message', 'details', 'url'):
        text = getattr(error, name, None)
        if isinstance(text, str):
            setattr(error, name, printing.safe(text))
    error.args = tuple(
        printing.safe(arg) if isinstance(arg, str) else arg
        for arg in error.args
    )


def unexpected(
    message: str, response: requests.Response
) -> exceptions.UnexpectedResponseError:
    """Make the error for a response that is not one for an image.

    :param message: What is wrong with it.
    :param response: The response, which is closed. A body that was not loaded
        is not read.
    """
    drop_body(response)
    error = exceptions.UnexpectedResponseError(message, response=response)
    sanitize_error(error)
    return error


def drop_body(response: requests.Response) -> None:
    """Close a response, and leave it without content if it has none yet.

    Its content can be asked for then, and it can be pickled.

    :param response: The response.
    """
    if not compat.is_loaded(response):
        response.raw.close()
        put_content(response, b'')
    response.close()


def put_content(response: requests.Response, body: bytes) -> None:
    """Give a response the content that it is to have.

    :param response: The response, whose own body was not loaded. It counts as
        read from now on.
    :param body: Its content, which is not copied.
    """
    raw, response.raw = response.raw, _Whole(body)
    # Has requests read it.
    response.content  # noqa: B018
    response.raw = raw


class _Whole(io.BytesIO):
    """A body that is handed out in one chunk."""

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        yield self.getvalue()
