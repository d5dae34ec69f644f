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

"""Files that are written to where they are: devices, pipes, empty files."""

from collections.abc import Iterator
import contextlib
import errno
import os
import re
from types import TracebackType

from openstack_image_stream import _options
from openstack_image_stream import _sink

#: Bytes that are looked at at a time for being zeros. Raw images have them in
#: runs of megabytes; smaller holes would cost more calls than they save.
_BLOCK = 64 * 1024
_ZEROS = bytes(_BLOCK)

#: Bytes after which the disk is told to begin, so that flushing finds little
#: to do at the end.
_FLUSHED = 32 * _options.MIB


class _DescriptorSink(_sink.Sink):
    """Writes to a descriptor that it opened."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._committed = False

    def write(self, piece: bytes) -> None:
        done = os.write(self._descriptor, piece)
        if done < len(piece):
            with memoryview(piece) as view:
                while done < len(view):
                    done += os.write(self._descriptor, view[done:])

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if not self._committed:
                self._undo(exc)
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def _undo(self, exc: BaseException | None) -> None:
        """Undo what was written, while the descriptor is still open."""


class DirectSink(_DescriptorSink):
    """Writes to what is not a regular file: a device, a pipe.

    :param path: Of the file; ``/dev/stdout`` and ``/dev/fd/N`` mean the
        descriptor itself, at its present position.
    """

    _STANDARD = {'/dev/stdout': 1, '/dev/stderr': 2}
    _DESCRIPTOR = re.compile(r'(?:/dev|/proc/self)/fd/(\d+)', re.ASCII)

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    @classmethod
    def descriptor_of(cls, path: str) -> int | None:
        """Return the descriptor that a path names, if it names one."""
        found = cls._DESCRIPTOR.fullmatch(path)
        return int(found[1][:20]) if found else cls._STANDARD.get(path)

    def __enter__(self) -> 'DirectSink':
        number = self.descriptor_of(self._path)
        if number is None:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        else:
            # Opening it anew would begin at the start of the file that a
            # shell's >> has positioned at its end.
            try:
                self._descriptor = os.dup(number)
            except OverflowError:
                raise OSError(
                    errno.EBADF, os.strerror(errno.EBADF), self._path
                ) from None
        return self

    def commit(self) -> None:
        sync(self._descriptor)
        self._committed = True


class RegularSink(_DescriptorSink):
    """Writes to a regular file.

    :param sparse: Whether runs of zeros become holes.
    """

    def __init__(self, *, sparse: bool) -> None:
        super().__init__()
        self._sparse = sparse
        self._position = 0
        self._flushed = 0

    def write(self, piece: bytes) -> None:
        offset = self._position
        if not self._sparse:
            self._write_at(piece, offset)
        else:
            with memoryview(piece) as view:
                for start, stop in _data_runs(piece):
                    self._write_at(view[start:stop], offset + start)
            if piece.endswith(b'\0'):
                # The length shall tell how far it is also after a crash in
                # the middle of a long run of zeros.
                os.ftruncate(self._descriptor, offset + len(piece))
        self._position = offset + len(piece)
        if self._position - self._flushed >= _FLUSHED:
            self._begin_to_flush()

    def _begin_to_flush(self) -> None:
        """Have the disk write what is there, beside the download."""
        # Linux begins to write what it is told to forget, does not wait for
        # it, and forgets only what is written at once, which is little. Where
        # it is refused, the end waits for the disk.
        with contextlib.suppress(OSError):
            os.posix_fadvise(
                self._descriptor,
                self._flushed,
                self._position - self._flushed,
                os.POSIX_FADV_DONTNEED,
            )
        self._flushed = self._position

    def _write_at(self, data: bytes | memoryview, offset: int) -> None:
        done = os.pwrite(self._descriptor, data, offset)
        if done < len(data):
            with memoryview(data) as view:
                while done < len(view):
                    done += os.pwrite(
                        self._descriptor, view[done:], offset + done
                    )


class InPlaceSink(RegularSink):
    """Fills an existing, empty regular file.

    Somebody made it a moment ago (``mkstemp``) and may have it open, so it
    must not be replaced by another.

    :param path: Of the file.
    :param sparse: Whether runs of zeros become holes.
    """

    def __init__(self, path: str, *, sparse: bool) -> None:
        super().__init__(sparse=sparse)
        self._path = path

    def __enter__(self) -> 'InPlaceSink':
        self._position = self._flushed = 0
        self._committed = False
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        return self

    def commit(self) -> None:
        sync(self._descriptor)
        self._committed = True

    def _undo(self, exc: BaseException | None) -> None:
        os.ftruncate(self._descriptor, 0)


def sync(descriptor: int) -> None:
    """Wait until what was written is on the disk, where there is one."""
    try:
        os.fsync(descriptor)
    except OSError as exc:
        # Pipes and terminals have nothing to synchronise.
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
            raise


def _data_runs(piece: bytes) -> Iterator[tuple[int, int]]:
    """Yield where a piece is not zeros, as start and stop."""
    start: int | None = None
    for offset in range(0, len(piece), _BLOCK):
        # Compares in place, where a slice would copy.
        if piece.startswith(_ZEROS[: len(piece) - offset], offset):
            if start is not None:
                yield start, offset
                start = None
        elif start is None:
            start = offset
    if start is not None:
        yield start, len(piece)
