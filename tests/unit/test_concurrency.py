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

"""Tests of the number of connections that is found out."""

from collections.abc import Callable
import random
from typing import Any
from unittest import mock

import fixtures

from openstack_image_stream._common import byte_ranges
from openstack_image_stream import _config
from openstack_image_stream import _settings
from openstack_image_stream._transfer import automatic
from openstack_image_stream._transfer import concurrency
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import image_source
from openstack_image_stream._transfer import parallel
from openstack_image_stream._transfer import workers
from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base
from tests.unit import modes

MIB = 1024 * 1024


class Network:
    """Connections that deliver chunks of 1 MiB, in a time that is played.

    :param rate: Bytes per second that a number of connections has together.
    :param waiting: Part of the time in which nothing else is done.
    :param limit: Bytes per second that the caller allows.
    """

    def __init__(
        self,
        rate: Callable[[int], float],
        waiting: float = 1.0,
        limit: float | None = None,
        **options: int,
    ) -> None:
        self._rate = rate
        #: Bytes per second that the caller allows.
        self.limit = limit
        #: Seconds until another connection brings something.
        self.distance = 0.0
        self._count = 1
        self.waiting = waiting
        #: Whether the reader takes less than comes.
        self.full = waiting < 0.1
        self._random = random.Random(1)
        self.now = 0.0
        self.controller = concurrency.ConcurrencyController(
            clock=lambda: self.now, limited=self._is_limited, **options
        )
        #: Seconds that each number of connections lasted.
        self.spent = [0.0] * (concurrency.MAX_CONNECTIONS + 2)

    def _is_limited(self) -> bool:
        count = self.controller.connections
        return self.limit is not None and self._rate(count) > self.limit

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.now < end:
            # No network is even.
            jitter = self._random.uniform(0.9, 1.1)
            count = self.controller.connections
            if count > self._count:
                self.now += self.distance
            self._count = count
            rate = self._rate(count)
            if self.limit is not None:
                rate = min(rate, self.limit)
            took = MIB / rate * jitter
            self.now += took
            self.spent[count] += took
            self.controller.joined()
            self.controller.received(MIB, took * self.waiting, full=self.full)

    def run_while(self, count: int) -> None:
        """Let time pass until there is another number of connections."""
        while self.controller.connections == count:
            self.run(0.01)


