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

"""Connections that can be broken while a thread waits for them.

A thread that waits for a silent server sleeps in the kernel; the only way to
end that from outside is to shut the socket down. requests has no handle on
its sockets, so a download sends through pools like the caller's, which share
the idle connections of those, but have them tell which sockets they use.
"""

import _socket  # the one class below all sockets, however they are patched
import collections
from collections.abc import Callable
import contextvars
import functools
import os
import struct
from typing import Any, TypeVar
import weakref

import requests
from requests import adapters

from openstack_image_stream._common import signals

_T = TypeVar('_T')

#: Where connections were made that do not say so themselves. In a child that
#: was forked later this may be wrong, which costs it another connection.
_PROCESS = os.getpid()

#: To linger for no time is to close with a reset (:manpage:`socket(7)`).
_AT_ONCE = struct.pack('ii', 1, 0)

#: Where wrappers of sockets keep what they wrap: the sockets of pyOpenSSL and
#: those of TLS within TLS, of eventlet, of gevent.
_WRAPPED = ('socket', 'fd', '_sock')

#: Hosts to keep connections to: the Image service, Keystone, and what these
#: redirect to.
_HOSTS = 10


class Sockets:
    """The sockets that some part of a download uses.

    A connection registers with the one that it sends a request for, see
    :meth:`call`.
    """

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        #: Whether they were broken, and any other one will be.
        self.aborted = False
        #: Whether a connection is being made. Until that is done there is no
        #: socket that could be shut down.
        self.connecting = False

    def call(self, function: Callable[[], _T]) -> _T:
        """Call a function, and have the connections that it uses register.

        :param function: What sends requests, in this thread.
        :returns: What it returns.
        """
        # In a context of its own, so that nothing is left of it whatever
        # ends the call.
        return contextvars.copy_context().run(self._call, function)

    def _call(self, function: Callable[[], _T]) -> _T:
        _ACTIVE.set(self)
        return function()

    def abort(self) -> None:
        """Break every connection, also those that are about to be made.

        Does not wait, and does not raise.
        """
        self.aborted = True
        for line in self._lines[:]:
            line.break_for(self)

    def forget(self) -> None:
        """Take note that none of them is used any more."""
        for line in self._lines:
            if line.user is self:
                line.user = None
        self._lines.clear()

    def register(self, line: '_Line') -> None:
        """Take note of a socket that is used from now on.

        :param line: The socket, used by the thread that calls.
        :raises: :exc:`ConnectionAbortedError` after :meth:`abort`.
        """
        if line.user is not self:
            line.user = self
            self._lines.append(line)
        self.check()

    def check(self) -> None:
        """Raise :exc:`ConnectionAbortedError` after :meth:`abort`."""
        if self.aborted:
            raise ConnectionAbortedError('the download has ended')


_ACTIVE: contextvars.ContextVar[Sockets | None] = contextvars.ContextVar(
    'openstack_image_stream_sockets', default=None
)


class _Line:
    """A socket, and who uses it now."""

    def __init__(self, sock: Any) -> None:
        # What is shut down has to be there, but not because of us.
        self._socket = weakref.ref(sock)
        self.user: Sockets | None = None

    def holds(self, sock: Any) -> bool:
        return self._socket() is sock

    def break_for(self, user: Sockets) -> None:
        sock = self._socket()
        # In the meantime it may serve another download.
        if sock is not None and self.user is user:
            _shut_down(sock)


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
            watched.__class__ = _watching_pool(type(pool))  # type: ignore[arg-type]
            watched.process = self.process
            return watched

    return Manager


@functools.lru_cache(maxsize=32)
def _watching_pool(pool: Any) -> Any:
    """Return a class of pools whose connections register."""

    class Pool(pool):  # type: ignore[misc]
        process = 0

        def _get_conn(self, *args: Any, **kwargs: Any) -> Any:
            connection = super()._get_conn(*args, **kwargs)
            if not isinstance(connection, _Registering):
                connection.__class__ = _registering(type(connection))  # type: ignore[arg-type]
            if (connection.process or self.process) != os.getpid():
                # What a forked child would write to its parent's connection
                # would get between the requests of that.
                connection.close()
            return connection

    return Pool


class _Registering:
    """Marks connections that register."""

    line: _Line | None = None
    #: The process that connected it, 0 if that is not known.
    process = 0


@functools.lru_cache(maxsize=32)
def _registering(cls: Any) -> Any:
    """Return a class of connections that register."""

    class Connection(_Registering, cls):  # type: ignore[misc]
        def connect(self) -> None:
            self.process = os.getpid()
            sockets = _ACTIVE.get()
            if sockets is None:
                super().connect()
                return
            sockets.check()
            sockets.connecting = True
            try:
                super().connect()
            finally:
                sockets.connecting = False
            self._register(sockets)

        def putrequest(self, *args: Any, **kwargs: Any) -> Any:
            sockets = _ACTIVE.get()
            if sockets is not None and self.sock is not None:
                self._register(sockets)
            return super().putrequest(*args, **kwargs)

        def _register(self, sockets: Sockets) -> None:
            # The socket, not the connection: http.client lets go of a socket
            # that is closed after the response before that is read.
            if self.line is None or not self.line.holds(self.sock):
                self.line = _Line(self.sock)
            try:
                sockets.register(self.line)
            except ConnectionAbortedError:
                self.close()
                raise

    return Connection


def _close_pools(manager: Any) -> None:
    # Closing the adapter would only forget them, and whoever still holds a
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


def _shut_down(sock: Any) -> None:
    # Whatever this is, breaking it is no reason for an error: at worst the
    # thread that uses it waits for its timeout.
    with signals.suppress(Exception):
        found = _innermost(sock)
        # A server that is still sending shall notice when this is closed,
        # not a minute later.
        with signals.suppress(OSError):
            _socket.socket.setsockopt(
                found, _socket.SOL_SOCKET, _socket.SO_LINGER, _AT_ONCE
            )
        # That of an SSLSocket would take its TLS state away from the thread
        # that is using it.
        _socket.socket.shutdown(found, _socket.SHUT_RDWR)


def _innermost(sock: Any) -> Any:
    while not isinstance(sock, _socket.socket):
        sock = next(
            wrapped
            for name in _WRAPPED
            if (wrapped := getattr(sock, name, None)) is not None
        )
    return sock
