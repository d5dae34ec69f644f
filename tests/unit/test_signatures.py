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

"""Tests of the signatures of images."""

import copy
import hashlib
import itertools
import pickle
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import padding

from openstack_image_stream._check import hashes
from openstack_image_stream._check import signature_properties
from openstack_image_stream._check import signatures
from openstack_image_stream import exceptions
from tests import signing
from tests.unit import base

DATA = base.some_bytes(100_000)

#: Every type of key with every hash.
SIGNED = {
    f'{key_type}_{method}'.replace('-', '_').lower(): (key_type, method)
    for key_type, method in itertools.product(
        signing.KEY_TYPES, signing.HASH_METHODS
    )
}


def signature_of(
    key_type: str = 'ECC_SECP384R1',
    hash_method: str = 'SHA-256',
    data: bytes = DATA,
    key: Any = None,
    **options: Any,
) -> signature_properties.Signature:
    """Sign data, and read what the image would say."""
    value = signing.sign(
        key or signing.private_key(key_type), data, hash_method, **options
    )
    return signature_properties.read(
        signing.properties(value, key_type, hash_method), 'ID'
    )


def key_of(key_type: str = 'ECC_SECP384R1', which: int = 0) -> Any:
    """Return a public key."""
    return signing.private_key(key_type, which).public_key()


def observe(
    signature: signature_properties.Signature, *keys: Any, data: bytes = DATA
) -> None:
    """Show data to an observer, in chunks, and have it judge."""
    observer = signatures.SignatureObserver(signature, keys)
    for start in range(0, len(data), 7000):
        observer.update(data[start : start + 7000])
    observer.finish()


class Refusals(base.TestCase):
    """What is refused is refused by a SignatureError."""

    def assert_refused(
        self, part: str, function: Any, *args: Any, **kwargs: Any
    ) -> exceptions.SignatureError:
        """Assert that a call raises, and what its message says."""
        error = self.assertRaises(
            exceptions.SignatureError, function, *args, **kwargs
        )
        self.assertIn(part, str(error))
        self.assertIn(error.reason, str(error))
        self.assertEqual('ID', error.image_id)
        return error


