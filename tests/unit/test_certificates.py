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

"""Tests of the certificates of signers."""

import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives import hashes
from cryptography import x509
from cryptography.x509 import oid
import hypothesis
from hypothesis import strategies

from openstack_image_stream._check import certificates
from openstack_image_stream._check import keys
from openstack_image_stream._check import signature_properties
from openstack_image_stream import exceptions
from tests import signing
from tests.unit import base

SIGNATURE = signature_properties.Signature('ID', b'x', 'SHA-256', 'DSA')

DAY = datetime.timedelta(days=1)


def key(which: int) -> Any:
    """Return a private key."""
    return signing.private_key('P-256', which)


def authority(path_length: int | None = None, **uses: bool) -> Any:
    """Return the extensions of an authority."""
    return (
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (signing.usage(**(uses or {'key_cert_sign': True})), True),
    )


#: A root, an intermediate, and signers that each of them issued.
ROOT = signing.certificate('root', key(0), 'root', key(0))
MIDDLE = signing.certificate('middle', key(1), 'root', key(0))
DIRECT = signing.certificate(
    'signer', key(2), 'root', key(0), extensions=signing.SIGNER
)
SIGNER = signing.certificate(
    'signer', key(2), 'middle', key(1), extensions=signing.SIGNER
)

#: A root signed with SHA-1, and signers that it signed with SHA-1 and with
#: SHA-256. New releases of cryptography make no such certificates.
OLD_ROOT = b"""\
-----BEGIN CERTIFICATE-----
MIIBQTCB6qADAgECAhQs4KPMC4JOuSZUK1t0MRDfFQOZsjAJBgcqhkjOPQQBMA8x
DTALBgNVBAMMBHJvb3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBa
MA8xDTALBgNVBAMMBHJvb3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQjl0Xw
ArtKkQNsamFrukc3h6YWYzPbOc24v/BB8l7Ef59mbKlcHTE34b0gUbnmheI1gzxf
U3yTNBl9xbkzvq3OoyMwITAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIC
BDAJBgcqhkjOPQQBA0cAMEQCIAp3thlgoDxrbnlyIm3Dkv8GzXHde5eNTfJNtxqs
qsfcAiBwch7gWwXw5s4xwnRUPbImIRoiMrVWpzs4b8RzXaLUow==
-----END CERTIFICATE-----
"""
OLD_SIGNER = b"""\
-----BEGIN CERTIFICATE-----
MIIBMzCB26ADAgECAhQ8UcAZLla6qFO0E8mXq3r7Bq/nYDAJBgcqhkjOPQQBMA8x
DTALBgNVBAMMBHJvb3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBa
MBExDzANBgNVBAMMBnNpZ25lcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLPA
L7dZ/r6jnm8YwW+g7IapoVRcLljb930daR2msO0CIkPi76WkfyuqFVWsDi0RCUBr
37RTH8x4VjQZnGwHObajEjAQMA4GA1UdDwEB/wQEAwIHgDAJBgcqhkjOPQQBA0gA
MEUCIQDEx8xwYylx6yM1WuTTHvMghHsnVqNnwJ20XY9FPKXnsQIgfSh6WLEQnmPh
AREr08Gy9vCqbRqdXIlcWTbR38AmN0w=
-----END CERTIFICATE-----
"""
NEW_SIGNER = b"""\
-----BEGIN CERTIFICATE-----
MIIBNjCB3KADAgECAhRSs5s/RjqdNxL9XB1tstxoeHLE8TAKBggqhkjOPQQDAjAP
MQ0wCwYDVQQDDARyb290MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAw
WjARMQ8wDQYDVQQDDAZzaWduZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASz
wC+3Wf6+o55vGMFvoOyGqaFUXC5Y2/d9HWkdprDtAiJD4u+lpH8rqhVVrA4tEQlA
a9+0Ux/MeFY0GZxsBzm2oxIwEDAOBgNVHQ8BAf8EBAMCB4AwCgYIKoZIzj0EAwID
SQAwRgIhALmwm65TR+idUUb+WDBlMey31cefRKeHSB9sggdvWXUYAiEAwMrxIaIC
JoO+IeaKAVGVUFRqATWDVFCTQJjvQJi8F6M=
-----END CERTIFICATE-----
"""


