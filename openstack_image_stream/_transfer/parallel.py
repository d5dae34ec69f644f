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

"""Several connections that fetch the parts of an image at a time, in order.

Workers take parts from one queue and put chunks into another. All else (which
parts there are, in which order, how many workers) is the business of the
thread that reads, so that there is no lock to be held when a signal handler
or the garbage collector ends the download.
"""

import collections
from collections.abc import Iterator, Sequence
import logging
import queue
import threading
import time

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import threads
from openstack_image_stream import _config
from openstack_image_stream._transfer import concurrency
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import resumable
from openstack_image_stream._transfer import workers

#: Bytes of a part. Small enough that some of them fit in memory, large enough
#: that a request for one costs little beside receiving it.
PART = 8 * _config.MIB

#: Parts beside those that are being received: one that may wait because an
#: earlier one is late, and the one that is being handed on.
_SPARE = 2

#: Share of the parts being received that may be kept. Where each connection is
#: as fast, half of them is enough: the first part is whole when the last one
#: begins. The rest is for those that are not.
_KEPT = 0.625

#: Seconds without any chunk after which a part that the server has not
#: responded to is requested by an idle worker, too.
_UNANSWERED = 1.0

#: Seconds in which workers end once they are told to. What keeps one longer
#: is left to end by itself: a connection that is being made, a lock that the
#: thread holds which is interrupted by a signal handler.
_JOINING = 5.0
_LOOK = 0.05

_LOG = logging.getLogger('openstack.image_stream')