class TestProperties(Refusals):
    """How the properties are read."""

    def setUp(self) -> None:
        super().setUp()
        self.properties = signing.properties(b'sig', 'DSA', 'SHA-384')

    def read(self, **changes: Any) -> signature_properties.Signature:
        """Read the properties with some of them changed."""
        return signature_properties.read({**self.properties, **changes}, 'ID')

    def assert_property(
        self, part: str, name: str, value: Any
    ) -> exceptions.SignatureError:
        """Assert that a value is refused, and that the error names it."""
        error = self.assert_refused(part, self.read, **{name: value})
        self.assertEqual(name, error.property_name)
        self.assertIn(f'property {name}', str(error))
        return error

    def test_all_are_read(self) -> None:
        """Each property becomes an attribute."""
        signature = self.read()
        self.assertEqual(b'sig', signature.value)
        self.assertEqual('DSA', signature.key_type)
        self.assertEqual('SHA-384', signature.hash_method)
        self.assertEqual('sha384', signature.algorithm)
        self.assertEqual(
            signing.CERTIFICATE_UUID, signature.certificate_uuid()
        )

    @base.for_each(
        {
            name: name
            for name in (
                'img_signature',
                'img_signature_hash_method',
                'img_signature_key_type',
            )
        }
    )
    def test_missing(self, name: str) -> None:
        """One that is missing, empty or not a text is named."""
        self.assert_property('missing', name, None)
        self.assert_property('missing', name, '')
        self.assert_property('not a text', name, ['SHA-256'])
        del self.properties[name]
        self.assert_refused(f'{name}: missing', self.read)

    @base.for_each({'garbage': '!!!', 'cut': 'YWJ', 'foreign': 'é'})
    def test_signature_is_base64(self, value: str) -> None:
        """What is not base64 is said to be so."""
        self.assert_property('not base64', 'img_signature', value)

    def test_base64_with_line_breaks(self) -> None:
        """base64 without -w breaks lines, which cursive admits."""
        self.assertEqual(b'sig', self.read(img_signature='c2\nln\n').value)

    def test_unknown_hash(self) -> None:
        """The hashes are those of nova, spelled as there."""
        for value in ('MD5', 'SHA-1', 'sha-256', 'SHA256'):
            self.assert_property(
                'none of SHA-224', 'img_signature_hash_method', value
            )

    def test_unknown_key_type(self) -> None:
        """The types are those of nova, spelled as there."""
        for value in ('RSA', 'rsa-pss', 'ECC_SECP256R1', 'ED25519'):
            self.assert_property(
                'none of RSA-PSS', 'img_signature_key_type', value
            )

    def test_curve_that_is_gone(self) -> None:
        """A curve that cryptography does not have is said to be missing."""
        with mock.patch.object(ec, 'SECT571K1', None, create=True):
            self.assert_property(
                'not supported', 'img_signature_key_type', 'ECC_SECT571K1'
            )

    def test_curve_that_is_there(self) -> None:
        """With a cryptography that has the curve its type is accepted."""
        with mock.patch.object(ec, 'SECT571K1', ec.SECP521R1, create=True):
            signature = self.read(img_signature_key_type='ECC_SECT571K1')
        self.assertEqual('ECC_SECT571K1', signature.key_type)

    def test_values_are_fit_for_a_terminal(self) -> None:
        """What others wrote reaches no terminal as a command, and is cut."""
        error = self.assert_property(
            'none of', 'img_signature_hash_method', '\x1b[2J' + 'x' * 5000
        )
        self.assertNotIn('\x1b', str(error))
        self.assertLess(len(str(error)), 400)

    def test_certificate_is_optional(self) -> None:
        """Its UUID matters when the certificate is fetched, and only then."""
        for value in (None, ''):
            signature = self.read(img_signature_certificate_uuid=value)
            error = self.assert_refused('missing', signature.certificate_uuid)
            self.assertEqual(
                'img_signature_certificate_uuid', error.property_name
            )

    @base.for_each({'path': '../../secrets', 'word': 'x', 'number': 7})
    def test_certificate_is_a_uuid(self, value: Any) -> None:
        """It becomes a part of a URL, so it must be nothing else."""
        signature = self.read(img_signature_certificate_uuid=value)
        self.assert_refused(
            'img_signature_certificate_uuid', signature.certificate_uuid
        )


