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

"""Whether the certificate of a signature is trusted.

:mod:`cryptography` verifies chains of TLS servers, and only in new releases.
So this is by hand, after RFC 5280, section 6, and refuses what it does not
evaluate.
"""

from collections.abc import Sequence
import datetime
from typing import Any, NoReturn, TYPE_CHECKING

from openstack_image_stream._check import certificate_fields
from openstack_image_stream._check import keys
from openstack_image_stream._check import signature_properties
from openstack_image_stream._common import printing
from openstack_image_stream._common import signals

if TYPE_CHECKING:
    from cryptography import x509

#: Certificates of a chain, and certificates that come with the signer's.
_MOST = 10

#: Bytes of what the key manager holds, certificates of the issuers included.
_MOST_BYTES = 256 * 1024

#: Critical extensions that are checked here, or that limit nothing that is
#: done here: names are not compared, policies are not required.
_UNDERSTOOD = {
    '2.5.29.15',  # keyUsage
    '2.5.29.17',  # subjectAltName
    '2.5.29.19',  # basicConstraints
    '2.5.29.32',  # certificatePolicies
    '2.5.29.37',  # extKeyUsage
}

#: Extended key usages that admit to sign an image: anyExtendedKeyUsage and
#: codeSigning.
_SIGNING = {'2.5.29.37.0', '1.3.6.1.5.5.7.3.3'}

#: Hashes for which two certificates with the same signature can be made.
_BROKEN = {'md5', 'sha1'}


def verify(
    signature: signature_properties.Signature,
    data: bytes | str,
    trusted: 'Sequence[x509.Certificate]',
    *,
    now: datetime.datetime | None = None,
) -> 'tuple[keys.PublicKey, ...]':
    """Verify the certificate of a signature.

    Its chain must end in a trusted certificate, which may be the certificate
    itself. Trusted certificates may be links of the chain, too; the chain
    ends at the first one. Each certificate of it is checked: its dates, its
    key usage, its basic constraints, its signature. Revocation is not.

    :param signature: The signature, for messages.
    :param data: The certificate in DER or PEM. In PEM, those of its issuers
        may follow; they are not trusted for that. A text is PEM, too: the
        SDK decodes what a key manager holds as ``text/plain``.
    :param trusted: What the chain may end in.
    :param now: The time, by default that of the machine.
    :returns: The key of the certificate, for
        :func:`openstack_image_stream._check.signatures.check`.
    :raises: :exc:`~openstack_image_stream.exceptions.SignatureError` when it
        is not trusted, with the reason.
    """
    if isinstance(data, str):
        data = data.encode(errors='replace')
    if len(data) > _MOST_BYTES:
        signature.refuse(f'the certificate is longer than {_MOST_BYTES} bytes')
    try:
        certificate, *others = keys.read_certificates(data)
        if len(others) > _MOST:
            signature.refuse(
                f'more than {_MOST} certificates come with that of the signer'
            )
        chain = _Chain(
            signature,
            trusted,
            others,
            now or datetime.datetime.now(datetime.timezone.utc),
        )
        chain.build(certificate)
        key: Any = certificate.public_key()
    except keys.unreadable() as exc:
        if signals.find_raised(exc) is not None:
            raise
        signature.refuse(
            f'a certificate cannot be read: {printing.safe(str(exc))}'
        )
    if keys.kind(key) is None:
        signature.refuse(
            f'the key of the certificate is of type {type(key).__name__}, '
            'which is not used for images'
        )
    return (key,)


