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

"""The content of images: random bytes, a qcow2, a zip archive."""

import collections.abc
import pathlib
import random
import struct
import zipfile

from tests.servers import images

MIB = 1024 * 1024

#: Bytes of a cluster of the qcow2, of an entry of its tables, and of what is
#: before the first cluster of the guest: header, refcounts, L1 and L2 table.
CLUSTER = 64 * 1024
_ENTRY = 8
_TABLES = 5

#: What an entry of a table is marked with if nothing else refers to it.
_COPIED = 1 << 63

#: Bytes of each file in the archive.
_FILE = 128 * 1024


class RandomBytes:
    """Random bytes, made while they are read, the same in every run.

    :param size: How many there are.
    :param number: Tells images of one size apart.
    """

    def __init__(self, size: int, number: int = 0) -> None:
        self._left = self._size = size
        self._random = random.Random(f'{size}-{number}')

    def __len__(self) -> int:
        return self._size

    def read(self, size: int, /) -> bytes:
        """Return at most so many of the next bytes, none at the end."""
        count = min(self._left, size)
        self._left -= count
        return self._random.randbytes(count)

    def close(self) -> None:
        """Do nothing."""


def write_qcow2(path: pathlib.Path, size: int) -> None:
    """Write a qcow2 with a guest that has a GPT.

    :param size: Of the guest's disk, in bytes: whole clusters, 512 MiB at
        most, so that one table of each kind is enough.
    """
    count = size // CLUSTER
    header = struct.pack(
        '>4sIQIIQIIQQIIQQQQII',
        *(b'QFI\xfb', 3, 0, 0, 16, size),
        # No encryption; the L1 table has one entry, and is at 3.
        *(0, 1, 3 * CLUSTER),
        # The table of refcount blocks; no snapshots.
        *(1 * CLUSTER, 1, 0, 0),
        # Features, refcounts of 16 bits, the length of this.
        *(0, 0, 0, 4, 104),
    )
    counts = struct.pack('>H', 1) * (_TABLES + count)
    entries = [(_TABLES + n) * CLUSTER | _COPIED for n in range(count)]
    first = images.disk('gpt')
    rest = RandomBytes(size - len(first))
    with path.open('wb') as file:
        for cluster in (
            header,
            struct.pack('>Q', 2 * CLUSTER),
            counts,
            struct.pack('>Q', 4 * CLUSTER | _COPIED),
            struct.pack(f'>{count}Q', *entries),
        ):
            file.write(cluster.ljust(CLUSTER, b'\0'))
        file.write(first)
        while chunk := rest.read(MIB):
            file.write(chunk)


def write_zip(path: pathlib.Path, size: int) -> None:
    """Write an archive of files that are not compressed.

    :param size: Of all files, in bytes.
    """
    data = RandomBytes(size)
    with zipfile.ZipFile(path, 'w') as archive:
        for number in range(size // _FILE):
            archive.writestr(f'{number:05}.bin', data.read(_FILE))


#: What writes the images that are more than random bytes.
WRITERS: dict[str, collections.abc.Callable[[pathlib.Path, int], None]] = {
    'qcow2': write_qcow2,
    'zip': write_zip,
}
