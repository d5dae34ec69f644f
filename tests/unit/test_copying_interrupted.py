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

"""Tests of copies that something is raised into, at any line."""

import contextlib
import os
import sys
from types import FrameType
from typing import Any

import openstack_image_stream
from tests.servers import scripted
from tests.servers import upload_glance
from tests.unit import base

#: Every so many lines something is raised. A prime number, so that the lines
#: of a loop have their turns.
STRIDE = 17

DATA = base.some_bytes(2_500_000)

#: Modules at whose lines it is raised.
MODULES = (
    '_copying.py',
    '_http/upload_body.py',
    '_sdk/records.py',
    '_sdk/uploading.py',
)

ROOT = os.path.dirname(openstack_image_stream.__file__)


class Interruption:
    """Raises an exception at a line of the modules.

    :param number: At which of the lines that are executed.
    """

    def __init__(self, number: int) -> None:
        self._left = number
        self._before = sys.gettrace()
        #: Where it was raised, ``None`` if there were fewer lines.
        self.place: str | None = None

    def __enter__(self) -> 'Interruption':
        sys.settrace(self._trace)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        name = os.path.relpath(frame.f_code.co_filename, ROOT)
        if name not in MODULES:
            return None
        if event == 'line':
            self._left -= 1
            if self._left == 0:
                self.place = f'{name}:{frame.f_lineno}'
                sys.settrace(self._before)
                raise KeyboardInterrupt
        return self._trace


class TestInterrupted(base.GlanceTestCase):
    """Wherever it is raised, the record goes."""

    def copy_all(self, **options: Any) -> None:
        """Interrupt a copy at one line after the other."""
        source = self.serve(DATA, disk_format='raw', container_format='bare')
        conn = self.connect(source)
        with upload_glance.UploadGlance() as destination:
            to = destination.connect()
            self.addCleanup(to.close)
            # What is found out about a service is found out once.
            conn.image.get_image(scripted.IMAGE_ID)
            self.assertTrue(to.image)
            left, number = [], 1
            while True:
                with (
                    contextlib.suppress(KeyboardInterrupt),
                    Interruption(number) as interruption,
                ):
                    conn.image.copy_image(scripted.IMAGE_ID, to=to, **options)
                if interruption.place is None:
                    break
                self.assertTrue(destination.wait_for_end())
                if destination.images:
                    left.append(interruption.place)
                    destination.images.clear()
                number += STRIDE
            self.assertEqual([], left)
            self.assertGreater(number, 15 * STRIDE)
            # The copy at last was one that nothing was raised into.
            self.assertEqual(1, len(destination.images))
            base.close_idle(to.session.session)
            self.assert_nothing_open(source, conn)

    def test_upload(self) -> None:
        """The data are uploaded."""
        self.copy_all(protected=True)

    def test_import(self) -> None:
        """The data are staged and imported."""
        self.copy_all(stores=['a'])
