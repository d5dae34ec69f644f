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

"""Tests of how the plugin gets into a connection."""

from importlib import metadata
import inspect
import json
from typing import Any
from unittest import mock

import fixtures
import openstack
from openstack import connection
from openstack import exceptions as sdk_exceptions
from openstack.image import image_service
from openstack.image.v1 import _proxy as upstream_v1
from openstack.image.v2 import _proxy as upstream_v2
from requests_mock.contrib import fixture

import openstack_image_stream
from openstack_image_stream import exceptions
from openstack_image_stream import image
from openstack_image_stream import proxy
from openstack_image_stream import service
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base
from tests.unit import fake_cloud

DATA = base.some_bytes(10_000)
HOOK = 'openstack_image_stream:load'


class ServiceTestCase(base.GlanceTestCase):
    """A test with a Glance that has an image."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA)

    def plain(self, **kwargs: Any) -> connection.Connection:
        """Connect without the plugin."""
        return self.connect(self.glance, vendor_hook=None, **kwargs)

    def assert_ours(self, conn: connection.Connection) -> None:
        """Check that a connection has the plugin, and that it works."""
        self.assertIs(proxy.ImageProxy, type(conn.image))
        response = conn.image.download_image(
            scripted.IMAGE_ID, output=self.path()
        )
        self.assertTrue(response.ok)
        self.assert_same(DATA, self.content())

    def assert_upstreams(self, conn: connection.Connection) -> None:
        """Check that a connection is as if there were no plugin."""
        self.assertIs(upstream_v2.Proxy, type(conn.image))


class TestVendorHook(ServiceTestCase):
    """The plugin by configuration."""

    def _write_config(self, **cloud: Any) -> None:
        content = {
            'clouds': {
                'fake': {
                    'auth_type': 'none',
                    'auth': {'endpoint': self.glance.url},
                    'image_endpoint_override': f'{self.glance.url}/v2',
                    'image_api_version': '2',
                    **cloud,
                }
            }
        }
        # JSON is YAML.
        path = self.write(json.dumps(content).encode(), 'clouds.yaml')
        self._set('OS_CLIENT_CONFIG_FILE', path)

    def _set(self, name: str, value: str) -> None:
        self.useFixture(fixtures.EnvironmentVariable(name, value))

    def _connect(self, **kwargs: Any) -> connection.Connection:
        conn = openstack.connect(**kwargs)
        self.addCleanup(conn.close)
        return conn

    def test_as_a_keyword(self) -> None:
        """A program names it when it connects."""
        self.assert_ours(self.connect(self.glance, vendor_hook=HOOK))

    def test_in_clouds_yaml(self) -> None:
        """A user names it under a cloud, the program knows nothing."""
        self._write_config(vendor_hook=HOOK)
        self.assert_ours(self._connect(cloud='fake'))

    def test_not_in_clouds_yaml(self) -> None:
        """A cloud without it is as it was."""
        self._write_config()
        self.assert_upstreams(self._connect(cloud='fake'))

    def test_in_a_profile(self) -> None:
        """A vendor names it in the profile of all its clouds."""
        self.glance.metadata_responses.append(
            responses.json_response(
                {
                    'name': 'vendor',
                    'profile': {
                        'auth_type': 'none',
                        'image_api_version': '2',
                        'vendor_hook': HOOK,
                    },
                }
            )
        )
        self._write_config(profile=self.glance.url)
        self.assert_ours(self._connect(cloud='fake'))
        self.assertEqual(
            '/.well-known/openstack/api', self.glance.requests[0].path
        )

    def test_in_the_environment(self) -> None:
        """With credentials from the environment it is set there too."""
        self._set('OS_AUTH_TYPE', 'none')
        self._set('OS_ENDPOINT', self.glance.url)
        self._set('OS_IMAGE_ENDPOINT_OVERRIDE', f'{self.glance.url}/v2')
        self._set('OS_IMAGE_API_VERSION', '2')
        self._set('OS_VENDOR_HOOK', HOOK)
        self.assert_ours(self._connect(load_yaml_config=False))

    def test_no_request(self) -> None:
        """Connecting asks the cloud nothing."""
        self.connect(self.glance, vendor_hook=HOOK)
        self.assertEqual([], self.glance.requests)

    def test_failure_stops_the_program(self) -> None:
        """What must not go wrong unnoticed is not made a log line."""
        with mock.patch.object(
            metadata, 'entry_points', return_value=metadata.EntryPoints()
        ):
            self.assertRaises(
                exceptions.NotRegisteredError,
                self.connect,
                self.glance,
                vendor_hook=HOOK,
            )


class TestLoad(ServiceTestCase):
    """The plugin by a call."""

    def test_unused_connection(self) -> None:
        """A connection that was not used yet has it."""
        conn = self.plain()
        openstack_image_stream.load(conn)
        self.assert_ours(conn)

    def test_used_connection(self) -> None:
        """So has one whose image service was used before."""
        conn = self.plain()
        before = conn.image
        self.assert_upstreams(conn)
        openstack_image_stream.load(conn)
        # Who kept the proxy has the plugin, too.
        self.assertIs(proxy.ImageProxy, type(before))
        self.assert_ours(conn)
        self.assertIs(before, conn.image)

    def test_no_request(self) -> None:
        """Loading asks the cloud nothing, used connection or not."""
        conn = self.plain()
        openstack_image_stream.load(conn)
        self.assertEqual([], self.glance.requests)
        conn = self.plain()
        self.assert_upstreams(conn)
        self.glance.requests.clear()
        openstack_image_stream.load(conn)
        self.assertEqual([], self.glance.requests)

    @base.for_each({'unused': False, 'used': True})
    def test_twice(self, is_used: bool) -> None:
        """Loading twice is the same as loading once."""
        conn = self.plain()
        openstack_image_stream.load(conn)
        made = conn.image if is_used else None
        cls = type(conn)
        openstack_image_stream.load(conn)
        self.assertIs(cls, type(conn))
        if is_used:
            self.assertIs(made, conn.image)
        self.assert_ours(conn)

    def test_proxy_is_made_once(self) -> None:
        """The proxy stays the same from use to use."""
        conn = self.plain()
        openstack_image_stream.load(conn)
        self.assertIs(conn.image, conn.image)

    def test_other_connections(self) -> None:
        """Those that are there and those that come are as they were."""
        earlier, used = self.plain(), self.plain()
        self.assert_upstreams(used)
        conn = self.plain()
        openstack_image_stream.load(conn)
        self.assert_ours(conn)
        self.assert_upstreams(earlier)
        self.assert_upstreams(used)
        self.assert_upstreams(self.plain())
        self.assertIs(connection.Connection, type(earlier))

    def test_two_connections(self) -> None:
        """Several connections can have it, each its own proxy."""
        first, second = self.plain(), self.plain()
        openstack_image_stream.load(first)
        openstack_image_stream.load(second)
        self.assert_ours(first)
        self.assert_ours(second)
        self.assertIsNot(first.image, second.image)

    def test_other_services(self) -> None:
        """The other services of the connection are as they were."""
        names = [
            name
            for name in dir(connection.Connection)
            if name != 'image'
            and hasattr(
                inspect.getattr_static(connection.Connection, name),
                'supported_versions',
            )
        ]
        self.assertLess(10, len(names))
        conn = self.plain()
        openstack_image_stream.load(conn)
        for name in names:
            self.assertIs(
                inspect.getattr_static(connection.Connection, name),
                inspect.getattr_static(conn, name),
            )

    def test_is_still_a_connection(self) -> None:
        """Whoever checks or prints the class sees what was there before."""
        conn = self.plain()
        text = repr(type(conn))
        openstack_image_stream.load(conn)
        self.assertIsInstance(conn, connection.Connection)
        self.assertEqual(text, repr(type(conn)))
        self.assertEqual(connection.Connection.__doc__, type(conn).__doc__)

    def test_subclass(self) -> None:
        """A connection of a class of the caller's keeps that class."""

        class Mine(connection.Connection):
            """The caller's own."""

        plain = self.plain()
        conn = Mine(config=plain.config)
        self.addCleanup(conn.close)
        openstack_image_stream.load(conn)
        self.assertIsInstance(conn, Mine)
        self.assert_ours(conn)
        other = Mine(config=plain.config)
        self.addCleanup(other.close)
        self.assert_upstreams(other)


