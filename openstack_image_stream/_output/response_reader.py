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

"""The reader under the requests.Response of a streamed download."""

from collections.abc import Iterator
import io
from typing import Any, Protocol

import requests

from openstack_image_stream import _config
from openstack_image_stream import exceptions


class Stream(Protocol):
    """What a reader reads from."""

    def read(self) -> bytes:
        """Return the next chunk, ``b''`` after the last one."""

    def close(self) -> None:
        """End the download."""

    def abandon(self) -> None:
        """End the download without waiting for anything."""


class ImageReader(io.RawIOBase):
    """The verified image as the ``raw`` of a :class:`requests.Response`.

    It reads like the :class:`urllib3.response.HTTPResponse` that it stands
    for, and forwards what it does not have itself (``headers``,
    ``status``, ``version``) with that one's attributes. What urllib3 offers
    to look behind the body (``read1``, ``fileno``, ``data``) is left out, for
    those bytes would escape the verification.

    :param stream: Where the bytes come from; closed with the reader.
    :param replaced: What :func:`requests.get` had put there.
    """

    #: What goes through to that. A list of what may, since what it
    #: lacks is noticed at once and what it has too much of never.
    _FORWARDED = frozenset(
        {
            'chunked',
            'connection',
            'enforce_content_length',
            'getheader',
            'getheaders',
            'geturl',
            'headers',
            'info',
            'length_remaining',
            'msg',
            'reason',
            'request_method',
            'request_url',
            'retries',
            'status',
            'url',
            'version',
            'version_string',
            '_original_response',
        }
    )

    def __init__(self, stream: Stream, replaced: Any) -> None:
        self._stream = stream
        self._replaced = replaced
        self._rest = memoryview(b'')
        self._position = 0

    def __getattr__(self, name: str) -> Any:
        if name in self._FORWARDED:
            return getattr(self._replaced, name)
        raise AttributeError(
            f'{type(self).__name__!r} object has no attribute {name!r}'
        )

    def readable(self) -> bool:
        """Return ``True``."""
        return True

    def isclosed(self) -> bool:
        """Return whether it is closed, as :mod:`http.client` calls that."""
        return self.closed

    def tell(self) -> int:
        """Return how many bytes were handed out."""
        return self._position

    def read(
        self,
        amt: int | None = None,
        decode_content: bool | None = None,
        cache_content: bool = False,
    ) -> bytes:
        """Read bytes of the image.

        :param amt: How many at the most; all that are left when it is
            ``None`` or negative.
        :param decode_content: Ignored, what is verified is always decoded.
        :param cache_content: Ignored.
        :returns: The bytes, fewer than asked for only at the end.
        :raises: :exc:`~openstack_image_stream.exceptions.ReadError` or an
            :exc:`~openstack.exceptions.HttpException` when the image cannot
            be handed out whole and verified, and the former's subclass
            :exc:`~openstack_image_stream.exceptions.DownloadClosedError`
            (also a :exc:`ValueError`) after :meth:`close`.
        """
        if amt is None or amt < 0:
            return self.readall()
        if amt == 0 or not self._fill():
            return b''
        if len(self._rest) >= amt:
            return self._take(amt)
        parts = []
        while amt > 0 and self._fill():
            parts.append(self._take(amt))
            amt -= len(parts[-1])
        return b''.join(parts)

    def readall(self) -> bytes:
        """Read all that is left; see :meth:`read`."""
        whole = io.BytesIO()
        while self._fill():
            whole.write(self._take(len(self._rest)))
        return whole.getvalue()

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; see :meth:`read`.

        :param buffer: A writable bytes-like object.
        :returns: How many bytes were put there, 0 at the end.
        """
        with memoryview(buffer).cast('B') as target:
            wanted = len(target)
            done = 0
            while done < wanted and self._fill():
                count = min(wanted - done, len(self._rest))
                target[done : done + count] = self._rest[:count]
                self._advance(count)
                done += count
        return done

    def stream(
        self, amt: int | None = 2**16, decode_content: bool | None = None
    ) -> Iterator[bytes]:
        """Iterate over the image, as ``iter_content`` does.

        :param amt: Bytes at a time; with ``None`` chunks of about 1 MiB, as
            they come.
        :param decode_content: Ignored, as in :meth:`read`.
        :returns: An iterator of non-empty chunks.
        :raises: as :meth:`read`.
        """
        while self._fill():
            yield self.read(len(self._rest) if amt is None else amt)

    def close(self) -> None:
        """Give the rest of the image up.

        May be called more than once, from any thread, at any moment. A thread
        that reads meanwhile gets a
        :exc:`~openstack_image_stream.DownloadClosedError`.
        """
        if not self.closed:
            try:
                self._stream.close()
            finally:
                super().close()

    def __del__(self) -> None:
        # Within any line of any thread: nothing may be waited for, as the
        # destructor of io.IOBase would by calling close().
        stream = self.__dict__.get('_stream')
        if stream is not None:
            stream.abandon()

    def release_conn(self) -> None:
        """Do nothing: the connection goes back by itself at the end."""

    def _fill(self) -> bool:
        if self.closed:
            raise exceptions.DownloadClosedError(
                'the download of the image was closed'
            )
        if not self._rest:
            self._rest = memoryview(self._stream.read())
        return bool(self._rest)

    def _take(self, amount: int) -> bytes:
        chunk = self._rest[:amount]
        whole = chunk.obj
        self._advance(len(chunk))
        # Who reads by our chunk size gets our chunks, not copies.
        if isinstance(whole, bytes) and len(whole) == len(chunk):
            return whole
        return bytes(chunk)

    def _advance(self, amount: int) -> None:
        self._rest = self._rest[amount:]
        self._position += amount


class StreamedResponse(requests.Response):
    """A response that is iterated over by chunks of 1 MiB."""

    def __iter__(self) -> Iterator[bytes]:
        # requests itself would make it 128 bytes.
        return self.iter_content(_config.MIB)


def attach(response: requests.Response, stream: Stream) -> requests.Response:
    """Let a response read from a verified stream.

    :param response: The response of the server, its body unread.
    :param stream: Closed with the response from now on.
    :returns: The same response.
    """
    response.raw = ImageReader(stream, response.raw)
    if type(response) is requests.Response:
        response.__class__ = StreamedResponse
    return response
