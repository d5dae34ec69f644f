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

"""The one owner of how a download ends.

A download ends because all of it was handed on, because something failed,
because its deadline has passed, or because it was closed: by the thread that
reads, by another one, in a signal handler, or by the garbage collector from
within any line of any thread. So to
end a download never waits and takes no lock. It notes the reason, of which
the first one counts, and wakes up what waits: every wait of a download is one
for a queue that is known here, or for a socket that is shut down.

What is woken up lets go of what it has. Threads are joined, and responses are
closed, by the thread that reads, or by the one that closes if no thread
reads.
"""

from collections.abc import Callable, Iterator
import contextlib
import copy
import os
import queue
import threading
from typing import Any, Generic, TypeVar

from openstack_image_stream._common import signals
from openstack_image_stream._transfer import deadlines
from openstack_image_stream import exceptions

_T = TypeVar('_T')

#: Wakes up something that waits. Never waits, never raises, may be called
#: more than once, in any thread, and within any other call.
Waker = Callable[[], object]


class Ended(Exception):
    """The download ended while a thread worked for it."""


class Coordinator:
    """Knows whether a download has ended, and why.

    :param image_id: ID of the image, for messages.
    :param deadline: Ends the download, see :meth:`expire`.
    """

    def __init__(
        self, image_id: str, deadline: deadlines.Deadline | None = None
    ) -> None:
        self._image_id = image_id
        #: Ends the download, if there is one.
        self.deadline = deadline
        # Appending to a list is atomic; the first one is what counts.
        self._ends: list[Exception | deadlines.Deadline | None] = []
        self._wakers: list[Waker] = []
        self._process = os.getpid()

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return bool(self._ends)

    @property
    def elsewhere(self) -> bool:
        """Whether this is a forked child of the downloading process."""
        return os.getpid() != self._process

    def close(self) -> None:
        """End the download because its caller wants no more of it."""
        self._end(
            exceptions.DownloadClosedError(
                f'the download of image {self._image_id} was closed',
                image_id=self._image_id,
            )
        )

    def fail(self, error: Exception) -> None:
        """End the download because of an error.

        :param error: What every later call of :meth:`check` raises.
        """
        # Not the error itself: its traceback leads to the caller's frames, and
        # from there to the response and back.
        self._end(_copy(error))

    def expire(self) -> None:
        """End the download because its deadline has passed."""
        self._end(self.deadline)

    def finish(self) -> None:
        """End the download because all of it was handed on."""
        self._end(None)

    def check(
        self, overdue: Callable[..., Exception] = deadlines.INTERRUPTED
    ) -> None:
        """Raise what ended the download, if anything but success did.

        :param overdue: Makes the error to raise after the deadline.
        :raises: :exc:`~openstack_image_stream.exceptions.\
DownloadClosedError` after :meth:`close`, the error after :meth:`fail`, and
            :exc:`~openstack_image_stream.exceptions.ReadError` in a
            forked child, where the threads of the download are missing.
        """
        if self.elsewhere:
            raise exceptions.ReadError(
                f'the download of image {self._image_id} was begun in process '
                f'{self._process}, a forked child cannot read it: start '
                'another download'
            )
        deadline = self.deadline
        if deadline is not None and deadline.passed and not self.ended:
            self.expire()
        end = self._ends[0] if self._ends else None
        if isinstance(end, deadlines.Deadline):
            raise end.error(overdue)
        if end is not None:
            raise _copy(end)

    def child(self) -> 'Coordinator':
        """Return the owner of some work that may end on its own.

        It ends with this one, too; :meth:`release` when it is over.
        """
        child = Coordinator(self._image_id)
        self.on_end(child.finish)
        return child

    def release(self, child: 'Coordinator') -> None:
        """Forget a child.

        :param child: As :meth:`child` returned it.
        """
        self.off_end(child.finish)

    def on_end(self, waker: Waker) -> None:
        """Have something called when the download ends.

        :param waker: Called at once where it has ended already.
        """
        self._wakers.append(waker)
        if self.ended:
            waker()

    def off_end(self, waker: Waker) -> None:
        """Take back what was given to :meth:`on_end`.

        :param waker: May be unknown by now.
        """
        with contextlib.suppress(ValueError):
            self._wakers.remove(waker)

    @contextlib.contextmanager
    def waking(self, waker: Waker) -> Iterator[None]:
        """Have something called when the download ends meanwhile.

        :param waker: As for :meth:`on_end`.
        """
        try:
            self.on_end(waker)
            yield
        finally:
            self.off_end(waker)

    def wait(self, seconds: float) -> bool:
        """Wait, but not beyond the end of the download.

        :param seconds: For how long.
        :returns: Whether the download has ended.
        """
        # A thread that waits for an Event cannot be woken up from a signal
        # handler, which may have interrupted it within the Event's lock.
        inbox: queue.SimpleQueue[None] = queue.SimpleQueue()

        def wake() -> None:
            inbox.put(None)

        with self.waking(wake), contextlib.suppress(queue.Empty):
            inbox.get(timeout=seconds)
        return self.ended

    def join(self) -> None:
        """Wait for what watches the deadline, after the end."""
        if self.deadline is not None:
            self.deadline.join()

    def _end(self, end: Exception | deadlines.Deadline | None) -> None:
        # The sockets of a child are those of its parent.
        if self.elsewhere:
            return
        self._ends.append(end)
        for waker in self._wakers[:]:
            waker()
        if len(self._ends) == 1:
            # Not to be a part of any reference cycle.
            self._wakers.clear()