def password(glance: scripted.ScriptedGlance) -> dict[str, Any]:
    """Return how to log in at a Glance that is its own Keystone."""
    return {
        'auth_type': 'v3password',
        'auth': {
            'auth_url': f'{glance.url}/v3',
            'username': 'me',
            'password': 'secret',
            'user_domain_id': 'default',
        },
    }


def admin_token(glance: scripted.ScriptedGlance) -> dict[str, Any]:
    """Return how to use a token that was given out by hand."""
    return {
        'auth_type': 'admin_token',
        'auth': {'endpoint': f'{glance.url}/v2', 'token': 'by-hand'},
    }


#: What differs from one cloud to another before the image service is found.
CLOUDS: dict[str, Any] = {
    'none': lambda glance: {'image_endpoint_override': None},
    'none_override': lambda glance: {'image_endpoint_override': glance.url},
    'none_override_version': lambda glance: {
        'image_endpoint_override': glance.url,
        'image_api_version': '2',
    },
    'none_versioned_override': lambda glance: {},
    'admin_token': lambda glance: {
        **admin_token(glance),
        'image_endpoint_override': None,
    },
    'admin_token_override': lambda glance: {
        **admin_token(glance),
        'image_endpoint_override': glance.url,
    },
    'password_override': lambda glance: {
        **password(glance),
        'image_endpoint_override': glance.url,
    },
    'password_override_version': lambda glance: {
        **password(glance),
        'image_endpoint_override': glance.url,
        'image_api_version': '2',
    },
    'password_versioned_override': password,
}


