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


"""The images that are downloaded, the same in every process."""

import functools
import lzma
import pathlib
import random
import uuid

MIB = 1024 * 1024

#: Where disk images are that programs have made.
_DISKS = pathlib.Path(__file__).parents[1] / 'data' / 'images'

#: Bytes of an image that several connections are worth while for: five parts,
#: the last of them not full.
LARGE = 36 * MIB + 777

#: Bytes of an image for what does not depend on the number of connections.
SMALL = 2 * MIB + 33


@functools.lru_cache(maxsize=16)
def data(seed: int, size: int) -> bytes:
    """Return the bytes of an image.

    :param seed: Tells images of one size apart.
    :param size: How many bytes.
    """
    return random.Random(seed).randbytes(size)


def disk(name: str) -> bytes:
    """Return a disk image of ``tests/data/images``.

    :param name: Its name, without the suffix.
    """
    return lzma.decompress((_DISKS / f'{name}.xz').read_bytes())


def new_id(dice: random.Random | None = None) -> str:
    """Return an ID that no other image has.

    :param dice: Where it comes from, for one that can be repeated.
    """
    if dice is None:
        return str(uuid.uuid4())
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))
