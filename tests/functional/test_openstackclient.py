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

"""``openstack image save`` through the plugin, with the hook alone."""

import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

from tests.servers import cloud

MIB = 1024 * 1024
DATA = os.urandom(9 * MIB + 17)

_PROGRAM = 'openstackclient.shell'


def _save(
    running_cloud: cloud.Cloud, *arguments: str, cloud_name: str = 'stream'
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, '-m', _PROGRAM, 'image', 'save', *arguments],
        env=running_cloud.environment(cloud_name),
        capture_output=True,
        check=False,
    )


@pytest.fixture
def image_id(running_cloud: cloud.Cloud) -> str:
    """An image for one test."""
    return running_cloud.upload('save', DATA)


class TestSave:
    """Saving an image from the command line."""

    def test_to_a_file(
        self, running_cloud: cloud.Cloud, image_id: str, tmp_path: pathlib.Path
    ) -> None:
        """--file gives the bytes and nothing beside them."""
        done = _save(running_cloud, '--file', str(tmp_path / 'f'), image_id)
        assert (done.returncode, done.stderr) == (0, b'')
        assert (tmp_path / 'f').read_bytes() == DATA
        assert os.listdir(tmp_path) == ['f']

    def test_to_standard_output(
        self, running_cloud: cloud.Cloud, image_id: str
    ) -> None:
        """Without --file the bytes come on standard output."""
        done = _save(running_cloud, image_id)
        assert (done.returncode, done.stderr) == (0, b'')
        assert hashlib.sha256(done.stdout).digest() == (
            hashlib.sha256(DATA).digest()
        )

    def test_the_plugin_is_what_runs(
        self, running_cloud: cloud.Cloud, image_id: str, tmp_path: pathlib.Path
    ) -> None:
        """A damaged image leaves no file; without the hook it does."""
        with running_cloud.stored_file(image_id).open('r+b') as stored:
            stored.write(bytes([DATA[0] ^ 1]))
        output = tmp_path / 'f'
        done = _save(running_cloud, '--file', str(output), image_id)
        assert done.returncode != 0
        assert b'sha512 mismatch' in done.stderr
        assert b'Traceback' not in done.stderr
        assert os.listdir(tmp_path) == []
        done = _save(
            running_cloud,
            '--file',
            str(output),
            image_id,
            cloud_name='plain',
        )
        assert done.returncode != 0
        assert output.stat().st_size == len(DATA)