class TestPace(base.TestCase):
    """What is tried, and what stays."""

    def test_begins_with_one(self) -> None:
        """One it is until others have shown what they are worth."""
        self.assertEqual(1, concurrency.ConcurrencyController().connections)

    def test_each_is_limited(self) -> None:
        """Where each brings what the first did, all are there soon."""
        network = Network(lambda count: count * 20 * MIB)
        network.run(2)
        self.assertEqual(
            concurrency.MAX_CONNECTIONS, network.controller.connections
        )
        network.run(60)
        self.assertEqual(
            concurrency.MAX_CONNECTIONS, network.controller.connections
        )
        self.assertEqual(0, network.spent[concurrency.MAX_CONNECTIONS + 1])

    def test_one_fills_the_wire(self) -> None:
        """Where a second brings nothing, it is tried, seldom, and goes."""
        network = Network(lambda count: 500 * MIB)
        network.run(120)
        self.assertGreater(network.spent[2], 0)
        self.assertEqual(0, network.spent[3])
        self.assertLess(network.spent[2], 0.03 * 120)

    def test_some_fill_the_wire(self) -> None:
        """It stays where the wire is full."""
        network = Network(lambda count: min(count, 4) * 20 * MIB)
        network.run(60)
        self.assertEqual(4, network.spent.index(max(network.spent)))

    def test_little_is_waited_for(self) -> None:
        """Who is busy with what has come would not gain by another."""
        network = Network(lambda count: count * 200 * MIB, waiting=0.55)
        network.run(20)
        self.assertEqual(20, round(network.spent[1]))
        self.assertEqual(4 * MIB, network.controller.chunk_size(4 * MIB))

    def test_more_is_waited_for(self) -> None:
        """That is looked at again."""
        network = Network(lambda count: count * 20 * MIB, waiting=0.4)
        network.run(20)
        network.waiting = 0.7
        network.run(4)
        self.assertEqual(
            concurrency.MAX_CONNECTIONS, network.controller.connections
        )

    def test_looks_twice(self) -> None:
        """A moment in which all is slow does not cost a connection."""
        slow = False

        def rate(count: int) -> float:
            return count * 20 * MIB / (2 if slow else 1)

        network = Network(rate)
        while network.controller.connections < concurrency.MAX_CONNECTIONS:
            network.run(0.001)
        slow = True
        network.run(concurrency._SETTLING + 1.5 * concurrency._TRIAL)
        slow = False
        network.run(1)
        self.assertEqual(
            concurrency.MAX_CONNECTIONS, network.controller.connections
        )

    def test_the_wire_becomes_wider(self) -> None:
        """What brought nothing is tried again later."""
        limit = 1

        def rate(count: int) -> float:
            return min(count, limit) * 20 * MIB

        network = Network(rate)
        network.run(20)
        self.assertEqual(1, network.spent.index(max(network.spent)))
        limit = 8
        network.run(40)
        self.assertEqual(
            concurrency.MAX_CONNECTIONS, network.controller.connections
        )

    def test_as_many_as_are_allowed(self) -> None:
        """There are never more than that."""
        network = Network(lambda count: count * 20 * MIB, most=3)
        network.run(60)
        self.assertEqual(3, network.controller.connections)
        self.assertEqual(0, sum(network.spent[4:]))

    def test_begins_with_all(self) -> None:
        """They stay where the reader waits for them."""
        network = Network(lambda count: count * 20 * MIB, most=4, start=4)
        network.run(60)
        self.assertEqual(60, round(network.spent[4]))

    def test_one_is_enough(self) -> None:
        """The others go where nothing waits for them."""
        network = Network(
            lambda count: 500 * MIB, waiting=0.05, most=8, start=8
        )
        network.run(10)
        self.assertLess(network.spent[8], 0.2)
        self.assertGreater(network.spent[1], 9.7)

    def test_burst(self) -> None:
        """All are kept where the reader has much to do for a moment."""
        network = Network(
            lambda count: 500 * MIB, waiting=0.05, most=8, start=8
        )
        network.full = False
        network.run(10)
        self.assertEqual(10, round(network.spent[8]))

    def test_one_is_not_enough(self) -> None:
        """They come back at once, and one is tried again seldom."""
        network = Network(
            lambda count: min(count * 100, 500) * MIB,
            waiting=0.05,
            most=8,
            start=8,
        )
        joined = network.controller.joined

        def note() -> None:
            one = network.controller.connections == 1
            network.waiting = 0.8 if one else 0.05
            joined()

        network.controller.joined = note  # type: ignore[method-assign]
        network.run(100)
        self.assertEqual(8, network.controller.connections)
        self.assertGreater(network.spent[1], 0)
        self.assertLess(network.spent[1], 2)

    def test_not_before_they_are_there(self) -> None:
        """What is received until then says nothing about them."""
        network = Network(lambda count: count * 20 * MIB)
        network.run_while(1)
        for _ in range(1000):
            network.now += 0.01
            network.controller.received(MIB, 0.01)
        self.assertEqual(2, network.controller.connections)
        network.run(1)
        self.assertEqual(
            concurrency.MAX_CONNECTIONS, network.controller.connections
        )

    def test_limited(self) -> None:
        """As fast as the caller allows is fast enough."""
        network = Network(lambda count: count * 20 * MIB, limit=15 * MIB)
        network.run(60)
        self.assertEqual(60, round(network.spent[1]))

    def test_limited_with_several(self) -> None:
        """The limit is not taken for that of the network."""
        # A second one brings a quarter more, and as much as is allowed.
        network = Network(lambda count: count * 20 * MIB, limit=25 * MIB)
        network.run(60)
        self.assertEqual(2, network.controller.connections)
        self.assertGreater(network.spent[2], 59)

    def test_limit_is_no_longer_reached(self) -> None:
        """Others are tried once the network is slower than the limit."""
        slow = False

        def rate(count: int) -> float:
            return count * (5 if slow else 20) * MIB

        network = Network(rate, limit=18 * MIB)
        network.run(20)
        slow = True
        network.run(10)
        self.assertEqual(4, network.controller.connections)

    def seconds_of_two(self, distance: float) -> float:
        """Return how long a second connection is tried.

        :param distance: Seconds until it brings something.
        """
        network = Network(lambda count: count * 20 * MIB)
        network.distance = distance
        network.run_while(1)
        began = network.now
        network.run_while(2)
        return network.now - began

    def numbers(self, network: Network, seconds: float) -> list[int]:
        """Return the numbers of connections, in order."""
        numbers = [network.controller.connections]
        end = network.now + seconds
        while network.now < end:
            network.run(0.001)
            if network.controller.connections != numbers[-1]:
                numbers.append(network.controller.connections)
        return numbers

    def test_all_at_once(self) -> None:
        """Where a second one brings as much, all are tried."""
        network = Network(lambda count: count * 20 * MIB)
        self.assertEqual([1, 2, 8], self.numbers(network, 10))

    def test_one_after_the_other(self) -> None:
        """Where it brings less, twice as many are."""
        network = Network(lambda count: count**0.63 * 100 * MIB)
        self.assertEqual([1, 2, 4, 8], self.numbers(network, 1.5)[:4])

    def test_half_of_all(self) -> None:
        """Half of them stay where all bring no more."""
        network = Network(lambda count: min(count, 3) * 20 * MIB)
        self.assertEqual([1, 2, 8, 4], self.numbers(network, 2.5))

    def test_neither(self) -> None:
        """Two stay where half of them bring no more, either."""
        network = Network(lambda count: min(count, 2) * 20 * MIB)
        self.assertEqual([1, 2, 8, 4, 2], self.numbers(network, 3))

    def test_long_distance(self) -> None:
        """What comes once per round trip is counted over some of them."""
        seconds = self.seconds_of_two(0.1)
        self.assertGreater(seconds, 0.3)
        self.assertLess(seconds, 0.5)

    def test_slow_server(self) -> None:
        """One that takes long to respond is not waited for that long."""
        self.assertLess(self.seconds_of_two(30.0), 31)

    def test_fewer_say_nothing_of_the_distance(self) -> None:
        """That others have ended says nothing of how long a request takes."""
        network = Network(lambda count: min(count, 3) * 20 * MIB)
        network.distance = 0.1
        while network.controller.connections < 8:
            network.run(0.01)
        network.run(0.2)
        self.assertEqual(8, network.controller.connections)
        trial = network.controller._trial
        self.assertGreater(trial, 0.2)
        while network.controller.connections > 4:
            network.run(0.01)
        network.run(0.5)
        self.assertEqual(4, network.controller.connections)
        self.assertEqual(trial, network.controller._trial)

    def test_half_of_an_odd_number(self) -> None:
        """The number that there was before is not tried."""
        network = Network(lambda count: min(count, 2) * 20 * MIB, most=5)
        self.assertEqual([1, 2, 5, 2], self.numbers(network, 1.5))

    def test_all_of_very_many(self) -> None:
        """No more than a few are tried at once, however many are allowed."""
        network = Network(lambda count: min(count, 20) * 20 * MIB, most=64)
        network.spent = [0.0] * 65
        self.assertEqual([1, 2, 8, 16], self.numbers(network, 6)[:4])

    def test_all_of_a_number(self) -> None:
        """They are used at once, and stay, though that is no faster."""
        network = Network(lambda count: 30 * MIB, most=6, at_once=True)
        self.assertEqual([1, 6], self.numbers(network, 20))

    def test_number_is_not_of_use(self) -> None:
        """One is enough where nothing waits."""
        network = Network(
            lambda count: 500 * MIB, waiting=0.05, most=6, at_once=True
        )
        self.assertEqual([1], self.numbers(network, 20))

    def test_number_and_limited(self) -> None:
        """What the caller allows does not tell how many are of use."""
        network = Network(lambda count: count * 20 * MIB, most=6, at_once=True)
        network.run_while(1)
        network.limit = 100 * MIB
        self.assertEqual([6], self.numbers(network, 20))

    def test_number_and_refused(self) -> None:
        """One at a time is given up once all were there."""
        network = Network(lambda count: count * 20 * MIB, most=6, at_once=True)
        network.run_while(1)
        network.controller.refuse()
        self.assertEqual([1, 6], self.numbers(network, 3))
        network.controller.refuse()
        self.assertEqual(5, network.controller.connections)

    def test_first_look(self) -> None:
        """What the first chunk is waited for counts, for a decision soon."""
        network = Network(lambda count: count * 10 * MIB)
        network.run_while(1)
        self.assertLess(network.now, 4 / 10)
        fast = Network(lambda count: count * 500 * MIB)
        fast.run_while(1)
        least = concurrency._SETTLING + concurrency._TRIAL
        self.assertGreater(fast.now, least)
        self.assertLess(fast.now, least + 0.015)

    def test_lead_after_refusals(self) -> None:
        """A server that was too late is given twice the time."""
        network = Network(lambda count: count * 20 * MIB)
        for lead in (8, 16, 32):
            network.run_while(1)
            self.assertEqual(
                lead, round(network.controller.lead(64 * MIB) / MIB / 8) * 8
            )
            network.controller.refuse()

    def test_lead(self) -> None:
        """A second one begins where the first one is some time later."""
        network = Network(lambda count: count * 20 * MIB)
        network.run_while(1)
        lead = network.controller.lead(16 * MIB)
        self.assertGreater(lead, 7 * MIB)
        self.assertLess(lead, 9 * MIB)
        self.assertEqual(3 * MIB, network.controller.lead(3 * MIB))

    def test_lead_of_a_slow_one(self) -> None:
        """That is not too near, however slow the first one is."""
        network = Network(lambda count: count * MIB)
        network.run_while(1)
        self.assertEqual(2 * MIB, network.controller.lead(16 * MIB))

    def test_refused(self) -> None:
        """A connection that cannot be had is not asked for at once again."""
        network = Network(lambda count: count * 20 * MIB)
        network.run_while(1)
        network.controller.refuse()
        self.assertEqual(1, network.controller.connections)
        network.run(0.01)
        network.run(1)
        self.assertEqual(1, network.controller.connections)
        network.run(2)
        self.assertGreater(network.controller.connections, 1)


