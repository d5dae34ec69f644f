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

"""The file that is there once all of it is proved, and not before."""

from collections.abc import Iterator
import contextlib
import errno
import logging
import os
import stat

from openstack import _log
from openstack import exceptions as sdk_exceptions

from openstack_image_stream import _files
from openstack_image_stream import _partial
from openstack_image_stream import exceptions

#: What neither time nor space can cure: the bytes are of no use any more.
_HOPELESS = (
    exceptions.ChecksumMismatchError,
    exceptions.ImageChangedError,
    sdk_exceptions.NotFoundException,
)

_LOG: logging.Logger = _log.setup_logging('openstack.image_stream')


class ReplacingSink(_files.RegularSink):
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
        _files.sync(self._descriptor)
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


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
