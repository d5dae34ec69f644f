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

"""Tests of the owner of how a download ends."""

import os
import threading
from typing import Any
from unittest import mock

from openstack_image_stream._transfer import coordination
from openstack_image_stream import exceptions
from tests.unit import base


class _Closable:
    """Something that was opened."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


class CoordinatorTestCase(base.TestCase):
    """A test with a coordinator."""

    def setUp(self) -> None:
        super().setUp()
        self.coordinator = coordination.Coordinator('an-image')
        self.addCleanup(self.coordinator.finish)


class TestEnds(CoordinatorTestCase):
    """Why a download ends; the first reason counts."""

    def test_not_yet(self) -> None:
        """While it goes well there is nothing to raise."""
        self.coordinator.check()
        self.assertFalse(self.coordinator.ended)

    def test_closed(self) -> None:
        """What was closed says so, and of which image."""
        self.coordinator.close()
        self.assertTrue(self.coordinator.ended)
        error = self.assertRaises(
            exceptions.DownloadClosedError, self.coordinator.check
        )
        self.assertEqual('an-image', error.image_id)
        self.assertIn('an-image', str(error))

    def test_failed(self) -> None:
        """The first failure counts, whatever comes after."""
        self.coordinator.fail(
            exceptions.ChecksumMismatchError('bad', algorithm='sha512')
        )
        self.coordinator.fail(OSError(28, 'full'))
        self.coordinator.close()
        error = self.assertRaises(
            exceptions.ChecksumMismatchError, self.coordinator.check
        )
        self.assertEqual('sha512', error.algorithm)

    def test_finished(self) -> None:
        """After success nothing is raised, also not after closing."""
        self.coordinator.finish()
        self.coordinator.close()
        self.coordinator.check()

    def test_failure_keeps_no_frames(self) -> None:
        """What is raised again leads to none of the caller's objects."""
        error = OSError(28, 'full')
        try:
            raise error
        except OSError as exc:
            self.coordinator.fail(exc)
        raised = [
            self.assertRaises(OSError, self.coordinator.check)
            for _ in range(2)
        ]
        self.assertIsNot(error, raised[0])
        self.assertIsNot(raised[0], raised[1])
        self.assertEqual(28, raised[0].errno)

    def test_error_that_cannot_be_copied(self) -> None:
        """It is told in words."""

        class Odd(Exception):
            def __init__(self, one: str, two: str) -> None:
                super().__init__(one)

        self.coordinator.fail(Odd('first', 'second'))
        error = self.assertRaises(
            exceptions.ImageStreamError, self.coordinator.check
        )
        self.assertIn('Odd: first', str(error))

    def test_in_a_child(self) -> None:
        """A forked child can neither read nor end the download."""
        with mock.patch.object(os, 'getpid', return_value=1):
            self.assertTrue(self.coordinator.elsewhere)
            self.coordinator.close()
            error = self.assertRaises(
                exceptions.ImageStreamError, self.coordinator.check
            )
        self.assertIn('forked child', str(error))
        self.assertFalse(self.coordinator.ended)
        self.coordinator.check()


class TestWaking(CoordinatorTestCase):
    """Who is told of the end."""

    def test_all_are_woken(self) -> None:
        """Each that waits, in any number."""
        wakers = [mock.Mock() for _ in range(3)]
        for waker in wakers:
            self.coordinator.on_end(waker)
        self.coordinator.close()
        for waker in wakers:
            waker.assert_called_once_with()

    def test_afterwards(self) -> None:
        """Who comes too late is told at once."""
        self.coordinator.close()
        waker = mock.Mock()
        self.coordinator.on_end(waker)
        waker.assert_called_once_with()

    def test_taken_back(self) -> None:
        """Who wants to know no more is not told; twice is no error."""
        waker = mock.Mock()
        self.coordinator.on_end(waker)
        self.coordinator.off_end(waker)
        self.coordinator.off_end(waker)
        self.coordinator.close()
        waker.assert_not_called()

    def test_wait(self) -> None:
        """A wait ends with the download."""
        threading.Timer(0.05, self.coordinator.close).start()
        self.assertTrue(self.coordinator.wait(60))

    def test_wait_in_vain(self) -> None:
        """Or with its time."""
        self.assertFalse(self.coordinator.wait(0.001))
        self.assertEqual([], self.coordinator._wakers)

    def test_child(self) -> None:
        """Some work ends with the whole, but not the other way round."""
        first, second = self.coordinator.child(), self.coordinator.child()
        first.finish()
        self.assertFalse(self.coordinator.ended)
        self.assertFalse(second.ended)
        self.coordinator.close()
        self.assertTrue(second.ended)

    def test_released_child(self) -> None:
        """Nothing is kept of some work that is over."""
        child = self.coordinator.child()
        self.coordinator.release(child)
        self.assertEqual([], self.coordinator._wakers)


class TestTask(CoordinatorTestCase):
    """What is opened in a thread of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.may_open = threading.Event()
        self.opened = _Closable()
        self.addCleanup(self.may_open.set)

    def open(self) -> Any:
        """Open it, when that is allowed."""
        self.may_open.wait(10)
        return self.opened

    def task(self, function: Any = None) -> 'coordination.Task[Any]':
        """Begin to open it."""
        return coordination.Task(self.coordinator, function or self.open)

    def test_result(self) -> None:
        """Who waits gets it, open."""
        task = self.task()
        self.assertFalse(task.done)
        self.may_open.set()
        self.assertIs(self.opened, task.result())
        self.assertFalse(self.opened.closed.is_set())

    def test_error(self) -> None:
        """Or the error."""
        task = self.task(mock.Mock(side_effect=ZeroDivisionError))
        self.assertRaises(ZeroDivisionError, task.result)

    def test_closed_meanwhile(self) -> None:
        """Who waits can leave, and what is opened later is closed."""
        task = self.task()
        threading.Timer(0.05, self.coordinator.close).start()
        self.assertRaises(coordination.Ended, task.result)
        self.assertFalse(self.opened.closed.is_set())
        self.may_open.set()
        self.assertTrue(self.opened.closed.wait(10))

    def test_abandoned_afterwards(self) -> None:
        """What was open already is closed."""
        self.may_open.set()
        task = self.task()
        while not task.done:
            threading.Event().wait(0.001)
        task.abandon()
        self.assertTrue(self.opened.closed.is_set())

    def test_no_thread(self) -> None:
        """Where none can be started, nothing of it is left."""
        with mock.patch.object(
            threading.Thread, 'start', side_effect=RuntimeError
        ):
            self.assertRaises(RuntimeError, self.task)
        self.assertEqual([], self.coordinator._wakers)
