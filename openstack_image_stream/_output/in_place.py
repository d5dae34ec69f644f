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

"""The empty file that was there before, and is filled where it is."""

import hashlib
import io
import logging
import os

from openstack_image_stream._common import signals
from openstack_image_stream import _config
from openstack_image_stream._output import files
from openstack_image_stream._output import owned
from openstack_image_stream._output import regions
from openstack_image_stream import exceptions

_LOG = logging.getLogger('openstack.image_stream')


class InPlaceSink(files.RegularSink):
    """Fills an existing, empty regular file.

    The caller made it a moment ago (``mkstemp``) and may have it open, so it
    must not be replaced by another.

    :param target: Path of the file, links resolved.
    :param sparse: Whether runs of zeros become holes.
    """

    _region: regions.Region | None = None
    _check: '_ReadBack | None' = None

    def __init__(self, target: str, *, sparse: bool) -> None:
        super().__init__(sparse=sparse)
        self._target = target

    def _claim(self) -> None:
        self._begin_at(0)
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        self._file = file = owned.OwnedFile(
            owned.open_file(self._target, flags), self._target
        )
        self._region = regions.region_of(
            file.descriptor, 0, repr(self._target)
        )
        if self._region is None or not file.still_there():
            raise self._changed()
        self._region.enter()
        if not self._is_locked(file):
            _LOG.info(
                'locks do nothing where %s is, what is written there will be '
                'read back',
                self._target,
            )
            self._check = _ReadBack(self._target, file)
        if file.size:
            raise exceptions.OutputError(
                f'output {self._target!r} was empty and is not any more, '
                'another download or program has written to it: start the '
                'download again to replace what is there now'
            )

    def _is_locked(self, file: owned.OwnedFile) -> bool:
        if not self._lock(file, self._target):
            return False
        try:
            return file.lock_is_kept(os.O_WRONLY | os.O_NONBLOCK)
        except OSError as exc:
            if signals.find_raised(exc) is not None:
                raise
            return False

    def write(self, chunk: bytes) -> None:
        if self._region is not None:
            self._region.extend(len(chunk))
        super().write(chunk)
        if self._check is not None:
            self._check.update(chunk)

    def commit(self) -> None:
        self._check_whole()
        files.sync(self._open.descriptor)
        # That may have taken a while.
        self._check_whole()
        if self._check is not None and not self._check.holds():
            raise self._changed()
        self._committed = True

    def _changed(self) -> exceptions.OutputError:
        return exceptions.OutputError(
            f'output {self._target!r} was changed, removed or replaced by '
            'another program while it was written: start the download again '
            'when it is yours alone'
        )

    def _undo(self, exc: BaseException | None) -> None:
        if not self._empty():
            _LOG.warning(
                '%s was changed by another program, it is left as it is',
                self._target,
            )

    def _empty(self) -> bool:
        """Take away what was written here; tell whether all of it was."""
        file = self._open
        ours = self._written <= file.size <= self._reach
        if ours and file.size:
            os.ftruncate(file.descriptor, 0)
        return ours

    def _release(self) -> None:
        super()._release()
        if self._region is not None:
            self._region.leave()
        self._check = None

    def __del__(self) -> None:
        # For an exception that came when __exit__ was not called yet. Without
        # a word, since logging takes locks.
        file = self._file
        if file is not None and file.is_ours:
            if not self._committed:
                self._empty()
            self._release()


class _ReadBack:
    """What was written, to compare it with what is in the file at the end.

    Two downloads that cannot lock a file may write to it in turns, so that
    the length is always right.

    :param path: Of the file.
    :param file: The file, open for writing.
    :raises: :exc:`~openstack_image_stream.exceptions.OutputError` when
        it cannot be read.
    """

    def __init__(self, path: str, file: owned.OwnedFile) -> None:
        self._hash = hashlib.blake2b()
        try:
            self._file: io.FileIO = owned.open_file(path, os.O_RDONLY)
        except PermissionError as exc:
            raise exceptions.OutputError(
                f'output {path!r} is on a file system without locks and must '
                'not be read, so that nothing would tell whether another '
                'download writes to it: allow yourself to read it, or remove '
                'it'
            ) from exc

    def update(self, chunk: bytes) -> None:
        """Take note of what was written."""
        self._hash.update(chunk)

    def holds(self) -> bool:
        """Tell whether it is in the file."""
        found = hashlib.blake2b()
        while block := self._file.read(_config.MIB):
            found.update(block)
        return found.digest() == self._hash.digest()
