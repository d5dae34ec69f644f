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

"""Tests of the deadline of a download."""

from collections.abc import Callable
import dataclasses
import pickle
import threading
import time
from typing import Any

import fixtures
from keystoneauth1 import exceptions as ksa_exceptions

from openstack_image_stream._common import retry
from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream._http import fetching
from openstack_image_stream._sdk import key_manager
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import deadlines
from openstack_image_stream._transfer import image_source
from openstack_image_stream._transfer import parallel
from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base
from tests.unit import modes

DATA = base.some_bytes(1_000_000)
PART = 100_000

#: Seconds of the deadline here, and seconds that nothing may last. What would
#: wait for anything else waits for a minute.
DEADLINE, SOON = 0.5, 20

REASON = f'the deadline of {DEADLINE} s has passed'


class TestDeadline(base.TestCase):
    """The moment at which a download ends."""

    def setUp(self) -> None:
        super().setUp()
        self.now = 100.0

    def deadline(self, seconds: float) -> deadlines.Deadline:
        """Return a deadline that looks at our clock."""
        return deadlines.Deadline(seconds, 'id', lambda: self.now)

    def test_passes(self) -> None:
        """It passes once, and then stays so."""
        deadline = self.deadline(10)
        self.now += 9.9
        self.assertFalse(deadline.passed)
        self.now += 0.1
        self.assertTrue(deadline.passed)

    def test_error(self) -> None:
        """The error has the numbers, and the deadline in its text."""
        deadline = self.deadline(1.5)
        deadline.received, deadline.expected = 5, 7
        error: Any = deadline.error(exceptions.InterruptedDownloadError)
        self.assertEqual(
            'image id: incomplete download: 5 of 7 bytes received (the '
            'deadline of 1.5 s has passed)',
            str(error),
        )
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((5, 7), (again.received, again.expected))
        self.assertEqual('the deadline of 1.5 s has passed', again.reason)

    def test_without_a_thread(self) -> None:
        """The owner looks at the clock itself, too."""
        deadline = self.deadline(10)
        coordinator = coordination.Coordinator('id', deadline)
        with fixtures.MockPatchObject(
            threading.Thread, 'start', side_effect=RuntimeError
        ):
            deadline.watch(coordinator)
        coordinator.check()
        self.assertFalse(coordinator.ended)
        self.now += 10
        self.assertRaises(
            exceptions.InterruptedDownloadError, coordinator.check
        )
        self.assertTrue(coordinator.ended)

    def test_what_came_before_counts(self) -> None:
        """A download that has ended does not end by its deadline."""
        coordinator = coordination.Coordinator('id', self.deadline(10))
        coordinator.close()
        self.now += 10
        coordinator.expire()
        self.assertRaises(exceptions.DownloadClosedError, coordinator.check)

    def test_success_before(self) -> None:
        """Nor does one that is complete."""
        coordinator = coordination.Coordinator('id', self.deadline(10))
        coordinator.finish()
        self.now += 10
        coordinator.check()


