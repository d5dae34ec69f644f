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

"""Faults of the place that is written to: full, limited, not writable."""

from collections.abc import Callable, Mapping
import dataclasses
import errno
import functools
import pathlib
from typing import Any

from tests.faults.catalogue import base
from tests.faults import clients
from tests.faults import machine

#: Bytes that there is space for: two whole blocks, and part of a third.
ROOM = 9 * base.MIB


@dataclasses.dataclass(frozen=True)
class _OnSmallDisk:
    """Download to a disk that is too small for the image."""

    way: clients.Client

    def __call__(
        self,
        place: clients.Place,
        path: pathlib.Path,
        options: Mapping[str, Any],
    ) -> None:
        old = path.stat().st_size if path.exists() else 0
        with machine.small_disk(path.parent, old + ROOM):
            self.way(place, path, options)


@dataclasses.dataclass(frozen=True)
class _ToFullDevice:
    """Download to the device that is always full."""

    way: clients.Client

    def __call__(
        self,
        place: clients.Place,
        path: pathlib.Path,
        options: Mapping[str, Any],
    ) -> None:
        self.way(place, pathlib.Path('/dev/full'), options)


@dataclasses.dataclass(frozen=True)
class _ToReadOnlyDirectory:
    """Download to a directory that nobody may change."""

    way: clients.Client

    def __call__(
        self,
        place: clients.Place,
        path: pathlib.Path,
        options: Mapping[str, Any],
    ) -> None:
        machine.drop_capabilities()
        path.parent.chmod(0o555)
        try:
            self.way(place, path, options)
        finally:
            path.parent.chmod(0o755)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalFault(base.Fault):
    """A fault of the place that is written to.

    :param around: Makes of a way one to which it happens.
    :param prepare: Called in the process before it downloads.
    :param number: The errno that comes through.
    :param keeps: Whether the next download resumes from the partial file.
    :param for_peers: Whether it can be made to happen to others.
    """

    around: Callable[[clients.Client], clients.Client] | None = None
    prepare: Callable[[], None] | None = None
    number: int
    keeps: bool = False
    for_peers: bool = True

    def affecting(self, way: clients.Client) -> clients.Client:
        """Return a way to which it happens.

        :param way: The way without it.
        """
        return way if self.around is None else self.around(way)


LIMITED = functools.partial(machine.limit_file_size, ROOM)

FAULTS = [
    LocalFault(
        name='disk-full',
        title='the disk is full after half of the image',
        promise='OSError (ENOSPC); the same call resumes once there is space',
        around=_OnSmallDisk,
        number=errno.ENOSPC,
        keeps=True,
    ),
    LocalFault(
        name='dev-full',
        title='the output is /dev/full',
        promise='OSError (ENOSPC)',
        around=_ToFullDevice,
        number=errno.ENOSPC,
    ),
    LocalFault(
        name='file-size-limit',
        title='the image exceeds the file size limit (RLIMIT_FSIZE)',
        promise='OSError (EFBIG); the same call resumes without the limit',
        prepare=LIMITED,
        number=errno.EFBIG,
        keeps=True,
    ),
    LocalFault(
        name='quota',
        # A real quota takes a block device of one's own.
        title='the quota is used up (EDQUOT, put into os.pwrite)',
        promise='OSError (EDQUOT); the same call resumes once there is space',
        prepare=functools.partial(machine.have_quota, ROOM),
        number=errno.EDQUOT,
        keeps=True,
        for_peers=False,
    ),
    LocalFault(
        name='read-only',
        title='the directory may not be written to',
        promise='OSError (EACCES), the old file stays',
        around=_ToReadOnlyDirectory,
        number=errno.EACCES,
    ),
]
