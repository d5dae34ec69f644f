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

"""What the proxies in front of the real Glance have in common."""

import collections.abc
import contextlib
import socket
import struct
import threading
import types
from typing import TypeVar
import urllib.parse

#: Bytes handed on at a time, and what the kernel may keep of them for a slow
#: client. What is still there when a connection is reset is lost, though it
#: was counted.
CHUNK = 64 * 1024

_END = b'\r\n\r\n'

_Relay = TypeVar('_Relay', bound='Relay')


class Relay:
    """Accepts connections, each of which a thread serves.

    A connection is for one request, since Glance under uwsgi closes its
    connections. A context manager; leaving it closes everything.

    :param target: URL of Glance.
    """

    def __init__(self, target: str) -> None:
        address = urllib.parse.urlsplit(target)
        self._target = (address.hostname, address.port)
        self._closing = False
        # Guards the sockets, and all that is counted.
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(('127.0.0.1', 0))
        #: What to give as ``image_endpoint_override``, together with
        #: ``image_api_version='2'``.
        self.url = f'http://127.0.0.1:{self._listener.getsockname()[1]}/v2'
        self._start(self._accept)

    def close(self) -> None:
        """Break every connection, take no more, wait for the threads."""
        with self._lock:
            self._closing = True
            # Only this wakes up a thread that is waiting for one of them.
            for each in (self._listener, *self._sockets):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        # The first of them is the one that adds the others.
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def __enter__(self: _Relay) -> _Relay:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.close()

    def _start(
        self, function: collections.abc.Callable[..., None], *args: object
    ) -> threading.Thread:
        thread = threading.Thread(
            target=function, args=args, name=type(self).__name__, daemon=True
        )
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CHUNK)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """Serve one connection, and close it."""
        raise NotImplementedError

    @contextlib.contextmanager
    def _known(self, opened: socket.socket) -> collections.abc.Iterator[None]:
        """Keep a socket in mind while it is open."""
        with opened:
            with self._lock:
                if self._closing:
                    raise ConnectionAbortedError
                self._sockets.add(opened)
            try:
                yield
            finally:
                with self._lock:
                    self._sockets.discard(opened)


def read_head(stream: socket.socket) -> tuple[bytes, bytes]:
    """Return a request or a response up to its body, and what came of that."""
    read = b''
    while _END not in read:
        chunk = stream.recv(CHUNK)
        if not chunk:
            return b'', b''
        read += chunk
    head, _, body = read.partition(_END)
    return head + _END, body


def token_of(head: bytes) -> str:
    """Return the token that a request has, ``''`` without one."""
    for line in head.split(b'\r\n'):
        name, _, value = line.partition(b':')
        if name.lower() == b'x-auth-token':
            return value.strip().decode()
    return ''


def hand_on(server: socket.socket, client: socket.socket) -> None:
    """Hand on what comes, to the end."""
    while chunk := server.recv(CHUNK):
        client.sendall(chunk)


def reset(opened: socket.socket) -> None:
    """Have a socket be closed with a reset."""
    # To linger for no time at all is to close with a reset.
    opened.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
    )
