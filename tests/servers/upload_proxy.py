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

"""A network that breaks, between a client that uploads and the real Glance."""

import collections
import collections.abc
import contextlib
import dataclasses
import socket

from tests.servers import relay


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """What becomes of one upload.

    :param after: Bytes that are handed on; then the connection is broken.
        ``None`` for all of them, so that only the response is lost.
    :param reset: Whether to break it with a reset (RST), not an end (FIN).
    :param status: A response to give in place of Glance's.
    :param flip: Position of a byte to change. With nothing else the upload
        succeeds.
    """

    after: int | None = None
    reset: bool = False
    status: int | None = None
    flip: int | None = None

    @property
    def breaks(self) -> bool:
        """Whether there is no response of Glance."""
        return self.flip is None


class UploadProxy(relay.Relay):
    """A TCP proxy in front of Glance that breaks uploads.

    A connection is for one request, since Glance under uwsgi closes its
    connections. Requests other than those that bring the data of an image go
    through as they are. A context manager; leaving it closes everything.

    :param target: URL of Glance.
    """

    def __init__(self, target: str) -> None:
        #: What becomes of the next uploads.
        self.faults: collections.deque[Fault] = collections.deque()
        #: Statuses for the next requests of a method, which do not get to
        #: Glance; of other methods than that of an upload.
        self.statuses: dict[bytes, collections.deque[int]] = {}
        #: Uploads so far, and their tokens.
        self.uploads = 0
        self.tokens: list[str] = []
        #: Called with the token of an upload before Glance gets any of it.
        self.on_upload: collections.abc.Callable[[str], None] | None = None
        #: Bytes of the last upload that were handed on, and the most of any.
        self.handed_on = 0
        self.most_handed_on = 0
        super().__init__(target)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), self._known(client):
            head, body = relay.read_head(client)
            if not head:
                return
            method = head.split(b' ', 1)[0]
            if method != b'PUT' and self.statuses.get(method):
                _refuse(client, self.statuses[method].popleft())
                return
            fault = None
            if method == b'PUT':
                with self._lock:
                    self.uploads += 1
                    self.handed_on = 0
                    self.tokens.append(relay.token_of(head))
                    fault = self.faults.popleft() if self.faults else None
                if self.on_upload is not None:
                    self.on_upload(self.tokens[-1])
            server = socket.create_connection(self._target)
            with self._known(server):
                server.sendall(head)
                self._hand_on(client, server, head, body, fault)

    def _hand_on(
        self,
        client: socket.socket,
        server: socket.socket,
        head: bytes,
        body: bytes,
        fault: Fault | None,
    ) -> None:
        back = None
        if fault is None or not fault.breaks:
            back = self._start(_pump, server, client)
        left = _length(head)
        allowed = left
        if fault is not None and fault.after is not None:
            allowed = min(left, fault.after)
        with contextlib.suppress(OSError):
            while allowed > 0:
                chunk = body or client.recv(min(relay.CHUNK, allowed))
                if not chunk:
                    break
                chunk, body = chunk[:allowed], b''
                if fault is not None and fault.flip is not None:
                    chunk = _flipped(chunk, fault.flip - self.handed_on)
                self.handed_on += len(chunk)
                self.most_handed_on = max(self.most_handed_on, self.handed_on)
                allowed -= len(chunk)
                server.sendall(chunk)
        if fault is None or not fault.breaks:
            # The response comes, or the client has gone.
            if allowed > 0:
                _shut(server)
            assert back is not None
            back.join()
            return
        if fault.after is None:
            # Glance is done with it, and its response is lost.
            relay.read_head(server)
        if fault.status is not None:
            _refuse(client, fault.status)
        if fault.reset:
            for each in (client, server):
                relay.reset(each)


def _flipped(chunk: bytes, at: int) -> bytes:
    if not 0 <= at < len(chunk):
        return chunk
    return chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1 :]


def _refuse(client: socket.socket, status: int) -> None:
    client.sendall(
        f'HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\n'
        'Connection: close\r\n\r\n'.encode()
    )


def _pump(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        relay.hand_on(server, client)
    _shut(client)


def _shut(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def _length(head: bytes) -> int:
    for line in head.lower().split(b'\r\n'):
        name, _, value = line.partition(b':')
        if name == b'content-length':
            return int(value)
    return 0
