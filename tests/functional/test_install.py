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

"""What installing the package does to an environment."""

from importlib import metadata
import os
import pathlib
import subprocess
import venv

import openstack_image_stream

_SOURCE = pathlib.Path(__file__).parents[2]


def _pip(environment: pathlib.Path, *arguments: str) -> str:
    return subprocess.run(
        [environment / 'bin' / 'python', '-m', 'pip', *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PIP_DISABLE_PIP_VERSION_CHECK': '1'},
    ).stdout


class TestInstall:
    """Beside an openstacksdk that is there already."""

    def test_nothing_else_changes(self, tmp_path: pathlib.Path) -> None:
        """Not one package comes, goes or moves but our own."""
        environment = tmp_path / 'environment'
        venv.create(environment, with_pip=True)
        # Not the newest, so that an upgrade would be seen.
        _pip(environment, 'install', '-q', 'openstacksdk==4.0.1')
        before = set(_pip(environment, 'list', '--format=freeze').split())
        _pip(environment, 'install', '-q', str(_SOURCE))
        after = set(_pip(environment, 'list', '--format=freeze').split())
        assert before <= after
        assert [line.partition('==')[0] for line in after - before] == [
            'openstack-image-stream'
        ]
        imported = subprocess.run(
            [
                environment / 'bin' / 'python',
                '-c',
                'import openstack_image_stream as ois; print(ois.__file__)',
            ],
            check=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        ).stdout
        assert str(environment) in imported

    def test_entry_point_is_registered(self) -> None:
        """The installed metadata name our description of the service."""
        found = metadata.distribution('openstack-image-stream').entry_points
        assert [
            (entry.name, entry.load())
            for entry in found
            if entry.group == 'openstack.service_description'
        ] == [('image', openstack_image_stream.ImageStreamService)]