def count(length: int, part_size: int) -> int:
    """Return how many parts some bytes have, at least one."""
    return max(1, -(-length // part_size))


class ParallelReader:
    """The parts of an image, fetched in any order, handed on in theirs.

    The caller calls :meth:`close`. The workers hold no reference to
    this object, and end also when the download is simply forgotten.

    :param start: Position in the image of the first byte.
    :param size: Size of the image in bytes.
    :param first: Streams that are connected, of the first parts.
    :param more: Makes a stream for another part.
    :param connections: How many connections at a time.
    :param controller: Says how many from now on, if that is not settled. Once
        it has come down to one, no further part is planned.
    :param coordinator: Owns the download.
    :param part_size: Bytes of a part.
    :raises: :exc:`RuntimeError` where no thread can be started.
    """

    def __init__(
        self,
        start: int,
        size: int,
        first: Sequence[resumable.ResumableStream],
        more: workers.StreamFactory,
        *,
        connections: int,
        coordinator: coordination.Coordinator,
        controller: concurrency.ConcurrencyController | None = None,
        part_size: int = PART,
    ) -> None:
        self._planned = start
        self._size = size
        self._part_size = part_size
        self._connections = connections
        self._most = connections
        # As many as there were, until those that are to end have ended.
        self._leaving = 0
        self._coordinator = coordinator
        self._own = coordinator.child()
        self._controller = controller
        self._shared = workers.Shared(more, self._own)
        if controller is not None:
            self._shared.chunk_size = controller.chunk_size(workers.CHUNK)
        self._own.on_end(self._shared.wake)
        self._parts: collections.deque[workers.Part] = collections.deque()
        self._workers = 0
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        # Where a part begins that is received only once all connections are in
        # use, and no other ones, and the time that the reader waited since the
        # last chunk.
        self._mark: int | None = None
        self._waited = 0.0
        self._limit()
        for stream in first:
            self._add(workers.Part(stream.byte_range, stream))
        self._plan()
        self._mark_last()

    def read(self) -> bytes:
        """Return the next chunk, waiting for it where needed.

        :returns: The chunk, ``b''`` at the end.
        :raises: what kept a worker from fetching its part, and
            :exc:`.Ended` when the
            download ended.
        """
        while True:
            self._take_results()
            if self._own.ended:
                raise coordination.Ended
            chunk = self._next()
            if chunk is not None:
                return chunk[1]
            if not self._parts:
                return b''
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            self._wait()

    def ready(self) -> Iterator[tuple[int, bytes]]:
        """Yield what can be handed on without waiting.

        :returns: Chunks with their positions in the image, in order.
        """
        self._take_results()
        while (chunk := self._next(plan=False)) is not None:
            yield chunk

    def close(self) -> None:
        """End the workers. May be called more than once."""
        self._coordinator.release(self._own)
        self._own.finish()
        # The first ones were made without it.
        for part in self._parts:
            for stream in part.streams[:]:
                stream.abort()
        until = time.monotonic() + _JOINING
        for thread in self._threads:
            self._join(thread, until)

    def __del__(self) -> None:
        own = self.__dict__.get('_own')
        if own is not None:
            own.finish()

    def _join(self, thread: threading.Thread, until: float) -> None:
        while thread.is_alive() and time.monotonic() < until:
            thread.join(_LOOK)
            if any(s.connecting for p in self._parts for s in p.streams):
                return

    def _next(self, *, plan: bool = True) -> tuple[int, bytes] | None:
        while self._parts:
            front = self._parts[0]
            if front.chunks:
                position, chunk = front.chunks.popleft()
                self._shared.hand_on(len(chunk))
                return position, chunk
            if not front.complete:
                break
            self._parts.popleft()
            if plan:
                self._limit()
                self._plan()
        return None

    def _plan(self) -> None:
        """Hand out as many parts as may be on their way."""
        if self._connections == 1 and self._controller is not None:
            # One connection needs no parts.
            return
        while (
            self._planned < self._size
            and len(self._parts) < self._connections + _SPARE
        ):
            stop = min(self._planned + self._part_size, self._size)
            self._add(workers.Part(byte_ranges.ByteRange(self._planned, stop)))

    def _add(self, part: workers.Part) -> None:
        self._planned = part.byte_range.stop or self._size
        self._parts.append(part)
        if part.streams and self._start(part):
            return
        for stream in part.streams:
            stream.close()
        part.streams.clear()
        self._shared.work.put(part)
        if self._workers < self._connections:
            self._start(None)

    def _start(self, part: workers.Part | None) -> bool:
        """Start a worker; tell whether that was possible."""
        self._threads = [t for t in self._threads if t.is_alive()]
        thread = threading.Thread(
            target=workers.work,
            args=(self._shared, part),
            name=f'openstack-image-stream-{self._workers}',
            # A Response that is still open when the interpreter ends must
            # not keep it from ending.
            daemon=True,
        )
        self._threads.append(thread)
        if not threads.start(thread):
            self._threads.remove(thread)
            if not self._workers:
                raise RuntimeError('no thread can be started')
            # There are too many threads; those that there are will do.
            self._connections = self._workers
            return False
        self._workers += 1
        return True

    def _wait(self) -> None:
        self._shared.want(self._parts[0])
        began = time.monotonic()
        try:
            result = self._shared.results.get(timeout=_UNANSWERED)
        except queue.Empty:
            self._hedge()
            return
        finally:
            self._waited += time.monotonic() - began
        self._take(result)

    def _take_results(self) -> None:
        try:
            while True:
                self._take(self._shared.results.get_nowait())
        except queue.Empty:
            pass

    def _take(
        self,
        result: tuple[
            workers.Part,
            resumable.ResumableStream | None,
            bytes | BaseException,
        ]
        | None,
    ) -> None:
        if result is None:
            return
        part, stream, value = result
        if isinstance(value, BaseException):
            part.failures += 1
            if self._failure is None and (
                part.chosen is stream or part.failures == part.attempts
            ):
                # The first failure is the one that counts.
                self._failure = value
            return
        hedged = part.chosen is None and part.attempts > 1
        if stream is None or not part.choose(stream):
            self._shared.hand_on(len(value))
            return
        part.put(value)
        if self._mark is not None and part.byte_range.start >= self._mark:
            self._join_in()
        self._note(len(value))
        if hedged and stream is not part.streams[0]:
            self._refuse()

    def _hedge(self) -> None:
        """Have an idle worker fetch what the server leaves unanswered."""
        front = self._parts[0]
        if front.attempts > 1 or not front.unanswered:
            return
        if not self._shared.idle:
            # The others wait for room, which only this part will make.
            self._shared.allow(len(self._parts) * self._part_size)
            busy = any(part.receiving for part in self._parts)
            # Those that could fetch it may have ended, as fewer are needed.
            if busy or self._workers >= self._most or not self._start(None):
                return
        _LOG.debug(
            'no response to the request for bytes %s to %s, sending '
            'another one',
            front.byte_range.start,
            front.byte_range.stop,
        )
        front.attempts += 1
        self._shared.work.put(front)

    def _refuse(self) -> None:
        """Use a connection less, as the server left one unanswered."""
        if self._controller is not None:
            self._controller.refuse()
            self._adjust(self._controller.connections)
        else:
            self._adjust(max(1, self._connections - 1))

    def _note(self, amount: int) -> None:
        if self._controller is None or not amount:
            return
        waited, self._waited = self._waited, 0.0
        self._controller.received(amount, waited, full=self._shared.full)
        self._shared.chunk_size = self._controller.chunk_size(workers.CHUNK)
        if self._controller.connections != self._connections:
            self._adjust(self._controller.connections)

    def _adjust(self, connections: int) -> None:
        planned = self._planned
        if self._workers > connections:
            self._leaving = max(self._leaving, self._connections)
        self._connections = connections
        self._most = max(self._most, connections)
        self._limit()
        while self._workers > connections:
            self._shared.work.put(workers.RETIRE)
            self._workers -= 1
        self._plan()
        if self._leaving and connections > 1:
            # What is planned from now on is taken only after those have gone.
            self._mark = planned
        else:
            self._mark_last()

    def _mark_last(self) -> None:
        """Find the part that is received once all connections are in use."""
        self._mark = None
        missing = [part for part in self._parts if not part.complete]
        # Where it is to be one, that is so once no part is left.
        if missing and self._connections > 1:
            last = missing[: self._connections][-1]
            self._mark = last.byte_range.start

    def _join_in(self) -> None:
        self._mark = None
        self._leaving = 0
        self._limit()
        if self._controller is not None:
            self._controller.joined()

    def _limit(self) -> None:
        connections = max(self._connections, self._leaving)
        self._shared.allow(int(connections * self._part_size * _KEPT))
