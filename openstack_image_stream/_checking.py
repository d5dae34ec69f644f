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

"""What has to judge bytes that are said to be an image."""

from collections.abc import Mapping
from typing import Any

from openstack_image_stream._check import digests
from openstack_image_stream._check import formats
from openstack_image_stream._check import hashes
from openstack_image_stream._check import keys
from openstack_image_stream._check import signature_properties
from openstack_image_stream._check import signatures
from openstack_image_stream import _context
from openstack_image_stream._transfer import interfaces
from openstack_image_stream import exceptions


class Checker:
    """Finds what has to judge bytes that are said to be an image.

    :param context: The image.
    :param options: ``expected_digest``, ``signed_by`` and ``check_format``
        count, where they are given.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when one of them cannot be read.
    """

    def __init__(
        self, context: _context.Context, options: Mapping[str, Any]
    ) -> None:
        self._context = context
        self._given: hashes.Expected | None = None
        digest = options.get('expected_digest')
        if digest is not None:
            self._given = hashes.Expected(*digests.parse(digest))
        signed_by = options.get('signed_by')
        self._keys = (
            None if signed_by is None else keys.load(signed_by, 'signed_by')
        )
        self._check_format = options.get('check_format')
        #: The digests that the bytes are compared with.
        self.digests: list[hashes.Expected] = []

    @property
    def conclusive(self) -> bool:
        """Whether bytes that pass are those of the image."""
        return bool(self.digests) or self._keys is not None

    def observers(self) -> list[interfaces.Observer]:
        """Compare what the metadata tell, and make observers for the rest.

        :returns: What has yet to see the bytes.
        :raises: :exc:`~openstack_image_stream.exceptions.\
ChecksumMismatchError`, :exc:`~openstack_image_stream.exceptions.\
SignatureError` and other errors when the metadata are refused already.
        """
        info, image_id = self._context.info, self._context.image_id
        self.digests = [
            digest
            for digest in (self._context.expected, self._given)
            if digest is not None
        ]
        if len(self.digests) == 2 and self._is_the_same(*self.digests):
            self.digests.pop()
        observers: list[interfaces.Observer] = [
            hashes.DigestObserver(digest, image_id) for digest in self.digests
        ]
        if self._keys is not None:
            signature = signature_properties.read(info.properties, image_id)
            observer = signatures.check(signature, self._keys, self.digests)
            if observer is not None:
                observers.append(observer)
        if self._check_format:
            observers.append(
                formats.FormatObserver(
                    info.properties.get('disk_format'),
                    info.properties.get('container_format'),
                    self._check_format,
                    size=info.size,
                    image_id=image_id,
                )
            )
        return observers

    def _is_the_same(
        self, announced: hashes.Expected, given: hashes.Expected
    ) -> bool:
        if announced.algorithm.lower() != given.algorithm:
            return False
        if announced.value != given.value:
            raise exceptions.ChecksumMismatchError(
                f'image {self._context.image_id}: {given.algorithm} mismatch: '
                f'expected_digest is {given.value}, the Image service has '
                f'{announced.value}',
                algorithm=given.algorithm,
                expected=given.value,
                actual=announced.value,
                image_id=self._context.image_id,
            )
        return True