class TestChunks(base.TestCase):
    """How much is read at a time."""

    def test_after_the_first_one(self) -> None:
        """They stay small where it is slow."""
        for waited, larger in ((0.1, False), (0.01, True)):
            controller = concurrency.ConcurrencyController()
            first = controller.chunk_size(MIB)
            controller.received(first, waited)
            self.assertEqual(larger, controller.chunk_size(MIB) > first)

    def test_of_a_slow_connection(self) -> None:
        """They become small, and large again when nothing is tried."""
        network = Network(lambda count: min(count, 2) * 10 * MIB)
        self.assertEqual(
            concurrency._SMALLEST, network.controller.chunk_size(4 * MIB)
        )
        network.run_while(1)
        self.assertAlmostEqual(
            10 * MIB // 100,
            network.controller.chunk_size(MIB),
            delta=10 * 1024,
        )
        self.assertEqual(1_000, network.controller.chunk_size(1_000))
        network.run(2.5)
        self.assertEqual(2, network.controller.connections)
        self.assertEqual(4 * MIB, network.controller.chunk_size(4 * MIB))

    def test_of_a_fast_connection(self) -> None:
        """They stay large."""
        network = Network(lambda count: count * 500 * MIB)
        network.run(1)
        self.assertEqual(
            concurrency.MAX_CONNECTIONS, network.controller.connections
        )
        self.assertEqual(MIB, network.controller._chunk_size)


