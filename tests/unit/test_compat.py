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

"""Tests that fail when a library takes a private name away.

Each talks to the real library, and does not look at the name itself but at
what the function is for.
"""

import http.client
import inspect
import io
import threading
from typing import Any
from unittest import mock

import fixtures
from keystoneauth1 import session as ksa_session
from openstack import config as sdk_config
from openstack import connection
from openstack.image import image_service
from openstack.image.v2 import image as upstream_image
import requests
import urllib3

from openstack_image_stream._http import compat as http_compat
from openstack_image_stream._sdk import compat as sdk_compat
from openstack_image_stream import image
from tests.servers import scripted
from tests.unit import base


class TestSDK(base.GlanceTestCase):
    """openstacksdk."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(b'image')
        self.conn: Any = self.connect(self.glance)

    def test_connection(self) -> None:
        """A proxy knows its connection; other adapters have none."""
        self.assertIs(self.conn, sdk_compat.connection_of(self.conn.image))
        self.assertIsNone(sdk_compat.connection_of(mock.Mock(spec=[])))

    def test_global_request_id(self) -> None:
        """The ID that a connection was given is found."""
        with self.conn.global_request('req-1') as conn:
            self.assertEqual('req-1', sdk_compat.global_request_id(conn.image))
        self.assertIsNone(sdk_compat.global_request_id(self.conn.image))

    def test_statistics(self) -> None:
        """What a proxy reports by is called with a response."""
        client = mock.Mock()
        self.conn.image._statsd_client = client
        self.conn.image._statsd_prefix = 'prefix'
        self.conn.image.get_image(scripted.IMAGE_ID)
        counted = client.pipeline.call_count + client.timing.call_count
        self.assertGreater(counted, 0)
        response = self.conn.session.get(f'{self.glance.url}/v2/images')
        sdk_compat.statistics_of(self.conn.image)(response)
        self.assertGreater(
            client.pipeline.call_count + client.timing.call_count, counted
        )

    def test_made_proxies(self) -> None:
        """The proxy that was used is among those that were made."""
        made = self.conn.image
        self.assertIs(made, sdk_compat.made_proxies(self.conn)['image'])

    def test_written_settings(self) -> None:
        """The key that the SDK renames is found as it was written."""
        path = self.write(
            b'clouds: {home: {auth_type: none, image_stream_timeout: 5}}'
        )
        config = sdk_config.OpenStackConfig(
            config_files=[path], secure_files=[], load_envvars=False
        )
        region = config.get_one('home')
        self.assertNotIn('image_stream_timeout', region.config)
        self.assertEqual(
            5, sdk_compat.written_settings(region)['image_stream_timeout']
        )
        self.assertEqual({}, sdk_compat.written_settings(mock.Mock(spec=[])))

    def test_added_service(self) -> None:
        """The description that add_service() hid is found again."""
        # The class of this connection alone, which load() made.
        cls = type(self.conn)
        self.assertIsNot(connection.Connection, cls)
        description = image_service.ImageService('image')
        self.conn.add_service(description)
        found = inspect.getattr_static(cls, 'image')
        self.assertIsNot(description, found)
        self.assertIs(description, sdk_compat.added_service(found))
        for other in (
            inspect.getattr_static(connection.Connection, 'image'),
            property(lambda conn: None),
            property(),
            None,
        ):
            self.assertIsNone(sdk_compat.added_service(other))

    def test_resource_registry(self) -> None:
        """The class of images is registered by its name."""
        from openstack.image.v2 import _proxy

        self.assertIs(
            upstream_image.Image,
            sdk_compat.resource_registry(_proxy.Proxy)['image'],
        )

    def test_resource(self) -> None:
        """A resource is made of a response, and copied into another."""
        image = upstream_image.Image.existing(
            id=scripted.IMAGE_ID, connection=self.conn
        )
        response = self.conn.image.get(f'/images/{scripted.IMAGE_ID}')
        made = sdk_compat.described(image, response)
        self.assertEqual(5, made.size)
        self.assertIsNone(image.size)
        document = {**response.json(), 'os_distro': 'a', 'a property': 'b'}
        attributes = sdk_compat.attributes_in(image, document)
        self.assertIsNone(image.size)
        sdk_compat.attributes_of(image).update(attributes)
        self.assertEqual(5, image.size)
        self.assertEqual('a', image.os_distro)
        self.assertEqual('b', image.properties['a property'])

    def test_attributes_in(self) -> None:
        """They are what another resource is made of."""
        image = upstream_image.Image.existing(
            id=scripted.IMAGE_ID, connection=self.conn
        )
        self.glance.metadata.update(
            {'os_distro': 'a', 'a property': 'b', 'self': 'c', 'tags': ['d']}
        )
        response = self.conn.image.get(f'/images/{scripted.IMAGE_ID}')
        self.assertEqual(
            sdk_compat.attributes_of(sdk_compat.described(image, response)),
            sdk_compat.attributes_in(image, response.json()),
        )

    def test_update(self) -> None:
        """What is set does not count as a change."""
        image = upstream_image.Image.existing(id='id', connection=self.conn)
        sdk_compat.update(image, checksum='of another day')
        self.assertEqual('of another day', image.checksum)


class TestImages(base.TestCase):
    """What our class of images overrides."""

    def test_attributes(self) -> None:
        """They are those of upstream's, which is asked once for each class."""

        class Derived(image.Image):
            pass

        found = self.useFixture(
            fixtures.MockPatchObject(
                upstream_image.Image,
                '_attributes_iterator',
                wraps=upstream_image.Image._attributes_iterator,
            )
        ).mock
        first = Derived.existing(id='1', size='5', os_distro='a')
        asked = found.call_count
        self.assertGreater(asked, 0)
        second = Derived.existing(id='1', size='5', os_distro='a')
        self.assertEqual(asked, found.call_count)
        upstream = upstream_image.Image.existing(
            id='1', size='5', os_distro='a'
        )
        self.assertEqual(upstream.to_dict(), first.to_dict())
        self.assertEqual(upstream.to_dict(), second.to_dict())


