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

"""Tests of the plugin in all connections of a process."""

import gc
import inspect
import threading
from typing import Any
import weakref

from openstack import connection
from openstack import exceptions as sdk_exceptions
from openstack.image import image_service
from openstack.image.v2 import _proxy as upstream

import openstack_image_stream
from openstack_image_stream import proxy
from openstack_image_stream import service
from tests.servers import scripted
from tests.unit import base
from tests.unit import test_service


class InstallationTestCase(test_service.ServiceTestCase):
    """A test after which the class of connections is as it was."""

    def setUp(self) -> None:
        super().setUp()
        self.before = inspect.getattr_static(connection.Connection, 'image')
        self.own = dict(vars(connection.Connection))
        self.addCleanup(self._restore)
        self.addCleanup(openstack_image_stream.uninstall)

    def _restore(self) -> None:
        for name in set(vars(connection.Connection)) - set(self.own):
            delattr(connection.Connection, name)

    def assert_restored(self) -> None:
        """Check that the class of connections is as it was."""
        self.assertEqual(self.own, dict(vars(connection.Connection)))
        self.assertIs(
            self.before, inspect.getattr_static(connection.Connection, 'image')
        )


class TestInstall(InstallationTestCase):
    """Which connections have it after install()."""

    def test_unused_connection(self) -> None:
        """One that was made before has it."""
        conn = self.plain()
        openstack_image_stream.install()
        self.assert_ours(conn)

    def test_used_connection(self) -> None:
        """One that was used before has it, its proxy is the same object."""
        conn = self.plain()
        before = conn.image
        self.assert_upstreams(conn)
        openstack_image_stream.install()
        self.assert_ours(conn)
        self.assertIs(before, conn.image)

    def test_later_connection(self) -> None:
        """One that is made afterwards has it."""
        openstack_image_stream.install()
        self.assert_ours(self.plain())

    def test_session(self) -> None:
        """One that a program makes of its own session has it."""
        session = self.plain().session
        openstack_image_stream.install()
        conn = connection.Connection(
            session=session,
            image_endpoint_override=f'{self.glance.url}/v2',
            image_api_version='2',
        )
        self.addCleanup(conn.close)
        self.assert_ours(conn)

    def test_subclass(self) -> None:
        """One of a class that others derived has it."""

        class Mine(connection.Connection):
            """A class of other software."""

        conn = Mine(config=self.plain().config)
        self.addCleanup(conn.close)
        self.assert_upstreams(conn)
        openstack_image_stream.install()
        self.assert_ours(conn)
        openstack_image_stream.uninstall()
        self.assert_upstreams(conn)

    def test_no_request(self) -> None:
        """The cloud is not asked."""
        conn = self.plain()
        self.assert_upstreams(conn)
        self.glance.requests.clear()
        openstack_image_stream.install()
        self.assertIs(proxy.ImageProxy, type(conn.image))
        openstack_image_stream.uninstall()
        self.assertEqual([], self.glance.requests)

    @base.for_each(test_service.CLOUDS)
    def test_used_proxy(self, cloud: Any) -> None:
        """A used proxy keeps working on every kind of cloud, and back."""
        conn = self.plain(**{'image_api_version': None, **cloud(self.glance)})
        self.assert_upstreams(conn)
        openstack_image_stream.install()
        self.assert_ours(conn)
        openstack_image_stream.uninstall()
        self.assert_upstreams(conn)
        content = conn.image.download_image(scripted.IMAGE_ID).content
        self.assert_same(test_service.DATA, content)

    def test_twice(self) -> None:
        """Installing twice is the same as once, also for uninstall()."""
        conn = self.plain()
        openstack_image_stream.install()
        found = inspect.getattr_static(connection.Connection, 'image')
        openstack_image_stream.install()
        self.assertIs(
            found, inspect.getattr_static(connection.Connection, 'image')
        )
        self.assert_ours(conn)
        openstack_image_stream.uninstall()
        self.assert_restored()
        self.assert_upstreams(conn)