class TestUsedProxy(ServiceTestCase):
    """A proxy that is there when the plugin comes, on all kinds of clouds."""

    def used(self, cloud: Any) -> connection.Connection:
        """Return a connection whose image service was used."""
        conn = self.plain(**{'image_api_version': None, **cloud(self.glance)})
        self.assert_upstreams(conn)
        self.assertEqual(1, len(list(conn.image.images())))
        self.glance.requests.clear()
        return conn

    @base.for_each(CLOUDS)
    def test_load(self, cloud: Any) -> None:
        """It works on, and nothing is discovered again."""
        conn = self.used(cloud)
        before = conn.image
        openstack_image_stream.load(conn)
        self.assert_ours(conn)
        self.assertIs(before, conn.image)
        self.assertEqual(
            [
                f'/v2/images/{scripted.IMAGE_ID}',
                f'/v2/images/{scripted.IMAGE_ID}/file',
            ],
            [request.path for request in self.glance.requests],
        )

    @base.for_each(CLOUDS)
    def test_add_service(self, cloud: Any) -> None:
        """So it does when the SDK's own method brings the plugin."""
        before = dict(vars(connection.Connection))
        self.addCleanup(self._restore, before)
        conn = self.used(cloud)
        made = conn.image
        conn.add_service(openstack_image_stream.ImageStreamService('image'))
        self.assert_ours(conn)
        self.assertIs(made, conn.image)
        self.assertEqual(2, len(self.glance.requests))

    def _restore(self, before: dict[str, Any]) -> None:
        for name in set(vars(connection.Connection)) - set(before):
            delattr(connection.Connection, name)

    @base.for_each(CLOUDS)
    def test_unused(self, cloud: Any) -> None:
        """Where it was not used, it is found as ever."""
        conn = self.plain(**{'image_api_version': None, **cloud(self.glance)})
        openstack_image_stream.load(conn)
        self.assert_ours(conn)

    def test_of_a_class(self) -> None:
        """A proxy of a class that others derived keeps what they added."""

        class Theirs(upstream_v2.Proxy):
            """A proxy with more methods."""

            _resource_registry = {
                **upstream_v2.Proxy._resource_registry,
                'theirs': upstream_v2.Proxy,
            }
            asked = 0

            def get_image(self, image: Any) -> Any:
                self.asked += 1
                return super().get_image(image)

        conn = self.plain()
        conn.image.__class__ = Theirs
        openstack_image_stream.load(conn)
        made = conn.image
        self.assertIsInstance(made, Theirs)
        self.assertIsInstance(made, proxy.ImageProxy)
        self.assertEqual('Theirs', type(made).__name__)
        self.assertIs(image.Image, type(made.get_image(scripted.IMAGE_ID)))
        self.assertEqual(1, made.asked)
        self.assertIn('theirs', made._resource_registry)
        self.assertIs(image.Image, made._resource_registry['image'])
        made.download_image(scripted.IMAGE_ID, output=self.path())
        self.assert_same(DATA, self.content())
        # The same class for the next one, and none upon the other.
        openstack_image_stream.load(conn)
        self.assertIs(made, conn.image)
        other = self.plain()
        other.image.__class__ = Theirs
        openstack_image_stream.load(other)
        self.assertIs(type(made), type(other.image))

    @base.for_each(
        {
            'got': lambda conn: conn.image.get_image(scripted.IMAGE_ID),
            'found': lambda conn: conn.image.find_image('scripted'),
            'listed': lambda conn: next(iter(conn.image.images())),
            'updated': lambda conn: conn.image.update_image(
                scripted.IMAGE_ID, name='other'
            ),
            'searched': lambda conn: conn.search_resources(
                'image.image', scripted.IMAGE_ID
            )[0],
        }
    )
    def test_hands_out_ours(self, source: Any) -> None:
        """What it hands out from then on is our image."""
        conn = self.plain()
        self.assert_upstreams(conn)
        openstack_image_stream.load(conn)
        self.assertIs(image.Image, type(source(conn)))


