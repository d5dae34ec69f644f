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

"""Tests of keys and certificates that callers give."""

import pathlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives import serialization
from cryptography import x509
import fixtures

from openstack_image_stream._check import keys
from openstack_image_stream import exceptions
from tests import signing
from tests.unit import base

RSA = signing.private_key('RSA-PSS').public_key()
DSA = signing.private_key('DSA').public_key()
EC = signing.private_key('ECC_SECP384R1').public_key()

CERTIFICATE = signing.certificate(
    'signer',
    signing.private_key('P-256'),
    'root',
    signing.private_key('P-256', 1),
    end=signing.NOW,
)


class Files(base.TestCase):
    """Options that name files."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def file(self, data: bytes, name: str = 'key.pem') -> pathlib.Path:
        """Write a file."""
        path = self.directory / name
        path.write_bytes(data)
        return path

    def assert_refused(
        self, part: str, value: Any, function: Any = keys.load
    ) -> str:
        """Assert that a value is refused; return the message."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError, function, value, 'signed_by'
        )
        self.assertIn(part, str(error))
        self.assertTrue(str(error).startswith('signed_by: '), error)
        self.assertTrue(str(error).isprintable(), error)
        return str(error)

    def assert_loads(self, expected: list[Any], value: Any) -> None:
        """Assert which keys a value is."""
        self.assertEqual(
            [key.public_numbers() for key in expected],
            [key.public_numbers() for key in keys.load(value, 'signed_by')],
        )


class TestKeys(Files):
    """What ``signed_by`` may be."""

    @base.for_each({'rsa': RSA, 'dsa': DSA, 'ec': EC})
    def test_object(self, key: Any) -> None:
        """A public key of each kind."""
        self.assert_loads([key], key)

    def test_certificate(self) -> None:
        """Of a certificate the key counts, also when it has expired."""
        self.assert_loads([CERTIFICATE.public_key()], CERTIFICATE)

    @base.for_each({'rsa': RSA, 'dsa': DSA, 'ec': EC})
    def test_file(self, key: Any) -> None:
        """A PEM file with a public key, named in each way."""
        path = self.file(signing.pem(key))
        self.assert_loads([key], path)
        self.assert_loads([key], str(path))

    def test_file_of_rsa_alone(self) -> None:
        """What ``openssl rsa -RSAPublicKey_out`` writes."""
        data = RSA.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
        )
        self.assert_loads([RSA], self.file(data))

    def test_file_of_several(self) -> None:
        """All of a file count, and comments are passed over."""
        data = b'Subject: us\n' + signing.pem(EC, CERTIFICATE) + b'\nend\n'
        expected = [EC, CERTIFICATE.public_key()]
        self.assert_loads(expected, self.file(data))
        self.assert_loads(
            expected, self.file(data.replace(b'\n', b'\r\n'), 'dos')
        )

    def test_several(self) -> None:
        """A collection of all of these."""
        paths = [self.file(signing.pem(RSA, DSA)), CERTIFICATE, EC]
        expected = [RSA, DSA, CERTIFICATE.public_key(), EC]
        self.assert_loads(expected, paths)
        self.assert_loads(expected, tuple(paths))
        self.assert_loads(expected, iter(paths))

    @base.for_each({'list': [], 'tuple': (), 'set': set()})
    def test_none_at_all(self, value: Any) -> None:
        """No key would verify nothing."""
        self.assert_refused('no key and no certificate', value)

    @base.for_each(
        {
            'none': None,
            'number': 7,
            'bytes': b'key.pem',
            'nested': [['key.pem']],
            'flag': True,
        }
    )
    def test_neither(self, value: Any) -> None:
        """Anything else is named by its type."""
        self.assert_refused('the path of a PEM file, or', value)

    def test_private_key(self) -> None:
        """A private key is none that verifies, and is not shown."""
        key = signing.private_key('P-256')
        self.assert_refused('the path of a PEM file, or', key)
        data = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        message = self.assert_refused(
            'holds a block PRIVATE KEY', self.file(data)
        )
        self.assertNotIn(data.decode().splitlines()[1], message)
        self.assert_refused(
            'holds a block PRIVATE KEY',
            self.file(signing.pem(EC) + data),
        )

    def test_key_of_another_kind(self) -> None:
        """Nova knows three kinds of keys."""
        key = ed25519.Ed25519PrivateKey.generate()
        self.assert_refused('the path of a PEM file, or', key.public_key())
        self.assert_refused(
            'not an RSA, DSA or elliptic curve key',
            self.file(signing.pem(key.public_key())),
        )
        root = signing.private_key('P-256')
        self.assert_refused(
            'not an RSA, DSA or elliptic curve key',
            signing.certificate('signer', key, 'root', root),
        )

    def test_file_that_is_not_there(self) -> None:
        """The message has the name and the reason."""
        path = self.directory / 'gone'
        self.assert_refused(
            f"signed_by: '{path}' cannot be read: No such file", path
        )
        self.assert_refused('Is a directory', self.directory)
        self.assert_refused('cannot be read', 'a\0b')

    @base.for_each(
        {
            'empty': b'',
            'text': b'hello',
            'cut': signing.pem(EC)[:100],
            'der': signing.der(CERTIFICATE),
        }
    )
    def test_file_of_something_else(self, data: bytes) -> None:
        """A file that is not PEM is said to be none."""
        self.assert_refused('is not a PEM file', self.file(data))

    def test_damaged_file(self) -> None:
        """What is PEM, but no key."""
        lines = signing.pem(EC).splitlines()
        lines[2:-1] = []
        self.assert_refused('key.pem', self.file(b'\n'.join(lines)))
        self.assert_refused(
            'holds a block EC PARAMETERS',
            self.file(
                b'-----BEGIN EC PARAMETERS-----\n'
                b'BgUrgQQAIg==\n-----END EC PARAMETERS-----\n'
            ),
        )

    def test_content_in_place_of_a_path(self) -> None:
        """What was meant is said, and the content is not repeated."""
        text = signing.pem(EC).decode()
        message = self.assert_refused('not its content', text)
        self.assertNotIn(text.splitlines()[1], message)


class TestCertificates(Files):
    """What ``trusted_certificates`` may be."""

    def load(self, value: Any) -> list[x509.Certificate]:
        """Load certificates."""
        return list(keys.load_certificates(value, 'signed_by'))

    def test_all_ways(self) -> None:
        """An object, a file, several."""
        path = self.file(signing.pem(CERTIFICATE, CERTIFICATE))
        self.assertEqual([CERTIFICATE], self.load(CERTIFICATE))
        self.assertEqual([CERTIFICATE] * 2, self.load(str(path)))
        self.assertEqual([CERTIFICATE] * 3, self.load([CERTIFICATE, path]))

    def test_keys_do_not_do(self) -> None:
        """A key has no name, no dates and no issuer."""
        for value in (EC, self.file(signing.pem(CERTIFICATE, EC))):
            self.assert_refused(
                'a certificate is needed', value, keys.load_certificates
            )

    def test_none_at_all(self) -> None:
        """No certificate would trust nothing."""
        self.assert_refused(
            'no key and no certificate', [], keys.load_certificates
        )
