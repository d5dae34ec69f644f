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

"""Tests of the order of bytes, whatever a fetcher does."""

import threading
from typing import Any
from unittest import mock

import fixtures
import hypothesis
from hypothesis import strategies

from openstack_image_stream._common import retry
from openstack_image_stream._transfer import concurrency
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import image_source
from openstack_image_stream import exceptions
from tests.unit import base
from tests.unit import memory_fetcher

DATA = base.some_bytes(1_000)
PART = 100

BROKEN = retry.RetriableError('no connection')

#: Faults of one request that a retry cures.
_faults = strategies.one_of(
    strategies.just(memory_fetcher.Response(error=BROKEN)),
    strategies.integers(0, 120).map(
        lambda count: memory_fetcher.Response(breaks_after=count)
    ),
    strategies.integers(0, 99).map(
        lambda count: memory_fetcher.Response(ends_after=count)
    ),
    strategies.just(memory_fetcher.Response()),
    strategies.just(memory_fetcher.Response(refuses_ranges=True)),
)


class TestCase(base.TestCase):
    """Tests with a source in memory."""

    def source(
        self,
        fetcher: memory_fetcher.MemoryFetcher,
        connections: int = 1,
        *,
        start: int = 0,
        retries: int = 20,
        automatic: bool = False,
    ) -> image_source.ImageSource:
        """Return a source, which is closed in the end."""
        self.coordinator = coordination.Coordinator('id')
        source = image_source.ImageSource(
            fetcher,
            retry.RetryPolicy(retries=retries, wait=self._wait),
            self.coordinator,
            start=start,
            connections=(
                concurrency.MAX_CONNECTIONS if automatic else connections
            ),
            from_one=automatic,
            part_size=PART,
        )
        self.addCleanup(source.close)
        self.addCleanup(self.coordinator.close)
        return source

    def read_all(
        self, source: image_source.ImageSource, size: int = 64
    ) -> bytes:
        """Open a source and read it to its end."""
        source.open()
        content = bytearray()
        while chunk := source.read(size):
            content += chunk
        return bytes(content)


class TestFaults(TestCase):
    """What a retry cures does not show."""

    @hypothesis.given(
        script=strategies.lists(_faults, max_size=12),
        connections=strategies.sampled_from([1, 2, 4]),
        start=strategies.sampled_from([0, 1, 99, 100, 550, 999]),
        size=strategies.sampled_from([1, 64, 1_000]),
    )
    @base.EXAMPLES
    def test_bytes_in_order(
        self,
        script: list[memory_fetcher.Response],
        connections: int,
        start: int,
        size: int,
    ) -> None:
        """Every byte comes once, in order, whatever happens to requests."""
        fetcher = memory_fetcher.MemoryFetcher(DATA, script, size=len(DATA))
        source = self.source(fetcher, connections, start=start)
        self.assertEqual(DATA[start:], self.read_all(source, size))
        self.coordinator.finish()
        source.close()
        self.assertEqual(0, fetcher.open_bodies)
        self.assertGreater(fetcher.closed, 0)

    def test_resumed_at_the_next_byte(self) -> None:
        """What arrived is not requested again."""
        fetcher = memory_fetcher.MemoryFetcher(
            DATA, [memory_fetcher.Response(breaks_after=300)], size=len(DATA)
        )
        self.assertEqual(DATA, self.read_all(self.source(fetcher)))
        self.assertEqual([0, 300], [r.start for r in fetcher.requested])

    def test_retries_in_a_row(self) -> None:
        """Only failures without a single new byte use retries up."""
        fetcher = memory_fetcher.MemoryFetcher(
            DATA,
            [memory_fetcher.Response(breaks_after=1)] * 50,
            size=len(DATA),
        )
        self.assertEqual(DATA, self.read_all(self.source(fetcher, retries=1)))

    def test_no_retry_left(self) -> None:
        """The error has the numbers, and the last failure."""
        fetcher = memory_fetcher.MemoryFetcher(
            DATA,
            [
                memory_fetcher.Response(breaks_after=300),
                *[memory_fetcher.Response(error=BROKEN)] * 3,
            ],
            size=len(DATA),
        )
        error = self.assertRaises(
            exceptions.IncompleteDownloadError,
            self.read_all,
            self.source(fetcher, retries=2),
        )
        self.assertEqual((300, 1_000), (error.received, error.expected))
        self.assertIn('300 of 1000 bytes received', str(error))
        self.assertIn('no connection', str(error))


