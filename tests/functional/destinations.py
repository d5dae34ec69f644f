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

"""A cloud that is copied to."""

import contextlib
import os
import typing

import openstack.config
import openstack.connection

from tests.servers import cloud
from tests.servers import relay


class Destination:
    """The cloud that is copied to, and ways into it.

    :param running: The cloud.
    """

    def __init__(self, running: cloud.Cloud) -> None:
        self.running = running
        self._stack = contextlib.ExitStack()

    def connect(
        self, name: str = 'plain', **options: typing.Any
    ) -> openstack.connection.Connection:
        """Connect to it.

        :param name: Of a cloud in clouds.yaml; by default one without the
            plugin.
        :param options: Further settings of that.
        """
        config = openstack.config.OpenStackConfig(
            config_files=[str(self.running.clouds_yaml)],
            secure_files=[],
            load_envvars=False,
        )
        connection = openstack.connection.Connection(
            config=config.get_one(cloud=name, **options)
        )
        self._stack.callback(connection.close)
        return connection

    def behind(
        self, proxy: relay.Relay, name: str = 'plain'
    ) -> openstack.connection.Connection:
        """Connect to it through a proxy."""
        return self.connect(
            name, image_endpoint_override=proxy.url, image_api_version='2'
        )

    def content(self, image_id: str) -> bytes:
        """Return what its store has of an image."""
        return self.running.stored_file(image_id).read_bytes()

    def ids(self) -> set[str]:
        """Return the IDs of all images that it lists."""
        return {image.id for image in self.connect().image.images()}

    def stored(self) -> set[str]:
        """Return the names of all files in its stores."""
        return {
            name
            for store in ('images', 'second-images', 'staging')
            for name in os.listdir(self.running.directory / store)
        }

    def close(self) -> None:
        """Close the connections."""
        self._stack.close()