def _silent(response: responses.Response) -> responses.Response:
    return dataclasses.replace(response, silent_after=len(response.body) // 2)


def _no_response(response: responses.Response) -> responses.Response:
    return dataclasses.replace(response, silent_after=-1)


def _busy(response: responses.Response) -> responses.Response:
    return responses.Response(status=503, headers={'Retry-After': '60'})


def _trickle(response: responses.Response) -> responses.Response:
    return dataclasses.replace(response, throttle=(1_000, 0.05))


def _threads() -> dict[str, list[threading.Thread]]:
    found: dict[str, list[threading.Thread]] = {}
    for thread in threading.enumerate():
        before, _, what = thread.name.rpartition('-')
        if before == 'openstack-image-stream':
            found.setdefault(what, []).append(thread)
    return found


class DeadlineTestCase(base.GlanceTestCase):
    """A test with a server, and downloads with a deadline."""

    def setUp(self) -> None:
        super().setUp()
        # They wait before retries, as they do outside of the tests.
        policy: Any = retry.RetryPolicy
        self.patch(retry, 'RetryPolicy', policy.func)
        self.useFixture(fixtures.MockPatchObject(parallel, 'PART', PART))
        self.useFixture(
            fixtures.MockPatchObject(image_source, '_BRIEF', 1_000_000)
        )
        self.glance = self.serve(DATA)
        self.conn = self.connect(self.glance)
        self.assertIsNotNone(self.conn.image)
        self.glance.requests.clear()

    def fail_at(
        self, function: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        """Do what fails at the deadline; return the error."""
        began = time.monotonic()
        error: Any = self.assertRaises(
            exceptions.IncompleteDownloadError,
            function,
            *args,
            **{'deadline': DEADLINE, **options},
        )
        took = time.monotonic() - began
        self.assertGreaterEqual(took, DEADLINE)
        self.assertLess(took, SOON)
        self.assertEqual(REASON, error.reason)
        self.assertIn(REASON, str(error))
        self.assert_nothing_left()
        return error

    def assert_nothing_left(self) -> None:
        """Check that no thread of a download is there."""
        # Those that connect are left, and end with their connection.
        threads = _threads()
        self.assertEqual({'open'}, {*threads, 'open'})
        for thread in threads.get('open', []):
            thread.join(SOON)
            self.assertFalse(thread.is_alive())
        self.assert_nothing_open(self.glance, self.conn)


class TestData(DeadlineTestCase):
    """What the data are waited for is no matter."""

    def _fails(self, case: Any, change: Any, **options: Any) -> Any:
        kind, connections = case
        self.glance.repeat_last = True
        # Of several connections the first has a whole part.
        if connections == 3:
            self.glance.changes.append(lambda response: response)
        self.glance.changes.append(change)
        error = self.fail_at(
            kind(self.directory).download,
            self.conn,
            connections=connections,
            **options,
        )
        self.assertEqual(len(DATA), error.expected)
        return error

    @base.for_each(modes.times({'one': 1, 'three': 3, 'auto': 'auto'}))
    def test_silent(self, case: Any) -> None:
        """A connection may be silent."""
        error = self._fails(case, _silent)
        self.assertLess(error.received, len(DATA))
        self.assertEqual([], self.warnings())

    @base.for_each(modes.times({'one': 1, 'three': 3, 'auto': 'auto'}))
    def test_trickle(self, case: Any) -> None:
        """A connection may bring something all the time."""
        error = self._fails(case, _trickle)
        self.assertLess(error.received, len(DATA))
        self.assertEqual([], self.warnings())

    @base.for_each(modes.times({'one': 1, 'three': 3, 'auto': 'auto'}))
    def test_busy(self, case: Any) -> None:
        """A retry may be due."""
        self._fails(case, _busy)
        self.assertIn('retrying in 60', self.log.output)

    @base.for_each(modes.times({'one': 1, 'three': 3}))
    def test_bandwidth(self, case: Any) -> None:
        """The limit of the bandwidth may be what is waited for."""
        self._fails(case, lambda response: response, max_bandwidth=1024)

    @base.for_each(modes.times({'one': 1, 'auto': 'auto'}))
    def test_no_response(self, case: Any) -> None:
        """A response may never come; then it is a timeout of keystoneauth."""
        error = self._fails(case, _no_response)
        self.assertEqual(0, error.received)
        if case[0] is not modes.Streamed:
            self.assertIsInstance(error, ksa_exceptions.ConnectTimeout)

    @base.for_each(modes.times({'one': 1, 'three': 3, 'auto': 'auto'}))
    def test_no_connection(self, case: Any) -> None:
        """What cannot be interrupted is left, such as a TLS handshake."""
        kind, connections = case
        ended = threading.Event()
        self.addCleanup(ended.set)

        def connect(*args: Any) -> None:
            # As long as the test lasts, and no longer.
            ended.wait(SOON)
            raise retry.RetriableError('no connection')

        self.patch(fetching.Fetcher, 'open', connect)
        self.patch(self, 'assert_nothing_left', ended.set)
        self.fail_at(
            kind(self.directory).download, self.conn, connections=connections
        )

    def test_no_response_to_the_first_part(self) -> None:
        """The same holds for the first of several connections."""
        self.glance.changes.append(_no_response)
        error = self.fail_at(
            self.conn.image.download_image, scripted.IMAGE_ID, connections=3
        )
        self.assertIsInstance(error, ksa_exceptions.ConnectTimeout)

    @base.for_each({'one': 1, 'three': 3, 'auto': 'auto'})
    def test_success(self, connections: Any) -> None:
        """What is complete in time is complete."""
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, connections=connections, deadline=60
        )
        self.assert_same(DATA, response.content)
        self.assert_nothing_left()


class TestMetadata(DeadlineTestCase):
    """The time begins with the call."""

    @base.for_each(
        {
            'silent': {'silent_after': 100},
            'no_response': {'silent_after': -1},
            'trickle': {'throttle': (1, 0.05)},
            'busy': {'status': 503, 'headers': {'Retry-After': '60'}},
        }
    )
    def test_metadata(self, changes: Any) -> None:
        """The request for the metadata is included."""
        described = responses.json_response(self.glance.metadata)
        self.glance.metadata_responses.append(
            dataclasses.replace(described, **changes)
        )
        error = self.fail_at(self.conn.image.download_image, scripted.IMAGE_ID)
        self.assertIsInstance(error, exceptions.ConnectionTimeoutError)
        self.assertEqual((0, None), (error.received, error.expected))
        # Nothing else was requested, and no other retry was due.
        self.assertEqual(1, len(self.glance.requests))
        self.assertLessEqual(self.log.output.count('retrying'), 1)

    def test_certificate(self) -> None:
        """So is that for the certificate of a signer."""
        ended = threading.Event()
        self.addCleanup(ended.set)
        image = self.conn.image.get_image(scripted.IMAGE_ID)
        self.patch(
            key_manager,
            'fetch_secret',
            lambda *args, **kwargs: ended.wait(60),
        )

        def fetch(deadline: float) -> None:
            # The deadline counts from here on.
            context = _context.Context(
                image, self.conn.image, _config.checked(deadline=deadline)
            )
            context._fetch_secret('uuid', context.coordinator())

        self.patch(self, 'assert_nothing_left', ended.set)
        self.fail_at(fetch)


class TestOutputs(DeadlineTestCase):
    """What is left of a download that has ended."""

    @base.for_each({'one': 1, 'three': 3})
    def test_partial_file(self, connections: int) -> None:
        """It is kept, and resumed by the next call."""
        # More than is received before it is written.
        data = base.some_bytes(10_000_000)
        self.glance = self.serve(data)
        self.conn = self.connect(self.glance)
        if connections > 1:
            self.glance.changes.extend([lambda response: response] * 2)
        self.glance.changes.append(_silent)
        error = self.fail_at(
            self.conn.image.download_image,
            scripted.IMAGE_ID,
            output=self.path(),
            connections=connections,
        )
        partial = f'image.{scripted.IMAGE_ID}.part'
        self.assertEqual([partial], self.files())
        kept = self.content(partial)
        self.assertEqual(self.path(partial), error.partial_path)
        self.assertGreater(len(kept), 0)
        self.assertLessEqual(error.received, len(kept))
        self.assert_same(data[: len(kept)], kept)
        sent = self.glance.sent
        self.connect(self.glance).image.download_image(
            scripted.IMAGE_ID, output=self.path(), connections=connections
        )
        self.assert_same(data, self.content())
        self.assertEqual(len(data) - len(kept), self.glance.sent - sent)

    def test_later_read(self) -> None:
        """A reader that was away is told at its next read, each time."""
        self.glance = self.serve(base.some_bytes(4_000_000))
        self.conn = self.connect(self.glance)
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, stream=True, deadline=DEADLINE
        )
        self.addCleanup(response.close)
        response.raw.read(1000)
        time.sleep(DEADLINE)
        for _ in range(2):
            error = self.assertRaises(
                exceptions.InterruptedDownloadError, self._read_all, response
            )
            self.assertEqual(REASON, error.reason)
        self.assert_nothing_left()

    def _read_all(self, response: Any) -> None:
        while response.raw.read(100_000):
            pass

    def test_complete_before(self) -> None:
        """What was verified in time is handed out at any time."""
        small = self.serve(b'image')
        conn = self.connect(small)
        response = conn.image.download_image(
            scripted.IMAGE_ID, stream=True, deadline=DEADLINE
        )
        self.assertEqual(b'im', response.raw.read(2))
        time.sleep(DEADLINE)
        self.assertEqual(b'age', response.raw.read())

    def test_closed(self) -> None:
        """A response that is closed does not wait for its deadline."""
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, stream=True, deadline=60
        )
        response.close()
        self.assert_nothing_left()
        error = self.assertRaises(
            exceptions.DownloadClosedError, response.raw.read
        )
        self.assertIn('closed', str(error))

    def test_forgotten(self) -> None:
        """Nor does one that is forgotten."""
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, stream=True, deadline=60
        )
        (watching,) = _threads()['deadline']
        del response
        watching.join(SOON)
        self.assertFalse(watching.is_alive())
        self.assert_nothing_left()
