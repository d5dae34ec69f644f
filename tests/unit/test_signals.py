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

"""Tests of telling a signal handler's exceptions from the network's."""

import contextlib
import functools
import os
import signal
import socket
from typing import Any

from openstack_image_stream._common import signals
from tests.unit import base


def _raise(exc: Exception) -> None:
    raise exc


class _Callable:
    """A handler that is an object."""

    def __call__(self, *args: Any) -> None:
        raise OSError('time limit')

    def method(self, number: int, frame: Any) -> None:
        """Raise, as a handler that is a method."""
        raise OSError('time limit')


class TestFindRaised(base.TestCase):
    """What is found to be of a signal handler."""

    def _interrupted(self, handler: Any) -> Exception:
        """Return what urllib3 would make of an exception of a handler."""
        before = signal.signal(signal.SIGUSR1, handler)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        try:
            try:
                os.kill(os.getpid(), signal.SIGUSR1)
                for _ in range(1000):
                    pass
            except OSError as exc:
                raise ConnectionError('the connection broke') from exc
        except ConnectionError as exc:
            return exc
        raise AssertionError('the signal did not come')

    def test_handlers(self) -> None:
        """A function, a method, an object, a partial object, a lambda."""

        def function(number: int, frame: Any) -> None:
            raise TimeoutError('time limit')

        for handler in (
            function,
            _Callable(),
            _Callable().method,
            functools.partial(_Callable().method),
            lambda number, frame: _raise(OSError('time limit')),
        ):
            exc = self._interrupted(handler)
            self.assertIs(exc.__cause__, signals.find_raised(exc))

    def test_replaced_handler(self) -> None:
        """A handler that takes itself away before it raises."""

        def once(*args: Any) -> None:
            signal.signal(signal.SIGUSR1, signal.SIG_DFL)
            raise TimeoutError('time limit')

        exc = self._interrupted(once)
        self.assertIs(exc.__cause__, signals.find_raised(exc))

    def test_network(self) -> None:
        """A socket's own timeout is the network's, of the same class."""
        left, right = socket.socketpair()
        self.addCleanup(left.close)
        self.addCleanup(right.close)
        left.settimeout(0.01)
        with self.assertRaises(TimeoutError) as raised:
            left.recv(1)
        self.assertIsNone(signals.find_raised(raised.exception))

    def test_nothing(self) -> None:
        """No error, no signal handler."""
        self.assertIsNone(signals.find_raised(None))

    def test_what_is_being_handled(self) -> None:
        """An error after a time limit is not of that time limit's handler."""

        def handler(number: int, frame: Any) -> None:
            raise TimeoutError('time limit')

        before = signal.signal(signal.SIGUSR1, handler)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)

        def fail() -> OSError:
            try:
                raise OSError('the network')
            except OSError as exc:
                return exc

        try:
            signal.raise_signal(signal.SIGUSR1)
        except TimeoutError as limit:
            error = fail()
            self.assertIs(limit, error.__context__)
            self.assertIsNone(signals.find_raised(error))
            with signals.suppress(OSError):
                _raise(OSError('the network'))
            with self.assertRaises(KeyError), signals.reraised():
                _raise(KeyError('other'))

    def test_circle(self) -> None:
        """Errors that are each other's context."""
        one, other = OSError('one'), OSError('other')
        one.__context__, other.__context__ = other, one
        self.assertIsNone(signals.find_raised(one))


class TestLettingThrough(base.TestCase):
    """What is done about it."""

    def setUp(self) -> None:
        super().setUp()

        def handler(number: int, frame: Any) -> None:
            raise TimeoutError('time limit')

        before = signal.signal(signal.SIGUSR1, handler)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)

    def test_reraised(self) -> None:
        """The handler's own exception is what arrives."""
        with self.assertRaises(TimeoutError) as raised, signals.reraised():
            try:
                signal.raise_signal(signal.SIGUSR1)
            except OSError as exc:
                raise ConnectionError('the connection broke') from exc
        self.assertEqual('time limit', str(raised.exception))

    def test_reraised_network(self) -> None:
        """What the network raised stays what it is."""
        with self.assertRaises(ConnectionError), signals.reraised():
            raise ConnectionError('the connection broke')

    def test_suppress(self) -> None:
        """An error is suppressed, the same one of a handler is not."""
        with signals.suppress(OSError):
            raise TimeoutError('a slow disk')
        with (
            self.assertRaises(TimeoutError),
            signals.suppress(OSError),
            contextlib.ExitStack(),
        ):
            signal.raise_signal(signal.SIGUSR1)

    def test_suppress_others(self) -> None:
        """What is not to be suppressed is not."""
        with self.assertRaises(KeyError), signals.suppress(OSError):
            raise KeyError('other')
