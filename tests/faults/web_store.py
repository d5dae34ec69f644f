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
"""The web server behind Glance's store for images of the web."""

import http.server
import threading


_PIECE = 256 * 1024


class WebStore:
    """A web server with one file, as bad as it is told to be.

    A context manager; leaving it closes everything.

    :param data: The file.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        #: After how many bytes of the file to break each of the next
        #: answers; those that follow are whole.
        self.breaks: list[int] = []
        self._port = 0
        self._server: _Server | None = None
        self.open()

    @property
    def url(self) -> str:
        """Where the file is."""
        return f'http://127.0.0.1:{self._port}/image'

    def open(self) -> None:
        """Take connections, at the same port each time.

        May be called more than once.
        """
        if self._server is not None:
            return
        self._server = _Server(self, self._port)
        self._port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever,
            # Seconds that closing it may take.
            args=(0.05,),
            name='web-store',
            daemon=True,
        ).start()

    def close(self) -> None:
        """Take no more connections. May be called more than once."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> 'WebStore':
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, store: WebStore, port: int) -> None:
        super().__init__(('127.0.0.1', port), _Handler)
        self.store = store

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have gone away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_HEAD(self) -> None:
        """Say how long the file is."""
        self.send_response(200)
        self.send_header('Content-Length', str(len(self.server.store.data)))
        self.end_headers()

    def do_GET(self) -> None:
        """Send the file, or some of it."""
        store = self.server.store
        data = memoryview(store.data)
        if store.breaks:
            data = data[: store.breaks.pop(0)]
        self.do_HEAD()
        for start in range(0, len(data), _PIECE):
            self.wfile.write(data[start : start + _PIECE])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
