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

"""What can be wrong with a machine; each function is called in a child.

Whatever they change, of the process or of what it sees of the file systems,
ends with the process.
"""

from collections.abc import Callable, Iterator
import contextlib
import ctypes
import errno
import fcntl
import functools
import json
import os
import pathlib
import resource
import shutil
import signal
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)

# From sched.h, sys/mount.h and linux/capability.h.
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 1 << 18
_CAPABILITY_VERSION_3 = 0x20080522


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def leave_file_systems() -> bool:
    """Begin to mount for this process alone.

    :returns: Whether it is the real root who does.
    """
    uid, gid = os.geteuid(), os.getegid()
    try:
        _check(_LIBC.unshare(_CLONE_NEWNS))
        real = True
    except PermissionError:
        _check(_LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
        pathlib.Path('/proc/self/setgroups').write_text('deny')
        pathlib.Path('/proc/self/uid_map').write_text(f'0 {uid} 1')
        pathlib.Path('/proc/self/gid_map').write_text(f'0 {gid} 1')
        real = False
    # What is mounted here shall not be seen elsewhere.
    _check(_LIBC.mount(None, b'/', None, _MS_REC | _MS_PRIVATE, None))
    return real


def bind(source: pathlib.Path, target: pathlib.Path) -> None:
    """Mount a file or directory at another place.

    :param source: What to mount.
    :param target: Where; what is there is hidden.
    """
    _check(
        _LIBC.mount(
            os.fsencode(source), os.fsencode(target), None, _MS_BIND, None
        )
    )


@contextlib.contextmanager
def small_disk(directory: pathlib.Path, size: int) -> Iterator[None]:
    """Put a directory on a file system of its own for a while.

    What is in it goes there, and comes back at the end.

    :param directory: The directory; everybody else sees it as it was.
    :param size: Bytes that the file system has.
    """
    leave_file_systems()
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    outside = pathlib.Path(f'/proc/self/fd/{descriptor}')
    options = f'size={size}'.encode()
    _check(_LIBC.mount(b'tmpfs', os.fsencode(directory), b'tmpfs', 0, options))
    shutil.copytree(outside, directory, dirs_exist_ok=True)
    try:
        yield
    finally:
        shutil.copytree(directory, outside, dirs_exist_ok=True)


def can_mount(directory: pathlib.Path) -> bool:
    """Try to have a small disk.

    :param directory: Where to.
    :returns: Whether it is the real root who has it.
    :raises: :exc:`OSError` where that is not allowed.
    """
    with small_disk(directory, 2**20):
        # In a name space of our own there is one user only.
        known = pathlib.Path('/proc/self/uid_map').read_text().split()
        return known[-1] != '1'


def limit_file_size(size: int) -> None:
    """Let no file become larger than so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def drop_capabilities() -> None:
    """Become a user to whom permissions apply, also as root."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    _check(_LIBC.capset(ctypes.byref(header), ctypes.byref(none)))


def have_quota(size: int) -> None:
    """Refuse what is written to files beyond so many bytes."""
    pwrite = os.pwrite

    def pwrite_in_quota(descriptor: int, data: bytes, offset: int) -> int:
        room = size - offset
        if room <= 0:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        return pwrite(descriptor, data[:room], offset)

    os.pwrite = pwrite_in_quota


def have_useless_locks() -> None:
    """Say yes to everybody who wants a lock, as some file systems do."""
    fcntl.flock = lambda descriptor, operation: None


def have_no_locks(number: int) -> None:
    """Refuse every lock.

    :param number: The errno to do it with.
    """

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    fcntl.flock = flock


def be_interruptible() -> None:
    """Have SIGINT do what it does in a terminal."""
    # It is ignored where the tests run in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def record_calls(log: pathlib.Path) -> None:
    """Write down every system call by which a file gets to the disk.

    :param log: Gets a line of JSON for each: name, path, result.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(target: Any, *args: Any, **kwargs: Any) -> Any:
            path = target
            if isinstance(target, int):
                path = os.readlink(f'/proc/self/fd/{target}')
            result = function(target, *args, **kwargs)
            line = json.dumps([function.__name__, str(path), result])
            os.write(descriptor, f'{line}\n'.encode())
            return result

        return call

    for name in (
        'pwrite',
        'ftruncate',
        'fsync',
        'fdatasync',
        'rename',
        'replace',
    ):
        setattr(os, name, recorded(getattr(os, name)))