def _copy(error: Exception) -> Exception:
    """Return an error like another one, without its traceback."""
    try:
        return copy.copy(error)
    except Exception:
        # Not every error of others can be copied.
        return exceptions.ReadError(f'{type(error).__name__}: {error}')


class Task(Generic[_T]):
    """Something that is opened in a thread of its own.

    What cannot be interrupted (a name that is looked up, a connection that is
    made) is done there, so that the thread that waits for it can leave.

    :param coordinator: Owns the download that it is for.
    :param function: What to do. It returns something with ``close()``.
    :raises: :exc:`RuntimeError` where no thread can be started.
    """

    def __init__(
        self, coordinator: Coordinator, function: Callable[[], _T]
    ) -> None:
        self._coordinator = coordinator
        self._outcome: _Outcome[_T] = _Outcome()
        self._wake = self._outcome.wake
        coordinator.on_end(self._wake)
        try:
            with signals.reraised():
                threading.Thread(
                    target=self._outcome.produce,
                    args=(function,),
                    name='openstack-image-stream-open',
                    daemon=True,
                ).start()
        except BaseException:
            coordinator.off_end(self._wake)
            raise

    @property
    def done(self) -> bool:
        """Whether :meth:`result` will not wait."""
        return self._outcome.there

    def result(self) -> _T:
        """Wait for what comes of it.

        :returns: What the function returned; its caller closes that.
        :raises: what the function raised, and :exc:`Ended` when the download
            ended before.
        """
        try:
            while not self._outcome.there:
                if self._coordinator.ended:
                    raise Ended
                self._outcome.woken.get()
            result, error = self._outcome.take()
        except BaseException:
            self.abandon()
            raise
        self._coordinator.off_end(self._wake)
        try:
            if error is not None:
                raise error
        finally:
            # Its traceback refers to this frame, which must not refer to it.
            del error
        return result  # type: ignore[return-value]

    def abandon(self) -> None:
        """Want nothing of it any more; what it opens is closed."""
        self._coordinator.off_end(self._wake)
        self._outcome.abandon()


class _Outcome(Generic[_T]):
    """What a task's thread and the one that waits for it have in common."""

    def __init__(self) -> None:
        self.woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        # At most one item. To take it out is to become its owner.
        self._box: list[tuple[_T | None, BaseException | None]] = []
        self._abandoned = False

    @property
    def there(self) -> bool:
        return bool(self._box)

    def take(self) -> tuple[_T | None, BaseException | None]:
        return self._box.pop()

    def wake(self) -> None:
        self.woken.put(None)

    def produce(self, function: Callable[[], _T]) -> None:
        try:
            self._box.append((function(), None))
        except BaseException as exc:
            self._box.append((None, exc))
        if self._abandoned:
            self._discard()
        self.wake()

    def abandon(self) -> None:
        self._abandoned = True
        self._discard()

    def _discard(self) -> None:
        try:
            result: Any = self._box.pop()[0]
        except IndexError:
            return
        if result is not None:
            result.close()
