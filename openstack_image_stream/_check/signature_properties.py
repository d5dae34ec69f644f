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

"""The signature of an image, as its properties tell it.

Four properties hold it; `Glance
<https://docs.openstack.org/glance/latest/user/signature.html>`_ and nova
define them. What is accepted is what cursive, which both use, accepts.
"""

import base64
from collections.abc import Mapping
import dataclasses
from typing import Any, NoReturn
import uuid

from openstack_image_stream._common import printing
from openstack_image_stream._common import signals
from openstack_image_stream import exceptions

SIGNATURE = 'img_signature'
HASH_METHOD = 'img_signature_hash_method'
KEY_TYPE = 'img_signature_key_type'
CERTIFICATE_UUID = 'img_signature_certificate_uuid'

#: What a hash method is called in :mod:`hashlib` and in ``os_hash_algo``.
HASH_METHODS = {
    'SHA-224': 'sha224',
    'SHA-256': 'sha256',
    'SHA-384': 'sha384',
    'SHA-512': 'sha512',
}

#: Which kind of key each type of key is. Any curve will do for any of the
#: elliptic ones, as in cursive: which key it is decides, not its name.
KEY_TYPES = {
    'RSA-PSS': 'RSA',
    'DSA': 'DSA',
    'ECC_SECP384R1': 'EC',
    'ECC_SECP521R1': 'EC',
    'ECC_SECT409K1': 'EC',
    'ECC_SECT409R1': 'EC',
    'ECC_SECT571K1': 'EC',
    'ECC_SECT571R1': 'EC',
}

#: How much of a foreign value stands in a message.
_SHOWN = 80


@dataclasses.dataclass(frozen=True)
class Signature:
    """What the properties of an image say about its signature.

    :param image_id: ID of the image.
    :param value: The signature.
    :param hash_method: One of :data:`HASH_METHODS`.
    :param key_type: One of :data:`KEY_TYPES`.
    :param certificate: ``img_signature_certificate_uuid`` as it came; see
        :meth:`certificate_uuid`.
    """

    image_id: str
    value: bytes
    hash_method: str
    key_type: str
    certificate: object = None

    @property
    def algorithm(self) -> str:
        """Name of the hash for :func:`hashlib.new`."""
        return HASH_METHODS[self.hash_method]

    def certificate_uuid(self) -> str:
        """Return the UUID of the certificate, fit for a URL.

        Only those need it who get the certificate from the key manager.

        :raises: :exc:`~openstack_image_stream.exceptions.SignatureError`
            when it is missing or malformed.
        """
        text = _text_of(
            {CERTIFICATE_UUID: self.certificate},
            CERTIFICATE_UUID,
            self.image_id,
        )
        try:
            return str(uuid.UUID(text))
        except ValueError as exc:
            if signals.find_raised(exc) is not None:
                raise
            _refuse_property(
                self.image_id, CERTIFICATE_UUID, f'{shown(text)} is no UUID'
            )

    def refuse(self, reason: str) -> NoReturn:
        """Raise an error for this signature.

        :param reason: What is wrong, for a person; already fit to print.
        """
        raise exceptions.SignatureError(
            f'image {self.image_id}: signature refused ({self.key_type} with '
            f'{self.hash_method}): {reason}',
            image_id=self.image_id,
            key_type=self.key_type,
            hash_method=self.hash_method,
            reason=reason,
        )


def read(properties: Mapping[str, Any], image_id: str) -> Signature:
    """Read the signature in the properties of an image.

    :param properties: The properties, as Glance sent them.
    :param image_id: ID of the image, fit for a message.
    :returns: The signature. Whether it is right is not known yet.
    :raises: :exc:`~openstack_image_stream.exceptions.SignatureError` when a
        property is missing or malformed.
    """
    text = _text_of(properties, SIGNATURE, image_id)
    hash_method = _text_of(properties, HASH_METHOD, image_id)
    key_type = _text_of(properties, KEY_TYPE, image_id)
    value = b''
    with signals.suppress(ValueError):
        # Not strict, since cursive is not: line breaks are allowed.
        value = base64.b64decode(text)
    if not value:
        _refuse_property(image_id, SIGNATURE, f'{shown(text)} is not base64')
    if hash_method not in HASH_METHODS:
        _refuse_property(
            image_id,
            HASH_METHOD,
            f'{shown(hash_method)} is none of {", ".join(HASH_METHODS)}',
        )
    if key_type not in KEY_TYPES:
        _refuse_property(
            image_id,
            KEY_TYPE,
            f'{shown(key_type)} is none of {", ".join(KEY_TYPES)}',
        )
    if key_type.startswith('ECC_SECT') and not _has_curve(key_type[4:]):
        _refuse_property(
            image_id,
            KEY_TYPE,
            f'{shown(key_type)} is not supported by the installed '
            'cryptography library',
        )
    certificate = properties.get(CERTIFICATE_UUID)
    return Signature(image_id, value, hash_method, key_type, certificate)


def _text_of(properties: Mapping[str, Any], name: str, image_id: str) -> str:
    value = properties.get(name)
    if value is None or value == '':
        _refuse_property(image_id, name, 'missing')
    if not isinstance(value, str):
        _refuse_property(image_id, name, f'{shown(value)} is not a text')
    return value


def _refuse_property(image_id: str, name: str, reason: str) -> NoReturn:
    raise exceptions.SignatureError(
        f'image {image_id}: signature cannot be verified: property {name}: '
        f'{reason}',
        image_id=image_id,
        property_name=name,
        reason=reason,
    )


def shown(value: object) -> str:
    """Return a foreign value as it may stand in a message."""
    text = printing.safe(str(value))
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + '...')


def _has_curve(name: str) -> bool:
    """Return whether cryptography has a curve; 47 dropped the binary ones."""
    from cryptography.hazmat import backends
    from cryptography.hazmat.primitives.asymmetric import ec

    curve = getattr(ec, name, None)
    return curve is not None and bool(
        backends.default_backend().elliptic_curve_supported(curve())
    )
