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

"""A file that is there already, and is read to be judged."""

import errno
import os
import stat
from types import TracebackType

from openstack_image_stream._common import signals
from openstack_image_stream._output import owned
from openstack_image_stream import exceptions

#: A FIFO would be waited for otherwise, and a terminal would become ours.
_FLAGS = (
    os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_NOCTTY', 0)
)

_KINDS = {
    stat.S_IFDIR: 'a directory',
    stat.S_IFIFO: 'a FIFO',
    stat.S_IFSOCK: 'a socket',
    stat.S_IFCHR: 'a character device',
    stat.S_IFBLK: 'a block device',
}


class ExistingFile:
    """A regular file, opened for reading; a context manager.

    The path is followed once, when the file is opened, and links with it. All
    else is about the file that was opened, so that nothing that happens to
    the path can put another file in its place.

    :param path: Of the file.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when it is not the path of a regular file, and :exc:`OSError` when it
        cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        #: What the system raised when it was read.
        self.failure: OSError | None = None
        self._opened: owned.Descriptor | None = _open(path)
        self._before = os.fstat(self.descriptor)
        if not stat.S_ISREG(self._before.st_mode):
            kind = _KINDS.get(stat.S_IFMT(self._before.st_mode), 'something')
            self.close()
            raise _not_regular(path, kind)

    @property
    def descriptor(self) -> int:
        """Its descriptor, while it is open."""
        if self._opened is None:
            raise ValueError('the file is closed')
        return self._opened.fileno()

    @property
    def size(self) -> int:
        """Its length in bytes when it was opened."""
        return self._before.st_size

    def read(self, position: int, size: int) -> bytes:
        """Read some bytes.

        :param position: Of the first of them.
        :param size: How many at the most.
        :returns: The bytes, ``b''`` at the end.
        :raises: :exc:`OSError`, which is noted as :attr:`failure`.
        """
        try:
            return os.pread(self.descriptor, size, position)
        except OSError as exc:
            if signals.find_raised(exc) is None:
                self.failure = exc
            raise

    def check_unchanged(self) -> None:
        """Check that it is the file that was opened, as it was then.

        :raises: :exc:`~openstack_image_stream.exceptions.OutputError` when it
            was written to, truncated, removed or replaced.
        """
        if _state(os.fstat(self.descriptor)) != _state(self._before):
            raise exceptions.OutputError(
                f'file {self.path!r} was changed or replaced by another '
                'program while it was read: try again when that has finished'
            )

    def close(self) -> None:
        """Close it. May be called more than once."""
        # With its last reference.
        self._opened = None

    def __enter__(self) -> 'ExistingFile':
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _open(path: str) -> owned.Descriptor:
    try:
        return owned.Descriptor(path, _FLAGS)
    except OSError as exc:
        # What Linux has for a socket.
        if exc.errno == errno.ENXIO and signals.find_raised(exc) is None:
            raise _not_regular(path, 'a socket or a device') from exc
        raise
    except ValueError as exc:
        if signals.find_raised(exc) is not None:
            raise
        # A null byte, or what the file system cannot encode.
        raise exceptions.InvalidArgumentError(
            f'path {path!r} cannot be the name of a file ({exc})'
        ) from exc


def _not_regular(path: str, kind: str) -> exceptions.InvalidArgumentError:
    return exceptions.InvalidArgumentError(
        f'path {path!r} is {kind}, it must be the path of a regular file'
    )


def _state(found: os.stat_result) -> tuple[int, int, int]:
    # Unlike the second, the third cannot be set by a program, and changes
    # also when the file loses its name to another one.
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
