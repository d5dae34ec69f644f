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

"""The moment at which a download ends, whatever it is doing."""

from collections.abc import Callable
import threading
import time
from typing import Protocol

from openstack_image_stream._common import threads
from openstack_image_stream import exceptions

#: Seconds for a thread to end. The end of a download wakes it up.
_JOINING = 5.0


class _Coordinator(Protocol):
    def wait(self, seconds: float) -> bool: ...

    def expire(self) -> None: ...


class Deadline:
    """The moment at which a download ends, whatever it is doing.

    The coordinator ends the download. What is here watches the clock for it,
    in a thread, since nothing else can while a connection is silent.

    :param seconds: From now on.
    :param image_id: ID of the image, for the error.
    :param clock: Seconds, from any moment on.
    """

    def __init__(
        self,
        seconds: float,
        image_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._image_id = image_id
        self._clock = clock
        self._at = clock() + seconds
        self._threads: list[threading.Thread] = []
        #: Bytes of the image that were received so far, and all that it has,
        #: if that is known.
        self.received = 0
        self.expected: int | None = None

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self._clock() >= self._at

    def watch(self, coordinator: _Coordinator) -> None:
        """Have a download expire at the deadline.

        Where no thread can be started the download looks at the clock itself,
        with each chunk.

        :param coordinator: Owns the download; :meth:`join` after its end.
        """
        thread = threading.Thread(
            target=_watch,
            args=(coordinator, self._at - self._clock()),
            name='openstack-image-stream-deadline',
            daemon=True,
        )
        self._threads.append(thread)
        if not threads.start(thread):
            self._threads.remove(thread)

    def join(self) -> None:
        """Wait for the threads of downloads that have ended."""
        while self._threads:
            threads.join(self._threads.pop(), _JOINING)

    def error(self, kind: Callable[..., Exception]) -> Exception:
        """Return the error to raise after the deadline.

        :param kind: Makes it.
        """
        return incomplete(
            kind,
            f'the deadline of {self._seconds:g} s has passed',
            image_id=self._image_id,
            received=self.received,
            expected=self.expected,
        )


def _watch(coordinator: _Coordinator, seconds: float) -> None:
    if not coordinator.wait(max(0.0, seconds)):
        coordinator.expire()


def incomplete(
    kind: Callable[..., Exception],
    reason: str,
    *,
    image_id: str,
    received: int,
    expected: int | None,
) -> Exception:
    """Return the error of a download that is not complete.

    :param kind: Makes it, as a class of
        :exc:`~openstack_image_stream.exceptions.IncompleteDownloadError`.
    :param reason: Why it is not.
    :param image_id: ID of the image.
    :param received: Bytes of the image that were received.
    :param expected: Bytes that the image has, ``None`` if it is unknown.
    """
    total = 'an unknown number of' if expected is None else expected
    return kind(
        f'image {image_id}: incomplete download: {received} of {total} '
        f'bytes received ({reason})',
        received=received,
        expected=expected,
        reason=reason,
    )


#: What is raised at the deadline where a response is being read.
INTERRUPTED = exceptions.InterruptedDownloadError
#: Likewise, where none has come.
NO_RESPONSE = exceptions.ConnectionTimeoutError
