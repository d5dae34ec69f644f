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

"""Open files of this process: who closes them, and who may write to them."""

from collections.abc import Callable, Sequence
import contextlib
import errno
import io
import os
import struct
import sys
import weakref

from openstack_image_stream._common import signals

# Not there on Windows. The package can be imported all the same, so that
# load() can say that it is not supported; the SDK would swallow this error.
with contextlib.suppress(ImportError):
    import fcntl

#: Where the byte is that a file written in place is locked by. Far behind the
#: end of every file, since it is the lock that counts, not the byte.
_LOCKED_BYTE = 1 << 62

#: What is open, for children to close. A child that keeps the descriptor of a
#: locked file would keep the lock after its parent was killed.
_OPEN: 'weakref.WeakSet[io.FileIO]' = weakref.WeakSet()

#: Takes a lock (``True``) or gives it back (``False``), without waiting.
Locking = Callable[[int, bool], None]


def _close_in_child() -> None:
    for file in list(_OPEN):
        file.close()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_close_in_child)


def open_file(path: str, flags: int, mode: int = 0o666) -> io.FileIO:
    """Open a file, without a moment in which nothing closes it.

    A signal handler may raise between any two lines of Python. Here the number
    goes from the system to its owner without one between.

    :param path: Of anything but a directory.
    :param flags: As for :func:`os.open`.
    :param mode: Permissions of a new file, before the umask.
    :returns: The file, which is closed with its last reference.
    """
    opened = map(os.open, [path], [flags | os.O_CLOEXEC], [mode])
    return next(map(io.FileIO, opened, ['r+']))


def duplicate(descriptor: int, mode: str = 'r+') -> io.FileIO:
    """Duplicate a descriptor, as safely as :func:`open_file`.

    :param descriptor: One that is open.
    :param mode: Of the file, for :class:`io.FileIO`.
    :returns: The file, at the position that both have in common.
    """
    return next(map(io.FileIO, map(os.dup, [descriptor]), [mode]))


class Descriptor:
    """What no file object takes: a directory, a mere place.

    :param path: Of it.
    :param flags: As for :func:`os.open`.
    """

    _numbers: Sequence[int] = ()

    def __init__(self, path: str, flags: int = os.O_RDONLY) -> None:
        numbers: list[int] = []
        self._numbers = numbers
        numbers.extend(map(os.open, [path], [flags | os.O_CLOEXEC]))

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._numbers[0]

    def __del__(self) -> None:
        for number in self._numbers:
            os.close(number)


def status_flags(descriptor: int) -> int:
    """Return how a descriptor was opened, as :data:`os.O_APPEND` and others.

    :raises: :exc:`OSError`, :exc:`ValueError` or :exc:`OverflowError` for what
        is not an open descriptor.
    """
    return fcntl.fcntl(descriptor, fcntl.F_GETFL)


def flock(descriptor: int, lock: bool) -> None:
    """Lock a file whose name is ours, by :manpage:`flock(2)`."""
    operation = fcntl.LOCK_EX | fcntl.LOCK_NB if lock else fcntl.LOCK_UN
    fcntl.flock(descriptor, operation)


def lock_byte(descriptor: int, lock: bool) -> None:
    """Lock a file or device that is the caller's, against other downloads.

    By a lock that belongs to the opening, as flock(2) does, but in the way of
    no other program: flock(1) around a download holds one on the file itself,
    and udev has them on block devices.
    """
    # Elsewhere the name may exist (macOS), but the record has another layout.
    if sys.platform != 'linux' or not hasattr(fcntl, 'F_OFD_SETLK'):
        return flock(descriptor, lock)
    kind = fcntl.F_WRLCK if lock else fcntl.F_UNLCK
    record = struct.pack('hhqqi4x', kind, os.SEEK_SET, _LOCKED_BYTE, 1, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, record)
    return None


class OwnedFile:
    """A file that is open, the lock on it, and the process both belong to.

    A child has a copy of all that. It may close its copy; the file, its name
    and its lock are its parent's.

    :param file: The file, open.
    :param path: Where it is.
    """

    #: Of the process that it belongs to, once all is set.
    _process = 0

    def __init__(self, file: io.FileIO, path: str) -> None:
        self.path = path
        self._file = file
        self._locking: Locking | None = None
        self._process = os.getpid()
        _OPEN.add(file)

    @property
    def descriptor(self) -> int:
        """The number of its descriptor."""
        return self._file.fileno()

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return os.fstat(self.descriptor).st_size

    @property
    def is_ours(self) -> bool:
        """Whether it is open, and was opened by this process."""
        return not self._file.closed and self._process == os.getpid()

    def still_there(self) -> bool:
        """Tell whether its name still leads to it."""
        try:
            found = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self.descriptor))

    def lock(self, locking: Locking) -> None:
        """Lock it.

        :param locking: How.
        :raises: :exc:`BlockingIOError` when another has the lock,
            :exc:`OSError` where there are no locks.
        """
        # First, so that whatever happens it is given back.
        self._locking = locking
        try:
            locking(self.descriptor, True)
        except PermissionError as exc:
            # What POSIX allows for a lock that another has.
            raise BlockingIOError(exc.errno, exc.strerror) from exc

    def lock_is_kept(self, flags: int) -> bool:
        """Tell whether the lock that it has keeps others out.

        Some file systems say yes to every lock. One that we hold must be
        refused to anybody else, so also to ourselves through another opening.

        :param flags: To open it with once more.
        """
        if self._locking is None:
            return False
        other = open_file(self.path, flags | os.O_NOFOLLOW)
        kept = False
        try:
            self._locking(other.fileno(), True)
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            kept = True
        other.close()
        return kept

    def release(self) -> None:
        """Give the lock back and close the file. May be called again."""
        if self._locking is not None and self.is_ours:
            # Closing alone would do it only once no child has a copy.
            with signals.suppress(OSError):
                self._locking(self.descriptor, False)
        self._file.close()
