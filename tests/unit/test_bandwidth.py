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

"""Tests of the limit of the rate of a download."""

import time
from typing import Any

from openstack_image_stream._common import token_bucket
from openstack_image_stream._transfer import image_source
from openstack_image_stream._transfer import parallel
from tests.unit import base
from tests.unit import modes

RATE = 1_000_000
TURN = 20_000


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class TestTokenBucket(base.TestCase):
    """Who may receive how many bytes, and when."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.bucket = token_bucket.TokenBucket(RATE, self.clock)

    def receive(self, size: int) -> int:
        """Take tokens, and wait for them."""
        amount, delay = self.bucket.take(size)
        self.clock.now += delay
        return amount

    def receive_all(self, size: int) -> float:
        """Receive so many bytes; return how long that takes."""
        began = self.clock.now
        while size > 0:
            size -= self.receive(size)
        return self.clock.now - began

    def test_rate(self) -> None:
        """As many bytes per second as are allowed, from the first on."""
        self.assertAlmostEqual(3, self.receive_all(3 * RATE))

    def test_a_turn(self) -> None:
        """Who asks for much gets what takes a moment."""
        self.assertEqual(TURN, self.receive(10 * RATE))
        self.assertEqual(5, self.receive(5))

    def test_never_nothing(self) -> None:
        """A byte is the least, however low the limit is."""
        bucket = token_bucket.TokenBucket(10, self.clock)
        amount, delay = bucket.take(100)
        self.assertEqual(1, amount)
        self.assertAlmostEqual(0.1, delay)

    def test_reading_takes_time(self) -> None:
        """What passes while a chunk is worked at is made up for."""
        began = self.clock.now
        for _ in range(RATE // TURN):
            self.receive(RATE)
            self.clock.now += 0.01
        self.assertAlmostEqual(1, self.clock.now - began, delta=0.02)

    def test_burst(self) -> None:
        """After a pause a quarter of a second is made up for, no more."""
        self.receive(RATE)
        self.clock.now += 1_000
        self.assertAlmostEqual(0.75, self.receive_all(RATE))

    def test_several_take_turns(self) -> None:
        """Each waits for those that came before."""
        delays = [self.bucket.take(RATE)[1] for _ in range(4)]
        for number, delay in enumerate(delays, 1):
            self.assertAlmostEqual(number * 0.02, delay)

    def test_given_back(self) -> None:
        """What did not come is there for others."""
        self.bucket.take(TURN)
        self.bucket.give_back(TURN)
        delay = self.bucket.take(TURN)[1]
        self.assertAlmostEqual(0.02, delay)

    def test_empty(self) -> None:
        """It is empty as long as the limit is what is waited for."""
        for _ in range(20):
            self.receive(TURN)
            self.assertTrue(self.bucket.empty)

    def test_not_empty(self) -> None:
        """A slower network leaves something in it."""
        for _ in range(100):
            self.receive(TURN)
            self.clock.now += 0.03
        self.assertFalse(self.bucket.empty)


class TestDownload(base.GlanceTestCase):
    """Downloads with a limit."""

    def setUp(self) -> None:
        super().setUp()
        self.data = base.some_bytes(300_000)
        self.taken: list[int] = []
        taken = self.taken
        original = token_bucket.TokenBucket

        class Bucket(original):  # type: ignore[misc, valid-type]
            def take(self, size: int) -> Any:
                amount, delay = super().take(size)
                taken.append(amount)
                return amount, delay

            def give_back(self, amount: int) -> None:
                taken.append(-amount)
                super().give_back(amount)

        self.patch(token_bucket, 'TokenBucket', Bucket)
        # The image has several.
        self.patch(parallel, 'PART', 50_000)
        self.patch(image_source, '_BRIEF', 1_000_000)

    @base.for_each(
        modes.times({'one': 1, 'four': 4, 'auto': 'auto'}),
    )
    def test_takes_its_time(self, case: Any) -> None:
        """Every byte is paid for, over one connection and several."""
        kind, connections = case
        glance = self.serve(self.data)
        conn = self.connect(glance)
        began = time.monotonic()
        content = kind(self.directory).download(
            conn, connections=connections, max_bandwidth=RATE
        )
        # No machine is so slow that it would take less.
        self.assertGreater(time.monotonic() - began, 0.29)
        self.assert_same(self.data, content)
        self.assertEqual(len(self.data), sum(self.taken))
        self.assertLessEqual(max(self.taken), TURN)
        self.assert_nothing_open(glance, conn)

    def test_discarded_bytes_count(self) -> None:
        """What is received twice is paid for twice."""
        glance = self.serve(self.data)
        glance.ranged = False
        glance.cuts.append((100_000, False))
        conn = self.connect(glance)
        response = conn.image.download_image(
            glance.metadata['id'], max_bandwidth=10_000_000
        )
        self.assert_same(self.data, response.content)
        self.assertGreaterEqual(sum(self.taken), len(self.data) + 100_000)

    def test_no_limit(self) -> None:
        """Without one there is no bucket."""
        glance = self.serve(self.data)
        conn = self.connect(glance)
        conn.image.download_image(glance.metadata['id'])
        self.assertEqual([], self.taken)