class TestUninstall(InstallationTestCase):
    """What is left after uninstall()."""

    def test_class(self) -> None:
        """The class of connections is as it was."""
        openstack_image_stream.install()
        self.assertNotEqual(self.own, dict(vars(connection.Connection)))
        openstack_image_stream.uninstall()
        self.assert_restored()

    def test_not_installed(self) -> None:
        """Without install() it does nothing."""
        openstack_image_stream.uninstall()
        self.assert_restored()

    @base.for_each({'used_before': True, 'made_by_us': False})
    def test_proxies(self, is_used: bool) -> None:
        """Proxies are upstream's at once, and the same objects."""
        conn = self.plain()
        if is_used:
            self.assert_upstreams(conn)
        openstack_image_stream.install()
        made = conn.image
        self.assertIs(proxy.ImageProxy, type(made))
        openstack_image_stream.uninstall()
        # Also for programs that do not use conn.image again.
        self.assertIs(upstream.Proxy, type(made))
        self.assertIs(made, conn.image)
        content = made.download_image(scripted.IMAGE_ID).content
        self.assert_same(test_service.DATA, content)

    def test_proxy_of_a_class(self) -> None:
        """A proxy of a derived class has that class again."""

        class Theirs(upstream.Proxy):
            """A proxy of other software."""

        conn = self.plain()
        conn.image.__class__ = Theirs
        openstack_image_stream.install()
        self.assertIsInstance(conn.image, proxy.ImageProxy)
        self.assertIsInstance(conn.image, Theirs)
        openstack_image_stream.uninstall()
        self.assertIs(Theirs, type(conn.image))

    def test_and_again(self) -> None:
        """It can be installed and uninstalled any number of times."""
        conn = self.plain()
        for _ in range(3):
            openstack_image_stream.install()
            self.assert_ours(conn)
            openstack_image_stream.uninstall()
            self.assert_restored()
            self.assert_upstreams(conn)

    def test_during_a_download(self) -> None:
        """A download that has begun continues, verified."""
        glance = self.serve(test_service.DATA * 300)
        conn = self.connect(glance, vendor_hook=None)
        openstack_image_stream.install()
        seen = []

        def progress(snapshot: Any) -> None:
            openstack_image_stream.uninstall()
            seen.append(snapshot)

        conn.image.download_image(
            scripted.IMAGE_ID, output=self.path(), progress=progress
        )
        self.assertTrue(seen)
        self.assert_same(glance.data, self.content())
        self.assert_upstreams(conn)

    def test_keeps_nothing_alive(self) -> None:
        """A connection that is forgotten is not kept by the plugin."""
        openstack_image_stream.install()
        conn = self.glance.connect()
        made = weakref.ref(conn.image)
        conn.close()
        del conn
        gc.collect()
        self.assertIsNone(made())


class TestOtherWays(InstallationTestCase):
    """Beside the other ways to enable the plugin."""

    @base.for_each({'before': True, 'after': False})
    def test_load(self, is_first: bool) -> None:
        """A connection that was loaded keeps the plugin."""
        conn, other = self.plain(), self.plain()
        if is_first:
            openstack_image_stream.load(conn)
        openstack_image_stream.install()
        self.assert_ours(conn)
        self.assert_ours(other)
        openstack_image_stream.load(conn)
        made = conn.image
        openstack_image_stream.uninstall()
        self.assertIs(proxy.ImageProxy, type(made))
        self.assert_ours(conn)
        self.assert_upstreams(other)

    def test_vendor_hook(self) -> None:
        """So does one whose cloud has the hook."""
        openstack_image_stream.install()
        conn = self.connect(self.glance)
        self.assert_ours(conn)
        openstack_image_stream.uninstall()
        self.assert_ours(conn)

    @base.for_each({'before': True, 'after': False})
    def test_add_service(self, is_first: bool) -> None:
        """What add_service() did stays."""
        conn = self.plain()
        description = openstack_image_stream.ImageStreamService('image')
        if is_first:
            conn.add_service(description)
        openstack_image_stream.install()
        if not is_first:
            conn.add_service(description)
        self.assert_ours(conn)
        openstack_image_stream.uninstall()
        self.assertIs(
            description, service.description_of(connection.Connection)
        )
        self.assert_ours(conn)
        self.assert_ours(self.plain())

    def test_connect_as(self) -> None:
        """A connection made of a loaded one is loaded, also afterwards."""
        conn = self.plain()
        openstack_image_stream.install()
        openstack_image_stream.load(conn)
        openstack_image_stream.uninstall()
        self.assertTrue(service.is_loaded(conn))
        self.assertFalse(service.is_loaded(self.plain()))