#: Bytes of a part in these tests, and of what is looked at.
PART, CHUNK = 100_000, 10_000

DATA = base.some_bytes(2_345_678)


def _done_at_last(task: 'coordination.Task[Any]') -> bool:
    while not task._outcome.there:
        task._outcome.woken.get(timeout=10)
    return True


class TestSecond(base.TestCase):
    """The second connection, and what the controller is told of it."""

    def test_begins_ahead(self) -> None:
        """It begins where the controller says, which learns of it at last."""
        self.useFixture(
            fixtures.MockPatchObject(
                coordination.Task, 'done', property(_done_at_last)
            )
        )
        controller = mock.Mock(connections=2)
        controller.chunk_size.side_effect = lambda size: size
        controller.lead.return_value = 300
        first = mock.Mock(position=100)
        first.read.return_value = DATA[:10]
        second = mock.Mock()

        def make_part(
            byte_range: byte_ranges.ByteRange, coordinator: Any
        ) -> Any:
            second.byte_range = byte_range
            return second

        coordinator = coordination.Coordinator('id')
        self.addCleanup(coordinator.close)
        stream = automatic.AutomaticStream(
            controller,
            first,
            make_part,
            coordinator,
            part_size=200,
            image_id='id',
        )
        stream.read(10, 10_000)
        self.assertEqual(byte_ranges.ByteRange(400, 600), second.byte_range)
        controller.lead.assert_called_once_with(2 * 200)
        controller.responded.assert_not_called()
        stream.read(10, 10_000)
        controller.responded.assert_called_once_with()
        first.end_at.assert_called_once_with(400)
        self.assertIs(second.open_once.return_value, stream.second)