class TestLength(TestCase):
    """A body is as long as the image."""

    def test_surplus(self) -> None:
        """More bytes than the image has are another image."""
        fetcher = memory_fetcher.MemoryFetcher(
            DATA, [memory_fetcher.Response(surplus=b'x')], size=len(DATA)
        )
        error = self.assertRaises(
            exceptions.ImageChangedError,
            self.read_all,
            self.source(fetcher),
        )
        self.assertEqual((1_000, 1_001), (error.expected, error.actual))

    def test_unknown(self) -> None:
        """Without any length the body ends where it ends."""
        fetcher = memory_fetcher.MemoryFetcher(DATA, size=None)
        self.assertEqual(DATA, self.read_all(self.source(fetcher)))


class TestRefused(TestCase):
    """A store without range requests."""

    def test_from_the_beginning(self) -> None:
        """Several connections become one, which requests the whole."""
        fetcher = memory_fetcher.MemoryFetcher(
            DATA,
            [memory_fetcher.Response(refuses_ranges=True)],
            size=len(DATA),
        )
        self.assertEqual(DATA, self.read_all(self.source(fetcher, 4)))
        self.assertIn('falling back to one connection', self.log.output)
        self.assertFalse(fetcher.ranged)


class TestClosed(TestCase):
    """The end of a download wakes up what waits."""

    def test_while_a_server_is_silent(self) -> None:
        """The reader gets the reason, with one connection or with four."""
        for connections in (1, 4):
            fetcher = memory_fetcher.MemoryFetcher(
                DATA,
                [memory_fetcher.Response(silent_after=50)] * 8,
                size=len(DATA),
            )
            source = self.source(fetcher, connections)
            source.open()
            closing = threading.Timer(0.05, self.coordinator.close)
            closing.start()
            self.addCleanup(closing.join)
            self.assertRaises(
                exceptions.DownloadClosedError, self._read_on, source
            )
            source.close()
            self.assertEqual(0, fetcher.open_bodies)

    def _read_on(self, source: image_source.ImageSource) -> None:
        while source.read(10):
            pass


class TestConnections(TestCase):
    """How many connections a source begins with."""

    @base.for_each(
        {
            'auto': (8 * 8 * PART, {'automatic': True}, (1, False)),
            'brief': (4 * 8 * PART, {'connections': 4}, (4, True)),
            'long': (4 * 8 * PART + 1, {'connections': 4}, (1, True)),
            'rest': (
                4 * 8 * PART + 1,
                {'connections': 4, 'start': 1},
                (4, True),
            ),
            'unknown': (None, {'connections': 4}, (4, True)),
        }
    )
    def test_start(
        self, case: tuple[int | None, dict[str, Any], tuple[int, bool]]
    ) -> None:
        """A number is that of a short image, and what others try at once."""
        size, options, (start, at_once) = case
        made = self.useFixture(
            fixtures.MockPatchObject(
                concurrency,
                'ConcurrencyController',
                wraps=concurrency.ConcurrencyController,
            )
        ).mock
        self.source(memory_fetcher.MemoryFetcher(b'', size=size), **options)
        made.assert_called_once_with(
            options.get('connections', concurrency.MAX_CONNECTIONS),
            start=start,
            at_once=at_once,
            limited=mock.ANY,
        )
