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

"""Tests of the threads that show the bytes of a download to observers."""

import gc
import threading
import time
from typing import Any
from unittest import mock
import weakref

import fixtures

from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import interfaces
from openstack_image_stream._transfer import observing
from openstack_image_stream import exceptions
from tests.unit import base

DATA = b'the bytes of an image'


class Unsafe(Exception):
    """What an observer says of bad bytes."""


class Observer:
    """Remembers what it sees.

    :param verdict: What it raises in the end.
    :param refuses: Bytes that it raises :exc:`Unsafe` for.
    :param hashing: Whether it shall have a thread of its own.
    """

    def __init__(
        self,
        verdict: Exception | None = None,
        refuses: bytes | None = None,
        *,
        hashing: bool = False,
    ) -> None:
        self.hashing = hashing
        self.threads: set[threading.Thread] = set()
        self.seen = bytearray()
        self.finished = False
        self._verdict = verdict
        self._refuses = refuses

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.threads.add(threading.current_thread())
        if chunk == self._refuses:
            raise Unsafe
        self.seen += chunk

    def finish(self) -> None:
        """Give the verdict."""
        self.finished = True
        if self._verdict is not None:
            raise self._verdict


class Forgetful:
    """An observer that keeps nothing."""

    hashing = False

    def update(self, chunk: Any) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Have no objection."""


class Chunk:
    """Stands for bytes, to which no weak references are possible."""

    def __len__(self) -> int:
        return 1


class TestCase(base.TestCase):
    """Tests with a thread."""

    def setUp(self) -> None:
        super().setUp()
        # It starts with the first chunk, however small that is.
        self.useFixture(fixtures.MockPatchObject(observing, '_ALONE', -1))

    def observe(
        self, *observers: interfaces.Observer
    ) -> observing.ObserverThreads:
        """Start a thread, which is closed in the end."""
        return observing.ObserverThreads(
            observers, coordination.Coordinator('id')
        )

    def produce(
        self, observed: observing.ObserverThreads
    ) -> tuple[threading.Thread, list[int]]:
        """Show five chunks, in another thread.

        :returns: The thread, and the numbers of the chunks that were taken.
        """
        taken: list[int] = []

        def take() -> None:
            for number in range(5):
                observed.update(DATA)
                taken.append(number)

        producer = threading.Thread(target=take)
        producer.start()
        self.addCleanup(producer.join)
        return producer, taken


class TestInterruptedStart(TestCase):
    """A signal handler may raise where the thread is started."""

    def test_joined(self) -> None:
        """It is joined."""
        start = threading.Thread.start
        run = observing._Work.run
        threads: list[threading.Thread] = []

        def slow(work: observing._Work) -> None:
            threads.append(threading.current_thread())
            time.sleep(0.2)
            run(work)

        def interrupted(thread: threading.Thread) -> None:
            start(thread)
            raise KeyboardInterrupt

        self.patch(observing._Work, 'run', slow)
        observed = self.observe(Forgetful())
        with mock.patch.object(threading.Thread, 'start', interrupted):
            self.assertRaises(KeyboardInterrupt, observed.update, DATA)
        observed.close()
        self.assertFalse(threads[0].is_alive())


class TestObservers(TestCase):
    """What is shown to them, and what they say."""

    def test_all_see_all(self) -> None:
        """Each observer sees every byte once, in order."""
        observers = [Observer(), Observer()]
        thread = self.observe(*observers)
        for chunk in (b'one ', b'two ', b'three'):
            thread.update(chunk)
        thread.finish()
        for observer in observers:
            self.assertEqual(b'one two three', bytes(observer.seen))
            self.assertTrue(observer.finished)

    def test_any_of_them_ends_it(self) -> None:
        """A verdict of the second one is as good as that of the first."""
        thread = self.observe(Observer(), Observer(verdict=Unsafe('bad')))
        thread.update(DATA)
        error = self.assertRaises(Unsafe, thread.finish)
        self.assertEqual('bad', str(error))

    def test_early_verdict(self) -> None:
        """What an observer raises early is raised by a later chunk."""
        thread = self.observe(Observer(), Observer(refuses=b'two'))

        def show_all() -> None:
            for _ in range(10):
                thread.update(b'two')

        self.assertRaises(Unsafe, show_all)

    def test_failure(self) -> None:
        """What goes wrong in the thread is raised where it matters."""
        broken = mock.Mock()
        broken.update.side_effect = [None, MemoryError('no room'), None]
        thread = self.observe(broken)

        def show_all() -> None:
            for _ in range(10):
                thread.update(DATA)
            thread.finish()

        error = self.assertRaises(MemoryError, show_all)
        self.assertEqual('no room', str(error))


class TestSmall(base.TestCase):
    """What a small image costs."""

    def setUp(self) -> None:
        super().setUp()
        self.observer = Observer()
        self.observed = observing.ObserverThreads(
            [self.observer], coordination.Coordinator('id')
        )
        self.addCleanup(self.observed.close)

    def test_no_thread(self) -> None:
        """A single chunk is shown at once, without one."""
        chunk = bytes(1024 * 1024)
        self.observed.update(chunk)
        self.assert_same(chunk, bytes(self.observer.seen))
        self.assertEqual([], base.observer_threads())
        self.observed.finish()
        self.assertTrue(self.observer.finished)

    def test_another_chunk(self) -> None:
        """The next one is worth a thread, and shown after the first."""
        self.observed.update(b'one ')
        self.observed.update(b'two ')
        self.assertEqual(1, len(base.observer_threads()))
        self.observed.update(b'three')
        self.observed.finish()
        self.assertEqual(b'one two three', bytes(self.observer.seen))

    def test_large_chunk(self) -> None:
        """So is a first one that takes longer."""
        self.observed.update(bytes(1024 * 1024 + 1))
        self.assertEqual(1, len(base.observer_threads()))

    def test_bytes_of_a_file(self) -> None:
        """So is what a former download left, however little that is."""
        with open(self.write(b'one '), 'rb') as file:
            self.observed.update_stored(
                observing.StoredBytes(file.fileno(), 0, 4)
            )
            self.assertEqual(1, len(base.observer_threads()))
            self.observed.update(b'two')
            self.observed.finish()
        self.assertEqual(b'one two', bytes(self.observer.seen))

    def test_refusal(self) -> None:
        """What an observer raises is raised with the chunk itself."""
        observed = observing.ObserverThreads(
            [Observer(refuses=DATA)], coordination.Coordinator('id')
        )
        self.addCleanup(observed.close)
        self.assertRaises(Unsafe, observed.update, DATA)

    def test_closed(self) -> None:
        """Nothing is shown after the end of the download."""
        coordinator = coordination.Coordinator('id')
        observed = observing.ObserverThreads([self.observer], coordinator)
        self.addCleanup(observed.close)
        coordinator.close()
        observed.update(DATA)
        self.assertEqual(b'', bytes(self.observer.seen))
        self.assertRaises(exceptions.DownloadClosedError, observed.finish)


class TestSeveralHashes(TestCase):
    """Each digest after the first has a thread of its own."""

    def observe_started(
        self, *observers: Observer
    ) -> observing.ObserverThreads:
        """Show them a first chunk."""
        observed = self.observe(*observers)
        self.addCleanup(observed.close)
        observed.update(b'one ')
        return observed

    def test_threads(self) -> None:
        """What takes little time is in the thread of the first one."""
        check = Observer()
        hashes = [Observer(hashing=True) for _ in range(3)]
        observed = self.observe_started(hashes[0], check, *hashes[1:])
        self.assertEqual(3, len(base.observer_threads()))
        observed.update(b'two')
        observed.finish()
        self.assertEqual([], base.observer_threads())
        for observer in (check, *hashes):
            self.assertEqual(b'one two', bytes(observer.seen))
            self.assertEqual(1, len(observer.threads))
            self.assertTrue(observer.finished)
        self.assertEqual(hashes[0].threads, check.threads)
        self.assertEqual(
            3, len(set.union(*(observer.threads for observer in hashes)))
        )

    def test_at_the_same_time(self) -> None:
        """They see a chunk at the same time."""
        both = threading.Barrier(2, timeout=10)
        observers = [mock.Mock(hashing=True) for _ in range(2)]
        for observer in observers:
            observer.update.side_effect = lambda chunk: both.wait()
        observed = self.observe(*observers)
        self.addCleanup(observed.close)
        observed.update(DATA)
        observed.finish()
        self.assertFalse(both.broken)

    def test_verdicts_in_order(self) -> None:
        """The verdict of the one that was given first is what is raised."""
        observed = self.observe_started(
            Observer(hashing=True),
            Observer(verdict=Unsafe('second'), hashing=True),
            Observer(verdict=Unsafe('third')),
        )
        error = self.assertRaises(Unsafe, observed.finish)
        self.assertEqual('second', str(error))

    def test_refusal(self) -> None:
        """What one raises early ends it, and the threads of the others."""
        observers = [
            Observer(hashing=True),
            Observer(refuses=b'two', hashing=True),
            Observer(hashing=True),
        ]
        observed = self.observe_started(*observers)

        def show_all() -> None:
            for _ in range(10):
                observed.update(b'two')

        self.assertRaises(Unsafe, show_all)
        # Whatever comes then does not wait for ever.
        for _ in range(5):
            self.assertRaises(Unsafe, show_all)
        self.assertRaises(Unsafe, observed.finish)
        self.assertEqual([], base.observer_threads())

    def test_waits_for_the_slowest(self) -> None:
        """Two chunks on their way to one of them are enough."""
        may_return = threading.Event()
        self.addCleanup(may_return.set)
        slow = mock.Mock(hashing=True)
        slow.update.side_effect = lambda chunk: may_return.wait(10)
        observed = self.observe(Observer(hashing=True), slow)
        self.addCleanup(observed.close)
        producer, taken = self.produce(observed)
        # Enough for a producer that does not wait.
        producer.join(0.2)
        self.assertEqual([0, 1], taken)
        may_return.set()
        producer.join()
        observed.finish()
        self.assertEqual(5, slow.update.call_count)

    def test_bytes_of_a_file(self) -> None:
        """All of them read what a former download left."""
        observers = [Observer(hashing=True) for _ in range(2)]
        observed = self.observe(*observers)
        self.addCleanup(observed.close)
        with open(self.write(b'one '), 'rb') as file:
            observed.update_stored(observing.StoredBytes(file.fileno(), 0, 4))
            observed.update(b'two')
            observed.finish()
        self.assertFalse(observed.behind)
        for observer in observers:
            self.assertEqual(b'one two', bytes(observer.seen))

    def test_one_is_behind(self) -> None:
        """The bytes of a file are observed once all have seen them."""
        may_return = threading.Event()
        self.addCleanup(may_return.set)
        slow = mock.Mock(hashing=True)
        slow.update.side_effect = lambda chunk: may_return.wait(10)
        observed = self.observe(Observer(hashing=True), slow)
        self.addCleanup(observed.close)
        with open(self.write(b'one '), 'rb') as file:
            observed.update_stored(observing.StoredBytes(file.fileno(), 0, 4))
            time.sleep(0.1)
            self.assertTrue(observed.behind)
            may_return.set()
            observed.finish()
        self.assertFalse(observed.behind)

    def test_no_second_thread(self) -> None:
        """One that cannot have a thread sees the bytes in the caller's."""
        start = threading.Thread.start
        started: list[threading.Thread] = []

        def once(thread: threading.Thread) -> None:
            if started:
                raise RuntimeError("can't start new thread")
            started.append(thread)
            start(thread)

        observers = [Observer(hashing=True) for _ in range(2)]
        with mock.patch.object(threading.Thread, 'start', once):
            observed = self.observe_started(*observers)
        observed.update(b'two')
        observed.finish()
        for observer in observers:
            self.assertEqual(b'one two', bytes(observer.seen))
        self.assertEqual({threading.current_thread()}, observers[1].threads)

    def test_close_ends_them(self) -> None:
        """After giving up none of them is left."""
        shown = threading.Event()

        def update(chunk: bytes) -> None:
            shown.set()
            time.sleep(0.2)

        observers = [mock.Mock(hashing=True) for _ in range(2)]
        observers[1].update.side_effect = update
        observed = self.observe(*observers)
        observed.update(DATA)
        self.assertTrue(shown.wait(10))
        observed.close()
        self.assertEqual([], base.observer_threads())

    def test_forgetting_ends_them(self) -> None:
        """No thread keeps alive the object that it works for."""
        observed = [self.observe(*(Observer(hashing=True) for _ in range(2)))]
        observed[0].update(DATA)
        running = base.observer_threads()
        self.assertEqual(2, len(running))
        observed.clear()
        gc.collect()
        for thread in running:
            thread.join(10)
            self.assertFalse(thread.is_alive())


