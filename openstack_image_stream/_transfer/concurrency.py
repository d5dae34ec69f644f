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

#: Connections of ``'auto'`` at the most. More than this is a load on a service
#: that its operators do not expect.
MAX_CONNECTIONS = 8

#: Seconds that connections are given before they count, once all of them
#: receive, and that they then have to show what they are worth. With all eight
#: tried, that is a sixth of a second of a download.
_SETTLING = 0.02
_TRIAL = 0.06

#: The latter in times of what it takes to connect and to request something,
#: which is some round trips: over a long distance what fills its window comes
#: once per round trip. What takes longer than that many seconds is the server.
_DELAYS = 2
_LONGEST_DELAY = 0.25

#: Seconds in which a second connection should have responded that is tried
#: while the first one is read, and bytes that this one receives meanwhile, at
#: the least. After each that did not, twice as many.
_RESPONDING = 0.4
_SHORTEST_LEAD = 2 * _config.MIB

#: Bytes of the chunks that are read meanwhile: those of so many seconds, so
#: that a slow connection shows soon what it is worth, and a fast one is not
#: held up. The limits are also what costs little; the lower one is begun with,
#: and the usual one follows if that came fast.
_STEP = 0.01
_LARGEST = _config.MIB
_USUAL = 256 * 1024
_SMALLEST = 64 * 1024

#: Chunks of each connection that a trial takes at least, as one or two say
#: little about its speed.
_CHUNKS = 2

#: Part of what one more would bring at best, if nothing but the connections
#: were the limit, that those which are tried must bring to stay.
_WORTH = 0.5

#: Part of what they would bring at best from which on as many as ``'auto'``
#: has are tried at once.
_PROPORTIONAL = 0.8

#: By how much the rate has to grow from one look to the next for another look
#: to be of use. The first seconds of a connection over a long distance are
#: slow.
_GROWING = 1.1

#: Part of the time that must go into receiving before others are tried. Where
#: the hash is the limit it is a third, to copy what has come already.
_WAITING = 0.6

#: Part of the time below which there are more connections than are of use, and
#: part of the chunks that came while connections paused as nothing was taken.
#: One is kept if no more than a part of it is waited then, too, or if that
#: part of the rate stays.
_READY = 0.1
_PAUSING = 0.5
_STILL_READY = 0.25
_ENOUGH = 0.93

#: Seconds until something is tried again that brought nothing. Each time it is
#: twice as long.
_HOLD = 2.0