class _Chain:
    """A chain of certificates, from the signer's to a trusted one.

    :param signature: The signature, for messages.
    :param trusted: What it may end in.
    :param others: What else it may pass through.
    :param now: The time.
    """

    def __init__(
        self,
        signature: signature_properties.Signature,
        trusted: 'Sequence[x509.Certificate]',
        others: 'Sequence[x509.Certificate]',
        now: datetime.datetime,
    ) -> None:
        self._signature = signature
        self._trusted = trusted
        self._others = others
        self._now = now
        self._certificates: list[x509.Certificate] = []

    def build(self, certificate: 'x509.Certificate') -> None:
        """Find the issuers, up to a trusted one.

        :param certificate: That of the signer.
        :raises: :exc:`.SignatureError` when there is no chain.
        """
        problem = self._problem_of_signer(certificate)
        if problem:
            self._refuse(certificate, problem)
        self._certificates = [certificate]
        while self._certificates[-1] not in self._trusted:
            if len(self._certificates) == _MOST:
                self._signature.refuse(
                    f'the chain has more than {_MOST} certificates'
                )
            issuer = self._issuer_of(self._certificates[-1])
            self._certificates.append(issuer)

    def _refuse(self, certificate: 'x509.Certificate', why: str) -> NoReturn:
        self._signature.refuse(
            f'certificate {certificate_fields.name(certificate.subject)} {why}'
        )

    def _issuer_of(self, issued: 'x509.Certificate') -> 'x509.Certificate':
        """Return the one issuer that is usable; a trusted one comes first."""
        method = issued.signature_hash_algorithm
        if method is not None and method.name in _BROKEN:
            self._refuse(issued, f'is itself signed with {method.name}')
        problems: list[str] = []
        issuer = None
        for candidates in (self._trusted, self._others):
            usable = []
            for candidate in self._that_signed(issued, candidates):
                problem = self._problem_of_issuer(candidate)
                if problem:
                    name = certificate_fields.name(candidate.subject)
                    problems.append(f'{name} {problem}')
                else:
                    usable.append(candidate)
            if len(usable) > 1:
                # Which of them was meant would decide what is trusted.
                self._refuse(
                    issued,
                    f'has more than one possible issuer: {len(usable)} '
                    'different certificates have its name and key',
                )
            if usable:
                issuer = usable[0]
                break
        if issuer is None:
            self._refuse(issued, self._why_none(issued, problems))
        return issuer

    def _that_signed(
        self,
        issued: 'x509.Certificate',
        candidates: 'Sequence[x509.Certificate]',
    ) -> 'list[x509.Certificate]':
        # Those of the chain would make it a circle.
        used = list(self._certificates)
        found = []
        for candidate in candidates:
            if (
                candidate.subject == issued.issuer
                and candidate not in used
                and certificate_fields.signed(candidate, issued)
            ):
                found.append(candidate)
                used.append(candidate)
        return found

    def _why_none(
        self, issued: 'x509.Certificate', problems: list[str]
    ) -> str:
        """Return why a certificate has no usable issuer."""
        if problems:
            return f'has no usable issuer: {problems[0]}'
        if issued.subject == issued.issuer:
            return 'is its own issuer, and is not trusted'
        issuer = certificate_fields.name(issued.issuer)
        if any(
            candidate.subject == issued.issuer
            for candidate in (*self._trusted, *self._others)
        ):
            return (
                f'was issued by another {issuer} than the one given: the name '
                'is the same, the key is not'
            )
        return (
            f'was issued by {issuer}, which is not trusted and whose own '
            'certificate is not given'
        )

    def _problem_of_signer(
        self, certificate: 'x509.Certificate'
    ) -> str | None:
        from cryptography import x509

        usage = certificate_fields.extension(certificate, x509.KeyUsage)
        if usage is not None and not usage.digital_signature:
            return 'may not sign: its key usage lacks digitalSignature'
        extended = certificate_fields.extension(
            certificate, x509.ExtendedKeyUsage
        )
        if extended is not None and not _SIGNING & {
            purpose.dotted_string for purpose in extended
        }:
            return 'may not sign: its extended key usage lacks codeSigning'
        return self._problem_of_any(certificate)

    def _problem_of_issuer(self, candidate: 'x509.Certificate') -> str | None:
        from cryptography import x509

        # As cursive has it: absent is not permitted.
        constraints = certificate_fields.extension(
            candidate, x509.BasicConstraints
        )
        if constraints is None or not constraints.ca:
            return 'may not issue: its basic constraints lack CA'
        usage = certificate_fields.extension(candidate, x509.KeyUsage)
        if usage is None or not usage.key_cert_sign:
            return 'may not issue: its key usage lacks keyCertSign'
        # Those between this one and the signer's, without renewals.
        between = sum(
            below.subject != below.issuer for below in self._certificates[1:]
        )
        most = constraints.path_length
        if most is not None and between > most:
            return f'may issue chains with {most} more authorities only'
        return self._problem_of_any(candidate)

    def _problem_of_any(self, certificate: 'x509.Certificate') -> str | None:
        start, end = certificate_fields.validity(certificate)
        if self._now < start:
            return f'is not valid before {start:%Y-%m-%d %H:%M} UTC'
        if self._now > end:
            return f'expired at {end:%Y-%m-%d %H:%M} UTC'
        for extension in certificate.extensions:
            oid = extension.oid.dotted_string
            if extension.critical and oid not in _UNDERSTOOD:
                return f'has a critical extension that is not checked: {oid}'
        return None
