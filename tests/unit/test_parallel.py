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

"""Tests of several connections, on real sockets."""

import gc
import hashlib
import logging
import queue
import threading
from typing import Any
from unittest import mock

import fixtures
import hypothesis
from hypothesis import strategies
from openstack import exceptions as sdk_exceptions
import requests
import urllib3

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import parallel
from openstack_image_stream._transfer import workers
from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base
from tests.unit import modes

#: Bytes of a part in these tests.
PART = 100_000

#: Twelve parts and a bit.
DATA = base.some_bytes(1_234_567)


def worker_threads() -> list[str]:
    """Return the names of all threads of downloads."""
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith('openstack-image-stream')
    ]


class ParallelTestCase(base.GlanceTestCase):
    """A test with an image of many parts."""

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.useFixture(fixtures.MockPatchObject(parallel, 'PART', PART))
        self.glance = self.serve(DATA)
        self.conn = self.connect(self.glance)
        self.assertIsNotNone(self.conn.image)
        self.glance.requests.clear()

    def ranges(self) -> list[str | None]:
        """Return the Range of each request for data."""
        return [
            request.headers.get('range')
            for request in self.glance.requests
            if request.path.endswith('/file')
        ]

    def stream(self, **options: Any) -> requests.Response:
        """Open a stream over four connections."""
        response: requests.Response = self.conn.image.download_image(
            scripted.IMAGE_ID, stream=True, connections=4, **options
        )
        return response

    def assert_nothing_left(self) -> None:
        """Check that no thread and no connection is left."""
        self.assertEqual([], worker_threads())
        self.assert_nothing_open(self.glance, self.conn)


class TestOrder(ParallelTestCase):
    """Whoever reads gets the bytes in their order."""

    @base.for_each(modes.ALL)
    def test_bytes(self, kind: type[modes.Mode]) -> None:
        """Every way to download gives the image."""
        mode = kind(self.directory)
        self.assert_same(DATA, mode.download(self.conn, connections=4))
        self.assertEqual(13, len(self.ranges()))
        self.assertEqual(13, len(set(self.ranges())))
        self.assert_nothing_left()

    @hypothesis.given(
        cuts=strategies.lists(
            strategies.tuples(
                strategies.integers(0, PART), strategies.booleans()
            ),
            max_size=10,
        ),
        connections=strategies.integers(2, 6),
        kind=strategies.sampled_from(list(modes.ALL.values())),
    )
    @hypothesis.settings(base.EXAMPLES, max_examples=20)
    def test_any_cuts(
        self,
        cuts: list[tuple[int, bool]],
        connections: int,
        kind: type[modes.Mode],
    ) -> None:
        """Each part resumes by itself where it was cut."""
        self.glance.cuts.extend(cuts)
        directory = self.useFixture(fixtures.TempDir()).path
        self.assert_same(
            DATA,
            kind(directory).download(
                self.conn, connections=connections, retries=20
            ),
        )
        self.assertEqual([], worker_threads())

    def test_speaks_of_the_whole(self) -> None:
        """The response looks as that of one connection would."""
        with self.stream() as response:
            self.assertEqual(200, response.status_code)
            self.assertEqual(
                str(len(DATA)), response.headers['Content-Length']
            )
            self.assertNotIn('Content-Range', response.headers)

    def test_small_image(self) -> None:
        """What fits in one part is asked for as by one connection."""
        self.glance.data = DATA[:PART]
        self.glance.metadata.update(
            size=PART,
            checksum=None,
            os_hash_value=base.sha512(DATA[:PART]).value,
        )
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, connections=4
        )
        self.assert_same(DATA[:PART], response.content)
        self.assertEqual([None], self.ranges())

    @base.for_each({'right': DATA, 'flipped': bytes([DATA[0] ^ 1]) + DATA[1:]})
    def test_hash_in_a_header(self, data: bytes) -> None:
        """That of the whole is compared, so the whole is requested."""
        self.glance.data = data
        self.glance.metadata.update(
            checksum=None, os_hash_algo=None, os_hash_value=None
        )
        self.glance.data_responses.append(
            self.glance.honest(
                headers={'Content-MD5': hashlib.md5(DATA).hexdigest()}
            )
        )
        response = self.stream()
        if data == DATA:
            self.assert_same(DATA, response.content)
        else:
            self.assertRaises(
                exceptions.ChecksumMismatchError, lambda: response.content
            )
        self.assertEqual([None], self.ranges())
        self.assertIn('falling back to one connection', self.log.output)

    def test_no_verification(self) -> None:
        """Where nothing is to be compared there are several all the same."""
        self.glance.metadata.update(
            checksum=None, os_hash_algo=None, os_hash_value=None
        )
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, connections=4, validate_checksum=False
        )
        self.assert_same(DATA, response.content)
        self.assertGreater(len(self.ranges()), 4)

    def test_flipped_byte(self) -> None:
        """The digest is that of the whole, whatever the parts."""
        self.glance.data = DATA[:-1] + bytes([DATA[-1] ^ 1])
        response = self.stream()
        self.assertRaises(
            exceptions.ChecksumMismatchError, lambda: response.content
        )
        self.assert_nothing_left()


