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

"""Chains of certificates as cursive judges them, and as the plugin does."""

import datetime
from typing import Any

from cryptography import x509
from cursive import certificate_utils
from cursive import exception as cursive_exception
import pytest

from openstack_image_stream._check import certificates
from openstack_image_stream._check import signature_properties
from openstack_image_stream import exceptions
from tests import signing

NOW = datetime.datetime.now(datetime.timezone.utc)

DAY = datetime.timedelta(days=1)


def dated(*args: Any, **options: Any) -> x509.Certificate:
    """Make a certificate that is valid today."""
    return signing.certificate(
        *args, **{'start': NOW - DAY, 'end': NOW + DAY, **options}
    )


def links(**changed: dict[str, Any]) -> list[x509.Certificate]:
    """Return a signer, an intermediate and a root, some of them changed."""
    key = [signing.private_key('P-256', n) for n in range(4)]
    parts = {
        'signer': (('signer', key[2], 'middle', key[1]), signing.SIGNER),
        'middle': (('middle', key[1], 'root', key[0]), signing.AUTHORITY),
        'root': (('root', key[0], 'root', key[0]), signing.AUTHORITY),
    }
    return [
        dated(*args, **{'extensions': usual, **changed.get(name, {})})
        for name, (args, usual) in parts.items()
    ]


def limited(path_length: int) -> dict[str, Any]:
    """Return the extensions of an authority with a limit."""
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return {
        'extensions': (
            (constraints, True),
            (signing.usage(key_cert_sign=True), True),
        )
    }


EXPIRED = {'end': NOW - DAY / 2}
FUTURE = {'start': NOW + DAY / 2}

#: Changes of a chain, and the verdicts of cursive and of the plugin. Where
#: these differ, the comment says why.
CHAINS: dict[str, tuple[dict[str, Any], bool, bool]] = {
    'right': ({}, True, True),
    'signer_expired': ({'signer': EXPIRED}, False, False),
    'middle_expired': ({'middle': EXPIRED}, False, False),
    'signer_in_future': ({'signer': FUTURE}, False, False),
    'middle_in_future': ({'middle': FUTURE}, False, False),
    'middle_is_no_authority': (
        {'middle': {'extensions': signing.SIGNER}},
        False,
        False,
    ),
    'middle_says_nothing': ({'middle': {'extensions': ()}}, False, False),
    'middle_without_usage': (
        {'middle': {'extensions': signing.AUTHORITY[:1]}},
        False,
        False,
    ),
    'signer_says_nothing': ({'signer': {'extensions': ()}}, True, True),
    'path_length_suffices': ({'root': limited(1)}, True, True),
    # The next three are about what stands behind a trusted certificate. For
    # nova a trusted intermediate needs a trusted root, too; for the plugin a
    # certificate is trusted or it is not.
    'root_expired': ({'root': EXPIRED}, False, True),
    'root_is_no_authority': (
        {'root': {'extensions': signing.SIGNER}},
        False,
        True,
    ),
    'path_length_of_root': ({'root': limited(0)}, False, True),
    # The plugin also asks what the signer's certificate is for.
    'signer_may_not_sign': (
        {
            'signer': {
                'extensions': ((signing.usage(key_encipherment=True), True),)
            }
        },
        True,
        False,
    ),
    'signer_is_a_web_server': (
        {
            'signer': {
                'extensions': (
                    *signing.SIGNER,
                    (
                        x509.ExtendedKeyUsage(
                            [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
                        ),
                        False,
                    ),
                )
            }
        },
        True,
        False,
    ),
}


def chain_by_cursive(
    signer: x509.Certificate, trusted: list[x509.Certificate]
) -> bool:
    """Return whether cursive accepts a certificate."""
    context = certificate_utils.CertificateVerificationContext(
        [(str(n), certificate) for n, certificate in enumerate(trusted)]
    )
    try:
        context.update(signer)
        context.verify()
    except cursive_exception.SignatureVerificationError:
        return False
    return True


def chain_by_the_plugin(
    signer: x509.Certificate,
    trusted: list[x509.Certificate],
    others: tuple[x509.Certificate, ...] = (),
) -> bool:
    """Return whether the plugin accepts a certificate."""
    signature = signature_properties.Signature('ID', b'x', 'SHA-256', 'DSA')
    try:
        certificates.verify(signature, signing.pem(signer, *others), trusted)
    except exceptions.SignatureError:
        return False
    return True


class TestChains:
    """The certificates that nova's trusted_image_certificates name."""

    @pytest.mark.parametrize('name', CHAINS)
    def test_all_trusted(self, name: str) -> None:
        """All that a chain needs is in the list, as nova has it."""
        changed, by_nova, by_us = CHAINS[name]
        signer, middle, root = links(**changed)
        assert chain_by_cursive(signer, [root, middle]) is by_nova
        assert chain_by_the_plugin(signer, [root, middle]) is by_us

    @pytest.mark.parametrize('name', CHAINS)
    def test_root_trusted(self, name: str) -> None:
        """With the root alone trusted, the plugin is as strict as cursive.

        The intermediate then comes with the signer's certificate, which
        cursive does not know.
        """
        changed, by_nova, by_us = CHAINS[name]
        signer, middle, root = links(**changed)
        accepted = chain_by_the_plugin(signer, [root], (middle,))
        assert accepted is (by_nova and by_us)
        assert not chain_by_the_plugin(signer, [root])
        assert not chain_by_cursive(signer, [root])

    def test_same_name(self) -> None:
        """A root of the same name with another key."""
        signer, middle, _ = links()
        other = signing.private_key('P-256', 3)
        forged = dated('root', other, 'root', other)
        assert not chain_by_cursive(signer, [forged, middle])
        assert not chain_by_the_plugin(signer, [forged], (middle,))

    def test_own_issuer(self) -> None:
        """A certificate that issued itself, and is not trusted."""
        key = signing.private_key('P-256', 3)
        own = dated('own', key, 'own', key, extensions=signing.SIGNER)
        root = links()[2]
        assert not chain_by_cursive(own, [root])
        assert not chain_by_the_plugin(own, [root])

    def test_only_the_intermediate(self) -> None:
        """For nova a chain ends in a root; for the plugin where trust does."""
        signer, middle, _ = links()
        assert not chain_by_cursive(signer, [middle])
        assert chain_by_the_plugin(signer, [middle])

    def test_only_the_signer(self) -> None:
        """A certificate may be trusted itself."""
        signer, _, _ = links()
        assert not chain_by_cursive(signer, [signer])
        assert chain_by_the_plugin(signer, [signer])
