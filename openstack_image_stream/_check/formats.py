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

"""Whether an image may be used: its content against what it is said to be.

The rules are those of nova (``virt/images.py``), glance (``location.py``) and
ironic (``common/images.py``).
"""

from collections.abc import Collection

from openstack_image_stream._check import detection
from openstack_image_stream._common import printing
from openstack_image_stream import exceptions

#: Formats of parts of a machine image, each of which may hold anything. Their
#: container format has the same name, and means no container.
_AMAZON = ('ami', 'aki', 'ari')

#: Those that are a kernel or its first file system. A Linux kernel has the
#: signature of a partition table, but no partitions.
_KERNELS = ('aki', 'ari')


def allowed_formats(check_format: object) -> frozenset[str] | None:
    """Check the parameter that says which formats are welcome.

    :param check_format: ``True``, or names of formats.
    :returns: The formats that a content may have, ``None`` for all. ``raw``
        admits ``gpt``.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        for anything else, and when the inspectors are missing or too old.
    """
    known = detection.load_inspector().ALL_FORMATS
    if check_format is True:
        return None
    names: frozenset[str] = frozenset()
    if isinstance(check_format, Collection) and not isinstance(
        check_format, (str, bytes)
    ):
        names = frozenset(map(str, check_format))
    if not names or not names <= set(known):
        raise exceptions.InvalidArgumentError(
            'check_format must be True or names of formats '
            f'({", ".join(sorted(known))}), not {check_format!r}'
        )
    return names | {'gpt'} if 'raw' in names else names


def require_checkable(
    disk_format: object,
    container_format: object,
    check_format: object,
    image_id: str,
) -> None:
    """Refuse an image by its metadata, before its data are requested.

    :param disk_format: ``disk_format`` of the image, as it came.
    :param container_format: ``container_format`` of the image, as it came.
    :param check_format: ``True``, or names of formats.
    :param image_id: ID of the image, for messages.
    :raises: :exc:`~openstack_image_stream.exceptions.UncheckableImageError`
        when the format cannot be checked.
    :raises: :exc:`~openstack_image_stream.exceptions.UnsafeImageError` when
        the format is not one of those in ``check_format``.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        for a bad ``check_format``, and when the inspectors are missing.
    """
    allowed = allowed_formats(check_format)
    known = detection.load_inspector().ALL_FORMATS
    disk = _printable(disk_format)
    container = _printable(container_format)
    if container != 'bare' and (container != disk or disk not in _AMAZON):
        reason = f'in a container of format {container}'
    elif disk not in known and disk not in _AMAZON:
        reason = f'of disk_format {disk}'
    else:
        if allowed is not None and disk not in (*allowed, *_AMAZON):
            raise exceptions.UnsafeImageError(
                f'image {image_id}: disk_format is {disk}, allowed are '
                f'{_listed(allowed)}. Nothing was downloaded.',
                announced=disk,
            )
        return
    raise exceptions.UncheckableImageError(
        f'image {image_id}: the content of an image {reason} cannot be '
        'checked. Nothing was downloaded.',
        announced=disk,
        container_format=container,
    )


class FormatObserver:
    """Judges whether the bytes of an image are safe and as announced.

    :param disk_format: ``disk_format`` of the image, as it came.
    :param container_format: ``container_format`` of the image, as it came.
    :param check_format: ``True``, or names of formats that are allowed.
    :param size: Bytes of the image, ``None`` if unknown.
    :param image_id: ID of the image, for messages.
    :raises: what :func:`require_checkable` raises.
    """

    #: See :class:`.Observer`.
    hashing = False

    def __init__(
        self,
        disk_format: object,
        container_format: object,
        check_format: object = True,
        *,
        size: int | None = None,
        image_id: str = '',
    ) -> None:
        require_checkable(
            disk_format, container_format, check_format, image_id
        )
        self._announced = _printable(disk_format)
        self._allowed = allowed_formats(check_format)
        self._image_id = image_id
        self._detector = detection.Detector(size)
        #: Whether the bytes so far are safe and as announced, so that they
        #: may be handed out. The verdict is final, unless the image is a VMDK
        #: with a second header at its end, which :meth:`finish` judges. It
        #: becomes true after :data:`.detection.LIMIT` bytes at the latest.
        self.decided = False

    def update(self, chunk: bytes) -> None:
        """Take the next bytes.

        :param chunk: Any number of bytes.
        :raises: :exc:`~openstack_image_stream.exceptions.UnsafeImageError` as
            soon as it is known that the image is refused, and at every
            later call.
        """
        self._detector.update(chunk)
        if not self.decided and self._detector.decided:
            self._judge(self._detector.findings)

    def finish(self) -> None:
        """Judge the whole.

        :raises: :exc:`~openstack_image_stream.exceptions.UnsafeImageError`
            when the image is refused.
        """
        self._judge(self._detector.finish())

    def _judge(self, found: detection.Findings) -> None:
        self.decided = False
        reason = self._reason_to_refuse(found)
        if reason:
            raise exceptions.UnsafeImageError(
                f'image {self._image_id}: {reason}',
                announced=self._announced,
                detected=found.formats,
                failures=found.failures,
            )
        self.decided = True

    def _reason_to_refuse(self, found: detection.Findings) -> str | None:
        announced, actual = self._announced, found.format
        tolerated = (
            {'mbr'} if announced in _KERNELS and actual == 'gpt' else set()
        )
        unsafe = [
            f'{name} ({text})'
            for name, text in found.failures.items()
            if name not in tolerated
        ]
        if unsafe:
            return f'the content is not safe: {", ".join(unsafe)}'
        if actual is None:
            formats = ' and '.join(found.formats)
            return f'the content has more than one format: {formats}'
        if announced not in (*_AMAZON, actual) and (announced, actual) != (
            'raw',
            'gpt',
        ):
            return f'disk_format is {announced}, but the content is {actual}'
        if self._allowed is not None and actual not in self._allowed:
            return (
                f'the content is {actual}, allowed are '
                f'{_listed(self._allowed)}'
            )
        return None


def _printable(name: object) -> str:
    return printing.safe(str(name))


def _listed(names: Collection[str]) -> str:
    return ', '.join(sorted(names))
