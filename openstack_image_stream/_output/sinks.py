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
import inspect
import io
import select
import types
from types import TracebackType
from typing import Any

from openstack_image_stream._common import signals
from openstack_image_stream._output import regions


class Sink(abc.ABC):
    """Takes the bytes of an image in order.

    Leaving it without a commit undoes what can be undone.
    """

    #: Bytes of the image that are there already, once it is entered.
    start = 0
    #: Whether it resumes a partial file, and keeps one after a failure.
    resume = False
    #: Descriptor to read back from what was written, if it can be.
    store: int | None = None

    @property
    def position(self) -> int | None:
        """Bytes of the image that are there, from its beginning on.

        True also after a write that was interrupted. ``None`` where it is not
        known, and after an interrupted write nothing more may be written.
        """
        return None

    def start_at(self, position: int) -> None:
        """Use less of what is there already.

        :param position: Bytes of it to keep.
        """

    @abc.abstractmethod
    def write(self, chunk: bytes) -> None:
        """Write all of a chunk.

        :param chunk: The next bytes of the image.
        :raises: :exc:`OSError` as the system gives it.
        """

    def commit(self) -> None:
        """Make what was written final: all of it is there and verified."""

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

    def write(self, chunk: bytes) -> None:
        self._buffer.write(chunk)

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
        self._is_raw = _is_raw(output)
        self._region: regions.Region | None = None

    def __enter__(self) -> 'WriterSink':
        self._region = _region_of(self._output)
        if self._region is not None:
            self._region.enter()
        return self

    def write(self, chunk: bytes) -> None:
        if self._region is not None:
            self._region.extend(len(chunk))
        if not self._is_raw:
            # Buffered files, and most things that only look like a file, take
            # everything and may return anything; a compressor, how many
            # bytes went out.
            self._output.write(chunk)
            return
        with memoryview(chunk) as view:
            done = 0
            while done < len(view):
                done += self._write_raw(view[done:] if done else chunk)

    def _write_raw(self, data: Any) -> int:
        count = self._output.write(data)
        if count is None:
            # It must not wait, but we may.
            wait_until_writable(self._descriptor())
            return 0
        if not 0 < count <= len(data):
            raise OSError(
                errno.EIO,
                f'the output says that it took {count!r} of {len(data)} bytes',
            )
        return int(count)

    def _descriptor(self) -> int:
        try:
            return int(self._output.fileno())
        except (AttributeError, io.UnsupportedOperation):
            raise BlockingIOError(
                errno.EAGAIN,
                'the output takes no bytes at the moment, and has no '
                'fileno() to wait for: give one that waits, or that is '
                'buffered',
            ) from None

    def commit(self) -> None:
        # An error of a buffered file belongs to this call, not to the
        # caller's close().
        flush = getattr(self._output, 'flush', None)
        if callable(flush):
            flush()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._region is not None:
            self._region.leave()


def wait_until_writable(descriptor: int) -> None:
    """Wait until a pipe or socket takes more; signals are handled meanwhile.

    :param descriptor: One that must not wait by itself.
    """
    if hasattr(select, 'poll'):
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.poll()
    else:
        # What eventlet leaves of the module.
        select.select([], [descriptor], [])


def _is_raw(output: Any) -> bool:
    """Tell whether what ``write()`` returns are the bytes that it took.

    Only :class:`io.RawIOBase` promises that.
    """
    write = output.write
    if isinstance(write, types.FunctionType):
        # What tempfile makes of the methods of its files.
        write = inspect.unwrap(write)
    owner = getattr(write, '__self__', None)
    return isinstance(output, io.RawIOBase) or isinstance(owner, io.RawIOBase)


def _region_of(output: Any) -> 'regions.Region | None':
    file = output
    if isinstance(getattr(output, 'write', None), types.FunctionType):
        file = getattr(inspect.unwrap(output.write), '__self__', output)
    # Of other classes nothing is known about where their bytes end.
    kinds = (io.FileIO, io.BufferedWriter, io.BufferedRandom)
    if type(file) not in kinds:
        return None
    with signals.suppress(OSError):
        return regions.region_of(file.fileno(), file.tell(), repr(output))
    return None