class TestAuto(base.GlanceTestCase):
    """Downloads that find it out, on real sockets."""

    def setUp(self) -> None:
        super().setUp()
        for module, name, value in (
            (parallel, 'PART', PART),
            (workers, 'CHUNK', CHUNK),
            # A number begins with one, too.
            (image_source, '_BRIEF', 1),
            # The second connection is there in time.
            (coordination.Task, 'done', property(_done_at_last)),
            (concurrency, '_SMALLEST', CHUNK),
            (concurrency, '_USUAL', CHUNK),
            (concurrency, '_LARGEST', CHUNK),
            # Every few chunks there is something to decide.
            (concurrency, '_SETTLING', 0.0),
            (concurrency, '_TRIAL', 0.0),
            (concurrency, '_LONGEST_DELAY', 0.0),
            (concurrency, '_HOLD', 0.0),
            # These sockets deliver at once.
            (concurrency, '_WAITING', 0.0),
        ):
            self.useFixture(fixtures.MockPatchObject(module, name, value))
        self.glance = self.serve(DATA)
        self.conn = self.connect(self.glance)
        self.assertIsNotNone(self.conn.image)
        self.glance.requests.clear()

    def ranges(self) -> list[str]:
        """Return the Range of each request for data."""
        return [
            request.headers.get('range', 'all')
            for request in self.glance.requests
            if request.path.endswith('/file')
        ]

    def worth(self, worth: float) -> None:
        """Say what another connection must bring."""
        self.useFixture(fixtures.MockPatchObject(concurrency, '_WORTH', worth))

    def download(
        self, kind: type[modes.Mode], connections: Any = 'auto'
    ) -> bytes:
        """Download so, and see that nothing is left."""
        data = kind(self.directory).download(
            self.conn, connections=connections
        )
        self.assert_nothing_open(self.glance, self.conn)
        return data

    @base.for_each(modes.ALL)
    def test_others_are_worth_it(self, kind: type[modes.Mode]) -> None:
        """Ranges are asked for beside the first answer."""
        self.worth(-100.0)
        self.assert_same(DATA, self.download(kind))
        first, *others = self.ranges()
        self.assertEqual('all', first)
        self.assertGreater(len(others), 3)

    @base.for_each(modes.ALL)
    def test_number(self, kind: type[modes.Mode]) -> None:
        """They are used after a first look at one."""
        self.assert_same(DATA, self.download(kind, 3))
        first, *others = self.ranges()
        self.assertEqual('all', first)
        self.assertGreater(len(others), 3)

    def test_number_is_not_of_use(self) -> None:
        """One is enough where the reader does not wait for it."""
        self.useFixture(fixtures.MockPatchObject(concurrency, '_WAITING', 2.0))
        self.assert_same(DATA, self.download(modes.InMemory, 3))
        self.assertEqual(['all'], self.ranges())

    def test_number_of_a_short_image(self) -> None:
        """Few parts are received at the same time from the start."""
        self.useFixture(fixtures.MockPatchObject(image_source, '_BRIEF', 8))
        self.assert_same(DATA, self.download(modes.InMemory, 3))
        self.assertEqual(f'bytes=0-{PART - 1}', self.ranges()[0])

    def test_number_without_ranges(self) -> None:
        """The log says once that there is one only, where it was a number."""
        self.glance.ranged = False
        message = 'falling back to one connection instead of 3'
        self.assert_same(DATA, self.download(modes.InMemory, 3))
        self.assertEqual(1, self.log.output.count(message))
        self.assertEqual(len(DATA), self.glance.sent)

    @base.for_each(modes.ALL)
    def test_others_are_not(self, kind: type[modes.Mode]) -> None:
        """What was planned is received, and then the rest over one."""
        self.worth(1e6)
        # It is not tried again.
        self.useFixture(fixtures.MockPatchObject(concurrency, '_HOLD', 60.0))
        self.assert_same(DATA, self.download(kind))
        rests = [r for r in self.ranges() if r.endswith('-')]
        self.assertNotEqual([], rests)

    @base.for_each(modes.ALL)
    def test_no_ranges(self, kind: type[modes.Mode]) -> None:
        """A store without them loses nothing by having been asked."""
        self.glance.ranged = False
        self.assert_same(DATA, self.download(kind))
        self.assertEqual(2, len(self.ranges()))
        self.assertEqual(len(DATA), self.glance.sent)
        self.assertNotIn('falling back', self.log.output)

    def test_no_second_connection(self) -> None:
        """One that fails does not end the download."""
        self.worth(-100.0)
        honest = self.glance._honest_to

        def answer(request: responses.Request) -> Any:
            if 'range' in request.headers:
                return responses.Response(status=403)
            return honest(request)

        self.patch(self.glance, '_honest_to', answer)
        self.assert_same(DATA, self.download(modes.InMemory))
        self.assertEqual(2, len(self.ranges()))

    def test_second_connection_later(self) -> None:
        """One that cannot be had at the moment is tried again."""
        self.worth(-100.0)
        self.glance.changes.extend(
            [
                lambda answer: answer,
                lambda answer: responses.Response(status=503),
            ]
        )
        self.assert_same(DATA, self.download(modes.InMemory))
        self.assertGreater(len(self.ranges()), 3)

    def test_small_image(self) -> None:
        """A few parts are not worth a second connection."""
        self.worth(-100.0)
        small = base.some_bytes(3 * PART)
        glance = self.serve(small)
        conn = self.connect(glance)
        response = conn.image.download_image(
            scripted.IMAGE_ID, connections='auto'
        )
        self.assert_same(small, response.content)
        data = [r for r in glance.requests if r.path.endswith('/file')]
        self.assertEqual(1, len(data))


class TestOption(base.TestCase):
    """The word for it."""

    def test_is_accepted(self) -> None:
        """It takes the place of a number."""
        self.assertEqual(
            'auto', _config.checked(connections='auto')['connections']
        )

    @base.for_each({'other_case': 'Auto', 'other': 'many', 'empty': ''})
    def test_others_are_not(self, word: str) -> None:
        """No other word does."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            _config.checked,
            connections=word,
        )
        self.assertIn("or 'auto'", str(error))

    @base.for_each({'plain': 'auto', 'written_large': ' AUTO '})
    def test_in_a_setting(self, text: str) -> None:
        """The configuration of a cloud may have it, in any case."""
        found = _settings.from_cloud(
            {'image_stream_connections': text}, 'home'
        )
        self.assertEqual({'connections': 'auto'}, found)
