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

"""Tests of the slow lines of the benchmark."""

import contextlib
import socket
import threading
import time
from typing import Any

from benchmarks import relay
from tests.unit import base

KIB = 1024

#: Seconds of a round trip.
DELAY = 0.02


class TestRelay(base.TestCase):
    """What comes through, and when."""

    def setUp(self) -> None:
        """Listen as a server does."""
        super().setUp()
        self.server = socket.create_server((relay.HOST, 0))
        self.addCleanup(self.server.close)
        self.server.settimeout(10)

    def connect_by(self, **options: Any) -> socket.socket:
        """Connect by way of a relay."""
        listener = socket.create_server((relay.HOST, 0))
        thread = threading.Thread(
            target=relay.forward,
            args=(listener, self.server.getsockname()[1]),
            kwargs=options,
        )
        thread.start()
        self.addCleanup(listener.close)
        self.addCleanup(thread.join)
        self.addCleanup(self.shut, listener)
        self.address = listener.getsockname()
        return self.connect()

    def connect(self) -> socket.socket:
        """Connect to the relay once more."""
        client = socket.create_connection(self.address, timeout=10)
        self.addCleanup(client.close)
        return client

    def shut(self, listener: socket.socket) -> None:
        """Wake up the thread that accepts."""
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)

    def accept(self) -> socket.socket:
        """Accept a connection of the relay."""
        served, _ = self.server.accept()
        self.addCleanup(served.close)
        return served

    def receive(self, client: socket.socket) -> bytes:
        """Return all that comes."""
        return b''.join(iter(lambda: client.recv(64 * KIB), b''))

    def test_delay(self) -> None:
        """The window is doubled in each round trip, and nothing is lost."""
        data = bytes(range(256)) * 4 * (16 + 32 + 64)
        client = self.connect_by(delay=DELAY)
        began = time.monotonic()
        with self.accept() as served:
            served.sendall(data)
        self.assertEqual(data, self.receive(client))
        # At least one each for 16, 32 and 64 KiB.
        self.assertGreaterEqual(time.monotonic() - began, 3 * DELAY)

    def test_requests(self) -> None:
        """What the client sends comes through, too."""
        client = self.connect_by(delay=DELAY)
        client.sendall(b'request')
        self.assertEqual(b'request', self.accept().recv(99))

    def test_rate(self) -> None:
        """A connection has no more than its rate."""
        client = self.connect_by(rate=1024 * KIB)
        began = time.monotonic()
        with self.accept() as served:
            served.sendall(bytes(256 * KIB))
        self.assertEqual(256 * KIB, len(self.receive(client)))
        # There is no wait before the first 64 KiB.
        self.assertGreaterEqual(time.monotonic() - began, 0.18)

    def test_single(self) -> None:
        """The second connection is served when the first one is closed."""
        first = self.connect_by(single=True)
        served = self.accept()
        second = self.connect()
        second.sendall(b'second')
        # It has all the time that it would need.
        for _ in range(99):
            first.sendall(b'x')
            served.recv(1)
            served.sendall(b'x')
            first.recv(1)
        self.server.settimeout(0)
        self.assertRaises(BlockingIOError, self.server.accept)
        self.server.settimeout(10)
        first.close()
        self.assertEqual(b'second', self.accept().recv(99))