class TestKeystoneauth(base.TestCase):
    """keystoneauth."""

    def test_discovery_cache(self) -> None:
        """What one session discovered is what another is made with."""
        cache: dict[str, Any] = {}
        session = ksa_session.Session(discovery_cache=cache)
        self.assertIs(cache, sdk_compat.discovery_cache_of(session))

    def test_split_loggers(self) -> None:
        """The setting is found again."""
        for value in (True, False):
            session = ksa_session.Session(split_loggers=value)
            self.assertIs(value, sdk_compat.split_loggers_of(session))


class TestHTTP(base.GlanceTestCase):
    """requests, urllib3 and http.client."""

    def test_is_loaded(self) -> None:
        """A body counts as read when it was."""
        response = requests.Response()
        response.raw = io.BytesIO(b'image')
        self.assertFalse(http_compat.is_loaded(response))
        self.assertEqual(b'image', response.content)
        self.assertTrue(http_compat.is_loaded(response))

    def test_chunk_sizes(self) -> None:
        """A chunk of -1 bytes is an error, and not read to its end."""
        sock = mock.Mock()
        sock.makefile.return_value = io.BytesIO(
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
            b'-1\r\nmore than was asked for'
        )
        received = http.client.HTTPResponse(sock)
        # Together with the mock it would be collected in no certain order.
        self.addCleanup(received.close)
        received.begin()
        response = requests.Response()
        response.raw = urllib3.HTTPResponse(
            body=received, preload_content=False, headers={}
        )
        http_compat.check_chunk_sizes(response)
        error = self.assertRaises(
            (ValueError, urllib3.exceptions.HTTPError),
            response.raw.read,
            4,
            decode_content=False,
        )
        self.assertIn('(0 bytes read', str(error))

    @base.for_each({'length': 'length', 'chunked': 'chunked'})
    def test_read_available(self, framing: Any) -> None:
        """What has come is read, and the connection is given back."""
        data = base.some_bytes(100_000)
        released = threading.Event()
        self.addCleanup(released.set)
        glance = self.serve(data)
        glance.data_responses.append(
            glance.honest(framing=framing, hold_after=50, released=released)
        )
        pool = urllib3.HTTPConnectionPool(
            '127.0.0.1', int(glance.url.rpartition(':')[2])
        )
        self.addCleanup(pool.close)
        raw = pool.urlopen(
            'GET',
            f'/v2/images/{scripted.IMAGE_ID}/file',
            preload_content=False,
        )
        chunks = []
        while chunk := http_compat.read_available(raw, 30_000):
            self.assertLessEqual(len(chunk), 30_000)
            chunks.append(chunk)
            released.set()
            if sum(map(len, chunks)) == len(data) and framing == 'length':
                # Without another read, which parts of an image do not get.
                break
        self.assertLessEqual(len(chunks[0]), 50)
        self.assert_same(data, b''.join(chunks))
        pool.urlopen('GET', '/v2/images')
        self.assertEqual(1, pool.num_connections)

    def test_read_available_of_another(self) -> None:
        """What is not of http.client is read as ever."""
        raw = mock.Mock()
        raw._fp = mock.Mock(spec=[])
        raw.read.return_value = b'image'
        self.assertEqual(b'image', http_compat.read_available(raw, 9))
        raw.read.assert_called_once_with(9, decode_content=False)

    def test_pool(self) -> None:
        """Every connection that a pool hands out is shown."""
        shown: list[Any] = []
        cls = http_compat.with_hook(
            urllib3.HTTPConnectionPool,
            lambda pool, connection: shown.append((pool, connection)),
        )
        glance = self.serve(b'image')
        pool = cls('127.0.0.1', int(glance.url.rpartition(':')[2]))
        self.addCleanup(pool.close)
        for _ in range(2):
            pool.request('GET', '/v2/images')
        self.assertEqual(2, len(shown))
        self.assertTrue(all(entry[0] is pool for entry in shown))

    def test_idle_connections(self) -> None:
        """The queue of a pool keeps its items where they are looked for."""
        glance = self.serve(b'image')
        pool = urllib3.HTTPConnectionPool(
            '127.0.0.1', int(glance.url.rpartition(':')[2])
        )
        self.addCleanup(pool.close)
        shared: Any = pool.pool
        self.assertEqual(1, shared.qsize())
        http_compat.without_lock(pool)
        self.assertIsNot(shared, pool.pool)
        pool.request('GET', '/v2/images')
        (connection,) = shared.queue
        self.assertIsInstance(connection, urllib3.connection.HTTPConnection)


class TestEveryFunction(base.TestCase):
    """No private name without a test."""

    def test_each_has_one(self) -> None:
        """Every function of a compat module is used in this file."""
        text = inspect.getsource(inspect.getmodule(type(self)))  # type: ignore[arg-type]
        for module in (sdk_compat, http_compat):
            alias = module.__name__.split('.')[1].strip('_') + '_compat'
            for name, _ in inspect.getmembers(module, inspect.isfunction):
                if not name.startswith('_'):
                    self.assertIn(f'{alias}.{name}(', text)