class Chains(base.TestCase):
    """How chains are judged."""

    def verify(
        self,
        *given: x509.Certificate,
        trusted: Any = (ROOT,),
        now: datetime.datetime = signing.NOW,
    ) -> Any:
        """Verify a certificate, and what came with it."""
        (found,) = certificates.verify(
            SIGNATURE, signing.pem(*given), trusted, now=now
        )
        self.assertEqual(
            given[0].public_key().public_numbers(), found.public_numbers()
        )
        return found

    def assert_refused(
        self, part: str, *given: x509.Certificate, **options: Any
    ) -> None:
        """Assert that a chain is refused, and for which reason."""
        error = self.assertRaises(
            exceptions.SignatureError, self.verify, *given, **options
        )
        self.assertIn(part, error.reason)
        self.assertIn(
            f'image ID: signature refused (DSA with SHA-256): {error.reason}',
            str(error),
        )


class TestTrust(Chains):
    """Where a chain ends."""

    def test_direct(self) -> None:
        """A trusted certificate issued it."""
        self.verify(DIRECT)

    def test_der(self) -> None:
        """The certificate may be in DER, as Barbican has it."""
        self.assertEqual(
            1,
            len(
                certificates.verify(
                    SIGNATURE, signing.der(DIRECT), [ROOT], now=signing.NOW
                )
            ),
        )

    def test_text(self) -> None:
        """PEM may be a text, as the SDK makes of text/plain."""
        text = signing.pem(SIGNER, MIDDLE).decode()
        certificates.verify(SIGNATURE, text, [ROOT], now=signing.NOW)
        error = self.assertRaises(
            exceptions.SignatureError,
            certificates.verify,
            SIGNATURE,
            '\ud800',
            [ROOT],
            now=signing.NOW,
        )
        self.assertIn('cannot be read', error.reason)

    def test_clock_of_the_machine(self) -> None:
        """Without a time it is that of the machine."""
        now = datetime.datetime.now(datetime.timezone.utc)
        for start, good in ((now - DAY, True), (now + DAY, False)):
            own = signing.certificate(
                'own',
                key(9),
                'own',
                key(9),
                start=start,
                end=now + 2 * DAY,
                extensions=(),
            )
            try:
                certificates.verify(SIGNATURE, signing.der(own), [own])
            except exceptions.SignatureError as exc:
                self.assertFalse(good)
                self.assertIn('not valid before', exc.reason)
            else:
                self.assertTrue(good)

    def test_intermediate_that_came_along(self) -> None:
        """It need not be trusted itself."""
        self.verify(SIGNER, MIDDLE)
        self.verify(SIGNER, ROOT, MIDDLE, MIDDLE)

    def test_intermediate_among_the_trusted(self) -> None:
        """As nova has it: all that a chain needs is in one list."""
        self.verify(SIGNER, trusted=[ROOT, MIDDLE])
        self.verify(SIGNER, trusted=[ROOT, ROOT, MIDDLE, MIDDLE])

    def test_ends_at_the_first(self) -> None:
        """A trusted certificate need not be a root."""
        self.verify(SIGNER, trusted=[MIDDLE])

    def test_itself(self) -> None:
        """A certificate may be trusted itself, by any issuer."""
        own = signing.certificate(
            'own', key(9), 'own', key(9), extensions=signing.SIGNER
        )
        self.verify(own, trusted=[own])
        self.verify(SIGNER, trusted=[ROOT, SIGNER])

    def test_own_issuer(self) -> None:
        """Nothing vouches for itself."""
        own = signing.certificate('own', key(9), 'own', key(9), extensions=())
        self.assert_refused('own issuer, and is not trusted', own)
        self.assert_refused('own issuer, and is not trusted', own, own)

    def test_other_root(self) -> None:
        """Another authority has nothing to say."""
        other = signing.certificate('other', key(5), 'other', key(5))
        self.assert_refused(
            "was issued by 'root', which is not trusted",
            DIRECT,
            trusted=[other],
        )
        # That a root comes along makes it no more trusted.
        self.assert_refused(
            "certificate 'root' is its own issuer, and is not trusted",
            DIRECT,
            ROOT,
            trusted=[other],
        )

    def test_missing_intermediate(self) -> None:
        """The message says which certificate is missing."""
        self.assert_refused(
            "certificate 'signer' was issued by 'middle', which is not "
            'trusted and whose own certificate is not given',
            SIGNER,
        )

    def test_same_name_other_key(self) -> None:
        """A name proves nothing."""
        forged = signing.certificate('root', key(6), 'root', key(6))
        self.assert_refused(
            'the name is the same, the key is not', DIRECT, trusted=[forged]
        )
        self.assert_refused(
            'the name is the same, the key is not',
            signing.certificate(
                'signer', key(2), 'root', key(6), extensions=signing.SIGNER
            ),
        )

    def test_same_name_both_trusted(self) -> None:
        """After a change of keys both roots are trusted, and one fits."""
        old = signing.certificate('root', key(6), 'root', key(6))
        for trusted in ([old, ROOT], [ROOT, old]):
            self.verify(DIRECT, trusted=trusted)
            self.verify(SIGNER, MIDDLE, trusted=trusted)

    def test_more_than_one_candidate(self) -> None:
        """Which one was meant is not guessed."""
        again = signing.certificate('root', key(0), 'root', key(0))
        self.assert_refused(
            'more than one possible issuer', DIRECT, trusted=[ROOT, again]
        )
        middle = signing.certificate('middle', key(1), 'root', key(0))
        self.assert_refused(
            'more than one possible issuer', SIGNER, MIDDLE, middle
        )

    def test_trusted_candidate_comes_first(self) -> None:
        """What came along does not make a trusted issuer ambiguous."""
        cross = signing.certificate('root', key(0), 'other', key(5))
        self.verify(DIRECT, cross)

    def test_expired_candidate_does_not_count(self) -> None:
        """A renewed authority has the key of the expired one."""
        old = signing.certificate(
            'root', key(0), 'root', key(0), end=signing.NOW - DAY
        )
        self.verify(DIRECT, trusted=[old, ROOT])
        cross = signing.certificate('root', key(0), 'other', key(5))
        other = signing.certificate('other', key(5), 'other', key(5))
        self.verify(DIRECT, cross, trusted=[old, other])

    def test_circle(self) -> None:
        """Authorities that issued each other end the search."""
        first = signing.certificate('a', key(1), 'b', key(2))
        second = signing.certificate('b', key(2), 'a', key(1))
        signer = signing.certificate(
            'signer', key(3), 'a', key(1), extensions=signing.SIGNER
        )
        self.assert_refused(
            "certificate 'b' was issued by", signer, first, second
        )

    def test_long_chain(self) -> None:
        """A chain has an end, a short one at that."""
        chain = [
            signing.certificate(
                f'{n}', key(n % 5), f'{n + 1}', key((n + 1) % 5)
            )
            for n in range(12)
        ]
        signer = signing.certificate(
            'signer', key(7), '0', key(0), extensions=signing.SIGNER
        )
        self.verify(signer, *chain[:8], trusted=[chain[8]])
        self.assert_refused(
            'the chain has more than 10',
            signer,
            *chain[:10],
            trusted=[chain[10]],
        )
        self.assert_refused('more than 10 certificates come', signer, *chain)


