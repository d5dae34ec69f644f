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

"""Tests of connections that are too slow."""

import dataclasses
import re
import threading
import time
from typing import Any

import fixtures

from openstack_image_stream._http import low_speed
from openstack_image_stream._transfer import image_source
from openstack_image_stream._transfer import parallel
from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base
from tests.unit import modes

LOW = low_speed.LowSpeed(limit=1000, seconds=10, timeout=60)


class TestSpeedMeter(base.TestCase):
    """Which connection is too slow."""

    def setUp(self) -> None:
        super().setUp()
        self.meter = low_speed.SpeedMeter(LOW)

    def test_fast_enough(self) -> None:
        """As many bytes as the limit has are enough, for ever."""
        for _ in range(1_000):
            self.meter.note(1_000, 1)
            self.assertIsNone(self.meter.failure())
        self.assertEqual(10, self.meter.left)

    def test_trickle(self) -> None:
        """Less is not, once it has lasted."""
        for second in range(1, 10):
            self.meter.note(900, 1)
            self.assertIsNone(self.meter.failure())
            self.assertEqual(10 - second, self.meter.left)
        self.meter.note(900, 1)
        failure = self.meter.failure()
        self.assertEqual(
            'less than 1000 bytes/s over 10 s', failure and failure.reason
        )

    def test_silence(self) -> None:
        """Nothing at all is less, too."""
        self.meter.note(0, 10)
        self.assertIsNotNone(self.meter.failure())

    def test_recovers(self) -> None:
        """A pause is forgotten once its bytes have come."""
        self.meter.note(0, 9)
        self.meter.note(9_000, 0)
        self.assertEqual(10, self.meter.left)
        self.meter.note(0, 9)
        self.assertIsNone(self.meter.failure())

    def test_nothing_is_saved_up(self) -> None:
        """However fast it was before, it is what it brings now."""
        self.meter.note(10**9, 1)
        self.meter.note(10, 10)
        self.assertIsNotNone(self.meter.failure())

    @base.for_each({'little': (9_000, True), 'enough': (11_000, False)})
    def test_futile(self, case: Any) -> None:
        """What it brought is progress from an amount on."""
        amount, futile = case
        self.meter.note(amount, 0)
        self.meter.note(1, 10)
        failure = self.meter.failure()
        assert failure is not None
        self.assertIs(futile, failure.futile)


#: Bytes per second, and seconds, of these downloads.
OPTIONS = {'low_speed_limit': 1_000_000, 'low_speed_time': 0.3}

DATA = base.some_bytes(20_000)


def _trickle(response: responses.Response) -> responses.Response:
    return dataclasses.replace(response, throttle=(100, 0.02))


class TestDownload(base.GlanceTestCase):
    """Downloads from a server that trickles."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA)
        self.conn = self.connect(self.glance)
        self.useFixture(fixtures.MockPatchObject(parallel, 'PART', 8_000))
        self.useFixture(
            fixtures.MockPatchObject(image_source, '_BRIEF', 1_000_000)
        )

    def test_is_ended(self) -> None:
        """A trickle counts as a lost connection, and its bytes are kept."""
        self.glance.changes.append(_trickle)
        response = self.conn.image.download_image(scripted.IMAGE_ID, **OPTIONS)
        self.assert_same(DATA, response.content)
        requested = self.glance.requests[-1].headers['range']
        found = re.fullmatch(r'bytes=(\d+)-', requested)
        assert found is not None
        self.assertGreater(int(found[1]), 0)
        self.assertLess(int(found[1]), 10_000)
        self.assertIn(
            f'connection lost at byte {found[1]} (less than 1000000 bytes/s '
            'over 0.3 s)',
            self.log.output,
        )
        self.assert_nothing_open(self.glance, self.conn)

    @base.for_each(modes.times({'one': 1, 'three': 3, 'auto': 'auto'}))
    def test_is_not_saved_by_its_bytes(self, case: Any) -> None:
        """Each such connection uses up a retry, in every mode."""
        kind, connections = case
        self.glance.changes.append(_trickle)
        self.glance.repeat_last = True
        error = self.assertRaises(
            exceptions.IncompleteDownloadError,
            kind(self.directory).download,
            self.conn,
            connections=connections,
            retries=1,
            **OPTIONS,
        )
        self.assertEqual('less than 1000000 bytes/s over 0.3 s', error.reason)
        self.assertIn('retry 1 of 1', self.log.output)
        self.assert_nothing_open(self.glance, self.conn)

    def test_chunked(self) -> None:
        """The same holds for a body in chunks."""
        self.glance.changes.append(
            lambda response: dataclasses.replace(
                _trickle(response), framing='chunked'
            )
        )
        response = self.conn.image.download_image(scripted.IMAGE_ID, **OPTIONS)
        self.assert_same(DATA, response.content)
        self.assertEqual(1, self.log.output.count('less than 1000000'))

    def test_silence(self) -> None:
        """A silent connection is given up before the timeout."""
        self.glance.changes.append(
            lambda response: dataclasses.replace(response, silent_after=5_000)
        )
        began = time.monotonic()
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, timeout=20, **OPTIONS
        )
        self.assertLess(time.monotonic() - began, 10)
        self.assert_same(DATA, response.content)
        self.assertIn('connection lost at byte 5000 (less', self.log.output)

    def test_first_byte(self) -> None:
        """What a server takes before its response does not count."""
        released = threading.Timer(1.0, self.glance.may_respond.set)
        self.addCleanup(released.cancel)
        honest = self.glance._honest_to

        def respond(request: responses.Request) -> responses.Response:
            released.start()
            self.glance.may_respond.wait(30)
            return honest(request)

        self.glance.may_respond.clear()
        self.patch(self.glance, '_honest_to', respond)
        response = self.conn.image.download_image(scripted.IMAGE_ID, **OPTIONS)
        self.assert_same(DATA, response.content)
        self.assertEqual([], self.warnings())

    def test_timeout_stays(self) -> None:
        """A silence that is shorter than that still ends at the timeout."""
        self.glance.changes.append(
            lambda response: dataclasses.replace(response, silent_after=5_000)
        )
        response = self.conn.image.download_image(
            scripted.IMAGE_ID,
            timeout=0.3,
            low_speed_limit=1,
            low_speed_time=20,
        )
        self.assert_same(DATA, response.content)
        self.assertNotIn('less than', self.log.output)
        self.assertEqual(1, len(self.warnings()))

    def test_slow_reader(self) -> None:
        """A reader that takes its time is no fault of the connection."""
        now = 0.0
        self.patch(
            low_speed.MeasuredBody.__init__,
            '__kwdefaults__',
            {'clock': lambda: now},
        )
        glance = self.serve(base.some_bytes(3_000_000))
        conn = self.connect(glance)
        seen = b''
        with conn.image.download_image(
            scripted.IMAGE_ID, stream=True, **OPTIONS
        ) as response:
            for chunk in response.iter_content(100_000):
                now += 1_000
                seen += chunk
        self.assert_same(glance.data, seen)
        self.assertEqual([], self.warnings())

    @base.for_each(modes.times({'one': 1, 'three': 3, 'auto': 'auto'}))
    def test_good_connections(self, case: Any) -> None:
        """What is fast enough is received as ever."""
        kind, connections = case
        content = kind(self.directory).download(
            self.conn, connections=connections, **OPTIONS
        )
        self.assert_same(DATA, content)
        self.assertEqual([], self.warnings())
        self.assert_nothing_open(self.glance, self.conn)