class TestThread(TestCase):
    """The thread and its end."""

    def test_is_named(self) -> None:
        """Who looks at the threads of a process sees whose it is."""
        observed = self.observe(Forgetful())
        self.addCleanup(observed.close)
        observed.update(DATA)
        self.assertEqual(1, len(base.observer_threads()))

    def test_does_not_keep_the_process(self) -> None:
        """A download that is never finished does not hang the exit."""
        observed = self.observe(Forgetful())
        self.addCleanup(observed.close)
        observed.update(DATA)
        (thread,) = base.observer_threads()
        self.assertTrue(thread.daemon)

    def test_finish_ends_it(self) -> None:
        """After the end no thread is left."""
        observed = self.observe(Forgetful())
        observed.update(DATA)
        observed.finish()
        self.assertEqual([], base.observer_threads())

    def test_close_ends_it(self) -> None:
        """Nor after giving up, and giving up twice is no error."""
        observed = self.observe(Forgetful())
        observed.update(DATA)
        observed.close()
        self.assertEqual([], base.observer_threads())
        observed.close()

    def test_forgetting_ends_it(self) -> None:
        """The thread does not keep alive the object that it works for."""
        observed = self.observe(Forgetful())
        observed.update(DATA)
        (thread,) = base.observer_threads()
        del observed
        gc.collect()
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_may_be_collected_by_itself(self) -> None:
        """The garbage collector may end a download in any thread."""
        observer = mock.Mock()
        threads = [self.observe(observer)]
        shown = threading.Event()
        may_collect = threading.Event()

        def collect(chunk: bytes) -> None:
            shown.set()
            may_collect.wait(10)
            threads.clear()

        observer.update.side_effect = collect
        threads[0].update(DATA)
        (thread,) = base.observer_threads()
        self.assertTrue(shown.wait(10))
        may_collect.set()
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_closed_meanwhile(self) -> None:
        """What waits for an observer of a closed download is told so."""
        coordinator = coordination.Coordinator('id')
        may_return = threading.Event()
        observer = mock.Mock()
        observer.update.side_effect = lambda chunk: may_return.wait(10)
        observed = observing.ObserverThreads([observer], coordinator)
        self.addCleanup(observed.close)
        observed.update(DATA)
        coordinator.close()
        may_return.set()
        self.assertRaises(exceptions.DownloadClosedError, observed.finish)

    def test_no_thread(self) -> None:
        """Where no thread can be started the caller's does it."""
        with mock.patch.object(
            threading.Thread, 'start', side_effect=RuntimeError
        ):
            observed = self.observe(Forgetful())
            self.addCleanup(observed.close)
            observed.update(DATA)
        observed.update(DATA)
        self.assertEqual([], base.observer_threads())
        observed.finish()

    def test_does_not_keep_the_last_chunk(self) -> None:
        """A chunk that was shown is let go, also before the next comes."""
        observed = self.observe(Forgetful())
        self.addCleanup(observed.close)
        chunk = Chunk()
        alive = weakref.ref(chunk)
        observed.update(chunk)  # type: ignore[arg-type]
        del chunk
        # There is all the room again once the chunk is done with.
        for _ in range(observing._WAITING_CHUNKS):
            observed._workers[0].work.room.get(timeout=10)
        self.assertIsNone(alive())


class TestWaiting(TestCase):
    """Memory stays bounded when observers are slower than the network."""

    def test_waits_for_the_observer(self) -> None:
        """With two chunks on their way, the third waits for its turn."""
        may_return = threading.Event()
        full = threading.Event()
        observer = mock.Mock()
        observer.update.side_effect = lambda chunk: may_return.wait(10)
        observed = self.observe(observer)
        self.addCleanup(observed.close)
        work = observed._workers[0].work
        room = work.room

        def get() -> None:
            if room.empty():
                full.set()
            room.get()

        watched = mock.Mock(get=get, put=room.put)
        self.patch(work, 'room', watched)
        producer, taken = self.produce(observed)
        self.addCleanup(may_return.set)
        self.assertTrue(full.wait(10))
        self.assertEqual([0, 1], taken)
        may_return.set()
        producer.join()
        self.assertEqual([0, 1, 2, 3, 4], taken)
