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

"""The partial file: its name, and who may write to it."""

import contextlib
import dataclasses
import io
import logging
import os
import re
import secrets
import stat

from openstack_image_stream._common import signals
from openstack_image_stream._output import attributes
from openstack_image_stream._output import owned

#: Longest file name that every common file system takes, in bytes.
_NAME_MAX = 255

#: How often to look for a partial file that keeps being renamed by others.
_ATTEMPTS = 3

#: Permissions of a file that is only for its owner, and of one that the
#: umask decides about.
PRIVATE = 0o600
_USUAL = 0o666

_LOG = logging.getLogger('openstack.image_stream')


class Partial(owned.OwnedFile):
    """A partial file that is open, for reading and writing, and ours.

    :param file: The file, open.
    :param path: Where it is.
    :param resumable: Whether a later download will find it again.
    """

    def __init__(self, file: io.FileIO, path: str, *, resumable: bool) -> None:
        self.resumable = resumable
        super().__init__(file, path)

    def discard(self) -> None:
        """Remove the file, if its name still leads to it."""
        if self.is_ours and self.still_there():
            with signals.suppress(FileNotFoundError):
                os.unlink(self.path)

    def __del__(self) -> None:
        # For an exception that came before anything else refers to it.
        if self._process:
            if not self.resumable:
                self.discard()
            self.release()


def claim(
    target: str, image_id: str, *, private: bool, resume: bool
) -> Partial:
    """Open the partial file of a download.

    Only one process may have it at a time: two that write to one file would
    each verify their own bytes, and commit the other's. The second one,
    or one that cannot be sure to be alone, gets a file with a name of its own.

    :param target: Path of the finished file.
    :param image_id: ID of the image.
    :param private: Whether no other user may open it. Otherwise the umask
        decides. A file that a former download left is always private.
    :param resume: Whether to look for what a former download left.
    :returns: The file; its caller releases it.
    :raises: :exc:`OSError` when none can be created there.
    """
    mode = PRIVATE if private else _USUAL
    if resume:
        for _ in range(_ATTEMPTS):
            partial = _claim_shared(name(target, image_id), mode)
            if partial is None:
                break
            # The previous owner may have renamed it to the finished file
            # between our opening and our locking it.
            if partial.still_there():
                return partial
            partial.release()
    return _make_own(target, image_id, mode)


def usual_attributes(target: str, image_id: str) -> attributes.Attributes:
    """Return what a new file gets in a directory, today.

    Asking for the umask means to change it, for every thread, and a directory
    may have an ACL for its new files; so one is made, and removed at once.

    :param target: Path of the finished file.
    :param image_id: ID of the image.
    :raises: :exc:`OSError` when none can be created there.
    """
    made = _make_own(target, image_id, _USUAL)
    try:
        found = attributes.read(made.path)
        if found is None:
            # Removed by another program. No other user may read ours then.
            return attributes.Attributes(os.fstat(made.descriptor))
        return dataclasses.replace(found, others={})
    finally:
        made.discard()
        made.release()


def _make_own(target: str, image_id: str, mode: int) -> Partial:
    while True:
        path = name(target, image_id, secrets.token_hex(4))
        with contextlib.suppress(FileExistsError):
            return _make(path, mode)


def _make(path: str, mode: int) -> Partial:
    try:
        return Partial(_open(path, mode, os.O_EXCL), path, resumable=False)
    except FileExistsError:
        raise
    except BaseException:
        # A signal handler may have raised when the file was there already. No
        # other download takes this name.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        raise


def name(target: str, image_id: str, unique: str = '') -> str:
    """Return the path of the partial file.

    :param target: Path of the finished file.
    :param image_id: ID of the image.
    :param unique: What makes it another one than anybody else's.
    :returns: The path, in the same directory.
    """
    # An ID is whatever the caller or the server says it is; what becomes
    # part of a file name must not be able to leave the directory.
    parts = [re.sub(r'[^A-Za-z0-9-]', '_', image_id)[:64], unique, 'part']
    suffix = '.' + '.'.join(part for part in parts if part)
    directory, base = os.path.split(target)
    room = _NAME_MAX - len(suffix)
    return os.path.join(
        directory, os.fsdecode(os.fsencode(base)[:room]) + suffix
    )


def _claim_shared(path: str, mode: int) -> Partial | None:
    try:
        file, is_new = _open_or_make(path, mode)
    except OSError as exc:
        # A link, a directory or a file of another user in its place. Whether
        # a file can be created here at all shows with the next one.
        _note_unusable(path, exc)
        return None
    partial = Partial(file, path, resumable=True)
    try:
        if _is_plainly_ours(partial) and _lock(partial):
            if not is_new:
                # Its permissions are those of another day, or it was made for
                # a file that was not there yet.
                _make_private(partial)
            return partial
    except BlockingIOError:
        is_new = False
        _LOG.info(
            'another download is writing %s, this one writes a file of its '
            'own',
            path,
        )
    except OSError as exc:
        _note_unusable(path, exc)
    if is_new:
        # It is of no use to any download.
        partial.discard()
    partial.release()
    return None


def _note_unusable(path: str, exc: OSError) -> None:
    if signals.find_raised(exc) is not None:
        try:
            raise exc
        finally:
            # Its traceback refers to this frame.
            del exc
    _LOG.info('cannot use the partial file %s (%s)', path, exc)


def _open_or_make(path: str, mode: int) -> tuple[io.FileIO, bool]:
    """Open a file; tell whether it had to be made."""
    with contextlib.suppress(FileExistsError):
        return _open(path, mode, os.O_EXCL), True
    return _open(path, mode), False


def _open(path: str, mode: int, extra: int = 0) -> io.FileIO:
    # Not following links keeps another user of a shared directory from
    # having us write elsewhere; not blocking, from waiting at a FIFO.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    return owned.open_file(path, flags | extra, mode)


def _is_plainly_ours(partial: Partial) -> bool:
    found = os.fstat(partial.descriptor)
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_uid == os.geteuid()
        and found.st_nlink == 1
    )


def _make_private(partial: Partial) -> None:
    if stat.S_IMODE(os.fstat(partial.descriptor).st_mode) != PRIVATE:
        os.fchmod(partial.descriptor, PRIVATE)


def _lock(partial: Partial) -> bool:
    """Lock a file; tell whether that keeps others out.

    :raises: :exc:`BlockingIOError` when another download has it.
    """
    partial.lock(owned.flock)
    if not partial.still_there():
        return True  # of no use, as the caller will see
    if partial.lock_is_kept(os.O_RDWR):
        return True
    _LOG.info(
        'locks do nothing where %s is, it cannot be resumed', partial.path
    )
    return False
