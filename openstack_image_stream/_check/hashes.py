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

"""Which hash verifies an image, and the observer that computes it."""

import base64
import binascii
import dataclasses
import hashlib
from typing import Any

from openstack_image_stream._common import signals
from openstack_image_stream import exceptions


@dataclasses.dataclass(frozen=True)
class Expected:
    """The digest that the bytes of an image must have.

    :param algorithm: Name for :func:`hashlib.new`.
    :param value: The digest in lower case hexadecimal.
    """

    algorithm: str
    value: str


def choose(
    *,
    hash_algo: object,
    hash_value: object,
    checksum: object,
    allow_md5_fallback: bool,
) -> Expected | None:
    """Pick the hash that an image's metadata offer.

    The multihash decides where there is one. MD5 takes its place only by
    choice, since an attacker who can remove an algorithm could otherwise make
    us accept a forged image; python-glanceclient has the same rule.

    :param hash_algo: ``os_hash_algo`` of the image, as it came.
    :param hash_value: ``os_hash_value`` of the image, as it came.
    :param checksum: ``checksum`` of the image (MD5), as it came.
    :param allow_md5_fallback: Whether an unusable multihash may be replaced
        by the MD5 checksum.
    :returns: What to compare with, or ``None`` if the metadata hold no hash.
    :raises: :exc:`~openstack_image_stream.exceptions.UnusableHashError` when
        the hash that decides cannot be used.
    """
    if hash_algo and hash_value:
        try:
            return _checked(str(hash_algo), str(hash_value))
        except exceptions.UnusableHashError as exc:
            if not (allow_md5_fallback and checksum):
                raise exceptions.UnusableHashError(
                    f'{exc.message}. Nothing was downloaded. '
                    'allow_md5_fallback=True accepts the MD5 checksum '
                    'instead, validate_checksum=False downloads without '
                    'any verification.',
                    algorithm=exc.algorithm,
                    expected=exc.expected,
                ) from exc
    if checksum:
        return _checked('md5', str(checksum))
    return None


def from_content_md5(header: str | None) -> Expected | None:
    """Read a ``Content-MD5`` header.

    Glance sends the digest in hexadecimal; RFC 1864, section 2, says base64.

    :param header: The value of the header, ``None`` if there is no header.
    :returns: What to compare with, or ``None`` if the header holds no MD5.
    """
    if not header:
        return None
    value = header.strip()
    for decode in (binascii.unhexlify, _unbase64):
        digest = b''
        with signals.suppress(ValueError):
            digest = decode(value)
        if len(digest) == 16:
            return Expected('md5', digest.hex())
    return None


def _unbase64(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _checked(algorithm: str, value: str) -> Expected:
    expected = Expected(algorithm, value.strip().lower())
    try:
        size: int = _new(algorithm).digest_size
    except (ValueError, TypeError) as exc:
        if signals.find_raised(exc) is not None:
            raise
        raise exceptions.UnusableHashError(
            f'the hash algorithm {algorithm!r} of the image is not available '
            'in this Python',
            algorithm=algorithm,
            expected=value,
        ) from exc
    length = -1
    with signals.suppress(ValueError):
        length = len(binascii.unhexlify(expected.value))
    # The SHAKE family has no length of its own, hence nothing to compare.
    if size == 0 or length != size:
        raise exceptions.UnusableHashError(
            f'{value!r} is not a {algorithm} digest in hexadecimal',
            algorithm=algorithm,
            expected=value,
        )
    return expected


def _new(algorithm: str) -> Any:
    # The digest protects against accidents on the way, also where a FIPS
    # policy forbids MD5 as a signature.
    return hashlib.new(algorithm, usedforsecurity=False)


class DigestObserver:
    """Computes the digest of an image, and compares it at the end.

    :param expected: The algorithm, and what must come out.
    :param image_id: ID of the image, for messages.
    :param where: Where the digest is from, unless it is from the service.
    """

    #: Its verdict comes at the end; see :class:`.Observer`.
    decided = True
    hashing = True

    def __init__(
        self, expected: Expected, image_id: str, *, where: str | None = None
    ) -> None:
        self._expected = expected
        self._where = f' with {where}' if where else ''
        self._image_id = image_id
        self._hash = _new(expected.algorithm)
        #: Takes the next bytes; not wrapped, as this is called for each chunk.
        self.update = self._hash.update

    def finish(self) -> None:
        """Compare the digests.

        :raises: :exc:`~openstack_image_stream.exceptions.\
ChecksumMismatchError` when they differ.
        """
        actual: str = self._hash.hexdigest()
        if actual != self._expected.value:
            raise exceptions.ChecksumMismatchError(
                f'image {self._image_id}: {self._expected.algorithm} '
                f'mismatch{self._where}: expected {self._expected.value}, '
                f'received {actual}',
                algorithm=self._expected.algorithm,
                expected=self._expected.value,
                actual=actual,
                image_id=self._image_id,
            )
