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

"""Connections that can be broken while another thread waits for them.

A thread that waits for a silent server sleeps in the kernel; the only way to
end that from outside is to shut the socket down. requests has no handle on
its sockets, so a download over several connections has a session of its own,
like the caller's but for a connection pool that remembers what it opens.
"""

import collections
import contextlib
import socket
import struct
import threading
from typing import Any
import weakref

import requests
from requests import adapters


#: To linger for no time is to close with a reset (:manpage:`socket(7)`).
_AT_ONCE = struct.pack('ii', 1, 0)


class Transport:
    """A copy of a session with connections of its own.

    Whoever makes one calls :meth:`close`.

    :param session: The session to be like. Its authentication, proxies,
        certificates, cookies and adapters are used.
    :param connections: How many connections to keep.
    """

    def __init__(self, session: requests.Session, connections: int) -> None:
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._aborted = False
        self._connecting: set[threading.Thread] = set()
        #: Sends requests as the original does.
        self.session = _twin(session)
        # In the order of the original, which is that of looking them up.
        self.session.adapters = collections.OrderedDict(
            (prefix, self._copy(adapter, connections))
            for prefix, adapter in session.adapters.items()
        )

    def abort(self) -> None:
        """Break every connection, also those that are about to be made."""
        with self._lock:
            self._aborted = True
            for sock in list(self._sockets):
                _shut_down(sock)

    def is_connecting(self, thread: threading.Thread) -> bool:
        """Tell whether a thread waits for a connection to be made.

        There is no socket then that could be shut down. The thread ends by
        itself, when the connection is made or does not come.

        :param thread: Which.
        """
        return thread in self._connecting

    def rearm(self) -> None:
        """Allow connections again after :meth:`abort`."""
        with self._lock:
            self._aborted = False

    def close(self) -> None:
        """Close what is idle. May be called more than once."""
        for adapter in self.session.adapters.values():
            # The others are the caller's own.
            if isinstance(adapter, adapters.HTTPAdapter):
                for manager in (
                    adapter.poolmanager,
                    *adapter.proxy_manager.values(),
                ):
                    _close_pools(manager)

    def _remember(self, sock: socket.socket | None) -> None:
        if sock is None:
            return
        with self._lock:
            self._sockets.add(sock)
            if self._aborted:
                _shut_down(sock)

    def _copy(self, adapter: Any, connections: int) -> Any:
        # What is not made of urllib3 has no sockets that could be known.
        if not isinstance(adapter, adapters.HTTPAdapter):
            return adapter
        copied = _twin(adapter)
        copied.proxy_manager = {}
        copied.init_poolmanager(1, connections, block=False)
        self._watch(copied.poolmanager)
        proxy_manager_for = copied.proxy_manager_for

        def watched_proxy_manager_for(proxy: str, **kwargs: Any) -> Any:
            known = proxy in copied.proxy_manager
            manager = proxy_manager_for(proxy, **kwargs)
            if not known:
                self._watch(manager)
            return manager

        copied.proxy_manager_for = watched_proxy_manager_for
        return copied

    def _watch(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: self._remembering(pool)
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def _remembering(self, pool: Any) -> Any:
        remember, connecting = self._remember, self._connecting

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                sock: socket.socket = super()._new_conn()
                remember(sock)
                return sock

            def connect(self) -> None:
                thread = threading.current_thread()
                connecting.add(thread)
                try:
                    super().connect()
                    # TLS puts another object around the same connection.
                    remember(self.sock)
                finally:
                    connecting.discard(thread)

        class Pool(pool):  # type: ignore[misc]
            ConnectionCls = Connection

        return Pool


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


def _shut_down(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # A server that is still sending shall notice when this is closed,
        # not a minute later.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        # That of an SSLSocket would take its TLS state away from the thread
        # that is using it.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