class ConcurrencyController:
    """Has as many connections as make a download faster.

    Where the reader waits for the network it doubles them, looks whether the
    whole is noticeably faster, and takes them away again where it is not: the
    wire, the disk, the hash or the reader is the limit then. Where it is
    nearly twice as fast it tries eight, and half of them if all bring too
    little more. Where the reader finds everything ready it tries one. Some
    time later it tries again what failed, since that may change.

    Not to be used by several threads at a time.

    :param most: How many there may be.
    :param start: How many to begin with.
    :param at_once: Whether to have all of them once the reader waits, as
        who gave their number knows that they are of use.
    :param clock: Seconds, from any moment on.
    :param limited: Whether the download is as fast as its caller allows. That
        says nothing about the network, so nothing is tried, and nothing that
        is tried is judged.
    """

    def __init__(
        self,
        most: int = MAX_CONNECTIONS,
        *,
        start: int = 1,
        at_once: bool = False,
        clock: Callable[[], float] = time.monotonic,
        limited: Callable[[], bool] = lambda: False,
    ) -> None:
        self._most = most
        self._at_once = at_once
        self._clock = clock
        self._limited = limited
        #: How many connections there should be now.
        self.connections = start
        # How many there were before the present number, and their bytes per
        # second, while that is tried.
        self._former: tuple[int, float] | None = None
        # Whether nothing was received yet, over one connection.
        self._first = start == 1
        # Bytes per second at the last look at it, if there was one.
        self._looked: float | None = None
        # When more are tried, and when fewer; how long after a failure.
        self._more_from = self._fewer_from = clock()
        self._hold_more = self._hold_fewer = _HOLD
        self._chunk_size = _SMALLEST
        # When others were asked for, if that was the last change, and the
        # least time that it took to connect and to request something.
        self._asked: float | None = None
        self._refused = 0
        self._delay = math.inf
        self._trial = _TRIAL
        self._counting_from = 0.0
        self._received = 0
        self._waited = 0.0
        self._chunks = 0
        self._full = 0
        self._begin_to_measure()

    def chunk_size(self, size: int) -> int:
        """Return how many bytes to read at a time now.

        :param size: How many it would be otherwise.
        :returns: Fewer while something is tried, to see more of it.
        """
        trying = self._former is not None or (
            self.connections < self._most and self._clock() >= self._more_from
        )
        return min(size, self._chunk_size) if trying else size

    def joined(self) -> None:
        """Take note that as many connections receive as there should be."""
        if self._counting_from == math.inf:
            self.responded()
            self._begin_to_measure()

    def responded(self) -> None:
        """Take note that a connection which was asked for has a response."""
        if self._asked is None:
            return
        delay = self._clock() - self._asked
        self._delay = min(self._delay, delay, _LONGEST_DELAY)
        self._trial = max(_TRIAL, _DELAYS * self._delay)

    def lead(self, most: int) -> int:
        """Return how far ahead of the first connection a second one begins.

        :param most: Bytes that it may be at the most.
        :returns: The bytes.
        """
        rate = 0.0 if self._former is None else self._former[1]
        lead = max(_SHORTEST_LEAD, int(rate * _RESPONDING))
        return min(most, lead << self._refused)

    def received(
        self, amount: int, waited: float, *, full: bool = False
    ) -> None:
        """Take note of a chunk, of whichever connection.

        :param amount: Bytes of it.
        :param waited: Seconds that the reader waited for it. Where that is a
            small part of all, what comes after is the limit, and no other
            connection is tried.
        :param full: Whether connections pause, as enough is kept that the
            reader has not taken.
        """
        now = self._clock()
        if self._first:
            self._first = False
            if waited < _SETTLING:
                # Where it is fast the first moments say little: nothing is
                # full yet that the reader fills.
                self._chunk_size = _USUAL
                self._begin_to_measure()
                return
            self._counting_from = now - waited
        elif now < self._counting_from:
            return
        elif self._chunks == 0:
            # The chunk itself came in the time before.
            self._counting_from = now
            amount, waited, full = 0, 0.0, False
        self._received += amount
        self._waited += waited
        self._full += full
        self._chunks += 1
        elapsed = now - self._counting_from
        if (
            elapsed >= self._trial
            and self._chunks > _CHUNKS * self.connections
        ):
            self._decide(self._received / elapsed, self._waited / elapsed)

    def refuse(self) -> None:
        """Take note that there cannot be another connection at present."""
        former = self._former
        self._refused += 1
        if former is not None and former[0] < self.connections:
            self.connections = former[0]
        else:
            self.connections = max(1, self.connections - 1)
        self._not_more()

    def _decide(self, rate: float, waiting: float) -> None:
        """See what came of it.

        :param rate: Bytes per second.
        :param waiting: Part of the time that was spent with receiving.
        """
        size = int(rate / self.connections * _STEP)
        self._chunk_size = min(_LARGEST, max(_SMALLEST, size))
        if self._limited():
            self._more_from = self._fewer_from = self._clock() + _HOLD
            if not self._halve():
                self._settle()
        elif self._former is None:
            self._try(rate, waiting)
        elif self._former[0] > self.connections:
            self._judge_fewer(rate, waiting, *self._former)
        else:
            self._judge_more(rate, waiting, *self._former)

    def _try(self, rate: float, waiting: float, *, most: bool = False) -> None:
        """Try more connections, or fewer, where that may be of use.

        :param most: Whether to try as many as ``'auto'`` has.
        """
        now = self._clock()
        count = self.connections
        if waiting >= _WAITING and count < self._most:
            if now >= self._more_from:
                more = max(2 * count, MAX_CONNECTIONS if most else 0)
                if self._at_once:
                    more = self._most
                self._change(rate, min(self._most, more))
                return
        elif now >= self._more_from:
            self._more_from = now + _HOLD
        # That the reader has much to do for a moment is no reason: parts that
        # were received ahead come all at once.
        pausing = self._full > _PAUSING * self._chunks
        if waiting < _READY and pausing and now >= self._fewer_from:
            self._change(rate, 1)
            return
        self._begin_to_measure()

    def _change(self, rate: float, connections: int) -> None:
        self._former = (self.connections, rate)
        self._have(connections)

    def _have(self, connections: int) -> None:
        self._looked = None
        more = connections > self.connections
        self._asked = self._clock() if more else None
        self.connections = connections
        self._begin_to_measure()
        # They have to be made, or to end, first.
        self._counting_from = math.inf

    def _judge_more(
        self, rate: float, waiting: float, count: int, before: float
    ) -> None:
        # Half of them would bring, at best, as many times the former rate as
        # they are times the former number.
        half = max(count, self.connections // 2)
        best = before * self.connections / count
        enough = before * half / count * (1 + _WORTH / half)
        if self._at_once or rate >= enough:
            self._settle()
            self._try(rate, waiting, most=rate >= best * _PROPORTIONAL)
        elif waiting >= _READY and rate > _GROWING * (
            self._looked or (before if half > count else 0.0)
        ):
            # A moment in which all is slow shall not cost them, unless half of
            # them are tried next.
            self._looked = rate
            self._begin_to_measure()
        elif not self._halve():
            self.connections = count
            self._not_more()

    def _halve(self) -> bool:
        """Try half of them, if more than twice as many are tried.

        :returns: Whether that is so. Half of them may bring as much.
        """
        half = self.connections // 2
        if self._at_once or self._former is None or half <= self._former[0]:
            return False
        self._more_from = self._clock() + self._hold_more
        self._have(half)
        return True

    def _judge_fewer(
        self, rate: float, waiting: float, count: int, before: float
    ) -> None:
        if waiting < _STILL_READY or rate >= before * _ENOUGH:
            self._settle()
            # What was not missed is not tried again at once.
            self._more_from = self._clock() + _HOLD
            self._try(rate, waiting)
        elif self._looked is None and waiting < _WAITING:
            self._looked = rate
            self._begin_to_measure()
        else:
            self.connections = count
            self._fewer_from = self._clock() + self._hold_fewer
            self._hold_fewer *= 2
            self._settle()

    def _not_more(self) -> None:
        self._more_from = self._clock() + self._hold_more
        self._hold_more *= 2
        self._settle()

    def _settle(self) -> None:
        """Keep the connections that there are."""
        self._former = None
        self._begin_to_measure()

    def _begin_to_measure(self) -> None:
        self._counting_from = self._clock() + _SETTLING
        self._received = 0
        self._waited = 0.0
        self._chunks = 0
        self._full = 0
