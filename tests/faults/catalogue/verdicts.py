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

"""Images that a check has to refuse, and good ones that it must not.

Each is an image of 20 MiB, so that several connections have parts to fetch.
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import hashlib
import lzma
import pathlib
import random
from typing import Any

from tests import signing

_FOLDER = pathlib.Path(__file__).parents[2] / 'data' / 'images'

_SIZE = 20 * 1024 * 1024

_KEY_TYPE = 'ECC_SECP384R1'


@functools.cache
def image_like(name: str) -> bytes:
    """Return an image of the test data, with random bytes at its end.

    :param name: Its name, without the suffix; none for nothing but those.
    """
    begin = b''
    if name:
        begin = lzma.decompress((_FOLDER / f'{name}.xz').read_bytes())
    return begin + random.Random(name).randbytes(_SIZE - len(begin))


@dataclasses.dataclass(frozen=True)
class Verdict:
    """An image, the checks of a download, and what comes of it.

    :param name: A word for it.
    :param image: As for :func:`image_like`.
    :param metadata: What differs from the metadata that belong to the data;
        a function makes a value of the data.
    :param options: Options of the download; a function makes a value of the
        data.
    :param error: The class of the error, ``None`` where the image is good.
    :param before_data: Whether the error comes before the data are requested.
    :param first: Whether not a single byte may be handed out.
    """

    name: str
    image: str = 'qcow2'
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    error: str | None = None
    before_data: bool = False
    first: bool = False

    @property
    def data(self) -> bytes:
        """The bytes of the image."""
        return image_like(self.image)

    def metadata_of(self, data: bytes) -> dict[str, Any]:
        """Return what differs in the metadata."""
        return _made(
            {
                'disk_format': 'qcow2',
                'container_format': 'bare',
                **self.metadata,
            },
            data,
        )

    def options_of(self, data: bytes) -> dict[str, Any]:
        """Return the options of the download."""
        return _made(self.options, data)


def _made(values: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    return {
        key: value(data) if callable(value) else value
        for key, value in values.items()
    }


def _digest(algorithm: str) -> Callable[[bytes], str]:
    return lambda data: (
        f'{algorithm}:{hashlib.new(algorithm, data).hexdigest()}'
    )


def _signature(method: str, *, forged: bool = False) -> dict[str, Any]:
    def value(name: str) -> Callable[[bytes], Any]:
        return lambda data: _properties(data, method, forged)[name]

    return {
        name: value(f'img_signature{name}')
        for name in ('', '_hash_method', '_key_type', '_certificate_uuid')
    }


@functools.lru_cache(maxsize=32)
def _properties(data: bytes, method: str, forged: bool) -> dict[str, Any]:
    signed = data[1:] if forged else data
    return signing.properties(
        signing.sign(signing.private_key(_KEY_TYPE), signed, method),
        _KEY_TYPE,
        method,
    )


def _signed(method: str, *, forged: bool = False) -> dict[str, Any]:
    return {
        f'img_signature{name}': value
        for name, value in _signature(method, forged=forged).items()
    }


def _key(which: int = 0) -> dict[str, Any]:
    # As a function, since keys take time to make.
    return {
        'signed_by': lambda data: signing.private_key(
            _KEY_TYPE, which
        ).public_key()
    }


_NO_HASH = {'os_hash_algo': None, 'os_hash_value': None, 'checksum': None}
_REQUIRED = {'validate_checksum': 'required'}
_SAFE = {'check_format': True}

VERDICTS = [
    # Good images, which have to arrive.
    Verdict('good-required', options=_REQUIRED),
    Verdict(
        'good-same-digest', options={'expected_digest': _digest('sha512')}
    ),
    Verdict(
        'good-other-digest', options={'expected_digest': _digest('sha256')}
    ),
    Verdict(
        'good-no-hash-digest',
        metadata=_NO_HASH,
        options={'expected_digest': _digest('sha256'), **_REQUIRED},
    ),
    Verdict('good-format', options=_SAFE),
    Verdict(
        'good-raw-gpt',
        image='gpt',
        metadata={'disk_format': 'raw'},
        options={'check_format': ['raw']},
    ),
    Verdict('good-signed', metadata=_signed('SHA-512'), options=_key()),
    Verdict('good-signed-other', metadata=_signed('SHA-256'), options=_key()),
    Verdict(
        'good-all',
        metadata=_signed('SHA-256'),
        options={
            'expected_digest': _digest('sha384'),
            **_REQUIRED,
            **_SAFE,
            **_key(),
        },
    ),
    # Nothing to verify by.
    Verdict(
        'no-hash',
        metadata=_NO_HASH,
        options=_REQUIRED,
        error='UnverifiableImageError',
        before_data=True,
    ),
    Verdict(
        'hash-pending',
        metadata={'os_hash_value': None, 'checksum': None},
        options=_REQUIRED,
        error='UnverifiableImageError',
        before_data=True,
    ),
    # Another digest than the one that is expected.
    Verdict(
        'same-digest',
        options={'expected_digest': 'sha512:' + '0' * 128},
        error='ChecksumMismatchError',
        before_data=True,
    ),
    Verdict(
        'other-digest',
        options={'expected_digest': 'sha256:' + '0' * 64},
        error='ChecksumMismatchError',
    ),
    Verdict(
        'no-hash-digest',
        metadata=_NO_HASH,
        options={'expected_digest': 'sha256:' + '0' * 64},
        error='ChecksumMismatchError',
    ),
    # Contents that harm, or are not what they are said to be.
    Verdict(
        'backing-file',
        image='qcow2-backing',
        options=_SAFE,
        error='UnsafeImageError',
        first=True,
    ),
    Verdict(
        'data-file',
        image='qcow2-data-file-json',
        options=_SAFE,
        error='UnsafeImageError',
        first=True,
    ),
    Verdict(
        'qcow2-as-raw',
        metadata={'disk_format': 'raw'},
        options=_SAFE,
        error='UnsafeImageError',
        first=True,
    ),
    Verdict(
        'raw-as-qcow2',
        image='',
        options=_SAFE,
        error='UnsafeImageError',
        first=True,
    ),
    Verdict(
        'not-allowed',
        options={'check_format': ['raw']},
        error='UnsafeImageError',
        before_data=True,
    ),
    Verdict(
        'in-a-container',
        metadata={'container_format': 'ova'},
        options=_SAFE,
        error='UncheckableImageError',
        before_data=True,
    ),
    Verdict(
        'unknown-format',
        metadata={'disk_format': 'ploop'},
        options=_SAFE,
        error='UncheckableImageError',
        before_data=True,
    ),
    # Signatures that do not hold.
    Verdict(
        'unsigned', options=_key(), error='SignatureError', before_data=True
    ),
    Verdict(
        'forged',
        metadata=_signed('SHA-512', forged=True),
        options=_key(),
        error='SignatureError',
        before_data=True,
    ),
    Verdict(
        'forged-other',
        metadata=_signed('SHA-256', forged=True),
        options=_key(),
        error='SignatureError',
    ),
    Verdict(
        'other-signer',
        metadata=_signed('SHA-256'),
        options=_key(which=1),
        error='SignatureError',
    ),
]
