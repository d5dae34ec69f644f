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

"""A fetcher in memory, whose responses follow a script.

What a transfer makes of responses is tested with it, without sockets and
without waiting. It implements the protocols of
:mod:`openstack_image_stream._transfer.interfaces`.
"""

from collections.abc import Iterable
import dataclasses
import threading

import requests

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._transfer import interfaces


@dataclasses.dataclass(frozen=True)
class Response:
    """What happens to one request.

    :param error: Raised instead of a response.
    :param breaks_after: Bytes after which the connection fails.
    :param ends_after: Bytes after which the body ends without an error.
    :param silent_after: Bytes after which nothing more comes, until the
        connection is aborted.
    :param surplus: Bytes that follow the body.
    :param refuses_ranges: Whether a range request is refused.
    """

    error: Exception | None = None
    breaks_after: int | None = None
    ends_after: int | None = None
    silent_after: int | None = None
    surplus: bytes = b''
    refuses_ranges: bool = False


class MemoryFetcher:
    """Has the bytes of an image.

    :param data: The image.
    :param script: What happens to the requests, in the order in which they
        are sent. Later ones get what they request.
    :param size: Size of the image as the metadata say, ``None`` if they do
        not.
    """

    image_id = 'id'

    def __init__(
        self,
        data: bytes,
        script: Iterable[Response] = (),
        *,
        size: int | None,
    ) -> None:
        self.size = size
        self.ranged = True
        #: The ranges that were requested.
        self.requested: list[byte_ranges.ByteRange] = []
        #: How often it was closed, and how many bodies are not closed.
        self.closed = 0
        self.open_bodies = 0
        self.data = data
        self._script = iter(script)
        self._lock = threading.Lock()

    def connection(self) -> '_Connection':
        """Return what requests are sent by."""
        return _Connection(self)

    def close(self) -> None:
        """Count."""
        self.closed += 1

    def respond(self, byte_range: byte_ranges.ByteRange) -> '_Body':
        """Take the next response of the script."""
        with self._lock:
            self.requested.append(byte_range)
            response = next(self._script, Response())
        if response.error is not None:
            raise response.error
        whole = byte_range == byte_ranges.ByteRange(0)
        if not whole and (response.refuses_ranges or not self.ranged):
            self.ranged = False
            if byte_range.stop is not None:
                raise byte_ranges.RangesRefused
            byte_range = byte_ranges.ByteRange(0)
        with self._lock:
            self.open_bodies += 1
        return _Body(self, byte_range, response)


class _Connection:
    """Sends requests, until it is aborted."""

    connecting = False

    def __init__(self, fetcher: MemoryFetcher) -> None:
        self._fetcher = fetcher
        self._aborted = threading.Event()

    def open(self, byte_range: byte_ranges.ByteRange) -> interfaces.Body:
        """Request some bytes."""
        if self._aborted.is_set():
            raise retry.RetriableError('aborted')
        body = self._fetcher.respond(byte_range)
        body.aborted = self._aborted
        return body

    def abort(self) -> None:
        """Break the connection."""
        self._aborted.set()

    def forget(self) -> None:
        """Do nothing."""


class _Body:
    """The bytes of a response."""

    def __init__(
        self,
        fetcher: MemoryFetcher,
        byte_range: byte_ranges.ByteRange,
        response: Response,
    ) -> None:
        self.start = byte_range.start
        self.ranged = byte_range != byte_ranges.ByteRange(0)
        self.aborted = threading.Event()
        self._fetcher = fetcher
        self._response = response
        self._content = (
            fetcher.data[byte_range.start : byte_range.stop] + response.surplus
        )
        self._done = 0
        self._closed = False

    def take_response(self) -> requests.Response:
        """Return a response without a body."""
        return requests.Response()

    def read(self, size: int) -> bytes:
        """Return the next bytes, as the script has it."""
        limits = [
            limit
            for limit in (
                self._response.breaks_after,
                self._response.ends_after,
                self._response.silent_after,
            )
            if limit is not None
        ]
        stop = min([self._done + size, len(self._content), *limits])
        chunk = self._content[self._done : stop]
        self._done += len(chunk)
        if not chunk and self._done == self._response.breaks_after:
            raise retry.RetriableError('broken by the script')
        if not chunk and self._done == self._response.silent_after:
            if not self.aborted.wait(10):
                raise AssertionError('no abort came')
            raise retry.RetriableError('aborted')
        return chunk

    def close(self) -> None:
        """Count."""
        if not self._closed:
            self._closed = True
            with self._fetcher._lock:
                self._fetcher.open_bodies -= 1
