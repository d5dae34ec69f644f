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

"""The workers that fetch the parts of an image.

They take parts from one queue and put chunks into another, and have nothing
else in common with the thread that reads.
"""

import collections
from collections.abc import Callable
import queue
from typing import Final

from openstack_image_stream._common import byte_ranges
from openstack_image_stream import _config
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import resumable

#: Bytes of the chunks that a part is received in. Joining them would need the
#: memory of the part twice.
CHUNK = _config.MIB

#: In the place of a part: one worker is to end.
RETIRE: Final = 'retire'
_COMPLETE: Final = b''

#: Makes a stream of a byte range, that ends with the coordinator.
StreamFactory = Callable[
    [byte_ranges.ByteRange, coordination.Coordinator],
    resumable.ResumableStream,
]


class Part:
    """A byte range, on its way from the workers to the reader.

    :param byte_range: Which bytes.
    :param stream: Connected already, if it is.
    """

    def __init__(
        self,
        byte_range: byte_ranges.ByteRange,
        stream: resumable.ResumableStream | None = None,
    ) -> None:
        self.byte_range = byte_range
        #: Those who fetch it: one, or a second because of a slow server.
        self.streams = [] if stream is None else [stream]
        self.attempts = 1
        self.failures = 0
        #: The one of them that was first.
        self.chosen: resumable.ResumableStream | None = None
        #: What has come of it and was not handed on, with positions.
        self.chunks: collections.deque[tuple[int, bytes]] = collections.deque()
        self.received = byte_range.start
        self.complete = False

    @property
    def unanswered(self) -> bool:
        """Whether it was requested, and no response has come."""
        return bool(self.streams) and not any(
            stream.connected for stream in self.streams
        )

    @property
    def receiving(self) -> bool:
        """Whether it has a response, and is not whole."""
        return not self.complete and any(s.connected for s in self.streams)

    def choose(self, stream: resumable.ResumableStream) -> bool:
        """Take a stream if it is the first that has something.

        :param stream: One of those that fetch the part.
        :returns: Whether what it has counts.
        """
        if self.chosen is None:
            self.chosen = stream
            for other in self.streams:
                if other is not stream:
                    other.abort()
        return self.chosen is stream

    def put(self, chunk: bytes) -> None:
        """Take the next chunk; an empty one after the last."""
        if chunk:
            self.chunks.append((self.received, chunk))
            self.received += len(chunk)
        else:
            self.complete = True


class Shared:
    """What the workers have in common with the thread that reads."""

    def __init__(
        self, more: StreamFactory, coordinator: coordination.Coordinator
    ) -> None:
        self.more = more
        self.coordinator = coordinator
        self.work: queue.SimpleQueue[Part | str | None] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[
            tuple[
                Part,
                resumable.ResumableStream | None,
                bytes | BaseException,
            ]
            | None
        ] = queue.SimpleQueue()
        #: As many as there are workers that wait for a part.
        self.idle: list[None] = []
        #: Bytes to read at a time.
        self.chunk_size = CHUNK
        # Bytes that may be received and not handed on.
        self._limit = 0
        #: The part that the reader waits for, if it does.
        self.wanted: Part | None = None
        # Bytes that were handed on, and those that each worker received. Each
        # number is changed by one thread only, as adding is not atomic.
        self._handed_on = 0
        self._received: list[list[int]] = []
        # What wakes up the workers that wait for room.
        self._paused: list[queue.SimpleQueue[None]] = []

    def wake(self) -> None:
        """Have everything that waits look at whether the download ended."""
        self.work.put(None)
        self.results.put(None)
        self._resume()

    def counter(self) -> list[int]:
        """Return where a worker counts the bytes that it received."""
        counter = [0]
        self._received.append(counter)
        return counter

    def hand_on(self, amount: int) -> None:
        """Take note of bytes that the workers need not keep any more.

        :param amount: How many.
        """
        self._handed_on += amount
        if self._paused and not self.full:
            self._resume()

    def allow(self, limit: int) -> None:
        """Say how many bytes may be received and not handed on.

        :param limit: That number, for all parts together.
        """
        self._limit = limit
        if self._paused and not self.full:
            self._resume()

    def want(self, part: Part) -> None:
        """Have a part received whatever is kept already.

        :param part: What the reader waits for.
        """
        self.wanted = part
        if self._paused:
            self._resume()

    def wait_for_room(self, part: Part) -> None:
        """Wait while enough bytes of later parts are kept.

        :param part: What is to be received.
        :raises: :exc:`.Ended` when the download ended.
        """
        if not self.full:
            return
        inbox: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._paused.append(inbox)
        try:
            # Looked at after that, as nothing wakes up a worker before.
            while self.full and part is not self.wanted:
                if self.coordinator.ended:
                    raise coordination.Ended
                inbox.get()
        finally:
            self._paused.remove(inbox)

    @property
    def full(self) -> bool:
        """Whether as many bytes are kept as may be."""
        received = sum(counter[0] for counter in self._received)
        return received - self._handed_on >= self._limit

    def _resume(self) -> None:
        # Each takes itself out, so that a signal handler that raises here
        # leaves none that is never woken up.
        for inbox in self._paused[:]:
            inbox.put(None)


def work(shared: Shared, part: Part | None) -> None:
    """Fetch parts, until the download ends or one worker less is needed.

    :param shared: Where parts come from, and chunks go to. What a part fails
        with goes there, too.
    :param part: The first one, ``None`` to wait for it.
    """
    counter = shared.counter()
    if part is not None:
        _fetch(shared, part, counter)
    while True:
        shared.idle.append(None)
        item = shared.work.get()
        shared.idle.pop()
        if not isinstance(item, Part):
            break
        _fetch(shared, item, counter)
    if item is None:
        # For the other workers.
        shared.work.put(None)


def _fetch(shared: Shared, part: Part, counter: list[int]) -> None:
    stream: resumable.ResumableStream | None = None
    try:
        if part.attempts == 1 and part.streams:
            stream = part.streams[0]
        else:
            stream = shared.more(part.byte_range, shared.coordinator)
            part.streams.append(stream)
        try:
            _read_all(shared, part, stream, counter)
        finally:
            stream.close()
    except coordination.Ended:
        pass
    except BaseException as exc:
        shared.results.put((part, stream, exc))


def _read_all(
    shared: Shared,
    part: Part,
    stream: resumable.ResumableStream,
    counter: list[int],
) -> None:
    while part.chosen is None or part.chosen is stream:
        shared.wait_for_room(part)
        chunk = stream.read(shared.chunk_size)
        counter[0] += len(chunk)
        shared.results.put((part, stream, chunk or _COMPLETE))
        if not chunk:
            return
