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

"""Looks into images that are opened as files."""

import random
import struct
import typing
import zipfile

from benchmarks import contents

_SECTOR = 512

#: Random reads, and bytes of each.
READS = 100
_READ = 64 * 1024

_OFFSET = (1 << 56) - 1


def header(file: typing.BinaryIO) -> int:
    """Return the size of the guest's disk that a qcow2 announces.

    :raises ValueError: It is no qcow2.
    """
    magic, _, _, _, _, size = struct.unpack('>4sIQIIQ', file.read(32))
    if magic != b'QFI\xfb':
        raise ValueError('no qcow2')
    return int(size)


def partitions(file: typing.BinaryIO) -> int:
    """Return how many partitions the guest's disk in a qcow2 has.

    :raises ValueError: It has no partition table.
    """
    header(file)
    file.seek(40)
    (level1,) = struct.unpack('>Q', file.read(8))
    found = _GuestClusters(file, level1).read(_SECTOR, _SECTOR)
    if not found.startswith(b'EFI PART'):
        raise ValueError('no partition table')
    table, count, size = struct.unpack_from('<QII', found, 72)
    entries = _GuestClusters(file, level1).read(table * _SECTOR, count * size)
    used = sum(
        any(entries[start : start + 16])
        for start in range(0, count * size, size)
    )
    if not used:
        raise ValueError('no partitions')
    return used


class _GuestClusters:
    """Reads the first clusters of the guest's disk."""

    def __init__(self, file: typing.BinaryIO, level1: int) -> None:
        self._file = file
        self._level1 = level1

    def read(self, start: int, count: int) -> bytes:
        """Return bytes that are within one cluster."""
        level2 = self._entry(self._level1)
        cluster = self._entry(level2 + start // contents.CLUSTER * 8)
        self._file.seek(cluster + start % contents.CLUSTER)
        return self._file.read(count)

    def _entry(self, offset: int) -> int:
        self._file.seek(offset)
        (entry,) = struct.unpack('>Q', self._file.read(8))
        return int(entry) & _OFFSET


def directory(file: typing.BinaryIO) -> int:
    """Return how many files a zip archive has."""
    with zipfile.ZipFile(file) as archive:
        return len(archive.namelist())


def random_reads(file: typing.BinaryIO) -> int:
    """Read at random places, the same ones in every run.

    :returns: The bytes of all that was read.
    """
    size = file.seek(0, 2)
    dice = random.Random(size)
    received = 0
    for _ in range(READS):
        file.seek(dice.randrange(size - _READ))
        received += len(file.read(_READ))
    return received
