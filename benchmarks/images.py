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

"""The images that are downloaded, and the upload of them."""

import base64
import collections.abc
import dataclasses
import functools
import hashlib
import pathlib
import typing

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from keystoneauth1 import session

from benchmarks import contents
from tests.servers import cloud

MIB = contents.MIB

#: What an image without a certificate in a key manager may have there.
_CERTIFICATE = '00000000-0000-4000-8000-000000000000'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image:
    """An image that the service has.

    :param stored: The file that Glance keeps its data in.
    :param signer: The public key that its signature is of, in a file.
    """

    id: str
    size: int
    md5: str
    sha512: str
    stored: pathlib.Path
    signer: pathlib.Path

    @functools.cached_property
    def sha256(self) -> str:
        """Digest that the service does not have."""
        digest = hashlib.sha256()
        with self.stored.open('rb') as file:
            while chunk := file.read(MIB):
                digest.update(chunk)
        return digest.hexdigest()

    def filled_in(self, option: typing.Any) -> typing.Any:
        """Return an option with what this has in place of names."""
        if not isinstance(option, str):
            return option
        for name in ('sha512', 'sha256', 'signer'):
            # Only what is named is computed.
            if f'{{{name}}}' in option:
                value = str(getattr(self, name))
                option = option.replace(f'{{{name}}}', value)
        return option


class Uploader:
    """Uploads and signs images.

    :param running: The cloud.
    :param client: Logged in there.
    :param directory: For what is written on the way; exists.
    """

    def __init__(
        self,
        running: cloud.Cloud,
        client: session.Session,
        directory: pathlib.Path,
    ) -> None:
        self._running = running
        self._client = client
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP384R1())
        self._signer = directory / 'signer.pem'
        self._signer.write_bytes(
            self._key.public_key().public_bytes(
                serialization.Encoding.PEM,
                serialization.PublicFormat.SubjectPublicKeyInfo,
            )
        )

    def upload(self, content: str, size: int, number: int) -> Image:
        """Upload an image.

        :param content: As in :class:`benchmarks.plan.Task`.
        :param size: In MiB.
        :param number: Tells images of one size apart.
        """
        name = f'{content}-{size}-{number}'
        if content == 'random':
            image_id = self._running.upload(
                name, lambda: contents.RandomBytes(size * MIB, number)
            )
        else:
            path = self._directory / name
            contents.WRITERS[content](path, size * MIB)
            image_id = self._running.upload(name, path)
            path.unlink()
        url = f'{self._running.image_url}/v2/images/{image_id}'
        described = self._client.get(url).json()
        self._sign(url, described['os_hash_value'])
        return Image(
            id=image_id,
            size=described['size'],
            md5=described['checksum'],
            sha512=described['os_hash_value'],
            stored=self._running.stored_file(image_id),
            signer=self._signer,
        )

    def _sign(self, url: str, sha512: str) -> None:
        signature = self._key.sign(
            bytes.fromhex(sha512),
            ec.ECDSA(utils.Prehashed(hashes.SHA512())),
        )
        properties = {
            'img_signature': base64.b64encode(signature).decode(),
            'img_signature_hash_method': 'SHA-512',
            'img_signature_key_type': 'ECC_SECP384R1',
            'img_signature_certificate_uuid': _CERTIFICATE,
        }
        self._client.patch(
            url,
            json=[
                {'op': 'add', 'path': f'/{name}', 'value': value}
                for name, value in properties.items()
            ],
            headers={
                'Content-Type': 'application/openstack-images-v2.1-json-patch'
            },
        )


def upload_all(
    uploader: Uploader,
    needed: collections.abc.Mapping[tuple[str, int], int],
    report: collections.abc.Callable[[str], None],
) -> dict[tuple[str, int], list[Image]]:
    """Upload images.

    :param needed: How many, by content and size.
    :param report: Called with a text for each kind.
    """
    images = {}
    for (content, size), count in sorted(needed.items()):
        report(f'Uploading {count} x {size} MiB ({content})')
        images[content, size] = [
            uploader.upload(content, size, number) for number in range(count)
        ]
    return images
