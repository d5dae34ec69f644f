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

"""Tests of what shows how far a download is."""

import io
import sys
from typing import Any
from unittest import mock

from openstack_image_stream import exceptions
from openstack_image_stream import progress
from tests.unit import base


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class TestMeter(base.TestCase):
    """When something is reported."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = _Clock()
        self.seen: list[progress.Progress] = []
        self.meter = progress.Meter(
            progress.reporter_for(self.seen.append, 'image'),
            resumed=3,
            clock=self.clock,
        )

    def test_snapshot(self) -> None:
        """A snapshot has all three numbers, and cannot be changed."""
        self.meter.update(5, 10, end=False)
        self.assertEqual(
            [progress.Progress(done=5, total=10, resumed=3)], self.seen
        )
        self.assertRaises(AttributeError, setattr, self.seen[0], 'done', 6)

    def test_ten_times_a_second(self) -> None:
        """What comes within a tenth of a second is not reported."""
        for done in range(100):
            self.clock.now = 100 + done / 100
            self.meter.update(done, 100, end=False)
        self.assertLessEqual(len(self.seen), 10)
        self.assertGreaterEqual(len(self.seen), 9)

    def test_end_is_always_reported(self) -> None:
        """However fast it was, the last snapshot is of the end."""
        self.meter.update(1, 2, end=False)
        self.meter.update(2, 2, end=True)
        self.assertEqual([1, 2], [snapshot.done for snapshot in self.seen])

    def test_nothing_after_close(self) -> None:
        """Who closed it hears no more of it."""
        self.meter.close()
        self.meter.close()
        self.meter.update(2, 2, end=True)
        self.assertEqual([], self.seen)

    def test_failure_of_a_callback_is_not_hidden(self) -> None:
        """A callback that raises ends the download."""

        def fail(snapshot: progress.Progress) -> None:
            raise ZeroDivisionError

        meter = progress.Meter(progress.reporter_for(fail, 'image'))
        self.assertRaises(ZeroDivisionError, meter.update, 1, 2, end=True)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestBar(base.TestCase):
    """progress=True."""

    def _stderr(self, stream: Any) -> None:
        patcher = mock.patch.object(sys, 'stderr', stream)
        patcher.start()
        self.addCleanup(patcher.stop)

    def test_silent_without_a_terminal(self) -> None:
        """A log file gets no bar."""
        self._stderr(io.StringIO())
        self.assertIsNone(progress.reporter_for(True, 'image'))

    def test_silent_without_standard_error(self) -> None:
        """A service may have no standard error at all."""
        self._stderr(None)
        self.assertIsNone(progress.reporter_for(True, 'image'))

    def test_missing_tqdm_is_explained(self) -> None:
        """Who asks for a bar is told what to install."""
        self._stderr(_Terminal())
        with mock.patch.dict(sys.modules, {'tqdm': None}):
            error = self.assertRaises(
                exceptions.InvalidArgumentError,
                progress.reporter_for,
                True,
                'image',
            )
        self.assertIn('openstack-image-stream[progress]', str(error))

    def test_missing_tqdm_matters_only_on_a_terminal(self) -> None:
        """A cloud may ask for bars where some of its users see none."""
        self._stderr(io.StringIO())
        with mock.patch.dict(sys.modules, {'tqdm': None}):
            self.assertIsNone(progress.reporter_for(True, 'image'))

    def test_bar(self) -> None:
        """The bar of a resumed download begins where the file ends."""
        terminal = _Terminal()
        self._stderr(terminal)
        reporter = progress.reporter_for(True, 'ubuntu')
        meter = progress.Meter(reporter, resumed=512 * 1024)
        meter.update(512 * 1024, 1024 * 1024, end=False)
        self.assertIn('ubuntu:  50%', terminal.getvalue())
        meter.update(1024 * 1024, 1024 * 1024, end=True)
        meter.close()
        self.assertIn('100%', terminal.getvalue())
        self.assertIn('1.00M/1.00M', terminal.getvalue())
