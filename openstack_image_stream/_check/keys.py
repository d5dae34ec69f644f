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

"""Public keys and certificates, read from files and objects.

Only names are used that :mod:`cryptography` has had since 2.7, the oldest
release that openstacksdk accepts. It is imported where it is needed, since few
downloads need it.
"""

from collections.abc import Iterable, Iterator
import os
import re
from typing import Any, TYPE_CHECKING, TypeAlias

from openstack_image_stream._common import printing
from openstack_image_stream._common import signals
from openstack_image_stream import exceptions

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import dsa
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography import x509

    PublicKey: TypeAlias = (
        rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey
    )

#: A block of a PEM file (RFC 7468); what is outside of blocks is a comment.
_BLOCK = re.compile(
    rb'-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----', re.DOTALL
)

_CERTIFICATES = {b'CERTIFICATE', b'X509 CERTIFICATE'}

_PUBLIC_KEYS = {b'PUBLIC KEY', b'RSA PUBLIC KEY'}


def load(value: object, option: str) -> 'tuple[PublicKey, ...]':
    """Return the public keys that an option names.

    Of a certificate only the key counts: a caller who names it here trusts it,
    whatever its dates and its issuer are.

    :param value: Path of a PEM file, which holds certificates or public keys;
        a certificate or a public key of :mod:`cryptography`; or several of
        these.
    :param option: Name of the option, for messages.
    :returns: At least one key.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        for anything else.
    """
    from cryptography import x509

    keys = []
    for thing in _things(value, option):
        key = thing
        if isinstance(thing, x509.Certificate):
            try:
                key = thing.public_key()
            except unreadable() as exc:
                if signals.find_raised(exc) is not None:
                    raise
                raise exceptions.InvalidArgumentError(
                    f'{option}: the key of a certificate cannot be read: '
                    f'{printing.safe(str(exc))}'
                ) from exc
        if kind(key) is None:
            raise exceptions.InvalidArgumentError(
                f'{option}: the key is of type {type(key).__name__}, not an '
                'RSA, DSA or elliptic curve key'
            )
        keys.append(key)
    return tuple(keys)


def load_certificates(
    value: object, option: str
) -> 'tuple[x509.Certificate, ...]':
    """Return the certificates that an option names.

    :param value: Path of a PEM file, which holds certificates; a certificate
        of :mod:`cryptography`; or several of these.
    :param option: Name of the option, for messages.
    :returns: At least one certificate.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        for anything else.
    """
    from cryptography import x509

    things = tuple(_things(value, option))
    for thing in things:
        if not isinstance(thing, x509.Certificate):
            raise exceptions.InvalidArgumentError(
                f'{option}: a certificate is needed, not a public key alone'
            )
    return things


def _things(value: object, option: str) -> Iterator[Any]:
    """Yield keys and certificates, one at least."""
    several = isinstance(value, Iterable) and not isinstance(
        value, str | bytes | bytearray | os.PathLike
    )
    found = False
    for item in value if several else (value,):  # type: ignore[attr-defined]
        if isinstance(item, str | os.PathLike):
            things = _read_file(item, option)
        else:
            things = [_checked(item, option)]
        for thing in things:
            found = True
            yield thing
    if not found:
        raise exceptions.InvalidArgumentError(
            f'{option}: no key and no certificate is given'
        )


def _checked(item: Any, option: str) -> Any:
    from cryptography import x509

    if isinstance(item, x509.Certificate) or kind(item) is not None:
        return item
    raise exceptions.InvalidArgumentError(
        f'{option}: the path of a PEM file, or a certificate or an RSA, DSA '
        'or elliptic curve public key of cryptography is needed, not '
        f'{type(item).__name__}'
    )


def _read_file(path: 'str | os.PathLike[Any]', option: str) -> list[Any]:
    shown = f'{option}: {os.fspath(path)!r}'
    if '-----BEGIN' in str(path):
        # A text that is no file name should not become part of a message.
        raise exceptions.InvalidArgumentError(
            f'{option}: the path of a PEM file is needed, not its content'
        )
    try:
        with open(path, 'rb') as file:
            data = file.read()
    except (OSError, ValueError) as exc:
        if signals.find_raised(exc) is not None:
            raise
        raise exceptions.InvalidArgumentError(
            f'{shown} cannot be read: {getattr(exc, "strerror", exc)}'
        ) from exc
    try:
        things = [_read_block(block) for block in _BLOCK.finditer(data)]
    except unreadable() as exc:
        if signals.find_raised(exc) is not None:
            raise
        raise exceptions.InvalidArgumentError(
            f'{shown}: {printing.safe(str(exc))}'
        ) from exc
    if not things:
        raise exceptions.InvalidArgumentError(
            f'{shown} is not a PEM file of certificates or public keys'
        )
    return things


def _read_block(block: re.Match[bytes]) -> Any:
    from cryptography.hazmat import backends
    from cryptography.hazmat.primitives import serialization
    from cryptography import x509

    label = block[1]
    # Before 3.1 the backend has no default.
    if label in _CERTIFICATES:
        return x509.load_pem_x509_certificate(
            block[0], backends.default_backend()
        )
    if label in _PUBLIC_KEYS:
        return serialization.load_pem_public_key(
            block[0], backends.default_backend()
        )
    raise ValueError(
        f'holds a block {label.decode()}, not only certificates and public '
        'keys'
    )


def read_certificates(data: bytes) -> 'list[x509.Certificate]':
    """Read certificates that came from elsewhere.

    :param data: One in DER, or one or more in PEM.
    :returns: At least one certificate.
    :raises: one of :func:`unreadable` when it is none of these.
    """
    from cryptography.hazmat import backends
    from cryptography import x509

    blocks = list(_BLOCK.finditer(data))
    if not blocks:
        return [
            x509.load_der_x509_certificate(data, backends.default_backend())
        ]
    for block in blocks:
        if block[1] not in _CERTIFICATES:
            raise ValueError('holds something else than certificates')
    return [_read_block(block) for block in blocks]


def unreadable() -> tuple[type[Exception], ...]:
    """Return the errors of a certificate or key that is malformed.

    cryptography reads the parts of a certificate when they are asked for, so
    these may come late.
    """
    from cryptography import exceptions as crypto_exceptions
    from cryptography import x509

    return (
        ValueError,
        TypeError,
        # Names whose texts have an unknown type.
        KeyError,
        OverflowError,
        crypto_exceptions.UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    )


def kind(key: object) -> str | None:
    """Return whether a public key is ``RSA``, ``DSA`` or ``EC``.

    :returns: ``None`` for anything else.
    """
    from cryptography.hazmat.primitives.asymmetric import dsa
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric import rsa

    if isinstance(key, rsa.RSAPublicKey):
        return 'RSA'
    if isinstance(key, dsa.DSAPublicKey):
        return 'DSA'
    if isinstance(key, ec.EllipticCurvePublicKey):
        return 'EC'
    return None
