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

"""A Glance that sends bytes, well-formed or not, and hangs up."""

from collections.abc import Callable, Iterable
import dataclasses
import json
import random
import re
import threading
from typing import Any
import urllib.parse

from tests.servers import responses
from tests.servers import scripted

#: The image. Small, for it is sent thousands of times.
DATA = random.Random(1).randbytes(3000)

#: What Glance says of it.
METADATA: dict[str, Any] = {
    'id': scripted.IMAGE_ID,
    'name': 'fuzzed',
    'status': 'active',
    'size': len(DATA),
    **scripted.hashes(DATA),
}


@dataclasses.dataclass(frozen=True)
class Part:
    """What a request asks for.

    :param start: Position of its first byte.
    :param stop: Position behind its last byte.
    :param ranged: Whether it is asked for as a range.
    """

    start: int
    stop: int
    ranged: bool

    @property
    def body(self) -> bytes:
        """The bytes of the image."""
        return DATA[self.start : self.stop]


#: What is sent, at once or chunk by chunk: what attacks the memory of a client
#: is not to be in memory here.
Raw = bytes | Iterable[bytes]

#: Makes the response to a request for the data.
DataResponse = Callable[[Part], Raw]


def head(status: bytes, *lines: bytes) -> bytes:
    """Return the head of a response.

    :param status: Status line without its end.
    :param lines: Lines of headers without their ends.
    """
    return b'\r\n'.join([status, *lines, b'Connection: close', b'', b''])


def document(body: bytes, status: bytes = b'HTTP/1.1 200 OK') -> bytes:
    """Return a response that claims to be JSON.

    :param body: Its body.
    :param status: Status line without its end.
    """
    lines = (
        b'Content-Type: application/json',
        b'Content-Length: %d' % len(body),
    )
    return head(status, *lines) + body


def honest_lines(part: Part) -> dict[bytes, bytes]:
    """Return the headers that Glance would send.

    :param part: What was asked for.
    """
    lines = {
        b'Content-Type': b'application/octet-stream',
        b'Content-MD5': METADATA['checksum'].encode(),
        b'Content-Length': b'%d' % len(part.body),
    }
    if part.ranged:
        lines[b'Content-Range'] = b'bytes %d-%d/%d' % (
            part.start,
            part.stop - 1,
            len(DATA),
        )
    return lines


def honest_status(part: Part) -> bytes:
    """Return the status line that Glance would send.

    :param part: What was asked for.
    """
    return b'HTTP/1.1 206 Partial' if part.ranged else b'HTTP/1.1 200 OK'


def honest(part: Part) -> bytes:
    """Return the response that Glance would send.

    :param part: What was asked for.
    """
    lines = [b'%s: %s' % item for item in honest_lines(part).items()]
    return head(honest_status(part), *lines) + part.body


class RawGlance(scripted.ScriptedGlance):
    """Serves one image; a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self._choosing = threading.Lock()
        self.script()

    def script(
        self,
        *,
        metadata: Raw | None = None,
        data: DataResponse = honest,
        times: int | None = None,
    ) -> None:
        """Say what is sent from now on.

        :param metadata: The response to requests for the metadata, an honest
            one by default.
        :param data: Makes the responses to requests for the data.
        :param times: How many of those it makes before honest ones follow;
            all by default.
        """
        with self._choosing:
            self._metadata, self._data, self._times = metadata, data, times
            #: How many requests for an image there were.
            self.asked = 0
            # Nobody looks at them, and there are thousands.
            self.requests.clear()

    def _respond(self, request: responses.Request) -> responses.Response:
        if '/images' not in request.path:
            return super()._respond(request)
        # It does not wait long for a client that does not read.
        return responses.Response(raw=self._raw(request), client_timeout=10)

    def _raw(self, request: responses.Request) -> Raw:
        with self._choosing:
            self.asked += 1
            if not request.is_for_data:
                return self._metadata or _describe(request.path)
            data = self._data
            if self._times is not None:
                self._times -= 1
                data = data if self._times >= 0 else honest
        return data(_part(request))


def _describe(path: str) -> bytes:
    # An image has the ID that it was asked for by.
    name = urllib.parse.unquote(path.rpartition('/')[2])
    return document(json.dumps({**METADATA, 'id': name}).encode())


def _part(request: responses.Request) -> Part:
    size = len(DATA)
    found = re.fullmatch(
        r'bytes=(\d+)-(\d*)', request.headers.get('range', '')
    )
    if not found:
        return Part(0, size, ranged=False)
    stop = min(int(found[2]) + 1, size) if found[2] else size
    return Part(int(found[1]), stop, ranged=True)
