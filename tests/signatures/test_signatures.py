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

"""Signatures as cursive judges them, and as the plugin does.

cursive is what nova and Glance verify with. It gets the certificate from a key
manager; here that is a dictionary.
"""

import base64
import collections
from collections.abc import Callable, Iterator
import itertools
from typing import Any
from unittest import mock

from castellan.common import exception as castellan_exception
from castellan.common.objects import x_509
from cryptography import exceptions as crypto_exceptions
from cryptography import x509
from cursive import exception as cursive_exception
from cursive import signature_utils
import pytest

from openstack_image_stream._check import keys
from openstack_image_stream._check import signature_properties
from openstack_image_stream._check import signatures
from openstack_image_stream import exceptions
from tests import signing

DATA = bytes(range(256)) * 64

#: Verdicts of both, by the kind of signature and what was changed.
VERDICTS: dict[tuple[str, str, str], tuple[bool, bool]] = {}


class KeyManager:
    """Castellan's interface to what holds the certificates."""

    def __init__(self, held: dict[str, x509.Certificate]) -> None:
        self._held = held

    def get(self, context: Any, uuid: str) -> x_509.X509:
        """Return a certificate."""
        try:
            return x_509.X509(signing.der(self._held[uuid]))
        except KeyError as exc:
            raise castellan_exception.ManagedObjectNotFoundError(
                uuid=uuid
            ) from exc


def by_cursive(
    properties: dict[str, Any], certificate: x509.Certificate, data: bytes
) -> bool:
    """Return whether cursive accepts a signature."""
    manager = KeyManager({signing.CERTIFICATE_UUID: certificate})
    with mock.patch.object(
        signature_utils.key_manager, 'API', return_value=manager
    ):
        try:
            verifier = signature_utils.get_verifier(
                None,
                properties.get('img_signature_certificate_uuid'),
                properties.get('img_signature_hash_method'),
                properties.get('img_signature'),
                properties.get('img_signature_key_type'),
            )
            verifier.update(data)
            verifier.verify()
        except (
            cursive_exception.SignatureVerificationError,
            crypto_exceptions.InvalidSignature,
            # cursive lets these through to nova, which refuses the image.
            ValueError,
        ):
            return False
    return True


def by_the_plugin(
    properties: dict[str, Any], certificate: x509.Certificate, data: bytes
) -> bool:
    """Return whether the plugin accepts a signature."""
    try:
        signature = signature_properties.read(properties, 'ID')
        signature.certificate_uuid()
        observer = signatures.check(
            signature, keys.load(certificate, 'signed_by')
        )
        observer.update(data)
        observer.finish()
    except exceptions.SignatureError:
        return False
    return True


def own_certificate(key: Any) -> x509.Certificate:
    """Return a certificate of a key."""
    issuer = signing.private_key('P-256')
    return signing.certificate('signer', key, 'root', issuer)


#: What may happen to the properties, and what both should say then; ``None``
#: if that depends on the cryptography that is installed.
CHANGES: dict[str, tuple[Callable[..., Any], bool | None]] = {}


