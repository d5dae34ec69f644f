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

"""The ways into conn.image, on a real cloud."""

import json
import pathlib
import subprocess
import sys

import openstack
import yaml

import openstack_image_stream
from openstack_image_stream import _proxy
from tests import cloud
from tests.functional import conftest


def _is_ours(conn: openstack.connection.Connection) -> bool:
    return isinstance(conn.image, _proxy.Proxy)


class TestWaysIn:
    """Configuration, environment, code."""

    def test_clouds_yaml(self, connect: conftest.Connect) -> None:
        """The line in clouds.yaml is enough, for that cloud alone."""
        assert _is_ours(connect('stream'))
        assert not _is_ours(connect('plain'))

    def test_load(self, connect: conftest.Connect) -> None:
        """load() changes one connection, also after it was used."""
        conn, other = connect('plain'), connect('plain')
        assert not _is_ours(conn)
        openstack_image_stream.load(conn)
        assert _is_ours(conn)
        assert not _is_ours(other)

    def test_environment(self, running_cloud: cloud.Cloud) -> None:
        """OS_VENDOR_HOOK is enough where the credentials are in OS_* too."""
        settings = yaml.safe_load(running_cloud.clouds_yaml.read_text())
        plain = settings['clouds']['plain']
        environment = {
            name: value
            for name, value in running_cloud.environment('plain').items()
            if not name.startswith('OS_')
        }
        for name, value in {
            **plain['auth'],
            **{key: plain[key] for key in plain if key.startswith('region')},
        }.items():
            environment[f'OS_{name.upper()}'] = str(value)
        environment['OS_VENDOR_HOOK'] = 'openstack_image_stream:load'
        printed = subprocess.run(
            [
                sys.executable,
                '-c',
                'import openstack\n'
                'conn = openstack.connect()\n'
                'print(type(conn.image).__module__)\n',
            ],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert printed.strip() == 'openstack_image_stream._proxy'

    def test_add_service(self, running_cloud: cloud.Cloud) -> None:
        """add_service() works too, and changes the class of connections."""
        # In a process of its own, since it cannot be taken back.
        printed = subprocess.run(
            [
                sys.executable,
                '-c',
                'import json, openstack, openstack_image_stream as ois\n'
                'conn = openstack.connect()\n'
                'before = type(conn.image).__module__\n'
                'conn.add_service(ois.ImageStreamService("image"))\n'
                'other = openstack.connect()\n'
                'print(json.dumps([before, type(conn.image).__module__,\n'
                '                  type(other.image).__module__]))\n',
            ],
            env=running_cloud.environment('plain'),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert json.loads(printed) == [
            'openstack.image.v2._proxy',
            'openstack_image_stream._proxy',
            'openstack_image_stream._proxy',
        ]

    def test_connect_as_keeps_it(self, connect: conftest.Connect) -> None:
        """A connection as somebody else has the plugin too."""
        conn = connect('plain')
        openstack_image_stream.load(conn)
        project = conn.config.get_auth_args()['project_name']
        assert _is_ours(conn.connect_as(project_name=project))


class TestImages:
    """What the methods of the proxy give is our image."""

    def test_images_are_ours(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        tmp_path: pathlib.Path,
    ) -> None:
        """Made, got, found, listed or updated, each can download itself."""
        conn = connect('stream')
        (tmp_path / 'data').write_bytes(b'0123456789')
        made = conn.image.create_image(
            'ours',
            filename=str(tmp_path / 'data'),
            disk_format='raw',
            container_format='bare',
            wait=True,
            allow_duplicates=True,
        )
        for image in (
            made,
            conn.image.get_image(made.id),
            conn.image.find_image(made.id),
            next(i for i in conn.image.images() if i.id == made.id),
            conn.image.update_image(made.id, min_ram=64),
            conn.get_image(made.id),
            conn.image.get_image(connect('plain').image.get_image(made.id)),
        ):
            assert type(image).__module__ == 'openstack_image_stream.image'
            assert image.download(conn.image).content == b'0123456789'

    def test_stock_images_are_taken(
        self, running_cloud: cloud.Cloud, connect: conftest.Connect
    ) -> None:
        """An image that another connection found can be downloaded."""
        image_id = running_cloud.upload('stock', b'0123456789')
        stock = connect('plain').image.get_image(image_id)
        response = connect('stream').image.download_image(stock)
        assert response.content == b'0123456789'
