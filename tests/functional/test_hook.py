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
import pytest
import yaml

import openstack_image_stream
from openstack_image_stream import proxy
from tests.functional import conftest
from tests.servers import cloud


#: Uses the image service by an override without a version, then loads the
#: plugin. Keystone's catalog says where Glance is, and its token is what an
#: administrator would have given out. This Glance wants one in any case.
_USED = """
import json, sys
import openstack, openstack_image_stream as ois

image_id, way, login, version = sys.argv[1:]
conn = openstack.connect()
url = conn.session.get_endpoint(service_type='image')
url = url.rstrip('/').removesuffix('/v2')
token = conn.session.get_token()
options = {
    'catalog': {},
    'none': {'auth_type': 'none', 'auth': {'endpoint': url}},
    'admin_token': {
        'auth_type': 'admin_token',
        'auth': {'endpoint': url, 'token': token},
        'token': token,  # openstacksdk 2 to 4.0 lose the other one
    },
}[login]
if login == 'catalog':
    config = openstack.config.OpenStackConfig().get_one(
        image_endpoint_override=url, image_api_version=version or None
    )
else:
    config = openstack.config.OpenStackConfig(
        load_yaml_config=False, load_envvars=False
    ).get_one(
        image_endpoint_override=url,
        image_api_version=version or None,
        **options,
    )
conn = openstack.connection.Connection(config=config)
if login == 'none':
    conn.session.auth.get_headers = lambda session: {'X-Auth-Token': token}
before = conn.image
name = type(before).__module__
assert before.get_image(image_id).id == image_id
if way == 'load':
    ois.load(conn)
else:
    conn.add_service(ois.ImageStreamService('image'))
content = conn.image.download_image(image_id).content.decode()
print(json.dumps(
    [name, type(conn.image).__module__, conn.image is before, content]
))
"""


def _is_ours(conn: openstack.connection.Connection) -> bool:
    return isinstance(conn.image, proxy.ImageProxy)


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

    @pytest.mark.parametrize('version', [None, '2'])
    @pytest.mark.parametrize('login', ['catalog', 'none', 'admin_token'])
    @pytest.mark.parametrize('way', ['load', 'add_service'])
    def test_used_with_an_override(
        self,
        running_cloud: cloud.Cloud,
        way: str,
        login: str,
        version: str | None,
    ) -> None:
        """A used proxy is changed where the override has no version."""
        image_id = running_cloud.upload('overridden', b'0123456789')
        # In a process of its own, since add_service() cannot be taken back.
        printed = subprocess.run(
            [sys.executable, '-c', _USED, image_id, way, login, version or ''],
            env=running_cloud.environment('plain'),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        assert json.loads(printed) == [
            'openstack.image.v2._proxy',
            'openstack_image_stream.proxy',
            True,
            '0123456789',
        ]

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
        assert printed.strip() == 'openstack_image_stream.proxy'

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
            'openstack_image_stream.proxy',
            'openstack_image_stream.proxy',
        ]

    def test_connect_as_keeps_it(self, connect: conftest.Connect) -> None:
        """A connection as another user has the plugin too."""
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