class TestBounds(ParallelTestCase):
    """How much is under way at a time."""

    def test_slow_reader(self) -> None:
        """Nobody fetches ahead more than the window."""
        response = self.stream()
        response.raw.read(1)
        # Four connections, one part that waits, one that is handed on, and
        # one more that the pipeline reads ahead of its reader.
        self.addCleanup(response.close)
        self.glance.may_respond.set()
        for _ in range(1000):
            before = len(self.ranges())
            if before >= 5:
                break
            threading.Event().wait(0.01)
        self.assertLessEqual(len(self.ranges()), 7)

    def test_connections(self) -> None:
        """There are as many at a time as were asked for, and no more."""
        self.glance.may_respond.clear()
        response = self.stream()
        self.addCleanup(response.close)
        reader = threading.Thread(target=lambda: response.content)
        reader.start()
        self.addCleanup(reader.join)
        self.addCleanup(self.glance.may_respond.set)
        while len(self.ranges()) < 5:
            threading.Event().wait(0.01)
        # The first part, and one for each connection.
        self.assertEqual(5, len(self.ranges()))


class TestFallBack(ParallelTestCase):
    """A store that serves no ranges."""

    @base.for_each(modes.ALL)
    def test_one_connection(self, kind: type[modes.Mode]) -> None:
        """The image comes over one connection, and the log says so."""
        self.glance.ranged = False
        mode = kind(self.directory)
        self.assert_same(DATA, mode.download(self.conn, connections=4))
        self.assertEqual(1, self.log.output.count('one connection instead'))
        self.assertEqual(['bytes=0-99999', None], self.ranges())
        self.assert_nothing_left()

    def test_ignored(self) -> None:
        """Whoever ignores ranges is not asked for them again."""
        self.glance.data_responses.append(self.glance.honest())
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, connections=4
        )
        self.assert_same(DATA, response.content)

    def test_in_the_middle(self) -> None:
        """One answer that refuses ends the window, not the download."""
        self.glance.data_responses.append(
            self.glance._honest_to(
                responses.Request('GET', '/', {'range': 'bytes=0-99999'}, b'')
            )
        )
        self.glance.data_responses.append(responses.Response(status=400))
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, connections=4
        )
        self.assert_same(DATA, response.content)
        self.assert_nothing_left()


class TestStopping(ParallelTestCase):
    """Nothing is left within a moment."""

    def setUp(self) -> None:
        super().setUp()
        # Every thread but the first waits for an answer.
        self.glance.may_respond.clear()

    def test_close(self) -> None:
        """Closing wakes up who waits for a silent server."""
        response = self.stream()
        response.close()
        self.assertEqual([], worker_threads())

    def test_forgotten(self) -> None:
        """So does forgetting."""
        response = self.stream()
        response.raw.tell()
        del response
        gc.collect()
        for _ in range(1000):
            if not worker_threads():
                break
            threading.Event().wait(0.01)
        self.assertEqual([], worker_threads())

    def test_no_way_to_connect(self) -> None:
        """Who waits for a network that swallows everything is not waited for.

        A socket that is being connected cannot be shut down.
        """
        answers, network = threading.Event(), iter([self.conn])
        waits = threading.Event()
        connect = urllib3.util.connection.create_connection

        def create_connection(*args: Any, **kwargs: Any) -> Any:
            # Only the first one gets through.
            if next(network, None) is None:
                waits.set()
                answers.wait(30)
                raise TimeoutError
            return connect(*args, **kwargs)

        self.addCleanup(answers.set)
        with mock.patch.object(
            urllib3.util.connection, 'create_connection', create_connection
        ):
            response = self.stream()
            self.assertTrue(waits.wait(30))
            response.close()
            self.assertFalse(answers.is_set())
            threads = [
                thread
                for thread in threading.enumerate()
                if thread.name in worker_threads()
            ]
            self.assertNotEqual([], threads)
            answers.set()
            for thread in threads:
                thread.join()

    def test_failure(self) -> None:
        """So does an error of one of them."""
        self.glance.data_responses.append(
            self.glance._honest_to(
                responses.Request('GET', '/', {'range': 'bytes=0-99999'}, b'')
            )
        )
        self.glance.data_responses.append(responses.Response(status=404))
        self.assertRaises(
            sdk_exceptions.NotFoundException,
            self.conn.image.download_image,
            scripted.IMAGE_ID,
            connections=4,
        )
        self.assertEqual([], worker_threads())

    def test_callback(self) -> None:
        """So does a callback that raises."""

        def fail(snapshot: Any) -> None:
            raise ZeroDivisionError

        self.assertRaises(
            ZeroDivisionError,
            self.conn.image.download_image,
            scripted.IMAGE_ID,
            output=self.path(),
            connections=4,
            progress=fail,
        )
        self.assertEqual([], worker_threads())


