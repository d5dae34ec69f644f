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

"""Regular files that this package opens: how they are written."""

from collections.abc import Iterator
import errno
import os
from types import TracebackType

from openstack_image_stream._common import signals
from openstack_image_stream import _config
from openstack_image_stream._output import owned
from openstack_image_stream._output import sinks
from openstack_image_stream import exceptions

#: Bytes that are looked at at a time for being zeros. Raw images have them in
#: runs of megabytes; smaller holes would cost more calls than they save.
_BLOCK = 64 * 1024
_ZEROS = bytes(_BLOCK)

#: Bytes after which the disk is told to begin, so that flushing finds little
#: to do at the end.
_FLUSHED = 32 * _config.MIB


class FileSink(sinks.Sink):
    """Writes to a file that it opened."""

    # Of the class, for finalizers of what was not made completely.
    _file: owned.OwnedFile | None = None
    _committed = False

    @property
    def _open(self) -> owned.OwnedFile:
        """The file, for whom it belongs to."""
        if self._file is None:
            raise ValueError('the output is not open')
        if not self._file.is_ours:
            raise exceptions.OutputError(
                f'{self._file.path!r} is written by the process that began '
                'the download, a child cannot continue it: start a download '
                'of its own'
            )
        return self._file

    def __enter__(self) -> 'FileSink':
        self._committed = False
        try:
            self._claim()
        except BaseException:
            self._release()
            raise
        return self

    def _claim(self) -> None:
        """Open the file, and make sure that this download alone writes."""

    def _lock(self, file: owned.OwnedFile, name: str) -> bool:
        """Lock the file; tell whether that was possible.

        :param name: What the caller calls the file.
        :raises: :exc:`~openstack_image_stream.exceptions.OutputError`
            when another download has locked it.
        """
        try:
            file.lock(owned.lock_byte)
        except BlockingIOError as exc:
            raise exceptions.OutputError(
                f'another download is writing to {name!r}: wait until it is '
                'done, or give another output'
            ) from exc
        except OSError as exc:
            if signals.find_raised(exc) is not None:
                raise
            return False
        return True

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._leave(exc)
        except BaseException:
            # A signal handler may have raised in the middle of it. Each step
            # can be done again.
            try:
                self._leave(exc)
            finally:
                self._release()
            raise

    def _leave(self, exc: BaseException | None) -> None:
        file = self._file
        if file is not None and file.is_ours and not self._committed:
            self._undo(exc)
        self._release()

    def _undo(self, exc: BaseException | None) -> None:
        """Undo what was written, while the file is still open."""

    def _release(self) -> None:
        if self._file is not None:
            self._file.release()


class RegularSink(FileSink):
    """Writes to a regular file that belongs to this download alone.

    Its length is how far the download is. A length that is another shows that
    the file is written by others, too, and nothing is written any more.

    :param sparse: Whether runs of zeros become holes.
    """

    def __init__(self, *, sparse: bool) -> None:
        self._sparse = sparse
        self._flushed = 0
        # The bytes that are in the file for sure, and how many it may be once
        # the write that was begun is done.
        self._written = self._reach = 0

    def _begin_at(self, position: int) -> None:
        self._written = self._reach = self._flushed = position

    @property
    def position(self) -> int:
        """Bytes of the image that are in the file, from its beginning on.

        :raises: :exc:`~openstack_image_stream.exceptions.OutputError`
            when the file was changed by another program.
        """
        if self._written != self._reach:
            # A write was interrupted. The file grows from its beginning on,
            # so what it did is told by the length.
            size = self._open.size
            if not self._written <= size <= self._reach:
                raise self._changed()
            self._written = self._reach = size
        return self._written

    def write(self, chunk: bytes) -> None:
        file = self._open
        offset = self.position
        if file.size != offset:
            # What was cut off would become zeros, what was added would be
            # behind the image.
            raise self._changed()
        self._reach = end = offset + len(chunk)
        descriptor = file.descriptor
        if not self._sparse:
            _write_at(descriptor, chunk, offset)
        else:
            with memoryview(chunk) as view:
                for start, stop in _data_runs(chunk):
                    _write_at(descriptor, view[start:stop], offset + start)
            if chunk.endswith(b'\0'):
                # The length shall tell how far it is also after a crash in
                # the middle of a long run of zeros.
                os.ftruncate(descriptor, end)
        self._written = end
        if end - self._flushed >= _FLUSHED:
            self._begin_to_flush(descriptor)

    def _begin_to_flush(self, descriptor: int) -> None:
        """Have the disk write what is there, while the download continues."""
        # Linux begins to write what it is told to forget, does not wait for
        # it, and forgets only what is written at once, which is little. Where
        # it is refused, the end waits for the disk.
        if hasattr(os, 'posix_fadvise'):
            with signals.suppress(OSError):
                os.posix_fadvise(
                    descriptor,
                    self._flushed,
                    self._written - self._flushed,
                    os.POSIX_FADV_DONTNEED,
                )
        self._flushed = self._written

    def _check_whole(self) -> None:
        """Check that the name leads to what was written, and to no more.

        :raises: :exc:`~openstack_image_stream.exceptions.OutputError`
            when it does not.
        """
        file = self._open
        if not file.still_there() or file.size != self.position:
            raise self._changed()

    def _changed(self) -> exceptions.OutputError:
        """Return the error for a file that another program changed."""
        raise NotImplementedError


def sync(descriptor: int) -> None:
    """Wait until what was written is on the disk, where there is one."""
    try:
        os.fsync(descriptor)
    except OSError as exc:
        # Pipes and terminals have nothing to synchronise.
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
            raise


def _write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    done = os.pwrite(descriptor, data, offset)
    if done < len(data):
        with memoryview(data) as view:
            while done < len(view):
                done += os.pwrite(descriptor, view[done:], offset + done)


def _data_runs(chunk: bytes) -> Iterator[tuple[int, int]]:
    """Yield where a chunk is not zeros, as start and stop."""
    start: int | None = None
    for offset in range(0, len(chunk), _BLOCK):
        # Compares in place, where a slice would copy.
        if chunk.startswith(_ZEROS[: len(chunk) - offset], offset):
            if start is not None:
                yield start, offset
                start = None
        elif start is None:
            start = offset
    if start is not None:
        yield start, len(chunk)
