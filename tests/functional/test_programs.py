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
"""Programs that know nothing of the plugin, with it, on a real cloud."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.servers import cloud

DATA = os.urandom(5_000_000)

#: A service that logs in by itself and makes its connections of its session,
#: so that no configuration of the SDK can name a hook. The first line replaces
#: threads and sockets by those of another library, if a service does that.
SERVICE = """
{first}
import sys, yaml
from keystoneauth1 import session
from keystoneauth1.identity import v3
from openstack import connection

settings, image_id, output = sys.argv[1:]
plain = yaml.safe_load(open(settings))['clouds']['plain']
auth = dict(plain['auth'])
conn = connection.Connection(
    session=session.Session(auth=v3.Password(**auth)),
    region_name=plain.get('region_name'),
)
try:
    conn.image.download_image(image_id, output=output, stream=True)
except Exception as exc:
    sys.exit(type(exc).__name__)
print(type(conn.image).__module__)
"""

FIRST_LINES = {
    'threads': '',
    'eventlet': 'import eventlet; eventlet.monkey_patch()',
    'gevent': 'from gevent import monkey; monkey.patch_all()',
}


def _python(
    running_cloud: cloud.Cloud, *arguments: str, cloud_name: str = 'plain'
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=running_cloud.environment(cloud_name),
        capture_output=True,
        check=False,
        text=True,
    )


def _run(
    running_cloud: cloud.Cloud, *words: str
) -> subprocess.CompletedProcess[str]:
    return _python(
        running_cloud, '-m', 'openstack_image_stream', 'run', '--', *words
    )


@pytest.fixture
def image_id(running_cloud: cloud.Cloud) -> str:
    """An image for one test."""
    return running_cloud.upload('program', DATA)


@pytest.fixture
def damaged_id(running_cloud: cloud.Cloud) -> str:
    """An image of which one bit is flipped."""
    damaged = running_cloud.upload('damaged', DATA)
    with running_cloud.stored_file(damaged).open('r+b') as stored:
        stored.write(bytes([DATA[0] ^ 1]))
    return damaged


class TestService:
    """A service that makes a connection of its own session."""

    @pytest.mark.parametrize('first', FIRST_LINES)
    def test_download(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        damaged_id: str,
        tmp_path: pathlib.Path,
        first: str,
    ) -> None:
        """With the plugin a damaged image leaves no file."""
        script = tmp_path / 'service.py'
        script.write_text(SERVICE.format(first=FIRST_LINES[first]))
        output = tmp_path / 'image'
        words = [str(script), str(running_cloud.clouds_yaml)]

        done = _python(running_cloud, *words, damaged_id, str(output))
        assert done.returncode != 0
        assert output.exists()
        output.unlink()

        done = _run(running_cloud, *words, damaged_id, str(output))
        assert done.returncode == 1
        assert 'ChecksumMismatchError' in done.stderr
        assert not output.exists()

        done = _run(running_cloud, *words, image_id, str(output))
        assert (done.returncode, done.stdout) == (
            0,
            'openstack_image_stream.proxy\n',
        ), done.stderr
        assert output.read_bytes() == DATA


class TestOpenstackclient:
    """The command openstack, on a cloud without the hook."""

    @pytest.mark.parametrize(
        'program', [['openstack'], ['-m', 'openstackclient.shell']]
    )
    def test_image_save(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        damaged_id: str,
        tmp_path: pathlib.Path,
        program: list[str],
    ) -> None:
        """It saves an image, and no file of a damaged one."""
        output = tmp_path / 'image'
        save = [*program, 'image', 'save', '--file', str(output)]
        done = _run(running_cloud, *save, damaged_id)
        assert done.returncode == 1
        assert 'sha512 mismatch' in done.stderr
        assert not output.exists()
        done = _run(running_cloud, *save, image_id)
        assert (done.returncode, done.stderr) == (0, '')
        assert output.read_bytes() == DATA


class TestCheck:
    """What check says about the clouds here."""

    @pytest.mark.parametrize(
        ('name', 'status', 'words'),
        [
            ('stream', 0, "'stream' have the plugin"),
            ('plain', 1, 'no vendor_hook'),
            ('nonesuch', 2, 'not found'),
        ],
    )
    def test_status(
        self, running_cloud: cloud.Cloud, name: str, status: int, words: str
    ) -> None:
        """The status is 0 with the plugin, 1 without, 2 if there is none."""
        done = _python(
            running_cloud,
            *('-m', 'openstack_image_stream', 'check', '--os-cloud', name),
        )
        assert done.returncode == status
        assert words in done.stdout + done.stderr
