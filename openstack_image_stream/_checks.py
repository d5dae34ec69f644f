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

"""What the bytes of an image are judged by, put together from the options."""

from collections.abc import Callable
import logging

import requests

from openstack_image_stream._check import certificates
from openstack_image_stream._check import digests
from openstack_image_stream._check import formats
from openstack_image_stream._check import hashes
from openstack_image_stream._check import keys
from openstack_image_stream._check import signature_properties
from openstack_image_stream._check import signatures
from openstack_image_stream._common import printing
from openstack_image_stream import _config
from openstack_image_stream import _rules
from openstack_image_stream._sdk import image_info
from openstack_image_stream._sdk import key_manager
from openstack_image_stream._transfer import interfaces
from openstack_image_stream import exceptions

_LOG = logging.getLogger('openstack.image_stream')


class Checks:
    """The checks of one image.

    :param options: The options.
    :param image_id: ID of the image, for messages.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        for keys, certificates and formats that cannot be used.
    """

    def __init__(
        self, options: _config.DownloadOptions, image_id: str
    ) -> None:
        self._image_id = image_id
        self._validate = options['validate_checksum']
        self._allow_md5 = options['allow_md5_fallback']
        self._formats = options['check_format']
        if self._formats is not False:
            formats.allowed_formats(self._formats)
        text = options['expected_digest']
        #: The digest from elsewhere.
        self._elsewhere = None if text is None else digests.parse(text)
        value = options['signed_by']
        self._signers = (
            None if value is None else keys.load(value, 'signed_by')
        )
        value = options['trusted_certificates']
        self._trusted = (
            None
            if value is None
            else keys.load_certificates(value, 'trusted_certificates')
        )
        # After prepare():
        self._info: image_info.ImageInfo
        self._announced: hashes.Expected | None = None
        #: Each with the keys one of which must have signed.
        self._signatures: list[
            tuple[signature_properties.Signature, signatures.PublicKeys]
        ] = []

    @property
    def verified(self) -> bool:
        """Whether all of the bytes are compared with something."""
        return bool(self.digests or self._signatures)

    @property
    def wants_header(self) -> bool:
        """Whether ``Content-MD5`` is what remains to verify the bytes by."""
        return bool(self._validate) and not self.verified

    def prepare(
        self,
        info: image_info.ImageInfo,
        fetch_certificate: Callable[[str], bytes],
    ) -> None:
        """Judge an image by its metadata, before its data are requested.

        :param info: The metadata.
        :param fetch_certificate: Fetches a certificate by its UUID.
        :raises: what :func:`.hashes.choose`, :func:`.signatures.check`,
            :func:`.certificates.verify` and
            :func:`.formats.require_checkable` raise.
        :raises: :exc:`~openstack_image_stream.exceptions.\
UnverifiableImageError` when nothing can verify it and that is required, and
            :exc:`~openstack_image_stream.exceptions.ChecksumMismatchError`
            when the service announces another digest than the expected one.
        """
        self._info = info
        if self._validate:
            self._announced = hashes.choose(
                hash_algo=info.hash_algo,
                hash_value=info.hash_value,
                checksum=info.checksum,
                allow_md5_fallback=self._allow_md5,
            )
            self._compare_digests()
        if self._signers is not None or self._trusted is not None:
            self._signatures = self._find_signatures(info, fetch_certificate)
        if self._validate == _rules.REQUIRED:
            self._require_hash(info)
        # Whatever can be judged already is judged here.
        self.observers()

    def observers(self) -> list[interfaces.Observer]:
        """Return what is to see all bytes of the image.

        :returns: New ones at each call.
        """
        known = self.digests
        found: list[interfaces.Observer] = [
            hashes.DigestObserver(
                expected,
                self._image_id,
                where=(
                    'expected_digest' if expected is self._elsewhere else None
                ),
            )
            for expected in known
        ]
        for signature, several in self._signatures:
            observer = signatures.check(signature, several, known)
            if observer is not None:
                found.append(observer)
        if self._formats is not False:
            found.append(
                formats.FormatObserver(
                    self._info.properties.get('disk_format'),
                    self._info.properties.get('container_format'),
                    self._formats,
                    size=self._info.size,
                    image_id=self._image_id,
                )
            )
        return found

    def use_response(self, response: requests.Response) -> None:
        """Take note of ``Content-MD5``, where nothing else is known.

        :param response: The first one to a request for the data.
        :raises: :exc:`~openstack_image_stream.exceptions.\
UnverifiableImageError` when there is none and one is required.
        """
        if not self.wants_header:
            return
        # That of a part may be of the part (RFC 1864, section 2).
        self._announced = hashes.from_content_md5(
            None
            if response.status_code == 206
            else response.headers.get('Content-MD5')
        )
        if self._announced is None:
            if self._validate == _rules.REQUIRED:
                raise self._unverifiable(
                    'neither the metadata nor the response have a hash. Give '
                    'expected_digest.'
                )
            _LOG.warning(
                'image %s has no hash; its content cannot be verified',
                self._image_id,
            )

    @property
    def digests(self) -> list[hashes.Expected]:
        """The digests that the bytes are compared with, none or more."""
        known = [self._announced, self._elsewhere]
        if self._announced is not None and self._announced == self._elsewhere:
            known.pop()
        return [expected for expected in known if expected is not None]

    def _compare_digests(self) -> None:
        announced, expected = self._announced, self._elsewhere
        if (
            announced is not None
            and expected is not None
            and announced.algorithm.lower() == expected.algorithm
            and announced.value != expected.value
        ):
            raise exceptions.ChecksumMismatchError(
                f'image {self._image_id}: {expected.algorithm} mismatch: '
                f'expected_digest is {expected.value}, the Image service has '
                f'{announced.value}',
                algorithm=expected.algorithm,
                expected=expected.value,
                actual=announced.value,
                image_id=self._image_id,
            )

    def _find_signatures(
        self,
        info: image_info.ImageInfo,
        fetch_certificate: Callable[[str], bytes],
    ) -> 'list[tuple[signature_properties.Signature, signatures.PublicKeys]]':
        signature = signature_properties.read(info.properties, self._image_id)
        found: list[signatures.PublicKeys] = []
        if self._signers is not None:
            found.append(self._signers)
        if self._trusted is not None:
            try:
                data = fetch_certificate(signature.certificate_uuid())
            except key_manager.RefusedError as exc:
                signature.refuse(str(exc))
            found.append(certificates.verify(signature, data, self._trusted))
        return [(signature, keys) for keys in found]

    def _require_hash(self, info: image_info.ImageInfo) -> None:
        # While the service computes a hash it shows the algorithm alone.
        pending = bool(info.hash_algo and not info.hash_value)
        if (
            self._elsewhere is not None
            or self._signatures
            # Or the response has it: see use_response().
            or self._allow_md5
            or (self._announced is not None and not pending)
        ):
            return
        if pending:
            algorithm = printing.safe(str(info.hash_algo))
            raise self._unverifiable(
                f'os_hash_algo is {algorithm} but os_hash_value is empty, as '
                'while the Image service computes the hash. Try again later, '
                'or give expected_digest.',
                algorithm,
            )
        raise self._unverifiable(
            'the Image service has no hash of it. Give expected_digest, or '
            'allow_md5_fallback=True to accept a Content-MD5.'
        )

    def _unverifiable(
        self, reason: str, algorithm: str | None = None
    ) -> exceptions.UnverifiableImageError:
        return exceptions.UnverifiableImageError(
            f'image {self._image_id}: nothing to verify it by, nothing was '
            f'downloaded: {reason}',
            image_id=self._image_id,
            algorithm=algorithm,
        )
