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

"""Signed images, and the certificates of their signers."""

import base64
import datetime
import functools
from typing import Any

from cryptography.hazmat import backends
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography import x509
from cryptography.x509 import oid

#: The types of keys that any release of cryptography has.
KEY_TYPES = ('RSA-PSS', 'DSA', 'ECC_SECP384R1', 'ECC_SECP521R1')

HASH_METHODS = ('SHA-224', 'SHA-256', 'SHA-384', 'SHA-512')

#: Any UUID.
CERTIFICATE_UUID = '5d4cc4a5-1a1e-4dcb-9f5e-6a1f3a2f3b77'

#: When the certificates here are valid, unless a test says otherwise.
NOW = datetime.datetime(2026, 7, 1, tzinfo=datetime.timezone.utc)


def private_key(key_type: str, which: int = 0) -> Any:
    """Make a key, the same one at each call.

    :param key_type: One of :data:`KEY_TYPES`, or ``P-256``.
    :param which: Another number is another key.
    """
    return _made(key_type, which)


@functools.cache
def _made(key_type: str, which: int) -> Any:
    backend = backends.default_backend()
    if key_type == 'RSA-PSS':
        return rsa.generate_private_key(65537, 2048, backend)
    if key_type == 'DSA':
        return dsa.generate_private_key(1024, backend)
    curves = {
        'P-256': ec.SECP256R1,
        'ECC_SECP384R1': ec.SECP384R1,
        'ECC_SECP521R1': ec.SECP521R1,
    }
    return ec.generate_private_key(curves[key_type](), backend)


def sign(
    key: Any, data: bytes, hash_method: str, salt_length: int | None = None
) -> bytes:
    """Sign data as an image is signed for nova.

    :param salt_length: Of RSA-PSS; by default the longest.
    """
    method = getattr(hashes, hash_method.replace('-', ''))()
    if isinstance(key, rsa.RSAPrivateKey):
        if salt_length is None:
            salt_length = padding.PSS.MAX_LENGTH
        pss = padding.PSS(padding.MGF1(method), salt_length)
        return key.sign(data, pss, method)
    if isinstance(key, dsa.DSAPrivateKey):
        return key.sign(data, method)
    return key.sign(data, ec.ECDSA(method))


def properties(
    signature: bytes, key_type: str, hash_method: str
) -> dict[str, Any]:
    """Return the properties of a signed image."""
    return {
        'img_signature': base64.b64encode(signature).decode(),
        'img_signature_hash_method': hash_method,
        'img_signature_key_type': key_type,
        'img_signature_certificate_uuid': CERTIFICATE_UUID,
    }


def name(text: str) -> x509.Name:
    """Return a distinguished name."""
    return x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, text)])


def usage(**uses: bool) -> x509.KeyUsage:
    """Return a key usage with these uses only."""
    none = dict.fromkeys(
        (
            'digital_signature',
            'content_commitment',
            'key_encipherment',
            'data_encipherment',
            'key_agreement',
            'key_cert_sign',
            'crl_sign',
            'encipher_only',
            'decipher_only',
        ),
        False,
    )
    return x509.KeyUsage(**{**none, **uses})


#: What the certificates of an authority and of a signer have.
AUTHORITY = (
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (usage(key_cert_sign=True), True),
)
SIGNER = ((usage(digital_signature=True), True),)


def certificate(
    subject: str,
    key: Any,
    issuer: str,
    issuer_key: Any,
    *,
    extensions: Any = AUTHORITY,
    start: datetime.datetime = NOW - datetime.timedelta(days=100),
    end: datetime.datetime = NOW + datetime.timedelta(days=100),
    method: Any = None,
    **options: Any,
) -> x509.Certificate:
    """Make a certificate.

    :param extensions: Pairs of an extension and whether it is critical.
    :param options: Further ones of the builder's ``sign``.
    """
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(
        issuer_key,
        hashes.SHA256() if method is None else method(),
        backends.default_backend(),
        **options,
    )


def pem(*things: Any) -> bytes:
    """Return certificates or public keys in PEM."""
    return b''.join(
        thing.public_bytes(serialization.Encoding.PEM)
        if isinstance(thing, x509.Certificate)
        else thing.public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        for thing in things
    )


def der(thing: x509.Certificate) -> bytes:
    """Return a certificate in DER."""
    return thing.public_bytes(serialization.Encoding.DER)
