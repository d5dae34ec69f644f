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

"""Atomic replace: the file appears once all of it is verified."""

from collections.abc import Iterator
import contextlib
import errno
import logging
import os
import stat

from openstack import exceptions as sdk_exceptions

from openstack_image_stream._common import signals
from openstack_image_stream._output import attributes
from openstack_image_stream._output import files
from openstack_image_stream._output import owned
from openstack_image_stream._output import partial_files
from openstack_image_stream import exceptions

#: What neither time nor space can cure: the bytes are of no use any more.
_HOPELESS = (
    *exceptions.REFUSALS,
    exceptions.ImageChangedError,
    sdk_exceptions.NotFoundException,
)

#: Where the disk fails, or the file system on it is damaged. What it said to
#: have taken is not to be relied upon.
_BAD_DISK = {errno.EIO, errno.EBADMSG, getattr(errno, 'EUCLEAN', errno.EIO)}

_LOG = logging.getLogger('openstack.image_stream')


class ReplacingSink(files.RegularSink):
    """Writes a partial file beside the target, and renames it at the end.

    The partial file is flushed to the disk before the rename and the
    directory after it, so that a power cut leaves the old file or the whole
    new one, never less.

    :param target: Where the file shall be, links resolved.
    :param image_id: ID of the image, for the name of the partial file.
    :param resume: Whether to resume what a former download left, and to
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
        self._partial: partial_files.Partial | None = None
        # Whether the disk took what it was given.
        self._trusted = True

    def __enter__(self) -> 'ReplacingSink':
        exists = os.path.exists(self._target)
        if exists and not os.access(self._target, os.W_OK):
            # A write-protected file is not expected to be
            # replaced, though the directory would allow that.
            raise PermissionError(
                errno.EACCES, os.strerror(errno.EACCES), self._target
            )
        self._committed = False
        self._trusted = True
        self._file = self._partial = partial_files.claim(
            self._target,
            self._image_id,
            # Who may not read the file must not read the partial file, and
            # the permissions of an old file are about its own group.
            private=exists,
            resume=self.resume,
        )
        try:
            self.store = self._partial.descriptor
            self.start = self._partial.size
            self._begin_at(self.start)
        except BaseException:
            self._leave(None)
            raise
        return self

    def start_at(self, position: int) -> None:
        """Use less of the partial file than there is.

        :param position: Bytes of it to keep.
        """
        os.ftruncate(self._open.descriptor, position)
        self._begin_at(position)
        self.start = position

    @contextlib.contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            # So that it says which file system is full.
            self._name_the_file(exc)
            raise

    def _name_the_file(self, exc: OSError) -> None:
        if (
            exc.filename is None
            and self._partial is not None
            and signals.find_raised(exc) is None
        ):
            exc.filename = self._partial.path

    def write(self, chunk: bytes) -> None:
        with self._naming_the_file():
            super().write(chunk)

    def commit(self) -> None:
        with self._naming_the_file():
            self._commit()

    def _commit(self) -> None:
        self._check_whole()
        self._set_attributes()
        descriptor = self._open.descriptor
        try:
            files.sync(descriptor)
        except OSError as exc:
            # What the disk did not take may be in memory alone, and a second
            # flush would report success.
            self._trusted = signals.find_raised(exc) is not None
            raise
        # That may have taken a while.
        self._check_whole()
        os.replace(self._open.path, self._target)
        self._committed = True
        _sync_directory(os.path.dirname(self._target))

    def _changed(self) -> exceptions.OutputError:
        return exceptions.OutputError(
            'the partial file was removed, replaced or changed by another '
            f'program; {self._target!r} was not replaced: start the download '
            'again when no other program writes there'
        )

    def _set_attributes(self) -> None:
        wanted = attributes.read(self._target)
        descriptor = self._open.descriptor
        if wanted is None:
            made = os.fstat(descriptor)
            if stat.S_IMODE(made.st_mode) != partial_files.PRIVATE:
                # A new file, as every other.
                return
            # Resumed, or made for a file that was there then.
            wanted = partial_files.usual_attributes(
                self._target, self._image_id
            )
        attributes.give(descriptor, wanted)

    def _undo(self, exc: BaseException | None) -> None:
        partial = self._partial
        if partial is None or not partial.still_there():
            return
        if self._is_bad(exc):
            _LOG.warning(
                'what was written to %s may not be on the disk, or cannot be '
                'read from there: it is removed',
                partial.path,
            )
            partial.discard()
            return
        # Not what was counted: Ctrl-C may have come in the middle of a write.
        kept = partial.size
        hopeless = isinstance(exc, _HOPELESS) and not isinstance(
            exc, exceptions.ImageDataMissingError
        )
        if not partial.resumable or not kept or hopeless:
            partial.discard()
            return
        _LOG.warning(
            'the first %s bytes of image %s are kept in %s: start the same '
            'download again to resume it',
            kept,
            self._image_id,
            partial.path,
        )
        if isinstance(exc, exceptions.IncompleteDownloadError):
            exc.keep(partial.path)

    def _is_bad(self, exc: BaseException | None) -> bool:
        """Tell whether the disk fails to keep what is written."""
        if not self._trusted:
            return True
        if not isinstance(exc, OSError) or exc.errno not in _BAD_DISK:
            return False
        # Also what a thread that reads it back found out.
        self._name_the_file(exc)
        return signals.find_raised(exc) is None


def _sync_directory(path: str) -> None:
    # Without it the rename itself may be lost in a power cut. Not every file
    # system lets directories be opened or synchronised; the file is there
    # and whole all the same.
    with signals.suppress(OSError):
        directory = owned.Descriptor(path)
        os.fsync(directory.fileno())
