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

"""Tests of threads whose start a signal handler interrupts."""

import threading
import time
from typing import Any
from unittest import mock

from openstack_image_stream._common import threads
from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream._transfer import deadlines
from tests.servers import scripted
from tests.unit import base

_START = threading.Thread.start


def _interrupted(thread: threading.Thread) -> None:
    """Start a thread, and be interrupted before that has returned."""
    _START(thread)
    raise KeyboardInterrupt


def _never_started(thread: threading.Thread) -> None:
    raise KeyboardInterrupt


class TestStart(base.TestCase):
    """Threads, and what becomes of them."""

    def start(self, how: Any, function: Any = None) -> threading.Thread:
        """Interrupt the start of a thread; return it joined."""
        thread = threading.Thread(target=function, daemon=True)
        with mock.patch.object(threading.Thread, 'start', how):
            self.assertRaises(KeyboardInterrupt, threads.start, thread)
        threads.join(thread, 10)
        return thread

    def test_started(self) -> None:
        """It is what it is mostly."""
        thread = threading.Thread(target=lambda: None)
        self.assertTrue(threads.start(thread))
        threads.join(thread, 10)
        self.assertFalse(thread.is_alive())

    def test_too_many(self) -> None:
        """That is no error, and there is nothing to join."""
        thread = threading.Thread()
        with mock.patch.object(
            threading.Thread, 'start', side_effect=RuntimeError
        ):
            self.assertFalse(threads.start(thread))
        threads.join(thread, 10)

    def test_interrupted(self) -> None:
        """What was started all the same can be joined."""
        self.assertFalse(
            self.start(_interrupted, lambda: time.sleep(0.1)).is_alive()
        )

    def test_interrupted_before(self) -> None:
        """What was not is not waited for for long."""
        self.patch(threads, '_PAUSE', 0.0001)
        self.assertIsNone(self.start(_never_started).ident)

    def test_slow_to_begin(self) -> None:
        """It may begin only after the interruption."""

        def late(thread: threading.Thread) -> None:
            timer = threading.Timer(0.1, _START, [thread])
            _START(timer)
            self.addCleanup(timer.join)
            raise KeyboardInterrupt

        thread = self.start(late, lambda: time.sleep(0.1))
        self.assertIsNotNone(thread.ident)
        self.assertFalse(thread.is_alive())


class TestDeadline(base.GlanceTestCase):
    """The thread of a deadline, before anything else knows its owner."""

    def test_interrupted(self) -> None:
        """It ends at once, not at the deadline."""
        conn = self.connect(self.serve(b'data'))
        context = _context.Context(
            conn.image.get_image(scripted.IMAGE_ID),
            conn.image,
            _config.checked(deadline=60),
        )
        watched: list[Any] = []
        watch = deadlines.Deadline.watch

        def noted(deadline: Any, coordinator: Any) -> None:
            watched.append(coordinator)
            watch(deadline, coordinator)

        self.patch(deadlines.Deadline, 'watch', noted)
        with mock.patch.object(threading.Thread, 'start', _interrupted):
            self.assertRaises(KeyboardInterrupt, context.coordinator)
        self.assertTrue(watched[0].ended)
        self.assertNotIn(
            'openstack-image-stream-deadline',
            [thread.name for thread in threading.enumerate()],
        )
