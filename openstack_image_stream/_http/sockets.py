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

"""Sockets that can be shut down while a thread waits for them.

A thread that waits for a silent server sleeps in the kernel; the only way to
end that from outside is to shut the socket down. requests has no handle on
its sockets, so connections register those that they use, see
:mod:`.connection_pools`.
"""

import _socket  # the one class below all sockets, however they are patched
from collections.abc import Callable
import contextvars
import struct
from typing import Any, TypeVar
import weakref

from openstack_image_stream._common import signals

_T = TypeVar('_T')

#: To linger for no time is to close with a reset (:manpage:`socket(7)`).
_AT_ONCE = struct.pack('ii', 1, 0)

#: Where wrappers of sockets keep what they wrap: the sockets of pyOpenSSL and
#: those of TLS within TLS, of eventlet, of gevent.
_WRAPPED = ('socket', 'fd', '_sock')


class Sockets:
    """The sockets that some part of a download uses.

    A connection registers with the one that it sends a request for, see
    :meth:`call`.
    """

    def __init__(self) -> None:
        self._lines: list[Line] = []
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
        ACTIVE.set(self)
        return function()

    def abort(self) -> None:
        """Break every connection, also those that are about to be made.

        Does not wait, and does not raise.
        """
        self.aborted = True
        for line in self._lines[:]:
            line.break_for(self)

    def limit_silence(self, seconds: float) -> None:
        """Set the timeout of the connections that are used.

        :param seconds: Longest silence, more than 0.
        """
        for line in self._lines:
            line.limit_silence(self, seconds)

    def forget(self) -> None:
        """Take note that none of them is used any more."""
        for line in self._lines:
            if line.user is self:
                line.user = None
        self._lines.clear()

    def register(self, line: 'Line') -> None:
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


ACTIVE: contextvars.ContextVar[Sockets | None] = contextvars.ContextVar(
    'openstack_image_stream_sockets', default=None
)


class Line:
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

    def limit_silence(self, user: Sockets, seconds: float) -> None:
        sock = self._socket()
        if sock is not None and self.user is user:
            sock.settimeout(seconds)


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
