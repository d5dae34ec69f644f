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

"""What a process holds, and what a download has left of it."""

from collections.abc import Sequence
import dataclasses
import os
import threading
import time

#: Seconds until what was told to end has ended.
_ENOUGH = 6.0

#: Seconds until a socket is closed by the thread that was told to end.
_SOCKETS = 10.0

#: Columns of /proc/locks: the kind, and device and inode.
_INODE = 5


@dataclasses.dataclass(frozen=True)
class Resources:
    """Threads, descriptors and locks of this process.

    :param threads: Names of the threads, by their numbers.
    :param tasks: Numbers of the threads that the kernel knows of.
    :param descriptors: What the descriptors lead to, by their numbers.
    """

    threads: dict[int, str]
    tasks: frozenset[str]
    descriptors: dict[int, str]


def now() -> Resources:
    """Look at this process."""
    return Resources(
        threads={
            thread.ident or 0: thread.name for thread in threading.enumerate()
        },
        tasks=frozenset(os.listdir('/proc/self/task')),
        descriptors=descriptors(),
    )


def left(
    before: Resources,
    directories: Sequence[str] = (),
    *,
    wait: float = _ENOUGH,
) -> dict[str, list[str]]:
    """Return what this process holds that it did not hold before.

    What is about to end is waited for.

    :param before: What it held.
    :param directories: No file in these may be locked by any process.
    :param wait: Seconds to wait.
    :returns: The kinds, and what is left of each; empty when nothing is.
    """
    until = time.monotonic() + wait
    pause = 0.001
    while found := _found(before, directories):
        if time.monotonic() > until:
            break
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    return found


def _found(
    before: Resources, directories: Sequence[str]
) -> dict[str, list[str]]:
    present = now()
    others = {
        number: target
        for number, target in present.descriptors.items()
        if before.descriptors.get(number) != target
    }
    threads = [
        name
        for number, name in present.threads.items()
        if number not in before.threads
    ]
    if not threads and len(present.tasks) > len(before.tasks):
        threads = [f'of the kernel: {sorted(present.tasks - before.tasks)}']
    found = {
        'threads': threads,
        'sockets': [
            target
            for target in others.values()
            if target.startswith('socket:')
        ],
        'descriptors': [
            target
            for target in others.values()
            if not target.startswith('socket:')
        ],
        'locks': [path for each in directories for path in _locked(each)],
    }
    return {kind: names for kind, names in found.items() if names}


def descriptors() -> dict[int, str]:
    """Return what the descriptors of this process lead to."""
    found = {}
    for number in os.listdir('/proc/self/fd'):
        try:
            target = os.readlink(f'/proc/self/fd/{number}')
        except FileNotFoundError:
            continue  # that of the listing itself
        found[int(number)] = target
    return found


def _locked(directory: str) -> list[str]:
    """Return the files in a directory that are locked."""
    inodes = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            inodes[str(entry.inode())] = entry.path
    with open('/proc/locks') as table:
        lines = [line.split() for line in table]
    return [
        inodes[line[_INODE].rpartition(':')[2]]
        for line in lines
        # A line of one that waits has an arrow in front.
        if len(line) > _INODE and line[_INODE].rpartition(':')[2] in inodes
    ]


def let_go(port: int) -> bool:
    """Wait until nobody on this machine holds a socket to a port.

    The server does not know: its side of a connection may stand for some time
    after the client's was closed, until its system asks.

    :param port: Of the server, on loopback.
    :returns: Whether it came to that.
    """
    until = time.monotonic() + _SOCKETS
    while is_held(port):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def is_held(port: int) -> bool:
    """Tell whether anybody holds a socket to a port at this moment.

    :param port: Of the server, on loopback.
    """
    remote = f'0100007F:{port:04X}'
    with open('/proc/self/net/tcp') as table:
        for line in table:
            columns = line.split()
            # One that was closed has no inode any more.
            if columns[2] == remote and columns[9] != '0':
                return True
    return False
