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

"""Whether a copy has the bytes of its original, by the hashes of both."""

from collections.abc import Mapping
import dataclasses
import hashlib
from typing import Any

from openstack_image_stream import exceptions

#: The algorithm of the property ``checksum``.
_MD5 = 'md5'


@dataclasses.dataclass(frozen=True)
class Described:
    """What an Image service says of the bytes of an image, as it came."""

    size: object
    hash_algo: object
    hash_value: object
    checksum: object

    def digests(self) -> dict[str, str]:
        """Return the digests by their algorithms, the best one first."""
        found = {}
        if self.hash_algo and self.hash_value:
            found[str(self.hash_algo)] = str(self.hash_value).lower()
        if self.checksum:
            found.setdefault(_MD5, str(self.checksum).lower())
        return found


class DigestRecorder:
    """Computes a digest of an image, and keeps it.

    :param algorithm: Name for :func:`hashlib.new`.
    :raises: :exc:`ValueError` where this Python does not have it.
    """

    #: It judges nothing; see :class:`.Observer`.
    decided = True
    hashing = True

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hash: Any = hashlib.new(algorithm, usedforsecurity=False)
        if not self._hash.digest_size:
            # The SHAKE family has no length of its own.
            raise ValueError(f'{algorithm} has no length')
        #: Takes the next bytes; not wrapped, as this is called for each chunk.
        self.update = self._hash.update
        #: The digest in hexadecimal, ``None`` before the end.
        self.value: str | None = None

    def finish(self) -> None:
        """Keep the digest: there are no more bytes."""
        self.value = self._hash.hexdigest()


def compare(
    copy: Described, size: int, known: Mapping[str, str], image_id: str
) -> str | None:
    """Compare a copy with what is known about its original.

    :param copy: What the destination says of it.
    :param size: Bytes of the original.
    :param known: Digests of the original, by their algorithms.
    :param image_id: ID of the copy, for messages.
    :returns: The algorithm that was used, the multihash before MD5; ``None``
        if there is none that both have.
    :raises: :exc:`~openstack_image_stream.exceptions.ChecksumMismatchError`
        when they differ.
    """
    if copy.size != size:
        raise exceptions.ChecksumMismatchError(
            f'image {image_id}: size mismatch at the destination: expected '
            f'{size} bytes, it has {copy.size}',
            expected=str(size),
            actual=str(copy.size),
            image_id=image_id,
        )
    for algorithm, actual in copy.digests().items():
        expected = known.get(algorithm)
        if expected is None:
            continue
        if actual != expected.lower():
            raise exceptions.ChecksumMismatchError(
                f'image {image_id}: {algorithm} mismatch at the destination: '
                f'expected {expected}, it has {actual}',
                algorithm=algorithm,
                expected=expected,
                actual=actual,
                image_id=image_id,
            )
        return algorithm
    return None