class _Stream:
    """Stands for a resumable stream of bytes that are in memory.

    :param span: Which of them.
    :param silent: Owns the download, where the server leaves the request
        unanswered. The stream ends with it, however late it is made.
    """

    def __init__(
        self,
        span: byte_ranges.ByteRange,
        *,
        silent: coordination.Coordinator | None = None,
    ) -> None:
        self.span = span
        self.connected = silent is None
        self.connecting = False
        self.position = span.start
        self._aborted = threading.Event()
        if silent is not None:
            silent.on_end(self.abort)

    def read(self, size: int) -> bytes:
        """Return the next bytes; wait until it is aborted where silent."""
        if not self.connected:
            self._aborted.wait(30)
            raise coordination.Ended
        stop = min(self.position + size, self.span.stop or len(DATA))
        chunk = DATA[self.position : stop]
        self.position = stop
        return chunk

    def abort(self) -> None:
        """Wake up who waits."""
        self._aborted.set()

    def close(self) -> None:
        """Do nothing."""


class TestRoom(base.TestCase):
    """Workers that wait until the reader has taken something."""

    def test_interrupted_wake(self) -> None:
        """A signal handler that raises in it leaves no worker that waits."""
        interrupts = [KeyboardInterrupt()]
        waiting = threading.Event()
        real = queue.SimpleQueue

        class Inbox:
            """Raises at its first item, before it has that."""

            def __init__(self) -> None:
                self._items: Any = real()

            def get(self) -> None:
                waiting.set()
                self._items.get()

            def put(self, item: None) -> None:
                if interrupts:
                    raise interrupts.pop()
                self._items.put(item)

        coordinator = coordination.Coordinator('id')
        shared = workers.Shared(mock.Mock(), coordinator)
        ended: list[BaseException] = []

        def wait() -> None:
            try:
                shared.wait_for_room(mock.Mock())
            except coordination.Ended as exc:
                ended.append(exc)

        with mock.patch.object(queue, 'SimpleQueue', Inbox):
            thread = threading.Thread(target=wait, daemon=True)
            thread.start()
            self.assertTrue(waiting.wait(10))
        coordinator.finish()
        self.assertRaises(KeyboardInterrupt, shared.wake)
        shared.wake()
        thread.join(10)
        self.assertEqual(1, len(ended))


