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

"""A network that breaks, between a client and the real Glance."""

import collections.abc
import contextlib
import socket
import threading
import time

from tests.servers import relay

#: What Glance responds to any range where the store is Ceph RBD, Swift or S3.
_REFUSAL = (
    b'HTTP/1.1 400 Bad Request\r\n'
    b'Content-Type: text/plain\r\n'
    b'Content-Length: 0\r\n'
    b'Connection: close\r\n\r\n'
)


class FaultProxy(relay.Relay):
    """A TCP proxy in front of Glance, as bad as it is told to be.

    It takes requests without a body, one per connection, since Glance under
    uwsgi closes its connections. Only those for the data of an image are
    counted, cut, slowed down or held; others go through as they are.

    A context manager; leaving it closes everything.

    :param target: URL of Glance.
    :param cuts: After how many bytes of data to break each connection, in
        the order in which they are made. Where it ends, so do the cuts.
    :param reset: Whether to break with a reset (RST), not an end (FIN).
    :param bandwidth: Bytes per second that each connection is given.
    :param refuse_ranges: Whether to refuse ranges with 400, as most stores
        do, without asking Glance.
    :param hold_after: Bytes of data, of all connections, after which all
        fall silent until :meth:`release`.
    """

    def __init__(
        self,
        target: str,
        *,
        cuts: collections.abc.Iterable[int] = (),
        reset: bool = False,
        bandwidth: float | None = None,
        refuse_ranges: bool = False,
        hold_after: int | None = None,
    ) -> None:
        self._cuts = iter(cuts)
        self._reset = reset
        self._bandwidth = bandwidth
        self._refuse_ranges = refuse_ranges
        self._hold_after = hold_after
        self._released = threading.Event()
        #: Bytes of data that were handed to clients.
        self.fetched = 0
        #: Connections that were broken.
        self.broken = 0
        #: Connections that are being given data.
        self.busy = 0
        #: Status of each response to a request for data.
        self.statuses: list[int] = []
        #: Tokens of these requests.
        self.tokens: list[str] = []
        super().__init__(target)

    def release(self) -> None:
        """Let the connections that were held go on."""
        self._released.set()

    def close(self) -> None:
        """Break every connection, take no more, wait for the threads."""
        self.release()
        super().close()

    def _serve(self, client: socket.socket) -> None:
        # Either side may go away at any time; the other one sees that.
        with contextlib.suppress(OSError), self._known(client):
            request, _ = relay.read_head(client)
            if not request:
                return
            path = request.split()[1].partition(b'?')[0]
            is_data = path.endswith(b'/file')
            if is_data:
                with self._lock:
                    self.tokens.append(relay.token_of(request))
            ranged = b'\r\nrange:' in request.lower()
            if is_data and ranged and self._refuse_ranges:
                self._note_response(_REFUSAL)
                client.sendall(_REFUSAL)
                return
            server = socket.create_connection(self._target)
            with self._known(server):
                server.sendall(request)
                if is_data:
                    self._hand_on_data(server, client)
                else:
                    relay.hand_on(server, client)

    def _hand_on_data(
        self, server: socket.socket, client: socket.socket
    ) -> None:
        head, chunk = relay.read_head(server)
        if self._note_response(head) >= 300:
            client.sendall(head + chunk)
            relay.hand_on(server, client)
            return
        client.sendall(head)
        with self._lock:
            left = next(self._cuts, None)
            self.busy += 1
        try:
            self._hand_on_body(server, client, chunk, left)
        finally:
            with self._lock:
                self.busy -= 1

    def _hand_on_body(
        self,
        server: socket.socket,
        client: socket.socket,
        chunk: bytes,
        left: int | None,
    ) -> None:
        due = time.monotonic()
        while chunk := chunk or server.recv(relay.CHUNK):
            self._hold()
            if left is not None and len(chunk) > left:
                self._give(client, chunk[:left])
                self._break(client)
                return
            self._give(client, chunk)
            if left is not None:
                left -= len(chunk)
            if self._bandwidth is not None:
                due += len(chunk) / self._bandwidth
                time.sleep(max(0.0, due - time.monotonic()))
            chunk = b''

    def _hold(self) -> None:
        if self._hold_after is not None and self.fetched >= self._hold_after:
            self._released.wait()

    def _give(self, client: socket.socket, chunk: bytes) -> None:
        # Counted first: a client that has it all may ask at once.
        with self._lock:
            self.fetched += len(chunk)
        client.sendall(chunk)

    def _break(self, client: socket.socket) -> None:
        with self._lock:
            self.broken += 1
        if self._reset:
            relay.reset(client)

    def _note_response(self, head: bytes) -> int:
        status = int(head.split()[1]) if head else 0
        with self._lock:
            self.statuses.append(status)
        return status
