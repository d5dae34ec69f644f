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

"""Tests of connections that can be broken."""

import queue
import socket
import ssl
import threading
from typing import Any

import requests

from openstack_image_stream._http import compat
from openstack_image_stream._http import connection_pools
from openstack_image_stream._http import sockets
from tests.unit import base


class TestPools(base.GlanceTestCase):
    """Connection pools of its own."""

    def test_callers_session_is_left_alone(self) -> None:
        """The caller's adapters and pools are not used, nor changed."""
        session = requests.Session()
        before = dict(session.adapters)
        pools = connection_pools.Pools()
        self.addCleanup(pools.close)
        ours = pools.session(session)
        self.assertEqual(before, dict(session.adapters))
        self.assertEqual(list(before), list(ours.adapters))
        for prefix, adapter in before.items():
            self.assertIsNot(adapter, ours.adapters[prefix])
        self.assertIs(session.cookies, ours.cookies)

    def test_other_adapters_are_kept(self) -> None:
        """An adapter of another kind is used as it is."""
        session = requests.Session()
        other = requests.adapters.BaseAdapter()
        session.mount('mock://', other)
        ours = connection_pools.Pools().session(session)
        self.assertIs(other, ours.adapters['mock://'])

    def test_settings_of_the_moment(self) -> None:
        """What the caller changes in the session holds from then on."""
        session = requests.Session()
        pools = connection_pools.Pools()
        pools.session(session)
        session.cert = '/certificate'
        session.mount('mock://', requests.adapters.BaseAdapter())
        after = pools.session(session)
        self.assertEqual('/certificate', after.cert)
        self.assertIn('mock://', after.adapters)


class TestSockets(base.GlanceTestCase):
    """Breaking connections."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(b'image')
        self.original = requests.Session()
        self.original.trust_env = False
        self.pools = connection_pools.Pools()
        self.addCleanup(self.pools.close)
        self.sockets = sockets.Sockets()

    def get(self, url: str | None = None, **kwargs: Any) -> Any:
        """Send a request that registers its connection."""
        session = self.pools.session(self.original)
        return self.sockets.call(
            lambda: session.get(url or self.glance.url, timeout=30, **kwargs)
        )

    def test_aborted_before(self) -> None:
        """No connection is used, or made, after an abort."""
        self.get()
        self.sockets.abort()
        self.assertRaises(requests.exceptions.ConnectionError, self.get)
        self.pools.close()
        accepted = self.glance.accepted
        self.assertRaises(requests.exceptions.ConnectionError, self.get)
        self.assertEqual(accepted, self.glance.accepted)

    def test_lock_that_was_left(self) -> None:
        """The lock of the caller's pool is not taken.

        A signal handler that raises in the midst of taking it, which is done
        in Python, leaves it locked for good.
        """
        self.original.get(f'{self.glance.url}/v2/images')
        manager = self.original.get_adapter(self.glance.url).poolmanager
        (key,) = manager.pools.keys()
        pool = manager.pools[key]
        self.assertTrue(pool.pool.mutex.acquire(timeout=10))
        self.addCleanup(pool.pool.mutex.release)
        statuses: list[int] = []

        def get_twice() -> None:
            for _ in range(2):
                statuses.append(self.get().status_code)

        thread = threading.Thread(target=get_twice, daemon=True)
        thread.start()
        thread.join(10)
        self.assertEqual([200, 200], statuses)
        # The idle connection of the caller was used, and given back.
        self.assertEqual(1, self.glance.accepted)

    def test_enough_idle_connections(self) -> None:
        """No more are kept than the pool of the caller is to keep."""
        shared: queue.LifoQueue[str] = queue.LifoQueue(1)
        idle = compat.IdleConnections(shared)
        self.assertRaises(queue.Empty, idle.get)
        idle.put('first')
        self.assertRaises(queue.Full, idle.put, 'second')
        self.assertEqual((1, 'first'), (idle.qsize(), shared.get(timeout=10)))

    def test_through_a_proxy(self) -> None:
        """Connections by way of a proxy can be broken as well."""
        self.original.proxies = {'http': self.glance.url}
        url = 'http://elsewhere.test/'
        self.assertEqual(200, self.get(url).status_code)
        self.sockets.abort()
        self.assertRaises(requests.exceptions.ConnectionError, self.get, url)

    def test_of_another_download(self) -> None:
        """A connection that serves another one by now is not broken."""
        first = self.sockets
        self.get()
        self.sockets = sockets.Sockets()
        response = self.get(stream=True)
        first.abort()
        self.assertEqual(200, response.status_code)
        self.assertEqual(1, self.glance.accepted)
        self.assertIsInstance(response.content, bytes)

    def test_forgotten(self) -> None:
        """Nor is one that is idle."""
        self.get()
        self.sockets.forget()
        self.sockets.abort()
        self.sockets = sockets.Sockets()
        self.assertEqual(200, self.get().status_code)
        self.assertEqual(1, self.glance.accepted)

    def test_nothing_is_left_in_the_thread(self) -> None:
        """What is sent later registers with nothing."""
        self.sockets.call(lambda: None)
        self.assertIsNone(sockets.ACTIVE.get())


class _Wrapper:
    """Stands for the sockets of others, which keep one of Python's."""

    def __init__(self, name: str, sock: Any) -> None:
        setattr(self, name, sock)


class TestShuttingDown(base.TestCase):
    """Whatever socket there is, breaking it never raises."""

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        left, right = socket.socketpair()
        self.addCleanup(left.close)
        self.addCleanup(right.close)
        right.settimeout(10)
        return left, right

    def _assert_broken(self, sock: Any, peer: socket.socket) -> None:
        line = sockets.Line(sock)
        user = sockets.Sockets()
        user.register(line)
        user.abort()
        self.assertEqual(b'', peer.recv(1))

    def test_plain(self) -> None:
        """A socket of Python."""
        self._assert_broken(*self._pair())

    def test_tls(self) -> None:
        """One with TLS."""
        left, right = self._pair()
        context = ssl.create_default_context()
        wrapped = context.wrap_socket(
            left, server_hostname='test', do_handshake_on_connect=False
        )
        self.addCleanup(wrapped.close)
        self._assert_broken(wrapped, right)

    @base.for_each({'socket': 'socket', 'fd': 'fd', 'sock': '_sock'})
    def test_wrapped(self, name: str) -> None:
        """One that is around another one, as several libraries have it."""
        left, right = self._pair()
        self._assert_broken(_Wrapper('socket', _Wrapper(name, left)), right)

    def test_closed(self) -> None:
        """One that is closed."""
        left, _ = self._pair()
        left.close()
        sockets._shut_down(left)

    def test_unknown(self) -> None:
        """What is nothing of the kind."""
        sockets._shut_down(_Wrapper('something', None))
        sockets._shut_down(_Wrapper('socket', 'a text'))
