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

"""Files as the end of a download: what is promised for each kind of them."""

from collections.abc import Iterator
import contextlib
import errno
import logging
import os
import re
import stat
from types import TracebackType

from openstack import _log
from openstack import exceptions as sdk_exceptions

from openstack_image_stream import _options
from openstack_image_stream import _partial
from openstack_image_stream import _sink
from openstack_image_stream import exceptions

#: Bytes that are looked at at a time for being zeros. Raw images have them in
#: runs of megabytes; smaller holes would cost more calls than they save.
_BLOCK = 64 * 1024
_ZEROS = bytes(_BLOCK)

#: Bytes after which the disk is told to begin, so that flushing finds little
#: to do at the end.
_FLUSHED = 32 * _options.MIB

#: What neither time nor space can cure: the bytes are of no use any more.
_HOPELESS = (
    exceptions.ChecksumMismatchError,
    exceptions.ImageChangedError,
    sdk_exceptions.NotFoundException,
)

_LOG: logging.Logger = _log.setup_logging('openstack.image_stream')


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
        _sync(self._descriptor)
        self._committed = True


class _RegularSink(_DescriptorSink):
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


class InPlaceSink(_RegularSink):
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
        _sync(self._descriptor)
        self._committed = True

    def _undo(self, exc: BaseException | None) -> None:
        os.ftruncate(self._descriptor, 0)


class ReplacingSink(_RegularSink):
    """Writes a partial file beside the target, and renames it at the end.

    The partial file is flushed to the disk before the rename and the
    directory after it, so that a power cut leaves the old file or the whole
    new one, never less.

    :param target: Where the file shall be, links resolved.
    :param image_id: ID of the image, for the name of the partial file.
    :param resume: Whether to go on with what a former download left, and to
        leave such a file in turn.
    :param sparse: Whether runs of zeros become holes.
    """

    def __init__(
        self, target: str, image_id: str, *, resume: bool, sparse: bool
    ) -> None:
        super().__init__(sparse=sparse)
        self._target = target
        self._image_id = image_id
        self.resume = resume
        self._partial: _partial.Partial | None = None

    def __enter__(self) -> 'ReplacingSink':
        old = _stat(self._target)
        if old is not None and not os.access(self._target, os.W_OK):
            # Whoever wrote-protected a file does not expect it to be
            # replaced, though the directory would allow that.
            raise PermissionError(
                errno.EACCES, os.strerror(errno.EACCES), self._target
            )
        self._partial = _partial.claim(
            self._target,
            self._image_id,
            # Nobody may read the partial file who may not read the file, and
            # the permissions of an old file are about its own group.
            private=old is not None,
            resume=self.resume,
        )
        self._committed = False
        self._descriptor = self.store = self._partial.descriptor
        self._position = self.start = os.fstat(self._descriptor).st_size
        self._flushed = self.start
        return self

    def start_at(self, position: int) -> None:
        """Use less of the partial file than there is.

        :param position: Bytes of it to keep.
        """
        os.ftruncate(self._descriptor, position)
        self._position = self.start = self._flushed = position

    @contextlib.contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            # So that it says which file system is full.
            if exc.filename is None and self._partial is not None:
                exc.filename = self._partial.path
            raise

    def write(self, piece: bytes) -> None:
        with self._naming_the_file():
            # It is this length that makes one download go on where another
            # ended; what somebody cut off would become zeros.
            if os.fstat(self._descriptor).st_size != self._position:
                raise self._changed()
            super().write(piece)

    def commit(self) -> None:
        with self._naming_the_file():
            self._commit()

    def _commit(self) -> None:
        partial = self._partial
        if partial is None or not partial.still_there():
            raise self._changed()
        self._keep_attributes()
        _sync(self._descriptor)
        # That may have taken a while.
        if (
            not partial.still_there()
            or os.fstat(self._descriptor).st_size != self._position
        ):
            raise self._changed()
        os.replace(partial.path, self._target)
        self._committed = True
        _sync_directory(os.path.dirname(self._target))

    def _changed(self) -> exceptions.ImageStreamError:
        return exceptions.ImageStreamError(
            'the partial file was removed, replaced or changed by somebody '
            f'else, nothing was put in the place of {self._target!r}'
        )

    def _keep_attributes(self) -> None:
        old = _stat(self._target)
        if old is None:
            # Made for a file that was there then.
            made = os.fstat(self._descriptor)
            if stat.S_IMODE(made.st_mode) == _partial.PRIVATE:
                mode = _partial.usual_mode(self._target, self._image_id)
                os.chmod(self._descriptor, mode)
            return
        mode = stat.S_IMODE(old.st_mode)
        # Only root may give files away, but a member may to a group.
        for owner, group in ((old.st_uid, old.st_gid), (-1, old.st_gid)):
            with contextlib.suppress(PermissionError):
                os.chown(self._descriptor, owner, group)
                break
        new = os.fstat(self._descriptor)
        if new.st_uid != old.st_uid:
            mode &= ~stat.S_ISUID
        if new.st_gid != old.st_gid:
            # What was for one group is not for another; it gets no more than
            # everybody has.
            mode &= ~(stat.S_ISGID | stat.S_IRWXG) | (mode & stat.S_IRWXO) << 3
        # After the owner, since changing that takes the set-user-ID bit off.
        os.chmod(self._descriptor, mode)

    def _undo(self, exc: BaseException | None) -> None:
        partial = self._partial
        if partial is None or not partial.still_there():
            return
        # Not what was counted: Ctrl-C may have come in the middle of a write.
        kept = os.fstat(self._descriptor).st_size
        if not partial.resumable or not kept or isinstance(exc, _HOPELESS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial.path)
            return
        _LOG.warning(
            'the first %s bytes of image %s are kept in %s, the same download '
            'will go on from there',
            kept,
            self._image_id,
            partial.path,
        )
        if isinstance(exc, exceptions.IncompleteDownloadError):
            exc.keep(partial.path)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as exc:
        # Pipes and terminals have nothing to synchronise.
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
            raise


def _sync_directory(path: str) -> None:
    # Without it the rename itself may be lost in a power cut. Not every file
    # system lets directories be opened or synchronised; the file is there
    # and whole all the same.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
