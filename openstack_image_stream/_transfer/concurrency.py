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

"""The number of connections that pays, measured while downloading."""

from collections.abc import Callable
import math
import time

from openstack_image_stream import _config

#: More than this is a load on a service that its operators do not expect.
MAX_CONNECTIONS = 8

#: Seconds that a new connection is given before it counts, and that it then
#: has to show what it is worth. With all eight of them tried, one after the
#: other, that is a second of a download.
_SETTLING = 0.05
_TRIAL = 0.08

#: Bytes of the chunks that are read meanwhile: those of so many seconds, so
#: that a slow connection shows soon what it is worth, and a fast one is not
#: held up. The limits are also what is begun with, and what costs little.
_STEP = 0.01
_LARGEST = _config.MIB
_SMALLEST = 256 * 1024

#: Chunks of each connection that a trial takes at least, as one or two say
#: little about its speed.
_CHUNKS = 2

#: Part of what one more would bring at best, if nothing but the connections
#: were the limit, that it must bring to stay.
_WORTH = 0.5

#: Part of the time that must go into receiving before another is tried. Where
#: the hash is the limit it is a third, to copy what has come already.
_WAITING = 0.5

#: Seconds until it is tried again after a connection that brought nothing.
#: Each time it is twice as long.
_HOLD = 2.0


class ConcurrencyController:
    """Adds connections while that makes a download faster.

    Begins with one. Adds one, looks whether the whole is noticeably faster,
    and takes it away again where it is not: the wire, the disk, the hash or
    the reader is the limit then. Some time later it tries again, since that
    may change.

    Not to be used by several threads at a time.

    :param clock: Seconds, from any moment on.
    :param limited: Whether the download is as fast as its caller allows. That
        says nothing about the network, so nothing is tried, and nothing that
        is tried is judged.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        limited: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._limited = limited
        #: How many connections there should be now.
        self.connections = 1
        # Bytes per second before the last one was added, while that is tried,
        # and whether it seemed not to be worth it.
        self._before: float | None = None
        self._doubted = False
        self._hold = _HOLD
        self._chunk_size = _LARGEST
        self._resting_until = clock()
        self._counting_from = 0.0
        self._received = 0
        self._waited = 0.0
        self._chunks = 0
        self._begin_to_measure()

    def chunk_size(self, size: int) -> int:
        """Return how many bytes to read at a time now.

        :param size: How many it would be otherwise.
        :returns: Fewer while something is tried, to see more of it.
        """
        trying = self._before is not None or (
            self.connections < MAX_CONNECTIONS
            and self._clock() >= self._resting_until
        )
        return min(size, self._chunk_size) if trying else size

    def received(self, amount: int, waited: float = math.inf) -> None:
        """Take note of a chunk, of whichever connection.

        :param amount: Bytes of it.
        :param waited: Seconds that went into receiving it. Where that is a
            small part of all, what comes after is the limit, and no other
            connection is tried. Those of several connections are not told.
        """
        now = self._clock()
        if now < self._counting_from:
            return
        if self._chunks == 0:
            # The chunk itself came in the time before.
            self._counting_from = now
        else:
            self._received += amount
            self._waited += waited
        self._chunks += 1
        elapsed = now - self._counting_from
        if elapsed >= _TRIAL and self._chunks > _CHUNKS * self.connections:
            self._decide(self._received / elapsed, self._waited / elapsed)

    def refuse(self) -> None:
        """Take note that there cannot be another connection at present."""
        self._remove(self._clock())

    def _decide(self, rate: float, waiting: float) -> None:
        """See what came of it.

        :param rate: Bytes per second.
        :param waiting: Part of the time that was spent with receiving.
        """
        now = self._clock()
        size = int(rate / self.connections * _STEP)
        self._chunk_size = min(_LARGEST, max(_SMALLEST, size))
        if self._limited():
            self._rest(now)
            return
        if self._before is not None and rate < self._before * _gain(
            self.connections - 1
        ):
            # What the eighth brings is little beside the jitter of seven.
            if self.connections == 2 or self._doubted:
                self._remove(now)
            else:
                self._doubted = True
                self._begin_to_measure()
            return
        self._before = None
        if self.connections < MAX_CONNECTIONS and now >= self._resting_until:
            if waiting >= _WAITING:
                self._before = rate
                self.connections += 1
            else:
                self._resting_until = now + _HOLD
        self._doubted = False
        self._begin_to_measure()

    def _remove(self, now: float) -> None:
        self.connections = max(1, self.connections - 1)
        self._rest(now, self._hold)
        self._hold *= 2

    def _rest(self, now: float, seconds: float = _HOLD) -> None:
        """Keep the connections that there are for some time."""
        self._before = None
        self._doubted = False
        self._resting_until = now + seconds
        self._begin_to_measure()

    def _begin_to_measure(self) -> None:
        self._counting_from = self._clock() + _SETTLING
        self._received = 0
        self._waited = 0.0
        self._chunks = 0


def _gain(connections: int) -> float:
    """Return by how much one more has to make the whole faster to stay."""
    return 1 + _WORTH / connections
