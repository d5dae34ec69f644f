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

"""Where an image is written to.

A sink is made before any request, which is when a bad output is refused, and
opened as a context manager.
"""

import abc
import errno
import io
from types import TracebackType
from typing import Any


class Sink(abc.ABC):
    """Takes the bytes of an image in order.

    Leaving it without a commit undoes what can be undone.
    """

    #: Bytes of the image that are there already, once it is entered.
    start = 0
    #: Whether it goes on with what a former download left, and leaves it.
    resume = False
    #: Bytes of the image that are there in order, where that is known.
    position: int | None = None
    #: Descriptor to read back from what was written, if it can be.
    store: int | None = None

    def start_at(self, position: int) -> None:
        """Use less of what is there already.

        :param position: Bytes of it to keep.
        """

    @abc.abstractmethod
    def write(self, piece: bytes) -> None:
        """Write all of a piece.

        :param piece: The next bytes of the image.
        :raises: :exc:`OSError` as the system gives it.
        """

    def commit(self) -> None:
        """Make what was written final: all of it is there and proved."""

    def __enter__(self) -> 'Sink':
        """Open what is written to."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of what was opened; undo what was not committed."""


class MemorySink(Sink):
    """Keeps the image in memory."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()

    def write(self, piece: bytes) -> None:
        self._buffer.write(piece)

    def content(self) -> bytes:
        """Return all that was written, without a second copy of it."""
        # BytesIO hands out its own buffer here (and copies it only if it is
        # written to again), which is what keeps the peak at one image.
        return self._buffer.getvalue()


class WriterSink(Sink):
    """Writes to an object of the caller's, which stays open.

    :param output: Anything with ``write()``.
    """

    def __init__(self, output: Any) -> None:
        self._output = output

    def write(self, piece: bytes) -> None:
        with memoryview(piece) as view:
            done = 0
            while done < len(view):
                done += self._written(view[done:] if done else piece)

    def _written(self, data: Any) -> int:
        count = self._output.write(data)
        counted = isinstance(count, int) and not isinstance(count, bool)
        if counted and 0 < count <= len(data):
            return int(count)
        # Buffered files, and most things that only look like a file, take
        # everything and may return anything. A raw file that returns None or
        # 0 took nothing, and would take nothing for ever.
        if isinstance(self._output, io.RawIOBase) or (counted and count == 0):
            raise BlockingIOError(
                errno.EAGAIN, 'the output takes no bytes at the moment'
            )
        return len(data)

    def commit(self) -> None:
        # An error of a buffered file belongs to this call, not to the
        # caller's close().
        flush = getattr(self._output, 'flush', None)
        if callable(flush):
            flush()
