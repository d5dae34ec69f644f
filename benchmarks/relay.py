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

"""A TCP proxy that is a slow line, or a server of a single worker.

nginx limits requests, not connections: a client that requests one range after
the other over the same connection has a new allowance with each. So this
proxy stands before it, and counts the bytes of a connection.

The delay is not the kernel's, which needs netem, a module that many machines
lack, and is simple: what the server sends arrives one round trip later, there
are never more bytes on the way than the window has, and that begins small and
is doubled in each round trip. To connect takes another one.
"""

import argparse
import collections
import contextlib
import socket
import threading
import time

HOST = '127.0.0.1'

#: Bytes that are forwarded at a time.
_CHUNK = 64 * 1024

#: Bytes of the window of a connection, at first and at last.
_SMALLEST = 16 * 1024
_LARGEST = 1024 * 1024


class Line:
    """What a connection passes through on its way to the client.

    :param rate: Bytes per second, None for no limit.
    :param delay: Seconds of a round trip.
    """

    def __init__(
        self,
        source: socket.socket,
        target: socket.socket,
        rate: int | None,
        delay: float,
    ) -> None:
        self._source = source
        self._target = target
        self._rate = rate
        self._delay = delay
        self._window = _SMALLEST
        self._on_the_way = 0
        self._chunks: collections.deque[tuple[float, bytes]] = (
            collections.deque()
        )
        self._changed = threading.Condition()

    def pass_on(self) -> None:
        """Pass all on, to the end."""
        if not self._delay:
            _pass_on(self._source, self._target, self._rate)
            return
        arriving = threading.Thread(target=self._arrive, daemon=True)
        arriving.start()
        with contextlib.suppress(OSError):
            while chunk := self._source.recv(self._room()):
                self._send(chunk)
        self._send(b'')
        arriving.join()

    def _room(self) -> int:
        """Wait until something may be sent, and return how much."""
        with self._changed:
            while self._on_the_way >= self._window:
                self._changed.wait()
            return min(_CHUNK, self._window - self._on_the_way)

    def _send(self, chunk: bytes) -> None:
        with self._changed:
            self._chunks.append((time.monotonic() + self._delay, chunk))
            self._on_the_way += len(chunk)
            self._changed.notify_all()

    def _arrive(self) -> None:
        while True:
            with self._changed:
                while not self._chunks:
                    self._changed.wait()
                due, chunk = self._chunks.popleft()
            if not chunk:
                return
            time.sleep(max(0.0, due - time.monotonic()))
            # A client that is gone does not keep the server waiting.
            with contextlib.suppress(OSError):
                self._target.sendall(chunk)
            with self._changed:
                self._on_the_way -= len(chunk)
                self._window = min(_LARGEST, self._window + len(chunk))
                self._changed.notify_all()


def main() -> None:
    """Forward connections until the process is ended."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.relay')
    parser.add_argument('port', type=int, help='to listen at')
    parser.add_argument('target', type=int, help='to forward to')
    parser.add_argument('--rate', type=int, help='bytes/s of a connection')
    parser.add_argument(
        '--delay', type=float, default=0.0, help='seconds of a round trip'
    )
    parser.add_argument(
        '--single', action='store_true', help='one connection at a time'
    )
    arguments = parser.parse_args()
    with listen(arguments.port) as listener:
        forward(
            listener,
            arguments.target,
            rate=arguments.rate,
            delay=arguments.delay,
            single=arguments.single,
        )


def listen(port: int = 0) -> socket.socket:
    """Return a listening socket.

    :param port: By default any that is free.
    """
    return socket.create_server((HOST, port))


def forward(
    listener: socket.socket,
    port: int,
    *,
    rate: int | None = None,
    delay: float = 0.0,
    single: bool = False,
) -> None:
    """Forward connections until the listener is shut down.

    :param port: To forward to.
    :param rate: Bytes per second of a connection, None for no limit.
    :param delay: Seconds of a round trip.
    :param single: Whether to serve one connection at a time only.
    """
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            thread = threading.Thread(
                target=_serve,
                args=(client, port),
                kwargs={'rate': rate, 'delay': delay},
                daemon=True,
            )
            thread.start()
            if single:
                thread.join()


def _serve(
    client: socket.socket, port: int, *, rate: int | None, delay: float
) -> None:
    time.sleep(delay)
    with client, socket.socket() as server:
        # What waits in a buffer was not delivered, though the server takes
        # it for sent.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CHUNK)
        server.connect((HOST, port))
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        requests = threading.Thread(
            target=_pass_on, args=(client, server, None), daemon=True
        )
        requests.start()
        Line(server, client, rate, delay).pass_on()
        # When either side closes, the other side is closed, too.
        _shut(client, server)
        requests.join()


def _pass_on(
    source: socket.socket, target: socket.socket, rate: int | None
) -> None:
    due = 0.0
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
            if rate is not None:
                # An idle line saves nothing up.
                due = max(due, time.monotonic()) + len(chunk) / rate
                time.sleep(max(0.0, due - time.monotonic()))
    _shut(source, target)


def _shut(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


if __name__ == '__main__':
    main()