class TestLinks(Chains):
    """What each certificate of a chain must be."""

    def chain(
        self, which: str, **options: Any
    ) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
        """Return what is given and what is trusted, one of them changed."""
        parts: dict[str, tuple[Any, ...]] = {
            'signer': ('signer', key(2), 'middle', key(1)),
            'middle': ('middle', key(1), 'root', key(0)),
            'root': ('root', key(0), 'root', key(0)),
        }
        usual = {'signer': {'extensions': signing.SIGNER}}
        made = {
            name: signing.certificate(
                *args,
                **{
                    **usual.get(name, {}),
                    **(options if name == which else {}),
                },
            )
            for name, args in parts.items()
        }
        return [made['signer'], made['middle']], [made['root']]

    def assert_chain(
        self, part: str | None, which: str, **options: Any
    ) -> None:
        """Assert that a changed chain is refused, or not."""
        given, trusted = self.chain(which, **options)
        if part is None:
            self.verify(*given, trusted=trusted)
        else:
            self.assert_refused(part, *given, trusted=trusted)

    @base.for_each({name: name for name in ('signer', 'middle', 'root')})
    def test_dates(self, which: str) -> None:
        """Each has to be valid now; its last second is valid, too."""
        now = signing.NOW
        self.assert_chain(None, which, end=now)
        self.assert_chain(None, which, start=now)
        for options, part in (
            ({'end': now - DAY}, 'expired at 2026-06-30 00:00 UTC'),
            ({'start': now + DAY}, 'is not valid before 2026-07-02 00:00 UTC'),
        ):
            self.assert_chain(part, which, **options)
            self.assert_chain(f"'{which}' {part}", which, **options)

    def test_usage_of_signer(self) -> None:
        """It may sign, or nothing is said about what it may."""
        self.assert_chain(
            'key usage lacks digitalSignature',
            'signer',
            extensions=((signing.usage(key_encipherment=True), False),),
        )
        self.assert_chain(None, 'signer', extensions=())

    def test_authority_is_no_signer(self) -> None:
        """That it may sign certificates does not mean images."""
        self.assert_refused('lacks digitalSignature', ROOT)
        self.assert_refused('lacks digitalSignature', MIDDLE)

    def test_extended_usage_of_signer(self) -> None:
        """A certificate for a web server is for that only."""
        purposes = oid.ExtendedKeyUsageOID
        for part, uses in (
            (None, [purposes.CODE_SIGNING]),
            (None, [purposes.SERVER_AUTH, purposes.CODE_SIGNING]),
            (None, [x509.ObjectIdentifier('2.5.29.37.0')]),
            ('lacks codeSigning', [purposes.SERVER_AUTH]),
            ('lacks codeSigning', [purposes.EMAIL_PROTECTION]),
        ):
            for critical in (True, False):
                self.assert_chain(
                    part,
                    'signer',
                    extensions=(
                        *signing.SIGNER,
                        (x509.ExtendedKeyUsage(uses), critical),
                    ),
                )

    @base.for_each({name: name for name in ('middle', 'root')})
    def test_authority(self, which: str) -> None:
        """An issuer must be allowed to issue, explicitly."""
        lacks_ca = 'basic constraints lack CA'
        lacks_usage = 'key usage lacks keyCertSign'
        constraints, uses = authority()
        for part, extensions in (
            (lacks_ca, ()),
            (lacks_ca, (uses,)),
            (
                lacks_ca,
                (
                    (x509.BasicConstraints(ca=False, path_length=None), True),
                    uses,
                ),
            ),
            (lacks_usage, (constraints,)),
            (lacks_usage, authority(digital_signature=True)),
        ):
            self.assert_chain(
                f"has no usable issuer: '{which}' may not issue: its {part}",
                which,
                extensions=extensions,
            )

    def test_signer_is_no_authority(self) -> None:
        """The holder of one certificate cannot make others."""
        made = signing.certificate(
            'made', key(3), 'signer', key(2), extensions=signing.SIGNER
        )
        self.assert_refused("'signer' may not issue", made, DIRECT)

    def test_path_length(self) -> None:
        """How many authorities may follow."""
        part = 'may issue chains with 0 more authorities only'
        self.assert_chain(None, 'middle', extensions=authority(0))
        self.assert_chain(None, 'root', extensions=authority(1))
        self.assert_chain(part, 'root', extensions=authority(0))

    def test_path_length_of_a_renewal(self) -> None:
        """An authority that issued to itself does not count."""
        root = signing.certificate(
            'root', key(0), 'root', key(0), extensions=authority(0)
        )
        renewed = signing.certificate('root', key(4), 'root', key(0))
        signer = signing.certificate(
            'signer', key(2), 'root', key(4), extensions=signing.SIGNER
        )
        self.verify(signer, renewed, trusted=[root])

    @base.for_each({name: name for name in ('signer', 'middle', 'root')})
    def test_critical_extension(self, which: str) -> None:
        """What limits a certificate in an unknown way makes it useless."""
        usual = signing.SIGNER if which == 'signer' else signing.AUTHORITY
        limit = x509.NameConstraints([x509.DNSName('example.org')], None)
        unknown = x509.UnrecognizedExtension(
            x509.ObjectIdentifier('1.2.3.4'), b'\x05\x00'
        )
        for extension, number in ((limit, '2.5.29.30'), (unknown, '1.2.3.4')):
            self.assert_chain(
                f'critical extension that is not checked: {number}',
                which,
                extensions=(*usual, (extension, True)),
            )
            self.assert_chain(
                None, which, extensions=(*usual, (extension, False))
            )

    @base.for_each({name: name for name in ('signer', 'middle')})
    def test_signature_of_link(self, which: str) -> None:
        """One bit of a certificate decides."""
        given, trusted = self.chain('')
        place = ['signer', 'middle'].index(which)
        data = bytearray(signing.der(given[place]))
        # The last bytes of the signature.
        data[-1] ^= 1
        [given[place]] = keys.read_certificates(bytes(data))
        self.assert_refused('the key is not', *given, trusted=trusted)

    def test_hash_of_link(self) -> None:
        """Certificates with SHA-1 are forged for some money."""
        root, old, new = (
            keys.read_certificates(data)[0]
            for data in (OLD_ROOT, OLD_SIGNER, NEW_SIGNER)
        )
        self.assert_refused('signed with sha1', old, trusted=[root])
        self.assertEqual('sha1', root.signature_hash_algorithm.name)
        # A trusted one needs no signature.
        self.verify(new, trusted=[root])


