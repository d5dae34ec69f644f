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

"""Tests of the properties that a copy gets."""

from typing import Any

from openstack_image_stream import _copied_properties
from openstack_image_stream import _copy_arguments
from tests.unit import base

#: A snapshot of an instance as nova makes it, with what users add.
SNAPSHOT: dict[str, Any] = {
    'id': 'source',
    'name': 'snapshot',
    'status': 'active',
    'visibility': 'public',
    'protected': True,
    'os_hidden': True,
    'owner': 'them',
    'size': 7,
    'virtual_size': 9,
    'disk_format': 'qcow2',
    'container_format': 'bare',
    'min_disk': 20,
    'min_ram': 512,
    'tags': ['one', 'two'],
    'checksum': 'aa',
    'os_hash_algo': 'sha512',
    'os_hash_value': 'bb',
    'created_at': '2026-01-01T00:00:00Z',
    'updated_at': '2026-01-01T00:00:00Z',
    'self': '/v2/images/source',
    'file': '/v2/images/source/file',
    'schema': '/v2/schemas/image',
    'direct_url': 'rbd://a',
    'locations': [{'url': 'rbd://a'}],
    'stores': 'fast',
    'os_glance_importing_to_stores': '',
    'base_image_ref': 'base',
    'image_type': 'snapshot',
    'instance_uuid': 'instance',
    'boot_roles': 'member',
    'user_id': 'user',
    'owner_user_name': 'user',
    'kernel_id': 'kernel',
    'ramdisk_id': 'ramdisk',
    'cinder_encryption_key_deletion_policy': 'on_image_deletion',
    'os_distro': 'debian',
    'os_version': '12',
    'hw_disk_bus': 'virtio',
    'hw_qemu_guest_agent': 'yes',
    'owner_specified.openstack.md5': '',
    'of_the_future': ['not', 'a', 'text'],
}

CARRIED = {
    'name': 'snapshot',
    'disk_format': 'qcow2',
    'container_format': 'bare',
    'min_disk': 20,
    'min_ram': 512,
    'tags': ['one', 'two'],
    'image_type': 'snapshot',
    'os_distro': 'debian',
    'os_version': '12',
    'hw_disk_bus': 'virtio',
    'hw_qemu_guest_agent': 'yes',
    'owner_specified.openstack.md5': '',
}


def described(document: dict[str, Any], **wanted: Any) -> dict[str, object]:
    """Return the description of a copy."""
    return _copied_properties.description(
        document, _copy_arguments.Wanted(**wanted), 'new'
    )


class TestCarried(base.TestCase):
    """What of the original the copy has."""

    def test_snapshot(self) -> None:
        """What belongs to the record or the cloud is left out."""
        self.assertEqual(
            {**CARRIED, 'id': 'new', 'visibility': 'private'},
            described(SNAPSHOT),
        )

    def test_every_reference(self) -> None:
        """None of the names that refer to the source's cloud is carried."""
        document = dict.fromkeys(
            (
                'bdm_v2',
                'image_location',
                'image_state',
                'instance_id',
                'owner_id',
                'owner_project_name',
                'signature_verified',
                'os_encrypt_key_deletion_policy',
                'os_hash_x',
                'os_glance_x',
            ),
            'x',
        )

        self.assertEqual(
            {'id': 'new', 'visibility': 'private'}, described(document)
        )

    def test_without_a_name(self) -> None:
        """An image need not have one."""
        self.assertNotIn('name', described({'name': None}))

    def test_minimum_of_zero(self) -> None:
        """It is a value, too."""
        self.assertEqual(0, described({'min_disk': 0})['min_disk'])


class TestSignature(base.TestCase):
    """The signature of an image."""

    SIGNED: dict[str, Any] = {
        'id': 'source',
        'img_signature': 'x',
        'img_signature_key_type': 'RSA-PSS',
        'os_distro': 'debian',
    }

    def test_left_out_with_a_warning(self) -> None:
        """Its certificate is in the other key manager."""
        made = described(self.SIGNED)

        self.assertEqual({'id', 'visibility', 'os_distro'}, set(made))
        self.assertIn('img_signature_key_type', self.log.output)

    def test_set_by_the_caller(self) -> None:
        """The caller has the certificate at the destination."""
        names = {'img_signature': 'x', 'img_signature_key_type': 'DSA'}

        made = described(self.SIGNED, properties=names)

        self.assertEqual('DSA', made['img_signature_key_type'])
        self.assertEqual('', self.log.output)


class TestWanted(base.TestCase):
    """What the caller changes."""

    def test_keep(self) -> None:
        """Other properties are left out, attributes stay."""
        made = described(SNAPSHOT, keep={'os_distro', 'unknown', 'user_id'})

        self.assertEqual('debian', made['os_distro'])
        self.assertNotIn('os_version', made)
        self.assertNotIn('user_id', made)
        self.assertEqual(20, made['min_disk'])

    def test_keep_nothing(self) -> None:
        """An empty list is not the default."""
        self.assertNotIn('os_distro', described(SNAPSHOT, keep=set()))

    def test_properties(self) -> None:
        """They replace, add and drop."""
        made = described(
            SNAPSHOT,
            properties={'os_distro': 'ubuntu', 'new': 'x', 'os_version': None},
        )

        self.assertEqual('ubuntu', made['os_distro'])
        self.assertEqual('x', made['new'])
        self.assertNotIn('os_version', made)

    def test_properties_that_are_not_kept(self) -> None:
        """What the caller sets is set."""
        made = described(SNAPSHOT, keep=set(), properties={'a': 'b'})

        self.assertEqual('b', made['a'])

    def test_references(self) -> None:
        """The caller may know another kernel."""
        made = described(SNAPSHOT, properties={'kernel_id': 'other'})

        self.assertEqual('other', made['kernel_id'])

    def test_no_tags(self) -> None:
        """They are left out where they are not wanted."""
        self.assertNotIn('tags', described(SNAPSHOT, tags=False))

    def test_name(self) -> None:
        """An empty one is a name."""
        self.assertEqual('', described(SNAPSHOT, name='')['name'])
