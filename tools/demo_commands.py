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

"""The end of the demonstration: the commands, between two clouds."""

import pathlib
import shlex
import subprocess
import sys
import time

import yaml

from tests.servers import cloud

#: The clouds by their names in clouds.yaml.
HERE, OTHER = 'here', 'other'

#: Names of the images: the good one, and the one with the flipped bit.
GOOD, DAMAGED = 'demo', 'demo-damaged'


class Commands:
    """Copies images from one cloud to another, and audits them.

    :param running: The cloud with the images.
    :param other: A cloud that does not know it.
    :param directory: Where to write clouds.yaml, and download to.
    :param images: Names or IDs of the good image, and of the damaged one.
    """

    def __init__(
        self,
        running: cloud.Cloud,
        other: cloud.Cloud,
        directory: pathlib.Path,
        images: tuple[str, str] = (GOOD, DAMAGED),
    ) -> None:
        self._directory = directory
        self._images = images
        clouds = {
            name: yaml.safe_load(each.clouds_yaml.read_text())['clouds'][
                'plain'
            ]
            for name, each in ((HERE, running), (OTHER, other))
        }
        path = directory / 'clouds.yaml'
        path.write_text(yaml.safe_dump({'clouds': clouds}))
        self._environment = {
            **running.environment(HERE),
            'OS_CLIENT_CONFIG_FILE': str(path),
            # Deprecations inside upstream are of no interest here.
            'PYTHONWARNINGS': 'ignore',
        }

    def run(self) -> None:
        """Run the commands, and print what they print."""
        print('\nFrom one cloud to another, by commands')
        good, damaged = self._images
        shown = ('-c', 'name', '-c', 'status', '-c', 'os_hash_algo')
        self._show('copy', '--to-cloud', OTHER, good, *shown)
        self._show('copy', '--to-cloud', OTHER, damaged, *shown)
        self._show(
            *('list', '-c', 'Name', '-c', 'Status'),
            cloud_name=OTHER,
            remark='the bad one never became an image there',
        )
        self._show('fetch', damaged, 'damaged.raw')
        self._show(
            *('audit', good, damaged, '--jobs', '2'),
            *('-c', 'Name', '-c', 'Verdict', '-c', 'Bytes', '-c', 'Seconds'),
        )

    def _show(
        self, *arguments: str, cloud_name: str = HERE, remark: str = ''
    ) -> None:
        words = ['openstack', 'image', *arguments]
        if cloud_name != HERE:
            words[1:1] = ['--os-cloud', cloud_name]
        print(f'\n$ {shlex.join(words)}', flush=True)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, '-m', 'openstackclient.shell', *words[1:]],
            env=self._environment,
            cwd=self._directory,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(done.stdout.rstrip())
        took = time.perf_counter() - began
        print(
            f'(status {done.returncode}, {took:.1f} s'
            f'{f"; {remark}" if remark else ""})'
        )
