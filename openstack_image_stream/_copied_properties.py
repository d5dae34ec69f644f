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

"""Which properties of an image a copy gets, and which images have none."""

from collections.abc import Mapping
import logging

from openstack_image_stream._common import printing
from openstack_image_stream import _copy_arguments
from openstack_image_stream import exceptions

_LOG = logging.getLogger('openstack.image_stream')

#: Attributes that are carried over as they are.
_CARRIED = ('disk_format', 'container_format', 'min_disk', 'min_ram')

#: What refers to something in the cloud of the original: the instance that a
#: snapshot was taken of, its users, and the images that it boots with.
_REFERENCES = frozenset(
    {
        'base_image_ref',
        'bdm_v2',
        'boot_roles',
        'image_location',
        'image_state',
        'instance_id',
        'instance_uuid',
        'kernel_id',
        'owner_id',
        'owner_project_name',
        'owner_user_name',
        'ramdisk_id',
        'signature_verified',
        'user_id',
    }
)

#: The property by which a volume-backed snapshot names its volumes.
_VOLUMES = 'block_device_mapping'

#: Properties that name a key of the key manager: of cinder, of Glance's
#: encrypted images, and of nova.
_KEYS = (
    'cinder_encryption_key_id',
    'os_encrypt_key_id',
    'hw_ephemeral_encryption_secret_uuid',
)

#: What belongs to such a key.
_OF_KEYS = frozenset(
    {'cinder_encryption_key_deletion_policy', 'os_encrypt_key_deletion_policy'}
)

_SIGNATURE = 'img_signature'


def refuse(
    document: Mapping[str, object], wanted: _copy_arguments.Wanted
) -> None:
    """Refuse an image that cannot be copied.

    :param document: What the source says of it.
    :param wanted: What the caller wants.
    :raises: :exc:`~openstack_image_stream.exceptions.NotCopyableError` when
        it has no data of its own.
    :raises: :exc:`~openstack_image_stream.exceptions.EncryptedImageError`
        when its key is not decided.
    """
    image_id = printing.safe(str(document.get('id')))
    status = printing.safe(str(document.get('status')))
    if document.get(_VOLUMES) and _VOLUMES not in wanted.properties:
        raise exceptions.NotCopyableError(
            f'image {image_id}: its data are snapshots of volumes, which '
            f'{_VOLUMES} refers to and a copy would not have: create an image '
            'of the volume first, and copy that',
            image_id=image_id,
            status=status,
            property_name=_VOLUMES,
        )
    size = document.get('size')
    if not size or status not in ('active', 'deactivated'):
        raise exceptions.NotCopyableError(
            f'image {image_id}: no data to copy (status {status!r}, '
            f'{"unknown size" if size is None else f"{size} bytes"})',
            image_id=image_id,
            status=status,
        )
    keys = tuple(
        name
        for name in _KEYS
        if document.get(name) and name not in wanted.properties
    )
    if keys:
        raise exceptions.EncryptedImageError(
            f'image {image_id}: encrypted with a key of its own cloud '
            f'({", ".join(keys)}): give the key at the destination in '
            'properties, or None there to copy without one',
            image_id=image_id,
            property_names=keys,
        )


def description(
    document: Mapping[str, object],
    wanted: _copy_arguments.Wanted,
    image_id: str,
) -> dict[str, object]:
    """Make what the request to create the copy says.

    :param document: What the source says of the image.
    :param wanted: What the caller wants of the copy.
    :param image_id: ID of the copy.
    :returns: The content of the request.
    """
    made: dict[str, object] = {
        name: document[name]
        for name in _CARRIED
        if document.get(name) is not None
    }
    name = wanted.name if wanted.name is not None else document.get('name')
    if name is not None:
        made['name'] = name
    if wanted.tags and document.get('tags'):
        made['tags'] = document['tags']
    made['id'] = image_id
    made['visibility'] = wanted.visibility
    made.update(_carried_properties(document, wanted))
    made.update(
        (name, value)
        for name, value in wanted.properties.items()
        if value is not None
    )
    return made


def _carried_properties(
    document: Mapping[str, object], wanted: _copy_arguments.Wanted
) -> dict[str, str]:
    carried = {}
    left_out = []
    for name, value in document.items():
        if _copy_arguments.is_attribute(name):
            continue
        # Whatever is no text is an attribute that was not known yet.
        if not isinstance(value, str) or name in wanted.properties:
            continue
        if wanted.keep is not None and name not in wanted.keep:
            continue
        if name.startswith(_SIGNATURE):
            left_out.append(name)
        elif name not in _REFERENCES | _OF_KEYS:
            carried[name] = value
    if left_out:
        _LOG.warning(
            'image %s: %s are not copied: the certificate of the signature '
            'is in the key manager of its own cloud; add them to the active '
            'copy where the other cloud has it',
            printing.safe(str(document.get('id'))),
            printing.safe(', '.join(sorted(left_out))),
        )
    return carried
