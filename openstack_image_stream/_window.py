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

"""Several connections that fetch the parts of an image side by side."""

from collections.abc import Callable, Sequence
import contextlib
import threading
import weakref

from openstack_image_stream import _options
from openstack_image_stream import _pace
from openstack_image_stream import _ranges
from openstack_image_stream import _stretch
from openstack_image_stream import _transport

#: Bytes of a part. Small enough that a window of them fits in memory, large
#: enough that asking for one costs little beside receiving it.
PART = 8 * _options.MIB

#: Parts beside those that are being received that may wait because an
#: earlier one is late. With the one that is being handed on, a window of N
#: connections holds N + 2 parts.
_SPARE = 1

#: Bytes of the pieces that a part is kept in. Joining them would need the
#: memory of the part twice.
PIECE = _options.MIB

#: Seconds between two looks at a thread that has been told to end.
_PATIENCE = 0.1


def count(length: int, part_size: int) -> int:
    """Return how many parts some bytes have, at least one."""
    return max(1, -(-length // part_size))


def limit(connections: int) -> int:
    """Return how many parts a window plans ahead of what was handed on."""
    return connections + _SPARE


class Window:
    """The parts of an image, fetched in any order, handed on in theirs.

    Whoever makes one calls :meth:`close`. The threads hold no reference to
    this object and end also when it is simply forgotten.

    :param parts: Plans the parts; the first ones are those of ``first``.
    :param first: Stretches that are connected already, over the first parts.
    :param more: Makes a stretch for another part.
    :param connections: How many connections at a time.
    :param pace: Says how many from now on, if that is not settled. Once it
        has come down to one, the window ends with what was planned.
    :param cancelled: What the stretches listen to.
    :param transport: The connections that they use, if those can be broken
        so that no thread waits for them any longer.
    """

    def __init__(
        self,
        parts: _ranges.Parts,
        first: Sequence[_stretch.Stretch],
        more: Callable[[_ranges.Span], _stretch.Stretch],
        *,
        connections: int,
        cancelled: threading.Event,
        transport: _transport.Transport | None,
        pace: _pace.Pace | None = None,
    ) -> None:
        self._shared = _Shared(parts, connections, cancelled, transport, pace)
        self._more = more
        self._stop = weakref.finalize(self, self._shared.cancel)
        self._pieces: list[bytes] = []
        self._threads: list[threading.Thread] = []
        for stretch in first:
            self._start(stretch)
        self._fill()

    def _fill(self) -> None:
        """Start the threads that are missing."""
        while self._shared.is_short_of_threads():
            self._start(None)

    def _start(self, stretch: _stretch.Stretch | None) -> None:
        self._threads = [t for t in self._threads if t.is_alive()]
        self._shared.enter()
        thread = threading.Thread(
            target=_fetch,
            args=(self._shared, self._more, stretch),
            name=f'openstack-image-stream-{len(self._threads)}',
            # A Response that is still open when the interpreter ends must
            # not keep it from ending.
            daemon=True,
        )
        self._threads.append(thread)
        thread.start()

    def read(self) -> bytes:
        """Return the next piece, waiting for it where needed.

        :returns: The piece, ``b''`` at the end.
        :raises: what kept a thread from fetching its part.
        """
        while not self._pieces:
            pieces = self._shared.take()
            if pieces is None:
                self._fill()
            elif not pieces:
                return b''
            else:
                self._pieces = pieces[::-1]
        return self._pieces.pop()

    def close(self) -> None:
        """End the threads. May be called more than once."""
        self._stop()
        # The garbage collector may close a forgotten download from within
        # one of them.
        for thread in self._threads:
            if thread is not threading.current_thread():
                self._shared.join(thread)


class _Shared:
    """What the threads have in common."""

    def __init__(
        self,
        parts: _ranges.Parts,
        connections: int,
        cancelled: threading.Event,
        transport: _transport.Transport | None,
        pace: _pace.Pace | None,
    ) -> None:
        #: How many fetch, or are about to.
        self.threads = 0
        self._connections = connections
        self._pace = pace
        self.parts = parts
        self.cancelled = cancelled
        self._transport = transport
        self._failure: BaseException | None = None
        # Guards the parts, the failure, the pace and the numbers.
        self._changed = threading.Condition()

    def plan(self) -> _ranges.Span | None:
        """Wait for a part to fetch; ``None`` when the thread is to end."""
        with self._changed:
            while not self.cancelled.is_set():
                if self.threads > self._connections:
                    break
                if span := self.parts.plan():
                    return span
                if self.parts.all_planned:
                    break
                self._changed.wait()
        return None

    def is_short_of_threads(self) -> bool:
        """Tell whether another thread would find a part to fetch."""
        with self._changed:
            missing = self.threads < self._connections
            return missing and not self.parts.all_planned

    def enter(self) -> None:
        """A thread begins."""
        with self._changed:
            self.threads += 1

    def leave(self) -> None:
        """A thread ends."""
        with self._changed:
            self.threads -= 1

    def piece_size(self) -> int:
        """Return how many bytes to read at a time now."""
        if self._pace is None:
            return PIECE
        with self._changed:
            return self._pace.piece_size(PIECE)

    def received(self, amount: int) -> None:
        """Take note of a piece."""
        if self._pace is None:
            return
        with self._changed:
            self._pace.received(amount)
            if self._pace.connections == self._connections:
                return
            self._connections = self._pace.connections
            self.parts.limit = limit(self._connections)
            if self._connections == 1:
                self.parts.plan_no_more()
            self._changed.notify_all()

    def put(self, span: _ranges.Span, pieces: list[bytes]) -> None:
        """Hand in a part."""
        with self._changed:
            self.parts.put(span, pieces)
            self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """Report that a part cannot be fetched."""
        with self._changed:
            # The first failure is the one that counts; those that follow
            # are the others being told to stop.
            if self._failure is None:
                self._failure = failure
            self._changed.notify_all()

    def take(self) -> list[bytes] | None:
        """Wait for the next part in order.

        :returns: Its pieces, ``[]`` at the end, ``None`` when there should
            be another thread first.
        """
        with self._changed:
            while not self.parts.finished:
                pieces = self.parts.take()
                if pieces is not None:
                    self._changed.notify_all()
                    return pieces
                if self._failure is not None:
                    raise self._failure
                if self.is_short_of_threads():
                    return None
                self._changed.wait()
        return []

    def cancel(self) -> None:
        """Make every thread end soon."""
        self.cancelled.set()
        with self._changed:
            self._changed.notify_all()
        if self._transport is not None:
            self._transport.abort()

    def join(self, thread: threading.Thread) -> None:
        """Wait for a thread, but not for a network that does not answer."""
        while thread.is_alive():
            thread.join(_PATIENCE)
            if self._transport and self._transport.is_connecting(thread):
                return


def _fetch(
    shared: _Shared,
    more: Callable[[_ranges.Span], _stretch.Stretch],
    stretch: _stretch.Stretch | None,
) -> None:
    try:
        while True:
            if stretch is None:
                span = shared.plan()
                if span is None:
                    return
                stretch = more(span)
            with contextlib.closing(stretch):
                shared.put(stretch.span, _read_all(shared, stretch))
            stretch = None
    except BaseException as exc:
        shared.fail(exc)
    finally:
        shared.leave()


def _read_all(shared: _Shared, stretch: _stretch.Stretch) -> list[bytes]:
    pieces = []
    while piece := stretch.read(shared.piece_size()):
        pieces.append(piece)
        shared.received(len(piece))
    return pieces