class TestReader(base.TestCase):
    """Parts are fetched in any order and handed on in theirs."""

    def reader(
        self, start: int, size: int, more: Any, **options: Any
    ) -> parallel.ParallelReader:
        """Make a reader of these bytes."""
        coordinator = coordination.Coordinator('id')
        reader = parallel.ParallelReader(
            start, size, [], more, coordinator=coordinator, **options
        )
        self.addCleanup(self.assert_no_threads)
        self.addCleanup(reader.close)
        return reader

    def assert_no_threads(self) -> None:
        """Check that no thread is left, to be found by another test."""
        self.assertEqual([], worker_threads())

    def read_all(self, reader: parallel.ParallelReader) -> bytes:
        """Read to the end."""
        chunks = []
        while chunk := reader.read():
            chunks.append(chunk)
        return b''.join(chunks)

    @hypothesis.given(
        start=strategies.integers(0, 1000),
        length=strategies.integers(1, 3000),
        part_size=strategies.integers(1, 600),
        connections=strategies.integers(1, 6),
    )
    @hypothesis.settings(base.EXAMPLES, max_examples=25)
    def test_order(
        self, start: int, length: int, part_size: int, connections: int
    ) -> None:
        """Whichever worker is first, the bytes come in their order."""
        spans: list[byte_ranges.ByteRange] = []

        def more(span: byte_ranges.ByteRange, coordinator: Any) -> Any:
            spans.append(span)
            return _Stream(span)

        reader = self.reader(
            start,
            start + length,
            more,
            connections=connections,
            part_size=part_size,
        )
        self.assert_same(DATA[start : start + length], self.read_all(reader))
        reader.close()
        self.assertEqual(parallel.count(length, part_size), len(set(spans)))

    def test_ready(self) -> None:
        """What has come in order can be taken without waiting."""
        came = threading.Event()

        def more(span: byte_ranges.ByteRange, coordinator: Any) -> Any:
            if span.start != 200:
                return _Stream(span)
            came.set()
            return _Stream(span, silent=coordinator)

        # Half of the parts that are being received may be kept.
        reader = self.reader(0, 600, more, connections=5, part_size=100)
        self.assertTrue(came.wait(10))
        ready = b''
        for position, chunk in reader.ready():
            self.assertEqual(len(ready), position)
            ready += chunk
        self.assert_same(DATA[:200], ready)

    def test_small_chunks_from_the_start(self) -> None:
        """The first chunks are as small as the controller wants them."""
        controller = mock.Mock(connections=2)
        controller.chunk_size.return_value = 7
        reader = self.reader(
            0,
            400,
            lambda span, coordinator: _Stream(span),
            connections=2,
            part_size=100,
            controller=controller,
        )
        self.assertEqual(7, len(reader.read()))

    def test_fewer(self) -> None:
        """Fewer count once the others have ended, and keep less then."""
        controller = mock.Mock(connections=8)
        controller.chunk_size.side_effect = lambda size: size
        alive: list[int] = []
        # What may be kept, before and after.
        limits: tuple[list[float], list[float]] = ([], [])

        def received(*args: object, **kwargs: object) -> None:
            controller.connections = 4

        def joined() -> None:
            alive.append(sum(t.is_alive() for t in reader._threads))

        def allow(shared: workers.Shared, limit: int) -> None:
            limits[bool(alive)].append(limit)
            real(shared, limit)

        controller.received.side_effect = received
        controller.joined.side_effect = joined
        real = workers.Shared.allow
        self.patch(workers.Shared, 'allow', allow)
        self.patch(workers, 'CHUNK', 10)
        reader = self.reader(
            0,
            4_000,
            lambda span, coordinator: _Stream(span),
            connections=8,
            part_size=100,
            controller=controller,
        )
        self.assert_same(DATA[:4_000], self.read_all(reader))
        # One may be about to end.
        self.assertLessEqual(alive[0], 5)
        kept = parallel._KEPT * 100
        # The last of these is when the others have ended.
        self.assertEqual(4 * kept, limits[0].pop())
        self.assertEqual({8 * kept}, set(limits[0]))
        self.assertEqual({4 * kept}, set(limits[1]))

    def test_room(self) -> None:
        """No more is received than may be kept, until some is taken."""
        streams: list[_Stream] = []

        def more(span: byte_ranges.ByteRange, coordinator: Any) -> Any:
            streams.append(_Stream(span))
            return streams[-1]

        self.patch(workers, 'CHUNK', 10)
        reader = self.reader(0, 4_000, more, connections=4, part_size=100)
        shared = reader._shared

        def received() -> int:
            return sum(s.position - s.span.start for s in streams)

        # Each worker has looked for room, and found none.
        while len(shared._paused) < 4:
            threading.Event().wait(0.01)
        self.assertGreaterEqual(received(), 250)
        self.assertLess(received(), 250 + 4 * 20)
        self.assert_same(DATA[:4_000], self.read_all(reader))

    def test_room_for_what_is_waited_for(self) -> None:
        """Other parts never keep the next one out."""
        late = threading.Event()

        class Late(_Stream):
            def read(self, size: int) -> bytes:
                late.wait(10)
                return super().read(size)

        def more(span: byte_ranges.ByteRange, coordinator: Any) -> Any:
            return (Late if span.start == 0 else _Stream)(span)

        self.patch(workers, 'CHUNK', 10)
        reader = self.reader(0, 4_000, more, connections=4, part_size=100)
        while len(reader._shared._paused) < 3:
            threading.Event().wait(0.01)
        late.set()
        self.assert_same(DATA[:4_000], self.read_all(reader))

    def unanswered(
        self, size: int, connections: int, *, always: bool = False
    ) -> tuple[parallel.ParallelReader, list[int]]:
        """Make a reader whose first request gets no response.

        :param always: Whether no request gets one.
        :returns: The reader, and where the requested parts begin.
        """
        self.useFixture(
            fixtures.MockPatchObject(parallel, '_UNANSWERED', 0.01)
        )
        requested: list[int] = []

        def more(span: byte_ranges.ByteRange, coordinator: Any) -> Any:
            again = span.start in requested
            requested.append(span.start)
            silent = always or (span.start == 0 and not again)
            return _Stream(span, silent=coordinator if silent else None)

        reader = self.reader(
            0, size, more, connections=connections, part_size=100
        )
        return reader, requested

    def test_unanswered(self) -> None:
        """What a server leaves unanswered is requested once more."""
        reader, requested = self.unanswered(400, connections=2)
        self.assert_same(DATA[:400], self.read_all(reader))
        self.assertEqual([0, 0, 100, 200, 300], sorted(requested))
        self.assertEqual(1, reader._connections)

    @base.for_each(
        {'room': (3, 3, 1), 'no_room': (8, 8, 2), 'grown': (1, 3, 1)}
    )
    def test_unanswered_with_fewer(
        self, numbers: tuple[int, int, int]
    ) -> None:
        """It is, too, where those have ended that could request it."""
        self.patch(workers, 'CHUNK', 10)
        first, most, fewer = numbers
        reader, requested = self.unanswered(2_000, connections=first)
        reader._adjust(most)
        full = int(most * 100 * parallel._KEPT)
        while sum(c[0] for c in reader._shared._received) < min(full, 400):
            threading.Event().wait(0.01)
        reader._adjust(fewer)
        self.assert_same(DATA[:2_000], self.read_all(reader))
        self.assertEqual([0, *range(0, 2_000, 100)], sorted(requested))
        self.assertLessEqual(reader._workers, most)

    def test_unanswered_while_another_comes(self) -> None:
        """It is not while one receives a part, that can take it next."""
        late = threading.Event()
        self.addCleanup(late.set)
        real = _Stream.read

        def read(stream: _Stream, size: int) -> bytes:
            if stream.span.start == 100:
                late.wait(10)
            return real(stream, size)

        self.patch(_Stream, 'read', read)
        reader, requested = self.unanswered(500, connections=3)
        reader._adjust(2)
        reader._shared.allow(500)
        while sum(thread.is_alive() for thread in reader._threads) > 2:
            threading.Event().wait(0.01)
        for _ in range(20):
            reader._wait()
        self.assertEqual([0, 100, 200, 300, 400], sorted(requested))
        late.set()
        self.assert_same(DATA[:500], self.read_all(reader))

    def test_no_more_than_there_were(self) -> None:
        """All of them wait for responses, so no other is requested."""
        reader, requested = self.unanswered(400, connections=2, always=True)
        for _ in range(5):
            reader._wait()
        self.assertEqual([0, 100], sorted(requested))

    def test_too_few_threads(self) -> None:
        """Those that could be started do all of it."""
        start = threading.Thread.start
        allowed = iter([True])

        def start_some(thread: threading.Thread) -> None:
            if not next(allowed, False):
                raise RuntimeError("can't start new thread")
            start(thread)

        with mock.patch.object(threading.Thread, 'start', start_some):
            reader = self.reader(
                0,
                400,
                lambda span, coordinator: _Stream(span),
                connections=4,
                part_size=100,
            )
            self.assert_same(DATA[:400], self.read_all(reader))

    def test_no_thread(self) -> None:
        """Without any it says so."""
        with mock.patch.object(
            threading.Thread, 'start', side_effect=RuntimeError
        ):
            self.assertRaises(
                RuntimeError,
                self.reader,
                0,
                400,
                lambda span, coordinator: _Stream(span),
                connections=4,
                part_size=100,
            )