class TestKeysOfAuthorities(Chains):
    """With what certificates may be signed."""

    @base.for_each({name: name for name in signing.KEY_TYPES})
    def test_kinds(self, key_type: str) -> None:
        """Each kind of key, with the right and with another one."""
        issuer, other = (signing.private_key(key_type, n) for n in (0, 1))
        root = signing.certificate('root', issuer, 'root', issuer)
        for made_with, good in ((issuer, True), (other, False)):
            signer = signing.certificate(
                'signer', key(2), 'root', made_with, extensions=signing.SIGNER
            )
            if good:
                self.verify(signer, trusted=[root])
            else:
                self.assert_refused('the key is not', signer, trusted=[root])

    def test_rsa_pss(self) -> None:
        """RSA with the newer padding."""
        issuer = signing.private_key('RSA-PSS')
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        root = signing.certificate('root', issuer, 'root', issuer)
        signer = signing.certificate(
            'signer',
            key(2),
            'root',
            issuer,
            extensions=signing.SIGNER,
            rsa_padding=pss,
        )
        self.verify(signer, trusted=[root])
        other = signing.private_key('RSA-PSS', 1)
        self.assert_refused(
            'the key is not',
            signer,
            trusted=[signing.certificate('root', other, 'root', other)],
        )

    def edwards(self, which: Any) -> x509.Certificate:
        """Return a signer's certificate that an Edwards key signed."""
        return (
            x509.CertificateBuilder()
            .subject_name(signing.name('signer'))
            .issuer_name(signing.name('root'))
            .public_key(key(2).public_key())
            .serial_number(1)
            .not_valid_before(signing.NOW - DAY)
            .not_valid_after(signing.NOW + DAY)
            .sign(which, None)
        )

    def test_edwards(self) -> None:
        """Ed25519 is no key for images, but one for certificates."""
        issuer, other = (
            ed25519.Ed25519PrivateKey.generate() for _ in range(2)
        )
        root = signing.certificate('root', issuer, 'root', key(0))
        self.verify(self.edwards(issuer), trusted=[root])
        self.assert_refused(
            'the key is not', self.edwards(other), trusted=[root]
        )
        self.assert_refused('the key is not', DIRECT, trusted=[root])
        # Nor does an issuer with another kind of key take it for its own.
        self.assert_refused('the key is not', self.edwards(issuer))

    def test_key_that_cannot_sign(self) -> None:
        """A key for the exchange of keys signs nothing."""
        exchange = x25519.X25519PrivateKey.generate()
        root = signing.certificate('root', exchange, 'root', key(0))
        for signer in (
            DIRECT,
            self.edwards(ed25519.Ed25519PrivateKey.generate()),
        ):
            self.assert_refused('the key is not', signer, trusted=[root])

    def test_signer_with_a_key_that_is_not_for_images(self) -> None:
        """Its kind is told."""
        signer = signing.certificate(
            'signer',
            ed25519.Ed25519PrivateKey.generate(),
            'root',
            key(0),
            extensions=signing.SIGNER,
        )
        error = self.assertRaises(
            exceptions.SignatureError,
            certificates.verify,
            SIGNATURE,
            signing.der(signer),
            [ROOT],
            now=signing.NOW,
        )
        self.assertIn('not used for images', error.reason)


