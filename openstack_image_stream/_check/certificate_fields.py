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

"""What a certificate says, read with any release of cryptography."""

import datetime
from typing import Any, TYPE_CHECKING

from openstack_image_stream._check import keys
from openstack_image_stream._check import signature_properties

if TYPE_CHECKING:
    from cryptography import x509


def extension(certificate: 'x509.Certificate', wanted: Any) -> Any:
    """Return an extension, ``None`` if the certificate has none of it."""
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(wanted).value
    except x509.ExtensionNotFound:
        return None


def validity(
    certificate: 'x509.Certificate',
) -> tuple[datetime.datetime, datetime.datetime]:
    """Return from when to when a certificate is valid."""
    utc = datetime.timezone.utc
    if hasattr(certificate, 'not_valid_before_utc'):
        return (
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
        )
    # Before cryptography 42.
    return (
        certificate.not_valid_before.replace(tzinfo=utc),
        certificate.not_valid_after.replace(tzinfo=utc),
    )


def signed(issuer: 'x509.Certificate', issued: 'x509.Certificate') -> bool:
    """Return whether the key of one certificate signed another."""
    from cryptography import exceptions as crypto_exceptions
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric import padding

    key: Any = issuer.public_key()
    kind = keys.kind(key)
    method = issued.signature_hash_algorithm
    arguments: tuple[Any, ...] = ()
    if method is None:
        # Ed25519 and Ed448 need no hash; X25519 and the like cannot sign.
        if kind is not None or not hasattr(key, 'verify'):
            return False
    elif kind == 'RSA':
        # The parameters tell whether it is PSS. Before 41 there are none, and
        # such a certificate is not read.
        parameters = getattr(issued, 'signature_algorithm_parameters', None)
        if not isinstance(parameters, padding.PSS):
            parameters = padding.PKCS1v15()
        arguments = (parameters, method)
    elif kind == 'EC':
        arguments = (ec.ECDSA(method),)
    elif kind == 'DSA':
        arguments = (method,)
    else:
        return False
    try:
        key.verify(issued.signature, issued.tbs_certificate_bytes, *arguments)
    except crypto_exceptions.InvalidSignature:
        return False
    return True


def name(subject: 'x509.Name') -> str:
    """Return a name as it may stand in a message."""
    return signature_properties.shown(
        ', '.join(str(attribute.value) for attribute in subject)
    )
