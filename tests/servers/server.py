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

"""A server on loopback that sends whatever responses it is given."""

import abc
import contextlib
import socket
import ssl
import struct
import threading
from typing import Any

from tests.servers import responses

#: Bytes that are sent at a time.
_CHUNK = 256 * 1024


class ScriptedServer(abc.ABC):
    """Listens, reads requests, sends responses; a context manager.

    :param certificate: Path of a certificate and its key, to speak TLS.
    """

    def __init__(self, certificate: str | None = None) -> None:
        #: Bytes of data that were sent so far.
        self.sent = 0
        #: All requests so far.
        self.requests: list[responses.Request] = []
        #: How many connections clients have made so far.
        self.accepted = 0
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._listener = socket.create_server(('127.0.0.1', 0))
        self._port = self._listener.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._left = threading.Condition(self._lock)

    @abc.abstractmethod
    def _respond(self, request: responses.Request) -> responses.Response:
        """Return the response to a request."""

    @property
    def url(self) -> str:
        """Where it is."""
        scheme = 'https' if self._tls else 'http'
        return f'{scheme}://127.0.0.1:{self._port}'

    @property
    def port(self) -> int:
        """Its port on the loopback interface."""
        return int(self._port)

    @property
    def open_connections(self) -> int:
        """How many connections clients hold at this moment."""
        with self._lock:
            return len(self._connections)

    def wait_until_left(self) -> bool:
        """Wait until no client holds a connection; tell whether so.

        How long it waits matters only to a test that fails.
        """
        with self._left:
            return self._left.wait_for(lambda: not self._connections, 10)

    def __enter__(self) -> 'ScriptedServer':
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        with self._lock:
            # shutdown() wakes up the thread that waits in accept().
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _start(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args)
        # Those that have ended would be too many in a long run.
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._over.is_set():
                    connection.close()
                    return
                self.accepted += 1
                self._connections.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        response = None
        try:
            connection = self._secured(connection)
            with connection, connection.makefile('rb') as lines:
                while request := responses.read_request(lines):
                    self.requests.append(request)
                    response = self._respond(request)
                    if response.absent is not None:
                        # Before the client knows that it has to reconnect.
                        self.stop_listening()
                    if request.method == 'HEAD':
                        connection.sendall(response.framed()[0])
                        break
                    with response.workers or contextlib.nullcontext():
                        if not self._send(connection, response):
                            break
            if response and response.absent is not None:
                self._over.wait(response.absent)
                self.listen()
        except OSError:
            pass  # the client went away
        finally:
            with self._left:
                self._connections.discard(connection)
                self._left.notify_all()

    def _secured(self, plain: socket.socket) -> socket.socket:
        """Return a connection that speaks TLS where the server does."""
        if self._tls is None:
            return plain
        try:
            secured = self._tls.wrap_socket(plain, server_side=True)
        except OSError:
            with self._lock:
                self._connections.discard(plain)
            plain.close()
            raise
        with self._lock:
            self._connections.discard(plain)
            self._connections.add(secured)
        return secured

    def stop_listening(self) -> None:
        """Refuse new connections; those that exist are served."""
        with self._lock, contextlib.suppress(OSError):
            # Only this makes the kernel refuse connections.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def listen(self) -> None:
        """Listen at the same port again."""
        with self._lock:
            if not self._over.is_set() and self._listener.fileno() < 0:
                self._listener = socket.create_server(
                    ('127.0.0.1', self._port)
                )
                self._start(self._accept)

    def _send(
        self, connection: socket.socket, response: responses.Response
    ) -> bool:
        """Send a response; tell whether the connection stays open."""
        if response.hang_up:
            return False
        connection.settimeout(response.client_timeout)
        if response.raw is not None:
            raw = response.raw
            for chunk in [raw] if isinstance(raw, bytes) else raw:
                connection.sendall(chunk)
            return False
        if response.silent_after is not None and response.silent_after < 0:
            return self._keep_silent(connection)
        head, body = response.framed()
        if response.reset:
            # Closing with a linger time of zero sends RST instead of FIN.
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
            )
        if not self._send_body(connection, response, head, body):
            return False
        if response.silent_after is not None:
            return self._keep_silent(connection)
        if response.framing == 'close' or response.absent is not None:
            return False
        if response.headers.get('Connection') == 'close':
            return False
        return response.cut_after is None and not response.reset

    def _send_body(
        self,
        connection: socket.socket,
        response: responses.Response,
        head: bytes,
        body: bytes,
    ) -> bool:
        """Send head and body; tell whether it came to the end."""
        if response.hold_after is not None:
            connection.sendall(head + body[: response.hold_after])
            if not self._wait_for_release(response):
                return False
            head, body = b'', body[response.hold_after :]
        amount, seconds = response.throttle or (_CHUNK, 0.0)
        # The first of it in one packet, as servers do.
        connection.sendall(head + body[:amount])
        for start in range(amount, len(body), amount):
            if seconds and self._over.wait(seconds):
                return False
            connection.sendall(body[start : start + amount])
            self._count(response, len(body[start : start + amount]))
        self._count(response, len(body[:amount]))
        return True

    def _wait_for_release(self, response: responses.Response) -> bool:
        assert response.released is not None
        while not response.released.wait(0.1):
            if self._over.is_set():
                return False
        return True

    def _count(self, response: responses.Response, amount: int) -> None:
        if response.headers.get('Content-Type') == responses.BINARY:
            with self._lock:
                self.sent += amount

    def _keep_silent(self, connection: socket.socket) -> bool:
        # Until the client goes, or the test is over.
        with contextlib.suppress(OSError):
            connection.recv(1)
        return False
