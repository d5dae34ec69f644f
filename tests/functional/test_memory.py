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

"""How much memory a download takes, measured from outside."""

import io
import pathlib
import subprocess
import sys

import pytest

from tests.servers import cloud

MIB = 1024 * 1024
SIZE = 256 * MIB

#: Prints by how many bytes the peak of the process grew in a download.
_PROGRAM = """
import sys
import openstack
from openstack_image_stream._transfer import image_source

def status(field):
    with open('/proc/self/status') as lines:
        for line in lines:
            if line.startswith(field):
                return int(line.split()[1]) * 1024

# It begins with all of them.
image_source._BRIEF = 1_000_000
way, connections, image_id, output = sys.argv[1:]
# The SDK alone has no such option.
options = {'connections': int(connections)} if connections != '1' else {}
conn = openstack.connect()
# Connected, and with all that is loaded lazily in the place.
conn.image.get_image(image_id)
before = status('VmRSS')
if way == 'path':
    conn.image.download_image(image_id, output=output, **options)
elif way == 'stream':
    response = conn.image.download_image(image_id, stream=True, **options)
    assert sum(map(len, response.iter_content(1024 * 1024))) == {size}
else:
    response = conn.image.download_image(image_id, **options)
    assert len(response.content) == {size}
print(status('VmHWM') - before)
""".replace('{size}', str(SIZE))


@pytest.fixture(scope='module')
def image_id(running_cloud: cloud.Cloud) -> str:
    """An image that is large beside what a download may take."""
    return running_cloud.upload('large', lambda: io.BytesIO(bytes(SIZE)))


def _growth(
    running_cloud: cloud.Cloud,
    cloud_name: str,
    way: str,
    image_id: str,
    output: pathlib.Path,
    connections: int = 1,
) -> int:
    printed = subprocess.run(
        [
            *(sys.executable, '-c', _PROGRAM),
            *(way, str(connections), image_id, str(output)),
        ],
        env=running_cloud.environment(cloud_name),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return int(printed)


class TestMemory:
    """The peak above that of the connected process."""

    @pytest.mark.parametrize('way', ['path', 'stream'])
    def test_constant(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        tmp_path: pathlib.Path,
        way: str,
    ) -> None:
        """It is at most 64 MiB, however large the image."""
        growth = _growth(
            running_cloud, 'stream', way, image_id, tmp_path / 'image'
        )
        assert growth <= 64 * MIB

    @pytest.mark.parametrize('connections', [2, 4, 8])
    @pytest.mark.parametrize('way', ['path', 'stream'])
    def test_connections(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        tmp_path: pathlib.Path,
        way: str,
        connections: int,
    ) -> None:
        """It is what the user guide says, with several connections."""
        growth = _growth(
            running_cloud,
            'stream',
            way,
            image_id,
            tmp_path / 'image',
            connections,
        )
        assert growth <= (48 + 6 * connections) * MIB

    def test_in_memory_once(
        self, running_cloud: cloud.Cloud, image_id: str, tmp_path: pathlib.Path
    ) -> None:
        """The content is there once: at most a tenth above the image."""
        growth = _growth(
            running_cloud, 'stream', 'memory', image_id, tmp_path / 'image'
        )
        assert SIZE <= growth <= 1.1 * SIZE

    def test_upstream_takes_the_image(
        self, running_cloud: cloud.Cloud, image_id: str, tmp_path: pathlib.Path
    ) -> None:
        """The measurement sees it where memory does grow."""
        growth = _growth(
            running_cloud, 'plain', 'path', image_id, tmp_path / 'image'
        )
        assert growth >= SIZE
