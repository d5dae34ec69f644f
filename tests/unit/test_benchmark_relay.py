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
import http.client
import socket
import threading
import time
from typing import Any

from benchmarks import relay
from tests.servers import scripted
from tests.unit import base

KIB = 1024

#: Seconds of a round trip.
DELAY = 0.02

#: As much as three round trips bring.
DATA = bytes(range(256)) * 4 * (16 + 32 + 64)

PATH = f'/v2/images/{scripted.IMAGE_ID}/file'


class TestRelay(base.TestCase):
    """What comes through, and when."""

    def setUp(self) -> None:
        """Start a server."""
        super().setUp()
        self.server = scripted.ScriptedGlance(DATA)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__, None, None, None)

    def start(self, **options: Any) -> int:
        """Start a relay, and return its port."""
        listener = relay.listen()
        thread = threading.Thread(
            target=relay.forward,
            args=(listener, self.server.port),
            kwargs=options,
        )
        thread.start()
        self.addCleanup(listener.close)
        self.addCleanup(thread.join)
        self.addCleanup(self.shut, listener)
        port: int = listener.getsockname()[1]
        return port

    def shut(self, listener: socket.socket) -> None:
        """Wake up the thread that accepts."""
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)

    def connect(self, port: int) -> http.client.HTTPConnection:
        """Connect to a relay."""
        client = http.client.HTTPConnection(relay.HOST, port, timeout=10)
        client.connect()
        self.addCleanup(client.close)
        return client

    def received(self, client: http.client.HTTPConnection) -> bytes:
        """Return the data of the image."""
        client.request('GET', PATH)
        return client.getresponse().read()

    def test_delay(self) -> None:
        """The window is doubled in each round trip, and nothing is lost."""
        client = self.connect(self.start(delay=DELAY))
        began = time.monotonic()
        self.assertEqual(DATA, self.received(client))
        # At least one to connect, and one each for 16, 32 and 64 KiB.
        self.assertGreaterEqual(time.monotonic() - began, 4 * DELAY)

    def test_rate(self) -> None:
        """A connection has no more than its rate."""
        client = self.connect(self.start(rate=512 * KIB))
        began = time.monotonic()
        self.assertEqual(DATA, self.received(client))
        # There is no wait before the first 64 KiB.
        waited = (len(DATA) - 64 * KIB) / (512 * KIB)
        self.assertGreaterEqual(time.monotonic() - began, waited)

    def test_single(self) -> None:
        """The second connection is served when the first one is closed."""
        port = self.start(single=True)
        first, second = self.connect(port), self.connect(port)
        second.request('GET', PATH)
        # It has all the time that it would need.
        for _ in range(20):
            self.received(first)
        self.assertEqual(1, self.server.accepted)
        first.close()
        self.assertEqual(DATA, second.getresponse().read())
        self.assertEqual(2, self.server.accepted)