class Foreign(image_service.ImageService):
    """An Image service of other software."""


class TestForeign(InstallationTestCase):
    """An Image service of other software in the class of connections."""

    def _set(self) -> None:
        connection.Connection.image = Foreign('image')

    def _add(self) -> None:
        self.plain().add_service(Foreign('image'))

    def _property(self) -> None:
        connection.Connection.image = property(lambda conn: None)

    @base.for_each(
        {
            'set': (_set, r'test_installation\.Foreign\)'),
            'added': (_add, r'test_installation\.Foreign\)'),
            'property': (_property, r'builtins\.property\)'),
        }
    )
    def test_is_not_overwritten(self, case: Any) -> None:
        """It stays, and the error names it."""
        put, named = case
        put(self)
        found = inspect.getattr_static(connection.Connection, 'image')
        error = self.assertRaises(
            openstack_image_stream.ForeignServiceError,
            openstack_image_stream.install,
        )
        self.assertIsInstance(error, sdk_exceptions.SDKException)
        self.assertRegex(str(error), named)
        self.assertIn('openstack.connection.Connection.image', str(error))
        for _ in range(2):
            self.assertIs(
                found, inspect.getattr_static(connection.Connection, 'image')
            )
            openstack_image_stream.uninstall()

    def test_that_came_later(self) -> None:
        """What replaced the plugin stays after uninstall()."""
        conn = self.plain()
        openstack_image_stream.install()
        made = conn.image
        self._set()
        self.assertRaises(
            openstack_image_stream.ForeignServiceError,
            openstack_image_stream.install,
        )
        openstack_image_stream.uninstall()
        self.assertIs(
            Foreign,
            type(inspect.getattr_static(connection.Connection, 'image')),
        )
        self.assertIs(upstream.Proxy, type(made))

    def test_that_came_and_went(self) -> None:
        """After other software put upstream's back, it can be installed."""
        conn = self.plain()
        openstack_image_stream.install()
        self.assert_ours(conn)
        del connection.Connection.image
        openstack_image_stream.install()
        self.assert_ours(conn)
        openstack_image_stream.uninstall()
        self.assert_restored()
        self.assert_upstreams(conn)


class TestThreads(InstallationTestCase):
    """Several threads at a time."""

    def test_at_the_same_time(self) -> None:
        """However they interleave, it ends with all or nothing."""
        connections = [self.plain() for _ in range(4)]
        errors: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for turn in range(150):
                    if (turn + number) % 2:
                        openstack_image_stream.install()
                    else:
                        openstack_image_stream.uninstall()
                    for conn in connections:
                        self.assertIsInstance(conn.image, upstream.Proxy)
            except BaseException as exc:
                errors.append(exc)

        threads = [
            threading.Thread(target=work, args=(number,))
            for number in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)
        openstack_image_stream.uninstall()
        self.assert_restored()
        for conn in connections:
            self.assert_upstreams(conn)
        openstack_image_stream.install()
        for conn in connections:
            self.assertIs(proxy.ImageProxy, type(conn.image))

    def test_removed_while_used(self) -> None:
        """A proxy that is used meanwhile is upstream's in the end."""
        conn = self.plain()
        openstack_image_stream.install()
        description: Any = inspect.getattr_static(
            connection.Connection, 'image'
        )
        openstack_image_stream.uninstall()
        # What a thread does that found the description before that.
        made = description.__get__(conn, type(conn))
        self.assertIs(upstream.Proxy, type(made))
