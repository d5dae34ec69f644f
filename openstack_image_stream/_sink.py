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
opened as a context manager. Leaving it without a commit undoes what can be
undone.
"""

import abc
import contextlib
import errno
import io
import os
import re
import secrets
import stat
from types import TracebackType
from typing import Any

from openstack_image_stream import exceptions

# Windows has neither; what it has opens files as text unless told otherwise.
_OPEN_FLAGS = getattr(os, 'O_BINARY', 0) | getattr(os, 'O_CLOEXEC', 0)

#: Longest file name that every common file system takes, in bytes.
_NAME_MAX = 255


class Sink(abc.ABC):
    """Takes the bytes of an image in order."""

    @abc.abstractmethod
    def write(self, piece: bytes) -> None:
        """Write all of a piece.

        :param piece: The next bytes of the image.
        :raises: :exc:`OSError` as the system gives it.
        """

    def commit(self) -> None:
        """Make what was written final: all of it is there and proved."""

    def __enter__(self) -> 'Sink':
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


class _DescriptorSink(Sink):
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
                self._undo()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def _undo(self) -> None:
        """Undo what was written, while the descriptor is still open."""


class DirectSink(_DescriptorSink):
    """Writes to what is not a regular file: a device, a pipe.

    :param path: Of the file; ``/dev/stdout`` and ``/dev/fd/N`` mean the
        descriptor itself, at its present position.
    """

    _STANDARD = {'/dev/stdout': 1, '/dev/stderr': 2}
    _DESCRIPTOR = re.compile(r'(?:/dev|/proc/self)/fd/(\d+)')

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    @classmethod
    def descriptor_of(cls, path: str) -> int | None:
        """Return the descriptor that a path names, if it names one."""
        found = cls._DESCRIPTOR.fullmatch(path)
        return int(found[1]) if found else cls._STANDARD.get(path)

    def __enter__(self) -> 'DirectSink':
        number = self.descriptor_of(self._path)
        if number is None:
            self._descriptor = os.open(self._path, os.O_WRONLY | _OPEN_FLAGS)
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


class InPlaceSink(_DescriptorSink):
    """Fills an existing, empty regular file.

    Somebody made it a moment ago (``mkstemp``) and may have it open, so it
    must not be replaced by another.

    :param path: Of the file.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def __enter__(self) -> 'InPlaceSink':
        self._descriptor = os.open(self._path, os.O_WRONLY | _OPEN_FLAGS)
        return self

    def commit(self) -> None:
        _sync(self._descriptor)
        self._committed = True

    def _undo(self) -> None:
        os.ftruncate(self._descriptor, 0)


class ReplacingSink(_DescriptorSink):
    """Writes a partial file beside the target, and renames it at the end.

    The partial file is flushed to the disk before the rename and the
    directory after it, so that a power cut leaves the old file or the whole
    new one, never less.

    :param target: Where the file shall be, links resolved.
    :param image_id: ID of the image, for the name of the partial file.
    """

    def __init__(self, target: str, image_id: str) -> None:
        super().__init__()
        self._target = target
        self._image_id = image_id
        self._partial = ''

    def __enter__(self) -> 'ReplacingSink':
        if os.path.exists(self._target) and not os.access(
            self._target, os.W_OK
        ):
            # Whoever wrote-protected a file does not expect it to be
            # replaced, though the directory would allow that.
            raise PermissionError(
                errno.EACCES, os.strerror(errno.EACCES), self._target
            )
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN_FLAGS
        while True:
            self._partial = _partial_name(self._target, self._image_id)
            # No two downloads ever share a partial file; the mode is left to
            # the umask, as it would be for the file itself.
            with contextlib.suppress(FileExistsError):
                self._descriptor = os.open(self._partial, flags, 0o666)
                return self

    def commit(self) -> None:
        self._keep_attributes()
        _sync(self._descriptor)
        os.replace(self._partial, self._target)
        self._committed = True
        _sync_directory(os.path.dirname(self._target))

    def _keep_attributes(self) -> None:
        try:
            old = os.stat(self._target)
        except FileNotFoundError:
            return
        # Only root may give files away; everyone else keeps the mode.
        with contextlib.suppress(PermissionError):
            os.chown(self._descriptor, old.st_uid, old.st_gid)
        # After the owner, since changing that takes the set-user-ID bit off.
        os.chmod(self._descriptor, stat.S_IMODE(old.st_mode))

    def _undo(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._partial)


