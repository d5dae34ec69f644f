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

"""The threads in which observers judge the bytes of a download.

They share one, but each digest after the first has its own.
A small image has none: to start a thread takes as long as what could be done
meanwhile.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import os
import queue
import threading
import time

from openstack_image_stream._common import threads
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import interfaces
from openstack_image_stream import exceptions

#: Chunks that may wait for the thread. One would do if receiving and hashing
#: always took turns evenly; the second absorbs the jitter of a network without
#: letting memory grow.
_WAITING_CHUNKS = 2

#: Bytes of a first chunk that the caller's thread hashes itself. Those of a
#: stream are of this size, those of an output are larger.
_ALONE = 1024 * 1024

#: Seconds for the threads to end. They are told to, and look at it after every
#: megabyte; a signal handler that closes must not wait for what it interrupts.
_JOINING = 5.0

#: Bytes of a file that are read at a time.
_STORED_BLOCK = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class StoredBytes:
    """Bytes of the image that are in a file.

    :param descriptor: Of the file, open for reading.
    :param offset: Position of the first of them.
    :param length: How many.
    """

    descriptor: int
    offset: int
    length: int


class ObserverThreads:
    """Shows the bytes of a download to its observers, in other threads.

    hashlib lets go of the interpreter lock while it works, so the caller can
    receive and write the next chunk meanwhile. The first chunk, unless it is
    large, is shown in the caller's thread, and the others are started with
    the next. What no thread can be started for is done in the caller's.

    The caller calls :meth:`close`. The threads hold no reference to this
    object and end also when the download is simply forgotten.

    :param observers: What judges the bytes. Any that raises decides.
    :param coordinator: Owns the download.
    """

    def __init__(
        self,
        observers: Sequence[interfaces.Observer],
        coordinator: coordination.Coordinator,
    ) -> None:
        self._observers = observers
        self._coordinator = coordinator
        self._workers = [_Worker(each) for each in _grouped(observers)]
        self._stored = 0
        self._started = False
        self._begun = False
        for worker in self._workers:
            coordinator.on_end(worker.work.abandon)

    @property
    def behind(self) -> bool:
        """Whether bytes in a file are still to be observed."""
        return any(
            worker.work.stored_done < self._stored for worker in self._workers
        )

    def update(self, chunk: bytes) -> None:
        """Take the next chunk, waiting while too many wait already.

        :param chunk: Bytes of the image; they are not copied.
        :raises: what an observer raised, and what ended the download when it
            ended meanwhile.
        """
        first = not self._begun
        self._begun = True
        if not (first and len(chunk) <= _ALONE):
            self._start()
        threaded = [worker.work for worker in self._workers if worker.threaded]
        for work in threaded:
            work.room.get()
        if any(work.over for work in threaded):
            # For the next call, and whatever else waits.
            for work in threaded:
                work.room.put(None)
            self._check()
        for worker in self._workers:
            worker.take(chunk)

    def update_stored(self, stored: StoredBytes) -> None:
        """Take the next bytes from a file, without waiting.

        :param stored: Where they are; they stay there until this is finished
            or closed.
        """
        self._begun = True
        self._start()
        self._stored += 1
        for worker in self._workers:
            worker.take(stored)

    def finish(self) -> None:
        """Wait until all was observed, and have the observers judge.

        :raises: what an observer raised, and what ended the download when it
            ended meanwhile.
        """
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.join()
        self._check()
        for observer in self._observers:
            observer.finish()

    def close(self) -> None:
        """End the threads, if the download has ended or will no more.

        May be called more than once.
        """
        for worker in self._workers:
            self._coordinator.off_end(worker.work.abandon)
            worker.work.abandon()
        until = time.monotonic() + _JOINING
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))

    def __del__(self) -> None:
        for worker in self.__dict__.get('_workers', ()):
            worker.work.abandon()

    def _start(self) -> None:
        if self._started:
            return
        # Before, as what a signal handler raises must not start one twice.
        self._started = True
        for worker in self._workers:
            worker.start()

    def _check(self) -> None:
        self._coordinator.check()
        for worker in self._workers:
            if worker.work.failure is not None:
                raise worker.work.failure
        if any(
            worker.work.abandoned or not worker.work.over
            for worker in self._workers
        ):
            raise exceptions.ReadError('the download was interrupted')


def _grouped(
    observers: Sequence[interfaces.Observer],
) -> Iterator[list[interfaces.Observer]]:
    """Tell which observers share a thread."""
    shared: list[interfaces.Observer] = []
    apart = []
    for observer in observers:
        if observer.hashing and any(each.hashing for each in shared):
            apart.append([observer])
        else:
            shared.append(observer)
    yield shared
    yield from apart


class _Worker:
    """A thread, or what is done in the caller's instead.

    :param observers: What it shows the bytes to.
    """

    def __init__(self, observers: Sequence[interfaces.Observer]) -> None:
        self.work = _Work(observers)
        self._thread: threading.Thread | None = None

    @property
    def threaded(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def start(self) -> None:
        """Start the thread, if that is possible."""
        # A daemon, so that a Response which is still open when the
        # interpreter ends cannot keep it from ending.
        thread = threading.Thread(
            target=self.work.run,
            name='openstack-image-stream-observers',
            daemon=True,
        )
        self._thread = thread
        if not threads.start(thread):
            self._thread = None

    def take(self, item: bytes | StoredBytes) -> None:
        """Have the observers see some bytes, without waiting for a thread."""
        if self._thread is None:
            self.work.take(item)
        else:
            self.work.items.put(item)

    def end(self) -> None:
        """Take note that there are no more bytes."""
        if self._thread is None:
            self.work.over = True
        else:
            self.work.items.put(None)

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end of the thread, if there is one."""
        if self._thread is not None:
            threads.join(self._thread, seconds)


