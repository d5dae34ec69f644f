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

"""The cloud that images are copied to."""

import pathlib
import typing

from keystoneauth1.identity import v3
from keystoneauth1 import session
import yaml

from benchmarks import commands
from tests.servers import cloud


def clouds(running: cloud.Cloud) -> dict[str, typing.Any]:
    """Return the clouds of clouds.yaml."""
    found: dict[str, typing.Any] = yaml.safe_load(
        running.clouds_yaml.read_text()
    )['clouds']
    return found


def connect(running: cloud.Cloud) -> session.Session:
    """Log in."""
    return session.Session(
        auth=v3.Password(**clouds(running)['plain']['auth'])
    )


def write_token(client: session.Session, path: pathlib.Path) -> None:
    """Write the header that curl is given."""
    path.touch(mode=0o600)
    path.write_text(f'X-Auth-Token: {client.get_token()}\n')


class Destination:
    """A Glance with a Keystone of its own, and no image for long.

    :param running: The cloud.
    :param directory: For the token; exists.
    """

    def __init__(self, running: cloud.Cloud, directory: pathlib.Path) -> None:
        self._client = connect(running)
        self._images = f'{running.image_url}/v2/images'
        self._token = directory / 'destination-token'
        write_token(self._client, self._token)
        self.cloud = clouds(running)['plain']

    def create(self, size: int) -> commands.Destination:
        """Make a record for data to be uploaded into.

        :param size: Of the data, in bytes.
        """
        record = self._client.post(
            self._images,
            json={
                'name': 'copy',
                'disk_format': 'raw',
                'container_format': 'bare',
            },
        ).json()
        return commands.Destination(
            url=f'{self._images}/{record["id"]}/file',
            size=size,
            token_header=self._token,
        )

    def state(self) -> list[tuple[str, str]]:
        """Return status and digest of each image."""
        return [
            (image['status'], image['os_hash_value'])
            for image in self._listed()
        ]

    def clear(self) -> None:
        """Delete all images."""
        for image in self._listed():
            self._client.delete(f'{self._images}/{image["id"]}')

    def _listed(self) -> list[dict[str, typing.Any]]:
        listed: list[dict[str, typing.Any]] = self._client.get(
            self._images
        ).json()['images']
        return listed
