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

"""Answers of a server that may send anything, read without harm."""

from collections.abc import Iterator
import contextlib
import http.client
from typing import Any
import weakref

from openstack import exceptions as sdk_exceptions
import requests
import urllib3

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import printing
from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream._http import decoding
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
#: message is; nobody reads more than a page of it, and the SDK takes time that
#: grows with the square of it to find tags there.
_WORDS = 4 * 1024

#: Codings that can be undone.
CODINGS = decoding.CODINGS

#: Bytes of a coded error message that are undone. Of zeros they make a
#: thousand times as many, and some releases of urllib3 return them all.
ENCODED_BLOCK = 4 * 1024

printable = printing.printable


@contextlib.contextmanager
def interruptions() -> Iterator[None]:
    """Make of what a connection does an interruption of the download.

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
        raise retry.RetriableError(in_words(exc)) from exc


def in_words(exc: Exception) -> str:
    """Return why a request failed, in a few words."""
    return printing.reason(exc)


def coding(response: requests.Response) -> str:
    """Return the coding of a body, an empty string if it has none."""
    name: str = response.headers.get('Content-Encoding', '').strip().lower()
    return '' if name == 'identity' else name


def guard_chunks(response: requests.Response) -> None:
    """Keep a chunk of -1 bytes from being all that will ever come.

    That is what :mod:`http.client` makes of it, whatever is asked for.

    :param response: An answer with its body unread.
    """
    received = getattr(response.raw, '_fp', None)
    read_size: Any = getattr(type(received), '_read_next_chunk_size', None)
    if read_size is None or not getattr(received, 'chunked', False):
        return
    # What refers to the response must not be held by it: such a cycle keeps
    # the socket until the garbage is collected.
    referred = weakref.ref(received)

    def read_positive_size() -> int:
        size: int = read_size(referred())
        if size < 0:
            raise ValueError(f'a chunk of {size} bytes')
        return size

    received._read_next_chunk_size = read_positive_size  # type: ignore[union-attr]


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


def load_words(response: requests.Response) -> None:
    """Read the text of an error, a bounded part of it.

    The SDK reads ``response.content`` for the server's words. An error is an
    error also when its text breaks off.

    :param response: An answer with an error status, closed afterwards.
    """
    # keystoneauth has read it already where it logs at DEBUG.
    if not is_loaded(response):
        guard_chunks(response)
        name = coding(response)
        body = b''
        if not name or name in CODINGS:
            with signals.suppress(*_FAILURES):
                body = response.raw.read(
                    ENCODED_BLOCK if name else _WORDS, decode_content=True
                )
        # What is left of it must not wait in the pool for the next request.
        response.raw.close()
        put_content(response, body[:_WORDS])
    settle_charset(response)


def settle_charset(response: requests.Response) -> None:
    """Have a text decoded as UTF-8 where it cannot be as the server says.

    :param response: An answer with its content loaded.
    """
    try:
        response.content.decode(response.encoding or 'utf-8', 'replace')
    except (LookupError, ValueError) as exc:
        if signals.find_raised(exc) is not None:
            raise
        response.encoding = 'utf-8'


def settle_error(error: sdk_exceptions.SDKException) -> None:
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


def is_loaded(response: requests.Response) -> bool:
    """Tell whether the body of an answer was read already."""
    return bool(response._content_consumed)  # type: ignore[attr-defined]


def put_content(response: requests.Response, body: bytes) -> None:
    """Give an answer the bytes that its body is to have had.

    :param response: The answer; its body counts as read from now on.
    :param body: Its content.
    """
    response._content = body
    response._content_consumed = True  # type: ignore[attr-defined]
