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

"""Whether the signature of an image is right, and the observer for it.

A signature is one of the data of the image. What is accepted is what cursive
accepts, which Glance and nova use.
"""

from collections.abc import Iterable, Sequence
import hashlib
from typing import Any, TYPE_CHECKING

from openstack_image_stream._check import hashes
from openstack_image_stream._check import keys as public_keys
from openstack_image_stream._check import signature_properties
from openstack_image_stream._common import signals

if TYPE_CHECKING:
    PublicKeys = Sequence[public_keys.PublicKey]


def check(
    signature: signature_properties.Signature,
    keys: 'PublicKeys',
    digests: Iterable[hashes.Expected] = (),
) -> 'SignatureObserver | None':
    """Verify a signature before any data, or else prepare to verify it.

    :param signature: The signature.
    :param keys: The public keys, any of which may have signed.
    :param digests: What the download compares the bytes with in any case.
        Where one is of the signature's hash, it is what is verified, and
        nothing is computed twice. This proves nothing about bytes that are
        not compared with it.
    :returns: What has yet to see the bytes, or ``None`` when the signature is
        right for one of the digests.
    :raises: :exc:`~openstack_image_stream.exceptions.SignatureError` when it
        is wrong, or no key is of its type.
    """
    observer = SignatureObserver(signature, keys)
    for expected in digests:
        if expected.algorithm.lower() == signature.algorithm:
            verify(signature, keys, bytes.fromhex(expected.value))
            return None
    return observer


def verify(
    signature: signature_properties.Signature,
    keys: 'PublicKeys',
    digest: bytes,
) -> None:
    """Verify the signature of a digest.

    :param signature: The signature.
    :param keys: The public keys; right under one of them is right.
    :param digest: Digest of the image, of the signature's hash.
    :raises: :exc:`~openstack_image_stream.exceptions.SignatureError` when it
        is right under none of them.
    """
    fitting = _fitting(signature, keys)
    for key in fitting:
        if _verifies(key, signature, digest):
            return
    signature.refuse(
        'it is not a signature of these bytes by '
        + ('the key' if len(fitting) == 1 else f'any of {len(fitting)} keys')
    )


def _fitting(
    signature: signature_properties.Signature, keys: 'PublicKeys'
) -> list[Any]:
    kind = signature_properties.KEY_TYPES[signature.key_type]
    fitting = [key for key in keys if public_keys.kind(key) == kind]
    if not fitting:
        given = sorted({str(public_keys.kind(key)) for key in keys})
        signature.refuse(
            f'no key of that type to verify with, only {", ".join(given)}'
        )
    return fitting


def _verifies(
    key: Any, signature: signature_properties.Signature, digest: bytes
) -> bool:
    """Return whether a key made the signature of a digest."""
    from cryptography import exceptions as crypto_exceptions
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric import utils
    from cryptography.hazmat.primitives import hashes as methods

    method = getattr(methods, signature.algorithm.upper())()
    prehashed = utils.Prehashed(method)
    ways: list[tuple[Any, ...]]
    if signature.key_type == 'RSA-PSS':
        ways = [(pss, prehashed) for pss in _paddings(method)]
    elif signature.key_type == 'DSA':
        ways = [(prehashed,)]
    else:
        ways = [(ec.ECDSA(prehashed),)]
    for arguments in ways:
        try:
            key.verify(signature.value, digest, *arguments)
        except (
            crypto_exceptions.InvalidSignature,
            # The key is too short for the digest, or its curve is unknown.
            crypto_exceptions.UnsupportedAlgorithm,
            ValueError,
        ) as exc:
            if signals.find_raised(exc) is not None:
                raise
            continue
        return True
    return False


def _paddings(method: Any) -> list[Any]:
    """Return what RSA-PSS may be padded with, for a hash method.

    nova's signatures have the longest salt that fits. cursive verifies with
    ``PSS.MAX_LENGTH``, which since cryptography 42 admits any other, too: no
    length is safer than another. With a cryptography from before 37 it has to
    be one of the two that are in use.
    """
    from cryptography.hazmat.primitives.asymmetric import padding

    mgf = padding.MGF1(method)
    if hasattr(padding.PSS, 'AUTO'):
        return [padding.PSS(mgf, padding.PSS.AUTO)]
    return [
        padding.PSS(mgf, length)
        for length in (padding.PSS.MAX_LENGTH, method.digest_size)
    ]


class SignatureObserver:
    """Computes the digest of an image, and verifies its signature at the end.

    :param signature: The signature.
    :param keys: The public keys, any of which may have signed.
    :raises: :exc:`~openstack_image_stream.exceptions.SignatureError` when no
        key is of the signature's type.
    """

    #: Its verdict comes at the end; see :class:`.Observer`.
    decided = True
    hashing = True

    def __init__(
        self, signature: signature_properties.Signature, keys: 'PublicKeys'
    ) -> None:
        _fitting(signature, keys)
        self._signature = signature
        self._keys = keys
        self._hash = hashlib.new(signature.algorithm)
        #: Takes the next bytes; not wrapped, as this is called for each chunk.
        self.update = self._hash.update

    def finish(self) -> None:
        """Verify the signature.

        :raises: :exc:`~openstack_image_stream.exceptions.SignatureError` when
            it is right under none of the keys.
        """
        verify(self._signature, self._keys, self._hash.digest())
