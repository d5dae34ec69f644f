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

"""A Glance that sends bytes, well-formed or not, and hangs up.

The scripted one of the unit tests keeps connections and writes proper heads;
here nothing is proper.
"""

from collections.abc import Callable, Iterable
import dataclasses
import hashlib
import json
import random
import re
import socketserver
import threading
from typing import Any
import urllib.parse

from tests.unit import fake_glance

#: The image. Small, for it is sent thousands of times.
DATA = random.Random(1).randbytes(3000)

#: What Glance says of it.
METADATA: dict[str, Any] = {
    'id': fake_glance.IMAGE_ID,
    'name': 'fuzzed',
    'status': 'active',
    'size': len(DATA),
    'checksum': hashlib.md5(DATA).hexdigest(),
    'os_hash_algo': 'sha512',
    'os_hash_value': hashlib.sha512(DATA).hexdigest(),
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


#: What is sent, at once or piece by piece: what attacks the memory of a client
#: shall not be in memory here.
Answer = bytes | Iterable[bytes]

#: Makes the answer to a request for the data.
Answerer = Callable[[Part], Answer]


def head(status: bytes, *lines: bytes) -> bytes:
    """Return the head of an answer.

    :param status: Status line without its end.
    :param lines: Lines of headers without their ends.
    """
    return b'\r\n'.join([status, *lines, b'Connection: close', b'', b''])


def document(body: bytes, status: bytes = b'HTTP/1.1 200 OK') -> bytes:
    """Return an answer that says to be JSON.

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
    """Return what Glance would answer.

    :param part: What was asked for.
    """
    lines = [b'%s: %s' % item for item in honest_lines(part).items()]
    return head(honest_status(part), *lines) + part.body


class RawGlance(socketserver.ThreadingTCPServer):
    """Serves one image to whoever asks; a context manager."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.url = f'http://127.0.0.1:{self.server_address[1]}'
        self._versions = document(json.dumps(_versions(self.url)).encode())
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={'poll_interval': 0.05}
        )
        self.play()

    def play(
        self,
        *,
        metadata: Answer | None = None,
        data: Answerer = honest,
        times: int | None = None,
    ) -> None:
        """Say what is to be answered from now on.

        :param metadata: The answer to requests for the metadata, an honest
            one by default.
        :param data: Makes the answers to requests for the data.
        :param times: How many of those it makes before honest ones follow;
            all by default.
        """
        with self._lock:
            self._metadata, self._data, self._times = metadata, data, times
            #: How many requests for an image there were.
            self.requests = 0

    def answer(self, request: bytes) -> Answer:
        """Return the answer to a request.

        :param request: The head of the request.
        """
        target = request.split(b' ', 2)[1]
        if b'/images' not in target:
            return self._versions
        with self._lock:
            self.requests += 1
            if not target.partition(b'?')[0].endswith(b'/file'):
                return self._metadata or _describe(target)
            data = self._data
            if self._times is not None:
                self._times -= 1
                data = data if self._times >= 0 else honest
        return data(_part(request))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""

    def __enter__(self) -> 'RawGlance':
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(socketserver.StreamRequestHandler):
    # Of a client that neither reads nor goes away.
    timeout = 10

    server: RawGlance

    def handle(self) -> None:
        lines = list(iter(self.rfile.readline, b'\r\n'))
        answer = self.server.answer(b''.join(lines))
        for piece in [answer] if isinstance(answer, bytes) else answer:
            self.wfile.write(piece)


def _describe(target: bytes) -> bytes:
    # An image has the ID that it was asked for by.
    name = urllib.parse.unquote(target.rpartition(b'/')[2].decode('latin-1'))
    return document(json.dumps({**METADATA, 'id': name}).encode())


def _versions(url: str) -> dict[str, Any]:
    version = {
        'id': 'v2.9',
        'status': 'CURRENT',
        'links': [{'rel': 'self', 'href': f'{url}/v2/'}],
    }
    return {'versions': [version]}


def _part(request: bytes) -> Part:
    size = len(DATA)
    found = re.search(rb'(?im)^range: *bytes=(\d+)-(\d*)', request)
    if not found:
        return Part(0, size, ranged=False)
    stop = min(int(found[2]) + 1, size) if found[2] else size
    return Part(int(found[1]), stop, ranged=True)