def for_output(output: Any, image_id: str) -> Sink:
    """Find the sink for what a caller gave as ``output``.

    Nothing is opened or created yet.

    :param output: A path (:class:`str` or :class:`os.PathLike`) or an object
        with ``write()``.
    :param image_id: ID of the image.
    :returns: The sink; its caller enters it.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when nothing could be written there.
    """
    if isinstance(output, (str, os.PathLike)):
        path = os.fspath(output)
        if isinstance(path, str):
            return _for_path(path, image_id)
    elif callable(getattr(output, 'write', None)):
        _check_writer(output)
        return WriterSink(output)
    raise exceptions.InvalidArgumentError(
        'output must be a path (str or os.PathLike) or an object with '
        f'write(), not {output!r}'
    )


def _check_writer(output: Any) -> None:
    # What tempfile wraps is no TextIOBase, but has its attributes.
    encoding = getattr(output, 'encoding', None)
    if isinstance(output, io.TextIOBase) or isinstance(encoding, str):
        raise exceptions.InvalidArgumentError(
            f'output {output!r} is open for text, an image is bytes: open it '
            "with mode 'wb', or give its .buffer"
        )
    if getattr(output, 'closed', False) is True:
        raise exceptions.InvalidArgumentError(
            f'output {output!r} is closed: give one that is open'
        )
    # Both, since io.IOBase says no to all that a class does not think of.
    if _answers(output, 'readable', True) and _answers(
        output, 'writable', False
    ):
        raise exceptions.InvalidArgumentError(
            f'output {output!r} is open for reading only: open it with mode '
            "'wb'"
        )


def _answers(output: Any, method: str, answer: bool) -> bool:
    ask = getattr(output, method, None)
    return callable(ask) and ask() is answer


def _for_path(path: str, image_id: str) -> Sink:
    if not path:
        raise exceptions.InvalidArgumentError(
            'output is an empty string, it must be the path of a file'
        )
    if '\0' in path:
        raise exceptions.InvalidArgumentError(
            f'output {path!r} has a null byte in it, no file name may'
        )
    if DirectSink.descriptor_of(path) is not None:
        return DirectSink(path)
    target = os.path.realpath(path)
    try:
        found = os.stat(path)
    except FileNotFoundError:
        # Also a link that leads nowhere yet: it is the link's target that is
        # going to exist.
        parent = os.path.dirname(target)
        if path.endswith(os.sep) or not os.path.isdir(parent):
            raise exceptions.InvalidArgumentError(
                f'output {path!r} cannot be created, there is no directory '
                f'{parent!r}: make it first'
            ) from None
        return ReplacingSink(target, image_id)
    except NotADirectoryError:
        raise exceptions.InvalidArgumentError(
            f'output {path!r} leads through something that is not a directory'
        ) from None
    if stat.S_ISDIR(found.st_mode):
        raise exceptions.InvalidArgumentError(
            f'output {path!r} is a directory, it must be the path of a file'
        )
    if not stat.S_ISREG(found.st_mode):
        return DirectSink(path)
    if found.st_size == 0:
        return InPlaceSink(path)
    return ReplacingSink(target, image_id)


def _partial_name(target: str, image_id: str) -> str:
    # An ID is whatever the caller or the server says it is; what becomes
    # part of a file name must not be able to leave the directory.
    safe_id = re.sub(r'[^A-Za-z0-9-]', '_', image_id)[:64]
    suffix = f'.{safe_id}.{secrets.token_hex(4)}.part'
    directory, name = os.path.split(target)
    room = _NAME_MAX - len(suffix)
    name = os.fsdecode(os.fsencode(name)[:room])
    return os.path.join(directory, name + suffix)


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
