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

"""Images as awkward as they come."""

import dataclasses
import functools
import hashlib
import random
from typing import Any
import uuid

MIB = 1024 * 1024

#: Sizes at which the package does something else: a chunk of a stream, a
#: block that becomes a hole, a chunk of a file, a part of a window.
_EDGES = (0, 1, 64 * 1024, MIB, 4 * MIB, 8 * MIB, 16 * MIB, 24 * MIB)

#: Bytes of the largest images.
_LARGEST = 40 * MIB

#: How an image can be proved, and how often that is drawn.
_HASHINGS = {
    'sha512': 10,
    'sha256': 3,
    'md5': 3,
    # A Content-MD5 of the response, and nothing in the metadata.
    'header': 1,
    'none': 2,
    # A multihash that no Python knows, beside an MD5.
    'unusable': 1,
}


@dataclasses.dataclass(frozen=True)
class Image:
    """An image, and what Glance says of it.

    :param image_id: Its ID.
    :param data: Its bytes.
    :param hashing: How it can be proved.
    :param sized: Whether the metadata tell its size.
    """

    image_id: str
    data: bytes = dataclasses.field(repr=False)
    hashing: str = 'sha512'
    sized: bool = True
    size: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'size', len(self.data))

    @property
    def described(self) -> bool:
        """Whether the metadata have a hash of it."""
        return self.hashing not in ('header', 'none')

    @functools.cached_property
    def md5(self) -> str:
        """Its MD5 in hexadecimal."""
        return hashlib.md5(self.data).hexdigest()

    def metadata(self) -> dict[str, Any]:
        """Return what Glance says of it, besides what it says of all."""
        algorithm, value = None, None
        if self.hashing in ('sha512', 'sha256'):
            algorithm = self.hashing
            value = hashlib.new(algorithm, self.data).hexdigest()
        elif self.hashing == 'unusable':
            algorithm, value = 'sha999', '00'
        return {
            'id': self.image_id,
            'size': len(self.data) if self.sized else None,
            'checksum': self.md5 if self.described else None,
            'os_hash_algo': algorithm,
            'os_hash_value': value,
        }


def draw(dice: random.Random) -> Image:
    """Return an image by chance."""
    (hashing,) = dice.choices([*_HASHINGS], [*_HASHINGS.values()])
    return Image(
        image_id=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        data=_draw_data(dice, _draw_size(dice)),
        hashing=hashing,
        # Without either nobody could tell a part from the whole.
        sized=hashing == 'none' or dice.random() < 0.95,
    )


def draw_of_size(dice: random.Random, size: int, image_id: str) -> Image:
    """Return an image by chance, of a size that is given.

    :param dice: The chance.
    :param size: In bytes.
    :param image_id: Its ID.
    """
    return Image(image_id=image_id, data=_draw_data(dice, size))


def noise(dice: random.Random, size: int) -> bytes:
    """Return bytes that are no zeros in a row.

    :param dice: Chooses which.
    :param size: How many.
    """
    whole = _noise()
    start = dice.randrange(len(whole) - size)
    return whole[start : start + size]


@functools.cache
def _noise() -> bytes:
    # Images are cut out of it, as making them takes longer than downloading
    # them.
    return random.Random(0).randbytes(_LARGEST + 2 * MIB)


def _draw_size(dice: random.Random) -> int:
    kind = dice.random()
    if kind < 0.45:
        return max(0, dice.choice(_EDGES) + dice.choice((-1, 0, 1)))
    if kind < 0.75:
        return dice.randrange(MIB)
    if kind < 0.95:
        return dice.randrange(12 * MIB)
    return dice.randrange(12 * MIB, _LARGEST)


def _draw_data(dice: random.Random, size: int) -> bytes:
    kind = dice.random()
    if kind < 0.1:
        return bytes(size)
    data = noise(dice, size)
    if kind < 0.6 or size == 0:
        return data
    # Raw disks: runs of zeros, on the borders of blocks and off them, and
    # often at the very end.
    mutable = bytearray(data)
    for _ in range(dice.randrange(1, 5)):
        start = dice.randrange(size)
        if dice.random() < 0.5:
            start -= start % (64 * 1024)
        stop = min(size, start + dice.randrange(1, size + 1))
        mutable[start:stop] = bytes(stop - start)
    return bytes(mutable)