class TestEntryPoint(ServiceTestCase):
    """The registration of the service description."""

    def test_is_there(self) -> None:
        """The package registers it under the name of the service."""
        found = [
            entry_point
            for entry_point in metadata.entry_points(
                group='openstack.service_description', name='image'
            )
            if entry_point.value
            == 'openstack_image_stream.service:ImageStreamService'
        ]
        # Twice where the package is installed and a build is lying about.
        self.assertLess(0, len(found))
        self.assertIs(service.ImageStreamService, found[0].load())

    def _entry_point(self, name: str, value: str) -> Any:
        entry_point = mock.Mock(spec=metadata.EntryPoint)
        entry_point.dist = mock.Mock()
        entry_point.dist.name = name
        entry_point.load.return_value = value
        return entry_point

    def _load(self, *entry_points: Any) -> connection.Connection:
        conn = self.plain()
        with mock.patch.object(
            metadata, 'entry_points', return_value=entry_points
        ):
            openstack_image_stream.load(conn)
        return conn

    @base.for_each(
        {
            'dashes': 'openstack-image-stream',
            'underscores': 'openstack_image_stream',
            'dots': 'OpenStack.Image.Stream',
        }
    )
    def test_is_found(self, name: str) -> None:
        """Packagers spell the name of the distribution as they like."""
        conn = self._load(
            self._entry_point('another', None),
            self._entry_point(name, service.ImageStreamService),
        )
        self.assert_ours(conn)

    def test_of_others(self) -> None:
        """An image service that another package registers is not ours."""
        other = self._entry_point('another-plugin', image_service.ImageService)
        self.assertRaises(exceptions.NotRegisteredError, self._load, other)
        other.load.assert_not_called()

    def test_of_nobody(self) -> None:
        """An entry point without a distribution is not ours either."""
        other = self._entry_point('', image_service.ImageService)
        other.dist = None
        self.assertRaises(exceptions.NotRegisteredError, self._load, other)

    def test_is_missing(self) -> None:
        """The error tells what to do, and is one that the SDK lets pass."""
        conn = self.plain()
        with mock.patch.object(
            metadata, 'entry_points', return_value=metadata.EntryPoints()
        ):
            error = self.assertRaises(
                exceptions.NotRegisteredError,
                openstack_image_stream.load,
                conn,
            )
        self.assertIsInstance(error, sdk_exceptions.SDKException)
        self.assertIn('install', str(error))
        # And the connection is what it was.
        self.assert_upstreams(conn)


class TestConnectAs(base.TestCase):
    """Connections that a connection makes."""

    def setUp(self) -> None:
        super().setUp()
        self.mocker = self.useFixture(fixture.Fixture())
        fake_cloud.register(self.mocker)

    def _connect_as(
        self, conn: connection.Connection, **kwargs: Any
    ) -> connection.Connection:
        other = conn.connect_as(**kwargs)
        self.addCleanup(conn.close)
        self.addCleanup(other.close)
        return other

    @base.for_each({'unused': False, 'used': True})
    def test_by_hook(self, is_used: bool) -> None:
        """They have the plugin where the configuration names it."""
        conn = fake_cloud.connect()
        if is_used:
            self.assertIsInstance(conn.image, proxy.ImageProxy)
        other = self._connect_as(conn, project_name='another')
        self.assertIs(proxy.ImageProxy, type(other.image))
        self.assertIsNot(conn.image, other.image)

    def test_by_load(self) -> None:
        """They have it also where only the first one was given it."""
        conn = fake_cloud.connect(vendor_hook=None)
        openstack_image_stream.load(conn)
        other = self._connect_as(conn, project_name='another')
        self.assertIs(proxy.ImageProxy, type(other.image))

    def test_by_project(self) -> None:
        """The shorthand for another project does the same."""
        conn = fake_cloud.connect()
        other = conn.connect_as_project('another')
        self.addCleanup(conn.close)
        self.addCleanup(other.close)
        self.assertIs(proxy.ImageProxy, type(other.image))

    def test_without(self) -> None:
        """Without the plugin they have none."""
        conn = fake_cloud.connect(vendor_hook=None)
        other = self._connect_as(conn, project_name='another')
        self.assertIs(upstream_v2.Proxy, type(other.image))