class TestForeignBytes(base.TestCase):
    """What the key manager sends may be anything."""

    def assert_refused(self, data: bytes) -> exceptions.SignatureError:
        """Assert that bytes are no trusted certificate."""
        return self.assertRaises(
            exceptions.SignatureError,
            certificates.verify,
            SIGNATURE,
            data,
            [ROOT],
            now=signing.NOW,
        )

    @base.for_each(
        {
            'nothing': b'',
            'text': b'no certificate',
            'key': signing.pem(key(0).public_key()),
            'mixed': signing.pem(DIRECT, key(0).public_key()),
            'empty_block': b'-----BEGIN CERTIFICATE-----\n'
            b'-----END CERTIFICATE-----\n',
        }
    )
    def test_no_certificate(self, data: bytes) -> None:
        """It is said that it cannot be read."""
        self.assertIn('cannot be read', self.assert_refused(data).reason)

    def test_length(self) -> None:
        """What is much too long is not parsed."""
        data = signing.pem(DIRECT) + b'#' * 2**20
        self.assertIn('longer than', self.assert_refused(data).reason)

    def test_names_are_fit_for_a_terminal(self) -> None:
        """A name may be anything, and long."""
        name = 'signer\x1b[2J'
        signer = signing.certificate(
            name,
            key(2),
            'else\x07' + 'x' * 40,
            key(4),
            extensions=signing.SIGNER,
        )
        message = str(self.assert_refused(signing.der(signer)))
        self.assertTrue(message.isprintable(), message)
        self.assertIn("'signer?[2J'", message)

    @base.EXAMPLES
    @hypothesis.given(
        place=strategies.integers(0, len(signing.der(SIGNER)) - 1),
        byte=strategies.integers(0, 255),
        middle=strategies.booleans(),
    )
    def test_changed_byte(self, place: int, byte: int, middle: bool) -> None:
        """What is signed cannot be changed; what is malformed is refused."""
        good = [signing.der(SIGNER), signing.der(MIDDLE)]
        data = bytearray(good[middle])
        place = min(place, len(data) - 1)
        hypothesis.assume(data[place] != byte)
        data[place] = byte
        try:
            [changed] = keys.read_certificates(bytes(data))
        except keys.unreadable():
            self.assert_refused(bytes(data))
            return
        pair = [SIGNER, MIDDLE]
        said = pair[middle].tbs_certificate_bytes
        pair[middle] = changed
        try:
            certificates.verify(
                SIGNATURE, signing.pem(*pair), [ROOT], now=signing.NOW
            )
        except exceptions.SignatureError:
            return
        # A few bits are not signed, such as the number of unused ones.
        self.assertEqual(said, changed.tbs_certificate_bytes)
