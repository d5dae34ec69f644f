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

"""``openstack image copy``, as a program, with real clouds."""

import json
import os
from typing import Any

import pytest

from tests.functional import conftest
from tests.functional import openstack_program
from tests.servers import cloud

MIB = 1024 * 1024
DATA = os.urandom(3 * MIB + 17)

run = openstack_program.run


@pytest.fixture
def image_id(upload: conftest.Upload) -> str:
    """An image for one test."""
    return upload('to-copy', DATA, os_distro='ubuntu', a='b')


def images_of(connect: conftest.Connect) -> dict[str, Any]:
    """Return the images of the project that is copied to."""
    conn = connect('admin')
    owner = conn.current_project_id
    return {image.id: image for image in conn.image.images(owner=owner)}


class TestCopy:
    """To the cloud of another user."""

    def test_shown(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
    ) -> None:
        """The copy is described, and is there."""
        done = run(
            running_cloud,
            *('copy', image_id, '--to-cloud', 'admin', '-f', 'json'),
        )
        assert (done.returncode, done.stderr) == (0, b'')
        shown = json.loads(done.stdout)
        assert shown['id'] != image_id
        assert (shown['name'], shown['status']) == ('to-copy', 'active')
        assert (shown['visibility'], shown['size']) == ('private', len(DATA))
        copied = images_of(connect)[shown['id']]
        assert copied.hash_value == shown['os_hash_value']
        stored = running_cloud.stored_file(shown['id'])
        assert stored.read_bytes() == DATA

    def test_description(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
    ) -> None:
        """What the user says of the copy holds."""
        done = run(
            running_cloud,
            *('copy', image_id, '--to-cloud', 'admin', '--name', 'other'),
            *('--property', 'os_distro=debian', '--remove-property', 'a'),
            *('--visibility', 'shared', '--protected', '--no-tags'),
            *('-f', 'value', '-c', 'id'),
        )
        assert (done.returncode, done.stderr) == (0, b'')
        copied = images_of(connect)[done.stdout.decode().strip()]
        assert (copied.name, copied.visibility) == ('other', 'shared')
        assert (copied.os_distro, copied.is_protected) == ('debian', True)
        assert 'a' not in copied.properties
        connect('admin').image.update_image(copied.id, is_protected=False)

    def test_damaged(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
    ) -> None:
        """Status 3, and nothing in the other cloud."""
        before = set(images_of(connect))
        with running_cloud.stored_file(image_id).open('r+b') as stored:
            stored.write(bytes([DATA[0] ^ 1]))
        done = run(running_cloud, 'copy', image_id, '--to-cloud', 'admin')
        assert (done.returncode, done.stdout) == (3, b'')
        assert b'sha512 mismatch' in done.stderr
        assert set(images_of(connect)) == before

    @pytest.mark.parametrize(
        'words',
        [
            (),
            ('--to-cloud', 'nowhere'),
            ('--to-cloud', 'admin', '--visibility', 'secret'),
            ('--to-cloud', 'admin', '--image-id', 'mine'),
            (
                *('--to-cloud', 'admin', '--property', 'a=b'),
                *('--remove-property', 'a'),
            ),
        ],
        ids=' '.join,
    )
    def test_bad_options(
        self, running_cloud: cloud.Cloud, image_id: str, words: tuple[str, ...]
    ) -> None:
        """Status 2."""
        done = run(running_cloud, 'copy', image_id, *words)
        assert (done.returncode, done.stdout) == (2, b'')

    def test_help(self, running_cloud: cloud.Cloud) -> None:
        """--help has two examples and the exit statuses."""
        shown = run(running_cloud, 'copy', '--help').stdout.decode()
        assert shown.count('\n  openstack image copy ') == 2
        assert '\nExit status: 0 ' in shown
        assert '--connections' in shown
        assert '--sparse' not in shown