class TestAddService(ServiceTestCase):
    """The plugin by the SDK's add_service()."""

    def setUp(self) -> None:
        super().setUp()
        # It changes the class, and with it all connections of the process.
        before = dict(vars(connection.Connection))
        self.addCleanup(self._restore, before)

    def _restore(self, before: dict[str, Any]) -> None:
        for name in set(vars(connection.Connection)) - set(before):
            delattr(connection.Connection, name)
        self.assertEqual(before, dict(vars(connection.Connection)))

    @base.for_each({'unused': False, 'used': True})
    def test_has_it(self, is_used: bool) -> None:
        """A connection has the plugin, used before or not."""
        conn = self.plain()
        if is_used:
            self.assert_upstreams(conn)
        conn.add_service(openstack_image_stream.ImageStreamService('image'))
        self.assert_ours(conn)
        self.assertIs(conn.image, conn.image)

    def test_all_have_it(self) -> None:
        """So have all others, which the documentation says."""
        conn = self.plain()
        conn.add_service(openstack_image_stream.ImageStreamService('image'))
        self.assert_ours(self.plain())

    def test_load_on_top(self) -> None:
        """Loading into such a connection changes nothing for the worse."""
        conn = self.plain()
        conn.add_service(openstack_image_stream.ImageStreamService('image'))
        made = conn.image
        openstack_image_stream.load(conn)
        self.assertIs(made, conn.image)
        self.assert_ours(conn)

    def test_of_a_loaded_connection(self) -> None:
        """Nor does it matter the other way round."""
        conn = self.connect(self.glance, vendor_hook=HOOK)
        made = conn.image
        conn.add_service(openstack_image_stream.ImageStreamService('image'))
        self.assertIs(made, conn.image)
        self.assert_ours(conn)


class TestExtraServices(ServiceTestCase):
    """The plugin by extra_services, if the SDK had it."""

    # Every release so far stores the list and never looks at it again.

    def test_is_ignored_by_connect(self) -> None:
        """The SDK ignores extra_services; change the docs if this fails."""
        self.assert_upstreams(
            self.plain(extra_services=[service.ImageStreamService('image')])
        )

    def test_is_ignored_by_the_class(self) -> None:
        """Nor does Connection look at it; change the docs if this fails."""
        conn = connection.Connection(
            config=self.plain().config,
            extra_services=[service.ImageStreamService('image')],
        )
        self.addCleanup(conn.close)
        self.assert_upstreams(conn)


class TestDescription(ServiceTestCase):
    """The service description itself."""

    def test_is_upstreams(self) -> None:
        """It is upstream's, but for the proxy of version 2."""
        ours = service.ImageStreamService('image')
        self.assertIsInstance(ours, image_service.ImageService)
        self.assertEqual(
            {
                **image_service.ImageService.supported_versions,
                '2': proxy.ImageProxy,
            },
            ours.supported_versions,
        )
        self.assertIs(
            upstream_v2.Proxy,
            image_service.ImageService.supported_versions['2'],
        )

    def test_version_1(self) -> None:
        """Version 1 of the service stays upstream's."""
        conn = self.connect(
            self.glance,
            vendor_hook=HOOK,
            image_api_version='1',
            image_endpoint_override=f'{self.glance.url}/v1',
        )
        self.assertIs(upstream_v1.Proxy, type(conn.image))
        self.assertIs(conn.image, conn.image)

    def test_version_1_is_not_replaced(self) -> None:
        """Also where it was used before the plugin came."""
        conn = self.plain(
            image_api_version='1',
            image_endpoint_override=f'{self.glance.url}/v1',
        )
        before = conn.image
        openstack_image_stream.load(conn)
        self.assertIs(before, conn.image)

    def test_on_the_class(self) -> None:
        """Asked of the class it is the description, as every descriptor."""
        conn = self.connect(self.glance, vendor_hook=HOOK)
        self.assertIsInstance(type(conn).image, service.ImageStreamService)

    def test_disabled_service(self) -> None:
        """A service that the configuration disables stays disabled."""
        conn = self.connect(self.glance, vendor_hook=HOOK, has_image=False)
        self.assertRaises(
            sdk_exceptions.SDKException,
            getattr,
            conn.image,
            'download_image',
        )