class _Work:
    """What a thread has, and nothing else."""

    def __init__(self, observers: Sequence[interfaces.Observer]) -> None:
        self.observers = observers
        # Not a bounded Queue: what ends a download may run in any thread, the
        # observers' one included, and must be able to put its None at once.
        self.items: queue.SimpleQueue[bytes | StoredBytes | None] = (
            queue.SimpleQueue()
        )
        # A token for every chunk that may wait. A Semaphore would do the same
        # in Python, under a lock that both threads run into at every chunk.
        self.room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(_WAITING_CHUNKS):
            self.room.put(None)
        #: Whether :meth:`run` has ended, whatever ended it.
        self.over = False
        self.stored_done = 0
        self.failure: BaseException | None = None
        self.abandoned = False

    def abandon(self) -> None:
        self.abandoned = True
        self.items.put(None)

    def run(self) -> None:
        try:
            # An explicit None ends it; b'' would be a legal, if useless,
            # chunk.
            while (item := self.items.get()) is not None:
                self.take(item)
                stored = isinstance(item, StoredBytes)
                # Not to keep a chunk alive while waiting for the next one.
                del item
                if not stored:
                    self.room.put(None)
        except BaseException as exc:
            self.failure = exc
        finally:
            # Nothing waits for a thread that is no more.
            self.over = True
            self.room.put(None)

    def take(self, item: bytes | StoredBytes) -> None:
        if self.abandoned:
            return
        if not isinstance(item, StoredBytes):
            self._show(item)
            return
        offset, end = item.offset, item.offset + item.length
        while offset < end and not self.abandoned:
            block = os.pread(
                item.descriptor, min(_STORED_BLOCK, end - offset), offset
            )
            if not block:
                raise exceptions.OutputError(
                    'the partial file was truncated by another program'
                )
            self._show(block)
            offset += len(block)
        self.stored_done += 1

    def _show(self, chunk: bytes) -> None:
        for observer in self.observers:
            observer.update(chunk)