class TestVerdict(Refusals):
    """Which signatures are right."""

    @base.for_each(SIGNED)
    def test_right(self, case: tuple[str, str]) -> None:
        """What nova would accept is accepted."""
        key = key_of(case[0])
        observe(signature_of(*case), key)

    @base.for_each(SIGNED)
    def test_other_bytes(self, case: tuple[str, str]) -> None:
        """One bit of the image decides."""
        data = DATA[:-1] + bytes([DATA[-1] ^ 1])
        error = self.assert_refused(
            'not a signature of these bytes by the key',
            observe,
            signature_of(*case),
            key_of(case[0]),
            data=data,
        )
        self.assertEqual(case, (error.key_type, error.hash_method))

    @base.for_each(SIGNED)
    def test_other_key(self, case: tuple[str, str]) -> None:
        """Another key of the same type did not sign it."""
        self.assert_refused(
            'by the key', observe, signature_of(*case), key_of(case[0], 1)
        )

    def test_one_of_several(self) -> None:
        """Right under one of the keys is right, whatever the others are."""
        keys = [
            key_of('RSA-PSS'),
            key_of('ECC_SECP384R1', 1),
            key_of('DSA'),
            key_of('ECC_SECP384R1'),
        ]
        observe(signature_of(), *keys)
        self.assert_refused('by the key', observe, signature_of(), *keys[:3])
        self.assert_refused(
            'by any of 2 keys',
            observe,
            signature_of(data=b'else'),
            *keys,
        )

    def test_type_decides_how(self) -> None:
        """A key of another type is not even tried."""
        self.assert_refused(
            'no key of that type to verify with, only DSA, RSA',
            signatures.SignatureObserver,
            signature_of(),
            [key_of('RSA-PSS'), key_of('DSA')],
        )

    def test_name_of_the_curve_does_not_decide(self) -> None:
        """As in cursive: the key is what it is, whatever the type says."""
        key = signing.private_key('P-256')
        observe(signature_of('ECC_SECP521R1', key=key), key.public_key())

    @base.for_each({'short': 32, 'other': 100, 'none': 0})
    def test_any_salt(self, length: int) -> None:
        """As in cursive: nova's salt is the longest, but none is refused."""
        observe(signature_of('RSA-PSS', salt_length=length), key_of('RSA-PSS'))

    def test_salts_of_an_old_cryptography(self) -> None:
        """Where it cannot find out, the two lengths in use are tried."""
        with mock.patch.object(padding.PSS, 'AUTO', create=True):
            del padding.PSS.AUTO
            for length in (None, 32):
                signature = signature_of('RSA-PSS', salt_length=length)
                observe(signature, key_of('RSA-PSS'))
                self.assert_refused(
                    'by the key', observe, signature, key_of('RSA-PSS', 1)
                )

    @base.for_each({'cut': b'\x30\x45\x02', 'zeros': bytes(256), 'one': b'x'})
    def test_garbage(self, value: bytes) -> None:
        """What is no signature at all is refused as a wrong one is."""
        for key_type in signing.KEY_TYPES:
            signature = signature_properties.read(
                signing.properties(value, key_type, 'SHA-512'), 'ID'
            )
            self.assert_refused(
                'by the key', observe, signature, key_of(key_type)
            )

    def test_digest_of_another_length(self) -> None:
        """What is no digest of that hash is refused, not an accident."""
        for key_type in signing.KEY_TYPES:
            self.assert_refused(
                'by the key',
                signatures.verify,
                signature_of(key_type),
                [key_of(key_type)],
                b'short',
            )

    def test_error_is_portable(self) -> None:
        """The error crosses processes with all that it says."""
        error = self.assert_refused(
            'by the key', observe, signature_of(), key_of(), data=b''
        )
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            self.assertEqual(str(error), str(again))
            self.assertEqual(vars(error), vars(again))


class TestKnownDigest(Refusals):
    """A digest that the metadata hold is verified before any data."""

    def expected(self, algorithm: str, data: bytes = DATA) -> hashes.Expected:
        """Return what the metadata say of some data."""
        return hashes.Expected(
            algorithm, hashlib.new(algorithm, data).hexdigest()
        )

    def test_same_hash(self) -> None:
        """Nothing has to see the bytes for the signature any more."""
        self.assertIsNone(
            signatures.check(
                signature_of(hash_method='SHA-512'),
                [key_of()],
                [self.expected('sha256'), self.expected('sha512')],
            )
        )

    def test_same_hash_of_other_bytes(self) -> None:
        """It is refused before any data."""
        self.assert_refused(
            'by the key',
            signatures.check,
            signature_of(hash_method='SHA-512'),
            [key_of()],
            [self.expected('sha512', b'else')],
        )

    def test_no_hash_of_a_malformed_digest(self) -> None:
        """A digest that is none is refused."""
        self.assert_refused(
            'by the key',
            signatures.check,
            signature_of(),
            [key_of()],
            [hashes.Expected('sha256', '00')],
        )

    def test_other_hash(self) -> None:
        """The bytes decide."""
        for digests in ([], [self.expected('sha512', b'else')]):
            observer = signatures.check(signature_of(), [key_of()], digests)
            observer.update(DATA)
            observer.finish()
            observer = signatures.check(signature_of(), [key_of()], digests)
            observer.update(DATA + b'x')
            self.assert_refused('by the key', observer.finish)

    def test_no_key_fits(self) -> None:
        """That is known before any data, whatever the hash is."""
        for digests in ([], [self.expected('sha256')]):
            self.assert_refused(
                'no key of that type',
                signatures.check,
                signature_of(),
                [key_of('DSA')],
                digests,
            )
