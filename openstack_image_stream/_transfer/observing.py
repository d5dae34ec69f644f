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

"""The thread in which observers judge the bytes of a download.

A small image has none: to start a thread takes as long as what could be done
meanwhile.
"""

from collections.abc import Sequence
import dataclasses
import os
import queue
import threading

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

#: Seconds for the thread to end. It is told to, and looks at it after every
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


class ObserverThread:
    """Shows the bytes of a download to its observers, in a thread of its own.

    hashlib lets go of the interpreter lock while it works, so the caller can
    receive and write the next chunk meanwhile. The first chunk, unless it is
    large, is shown in the caller's thread, and the other one is started with
    the next. Where no thread can be started the caller's does it all.

    The caller calls :meth:`close`. The thread holds no reference to this
    object and ends also when the download is simply forgotten.

    :param observers: What judges the bytes. The first one that raises decides.
    :param coordinator: Owns the download.
    """

    def __init__(
        self,
        observers: Sequence[interfaces.Observer],
        coordinator: coordination.Coordinator,
    ) -> None:
        self._coordinator = coordinator
        self._work = _Work(observers)
        self._stored = 0
        self._thread: threading.Thread | None = None
        # Whether the thread was started, or cannot be.
        self._started = False
        self._begun = False
        coordinator.on_end(self._work.abandon)

    @property
    def behind(self) -> bool:
        """Whether bytes in a file are still to be observed."""
        return self._work.stored_done < self._stored

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
        if self._thread is None:
            self._work.take(chunk)
            return
        self._work.room.get()
        if self._work.over:
            # For the next call, and whatever else waits.
            self._work.room.put(None)
            self._check()
        self._work.items.put(chunk)

    def update_stored(self, stored: StoredBytes) -> None:
        """Take the next bytes from a file, without waiting.

        :param stored: Where they are; they stay there until this is finished
            or closed.
        """
        self._begun = True
        self._start()
        self._stored += 1
        if self._thread is None:
            self._work.take(stored)
        else:
            self._work.items.put(stored)

    def finish(self) -> None:
        """Wait until all was observed, and have the observers judge.

        :raises: what an observer raised, and what ended the download when it
            ended meanwhile.
        """
        self._work.items.put(None)
        if self._thread is not None:
            self._thread.join()
        else:
            self._work.over = True
        self._check()
        for observer in self._work.observers:
            observer.finish()

    def close(self) -> None:
        """End the thread, if the download has ended or will no more.

        May be called more than once.
        """
        self._coordinator.off_end(self._work.abandon)
        self._work.abandon()
        if self._thread is not None:
            threads.join(self._thread, _JOINING)

    def __del__(self) -> None:
        work = self.__dict__.get('_work')
        if work is not None:
            work.abandon()

    def _start(self) -> None:
        if self._started:
            return
        # A daemon, so that a Response which is still open when the
        # interpreter ends cannot keep it from ending.
        thread = threading.Thread(
            target=self._work.run,
            name='openstack-image-stream-observers',
            daemon=True,
        )
        self._thread = thread
        self._started = True
        if not threads.start(thread):
            self._thread = None

    def _check(self) -> None:
        self._coordinator.check()
        if self._work.failure is not None:
            raise self._work.failure
        if self._work.abandoned or not self._work.over:
            raise exceptions.ReadError('the download was interrupted')


class _Work:
    """What the thread has, and nothing else."""

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
