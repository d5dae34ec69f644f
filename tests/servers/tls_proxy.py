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

"""An HTTPS proxy in a process of its own."""

import contextlib
import socket
import ssl
import threading
from typing import Any

from tests import processes


@contextlib.contextmanager
def started(certificate: str) -> Any:
    """Start a proxy; a context manager.

    :param certificate: Path of a certificate and its key.
    :returns: Its URL.
    """
    with processes.background(_run, certificate) as port:
        yield f'https://127.0.0.1:{port}'


def _run(sender: Any, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(('127.0.0.1', 0)) as listener:
        sender.send(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            _start(_serve, connection, context)


def _start(function: Any, *args: Any) -> None:
    threading.Thread(target=function, args=args, daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):
        client = context.wrap_socket(plain, server_side=True)
        head = b''
        while b'\r\n\r\n' not in head:
            received = client.recv(4096)
            if not received:
                return
            head += received
        host, _, port = head.split()[1].decode().rpartition(':')
        server = socket.create_connection((host, int(port)))
        client.sendall(b'HTTP/1.1 200 Connected\r\n\r\n')
        # One thread at a time may use a TLS socket, but for one that reads
        # beside one that writes.
        _start(_copy, client, server)
        _copy(server, client)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        with contextlib.suppress(OSError):
            while data := source.recv(256 * 1024):
                target.sendall(data)
    finally:
        for end in (source, target):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(end, socket.SHUT_RDWR)
