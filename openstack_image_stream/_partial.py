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
import errno
import fcntl
import logging
import os
import re
import secrets
import stat

from openstack import _log

#: Longest file name that every common file system takes, in bytes.
_NAME_MAX = 255

#: How often to look for a partial file that keeps being renamed by others.
_ATTEMPTS = 3

#: Permissions of a file that is only for its owner, and of one that the
#: umask decides about.
PRIVATE = 0o600
_USUAL = 0o666

_LOG: logging.Logger = _log.setup_logging('openstack.image_stream')


@dataclasses.dataclass(frozen=True)
class Partial:
    """A partial file that is open, and ours.

    :param path: Where it is.
    :param descriptor: Open for reading and writing.
    :param resumable: Whether a later download will find it again.
    """

    path: str
    descriptor: int
    resumable: bool

    def still_there(self) -> bool:
        """Tell whether its name still leads to it."""
        return _leads_to(self.path, self.descriptor)


def claim(
    target: str, image_id: str, *, private: bool, resume: bool
) -> Partial:
    """Open the partial file of a download.

    Only one process may have it at a time: two that write to one file would
    each prove their own bytes, and commit the other's. Whoever comes second,
    or cannot be sure to be alone, gets a file with a name of its own.

    :param target: Path of the finished file.
    :param image_id: ID of the image.
    :param private: Whether nobody else may open it. Otherwise the umask
        decides.
    :param resume: Whether to look for what a former download left.
    :returns: The file; its caller closes the descriptor, which gives it free
        for others.
    :raises: :exc:`OSError` when none can be created there.
    """
    mode = PRIVATE if private else _USUAL
    if resume:
        for _ in range(_ATTEMPTS):
            partial = _claim_shared(name(target, image_id), mode)
            if partial is None:
                break
            # Whoever had it before may have renamed it to the finished file
            # between our opening and our locking it.
            if partial.still_there():
                return partial
            os.close(partial.descriptor)
    path, descriptor = _open_new(target, image_id, mode)
    return Partial(path, descriptor, resumable=False)


def usual_mode(target: str, image_id: str) -> int:
    """Return the permissions that a new file gets in a directory.

    Asking for the umask means to change it, for every thread; so one is made,
    and removed at once.

    :param target: Path of the finished file.
    :param image_id: ID of the image.
    :raises: :exc:`OSError` when none can be created there.
    """
    path, descriptor = _open_new(target, image_id, _USUAL)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
        os.unlink(path)


def _open_new(target: str, image_id: str, mode: int) -> tuple[str, int]:
    while True:
        path = name(target, image_id, secrets.token_hex(4))
        with contextlib.suppress(FileExistsError):
            return path, _open(path, mode, os.O_EXCL)


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
        descriptor, is_new = _open_or_make(path, mode)
    except OSError as exc:
        # A link, a directory or somebody else's file in its place. Whether
        # a file can be created here at all shows with the next one.
        _LOG.info('cannot use the partial file %s (%s)', path, exc)
        return None
    taken = False
    try:
        if _is_plainly_ours(descriptor) and _lock(path, descriptor):
            # A former download may have made it for a file that was not
            # there yet.
            _restrict(descriptor, mode)
            return Partial(path, descriptor, resumable=True)
    except BlockingIOError:
        taken = True
        _LOG.info(
            'another download is writing %s, this one writes a file of its '
            'own',
            path,
        )
    except OSError as exc:
        _LOG.info('cannot use the partial file %s (%s)', path, exc)
    if is_new and not taken and _leads_to(path, descriptor):
        # Nobody can make use of it.
        os.unlink(path)
    os.close(descriptor)
    return None


def _open_or_make(path: str, mode: int) -> tuple[int, bool]:
    """Open a file; tell whether it had to be made."""
    with contextlib.suppress(FileExistsError):
        return _open(path, mode, os.O_EXCL), True
    return _open(path, mode), False


def _open(path: str, mode: int, extra: int = 0) -> int:
    # Not following links keeps another user of a shared directory from
    # having us write elsewhere; not blocking, from waiting at a FIFO.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.open(path, flags | os.O_CLOEXEC | extra, mode)


def _is_plainly_ours(descriptor: int) -> bool:
    found = os.fstat(descriptor)
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_uid == os.geteuid()
        and found.st_nlink == 1
    )


def _restrict(descriptor: int, mode: int) -> None:
    present = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if present & ~mode:
        os.fchmod(descriptor, present & mode)


def _lock(path: str, descriptor: int) -> bool:
    """Lock a file; tell whether that keeps others out.

    :raises: :exc:`BlockingIOError` when somebody else has it.
    """
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if not _leads_to(path, descriptor):
        return True  # of no use, as the caller will see
    # Some file systems say yes to every lock. One that we hold must be
    # refused to anybody else, so also to ourselves through another opening.
    other = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in (errno.EAGAIN, errno.EACCES):
            return True
        raise
    finally:
        os.close(other)
    _LOG.info('locks do nothing where %s is, it cannot be resumed', path)
    return False


def _leads_to(path: str, descriptor: int) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))
