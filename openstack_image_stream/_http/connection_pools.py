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

"""Connection pools whose connections register the sockets that they use.

They are like the caller's pools, and share the idle connections of those.
"""

import collections
import functools
import os
from typing import Any

import requests
from requests import adapters

from openstack_image_stream._http import compat
from openstack_image_stream._http import sockets

#: Where connections were made that do not say so themselves. In a child that
#: was forked later this may be wrong, which costs it another connection.
_PROCESS = os.getpid()

#: Hosts to keep connections to: the Image service, Keystone, and what these
#: redirect to.
_HOSTS = 10


class Pools:
    """Connection pools to send requests through, as a session would.

    :param connections: How many connections to keep in pools of their own;
        ``None`` to use those of the session.
    """

    def __init__(self, connections: int | None = None) -> None:
        self._connections = connections
        self._adapters: dict[int, tuple[Any, Any]] = {}
        self._process = os.getpid()

    def session(self, original: requests.Session) -> requests.Session:
        """Return a session that sends as another does, through these pools.

        :param original: The session to be like. Its authentication, proxies,
            certificates, cookies and adapters are used.
        """
        session: requests.Session = _twin(original)
        # In the order of the original, which is that of looking them up.
        session.adapters = collections.OrderedDict(
            (prefix, self._adapter(adapter))
            for prefix, adapter in original.adapters.items()
        )
        return session

    def close(self) -> None:
        """Close what is idle in pools of their own.

        May be called more than once.
        """
        for _, adapter in self._adapters.values():
            for manager in (
                adapter.poolmanager,
                *adapter.proxy_manager.values(),
            ):
                _close_pools(manager)

    def __del__(self) -> None:
        # Sockets of eventlet and gevent are part of cycles, so that what is
        # idle would stay open until those are found.
        if '_process' in self.__dict__ and self._process == os.getpid():
            self.close()

    def _adapter(self, original: Any) -> Any:
        # What is not made of urllib3 has no sockets that could be known.
        if not isinstance(original, adapters.HTTPAdapter):
            return original
        if self._connections is not None:
            original = self._separate(original, self._connections)
        adapter: Any = _twin(original)
        adapter.__class__ = _watching_adapter(type(original))  # type: ignore[arg-type]
        adapter.process = _PROCESS
        adapter.poolmanager = _watched(adapter.poolmanager, _PROCESS)
        return adapter

    def _separate(self, original: Any, connections: int) -> Any:
        """Return an adapter like another one, with connections of its own."""
        # The original is kept, so that no other one gets its number.
        known = self._adapters.get(id(original))
        if known is None:
            adapter = _twin(original)
            adapter.proxy_manager = {}
            adapter.init_poolmanager(_HOSTS, connections, block=False)
            known = self._adapters.setdefault(
                id(original), (original, adapter)
            )
        return known[1]


def _watched(manager: Any, process: int) -> Any:
    """Return a pool manager like another one, whose connections register.

    :param manager: Its pools, and with them its idle connections, are used.
    :param process: The process that the idle connections are of.
    """
    watched = _twin(manager)
    watched.__class__ = _watching_manager(type(manager))  # type: ignore[arg-type]
    watched.process = process
    return watched


@functools.lru_cache(maxsize=32)
def _watching_adapter(adapter: Any) -> Any:
    """Return a class of adapters whose proxies' connections register."""

    class Adapter(adapter):  # type: ignore[misc]
        process = 0

        def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
            return _watched(
                super().proxy_manager_for(proxy, **kwargs), self.process
            )

    return Adapter


@functools.lru_cache(maxsize=32)
def _watching_manager(manager: Any) -> Any:
    """Return a class of pool managers whose connections register."""

    class Manager(manager):  # type: ignore[misc]
        process = 0

        def connection_from_pool_key(self, *args: Any, **kwargs: Any) -> Any:
            pool = super().connection_from_pool_key(*args, **kwargs)
            watched = _twin(pool)
            compat.without_lock(watched)
            watched.__class__ = _watching_pool(type(pool))  # type: ignore[arg-type]
            watched.process = self.process
            return watched

    return Manager


@functools.lru_cache(maxsize=32)
def _watching_pool(pool: Any) -> Any:
    """Return a class of pools whose connections register."""
    return compat.with_hook(pool, _watch)


def _watch(pool: Any, connection: Any) -> None:
    if not isinstance(connection, _Registering):
        connection.__class__ = _registering(type(connection))  # type: ignore[arg-type]
    if (connection.process or pool.process) != os.getpid():
        # What a forked child would write to its parent's connection would
        # get between the requests of that.
        connection.close()


class _Registering:
    """Marks connections that register."""

    line: sockets.Line | None = None
    #: The process that connected it, 0 if that is not known.
    process = 0
    #: Bytes that were last read from it at a time.
    read_size: int | None = None


@functools.lru_cache(maxsize=32)
def _registering(cls: Any) -> Any:
    """Return a class of connections that register."""

    class Connection(_Registering, cls):  # type: ignore[misc]
        def connect(self) -> None:
            self.process = os.getpid()
            user = sockets.ACTIVE.get()
            if user is None:
                super().connect()
                return
            user.check()
            user.connecting = True
            try:
                super().connect()
            finally:
                user.connecting = False
            self._register(user)

        def putrequest(self, *args: Any, **kwargs: Any) -> Any:
            user = sockets.ACTIVE.get()
            if user is not None and self.sock is not None:
                self._register(user)
            return super().putrequest(*args, **kwargs)

        def _register(self, user: sockets.Sockets) -> None:
            # The socket, not the connection: http.client lets go of a socket
            # that is closed after the response before that is read.
            if self.line is None or not self.line.holds(self.sock):
                self.line = sockets.Line(self.sock)
            try:
                user.register(self.line)
            except ConnectionAbortedError:
                self.close()
                raise

    return Connection


def _close_pools(manager: Any) -> None:
    # Closing the adapter would only forget them, and what still holds a
    # response holds its pool.
    pools = manager.pools
    for key in list(pools.keys()):
        pools[key].close()
    manager.clear()


def _twin(original: Any) -> Any:
    # copy.copy() would go through the pickling of these classes, which
    # leaves out what their subclasses add.
    twin = object.__new__(type(original))
    twin.__dict__.update(original.__dict__)
    return twin
