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

"""What an audit is called with: images, jobs, and options."""

from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from openstack_image_stream import _checks
from openstack_image_stream import _config
from openstack_image_stream import _rules
from openstack_image_stream._sdk import compat
from openstack_image_stream import exceptions


class AuditOptions(_config.TransferOptions, total=False):
    """The options of a download that an audit has, too.

    See :class:`.DownloadOptions`.
    """

    validate_checksum: bool | Literal['required']
    check_format: bool | Sequence[str]
    signed_by: Any
    trusted_certificates: Any


def check(
    images: Any, jobs: Any, options: _config.DownloadOptions, kinds: Any
) -> None:
    """Check what an audit is called with.

    :param images: As a caller gave them.
    :param jobs: Likewise.
    :param options: All options.
    :param kinds: The classes that an image may be given as.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when the audit cannot work.
    """
    if not _rules.JOBS.holds(jobs):
        raise exceptions.InvalidArgumentError(
            f'jobs must be {_rules.JOBS.words}, not {_config.shown(jobs)}'
        )
    # A text is an iterable of texts to Python, a resource one of its names.
    if images is not None and (
        isinstance(images, (str, bytes, Mapping))
        or not isinstance(images, Iterable)
    ):
        raise exceptions.InvalidArgumentError(
            'images must be a list of IDs and images, or None for all that '
            f'there are, not {_config.shown(images)}'
        )
    if isinstance(images, Collection):
        for image in images:
            _check_image(image, kinds)
    # Keys, certificates and names of formats.
    _checks.Checks(options, 'any')


def listed(
    images: Callable[[], Iterable[Any]], make: Callable[[str], Any]
) -> Iterator[Any]:
    """Yield the images that the Image service lists.

    :param images: Requests the list.
    :param make: Makes a resource of an ID.
    """
    # At once: the image that a later page would begin after may have been
    # deleted by the time that it is needed.
    found = [(image.id, image.name) for image in images()]
    for image_id, name in found:
        image = make(image_id)
        compat.update(image, name=name)
        yield image


def given(
    images: Iterable[Any], make: Callable[[str], Any], kinds: Any
) -> Iterator[Any]:
    """Yield the images that a caller gives.

    :param images: IDs and resources.
    :param make: Makes a resource of an ID. The caller's are not changed by
        other threads.
    :param kinds: The classes that an image may be given as.
    """
    for image in images:
        _check_image(image, kinds)
        if isinstance(image, str):
            yield make(image)
            continue
        made = make(image.id)
        # The hashes that its holder knows shall be those that count.
        compat.update(
            made,
            name=image.name,
            hash_algo=image.hash_algo,
            hash_value=image.hash_value,
            checksum=image.checksum,
        )
        yield made


def _check_image(image: Any, kinds: Any) -> None:
    if not isinstance(image, kinds) or not image:
        raise exceptions.InvalidArgumentError(
            f'each image must be an ID or an image, not {_config.shown(image)}'
        )