def change(
    verdict: bool | None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a change of a function."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        CHANGES[function.__name__] = (function, verdict)
        return function

    return mark


@change(True)
def right(signature: bytes, properties: dict[str, Any]) -> Any:
    """Change nothing."""
    return properties


@change(False)
def truncated(signature: bytes, properties: dict[str, Any]) -> Any:
    """Cut the signature."""
    value = base64.b64encode(signature[:-1]).decode()
    return {**properties, 'img_signature': value}


@change(False)
def flipped(signature: bytes, properties: dict[str, Any]) -> Any:
    """Change the last bit of the signature."""
    value = signature[:-1] + bytes([signature[-1] ^ 1])
    return {**properties, 'img_signature': base64.b64encode(value).decode()}


@change(False)
def garbage(signature: bytes, properties: dict[str, Any]) -> Any:
    """Put something else for the signature."""
    value = base64.b64encode(bytes(len(signature))).decode()
    return {**properties, 'img_signature': value}


@change(False)
def not_base64(signature: bytes, properties: dict[str, Any]) -> Any:
    """Put what is not base64."""
    return {**properties, 'img_signature': '%' * 7 + 'a'}


@change(False)
def not_ascii(signature: bytes, properties: dict[str, Any]) -> Any:
    """Put what is not even ASCII."""
    return {**properties, 'img_signature': 'ä' + properties['img_signature']}


@change(True)
def line_breaks(signature: bytes, properties: dict[str, Any]) -> Any:
    """Break base64 as base64(1) and email do."""
    value = base64.encodebytes(signature).decode()
    return {**properties, 'img_signature': value}


@change(True)
def foreign_characters(signature: bytes, properties: dict[str, Any]) -> Any:
    """Put characters that base64 does not have between those it has."""
    value = '*'.join(properties['img_signature'])
    return {**properties, 'img_signature': value}


@change(False)
def empty(signature: bytes, properties: dict[str, Any]) -> Any:
    """Put an empty signature."""
    return {**properties, 'img_signature': ''}


@change(False)
def other_hash(signature: bytes, properties: dict[str, Any]) -> Any:
    """Name another hash."""
    methods = itertools.cycle(signing.HASH_METHODS)
    while next(methods) != properties['img_signature_hash_method']:
        pass
    return {**properties, 'img_signature_hash_method': next(methods)}


@change(False)
def unknown_hash(signature: bytes, properties: dict[str, Any]) -> Any:
    """Name a hash that nova does not know."""
    return {**properties, 'img_signature_hash_method': 'SHA-1'}


@change(False)
def other_type(signature: bytes, properties: dict[str, Any]) -> Any:
    """Name a type of key that it is not."""
    rsa = properties['img_signature_key_type'] == 'RSA-PSS'
    return {
        **properties,
        'img_signature_key_type': 'ECC_SECP384R1' if rsa else 'RSA-PSS',
    }


@change(False)
def unknown_type(signature: bytes, properties: dict[str, Any]) -> Any:
    """Name a type of key that nova does not know."""
    return {**properties, 'img_signature_key_type': 'ECC_SECP256R1'}


@change(None)
def binary_curve(signature: bytes, properties: dict[str, Any]) -> Any:
    """Name a curve that cryptography 47 does not have any more."""
    return {**properties, 'img_signature_key_type': 'ECC_SECT571K1'}


def missing(name: str) -> Callable[..., Any]:
    """Return a change that leaves a property out."""

    def without(signature: bytes, properties: dict[str, Any]) -> Any:
        return {k: v for k, v in properties.items() if k != name}

    return without


for _name in signing.properties(b'x', 'DSA', 'SHA-256'):
    CHANGES[f'without_{_name}'] = (missing(_name), False)


@pytest.fixture(scope='module', autouse=True)
def table() -> Iterator[None]:
    """Print the verdicts at the end."""
    yield
    counts = collections.Counter(
        (kind, cursive, ours)
        for (kind, _, _), (cursive, ours) in VERDICTS.items()
    )
    print()
    for (kind, cursive, ours), count in sorted(counts.items()):
        print(f'{kind:28} cursive {cursive!s:5} plugin {ours!s:5} {count}')


@pytest.mark.parametrize('hash_method', signing.HASH_METHODS)
@pytest.mark.parametrize('key_type', [*signing.KEY_TYPES, 'P-256'])
class TestSignatures:
    """Each type of key with each hash."""

    def signed(
        self, key_type: str, hash_method: str, **options: Any
    ) -> tuple[bytes, dict[str, Any], x509.Certificate]:
        """Return a signature, the properties, and the certificate."""
        key = signing.private_key(key_type)
        signature = signing.sign(key, DATA, hash_method, **options)
        # cursive takes any curve for any other.
        named = 'ECC_SECP521R1' if key_type == 'P-256' else key_type
        properties = signing.properties(signature, named, hash_method)
        return signature, properties, own_certificate(key)

    def judge(
        self,
        case: tuple[str, str, str],
        expected: bool | None,
        properties: dict[str, Any],
        certificate: x509.Certificate,
        data: bytes = DATA,
    ) -> None:
        """Assert that both say what is expected."""
        verdicts = (
            by_cursive(properties, certificate, data),
            by_the_plugin(properties, certificate, data),
        )
        VERDICTS[case[2], case[0], case[1]] = verdicts
        assert verdicts[0] == verdicts[1]
        assert verdicts[0] == expected or expected is None

    @pytest.mark.parametrize('name', CHANGES)
    def test_properties(
        self, name: str, key_type: str, hash_method: str
    ) -> None:
        """What the properties say, right or wrong."""
        function, expected = CHANGES[name]
        signature, properties, certificate = self.signed(key_type, hash_method)
        self.judge(
            (key_type, hash_method, name),
            expected,
            function(signature, properties),
            certificate,
        )

    @pytest.mark.parametrize(
        'data',
        [DATA[:-1], DATA + b'\0', b'\1' + DATA[1:], b''],
        ids=['shorter', 'longer', 'changed', 'empty'],
    )
    def test_other_bytes(
        self, data: bytes, key_type: str, hash_method: str
    ) -> None:
        """An image with other bytes."""
        _, properties, certificate = self.signed(key_type, hash_method)
        case = (key_type, hash_method, f'other_bytes_{len(data)}')
        self.judge(case, False, properties, certificate, data)

    @pytest.mark.parametrize('other', [*signing.KEY_TYPES, 'P-256'])
    def test_other_key(
        self, other: str, key_type: str, hash_method: str
    ) -> None:
        """Another key, of the same type and of each other one."""
        _, properties, _ = self.signed(key_type, hash_method)
        certificate = own_certificate(signing.private_key(other, 1))
        case = (key_type, hash_method, f'other_key_{other}')
        self.judge(case, False, properties, certificate)


@pytest.mark.parametrize('salt_length', [None, 0, 20, 32, 64])
def test_salts(salt_length: int | None) -> None:
    """RSA-PSS with salts of any length."""
    case = TestSignatures()
    _, properties, certificate = case.signed(
        'RSA-PSS', 'SHA-256', salt_length=salt_length
    )
    case.judge(
        ('RSA-PSS', 'SHA-256', f'salt_{salt_length}'),
        True,
        properties,
        certificate,
    )
