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

"""Tests of what is raised into a download while it opens and closes files."""

from collections.abc import Callable
import contextlib
import dis
import gc
import os
import pathlib
import sys
import traceback
from typing import Any

import fixtures

from openstack_image_stream import _config
from openstack_image_stream._output import choice
from openstack_image_stream._output import direct
from openstack_image_stream._output import owned
from openstack_image_stream._output import partial_files
from openstack_image_stream._output import sinks
from tests.unit import base

ID = '0b8c6a6e-5bd7-4f1c-9d6a-6c1fb3a4a0d1'
DATA = base.some_bytes(1_000)
OLD = b'what was there before'
PACKAGE = str(pathlib.Path(owned.__file__).parent)


class Raised(BaseException):
    """Stands for what a signal handler raises."""


class Raiser:
    """Raises once, where the interpreter would call a signal handler.

    That is after a call, when a function begins, and when a loop does again.

    :param number: After how many of these places in the package.
    """

    _PLACES = ('CALL', 'RESUME', 'JUMP_BACKWARD', 'JUMP_ABSOLUTE')

    def __init__(self, number: int) -> None:
        self._left = number
        self._last: dict[Any, str] = {}
        self.where: Any = None
        self.done = False

    def forget(self) -> None:
        """Keep no frame, which would keep what is open in it."""
        self._last.clear()

    def __call__(self, frame: Any, event: str, argument: Any) -> Any:
        # What is raised in a finalizer the interpreter does not hand on.
        if not frame.f_code.co_filename.startswith(PACKAGE) or any(
            caller.f_code.co_name == '__del__'
            for caller, _ in traceback.walk_stack(frame)
        ):
            return None
        frame.f_trace_opcodes = True
        return self._trace

    def _trace(self, frame: Any, event: str, argument: Any) -> Any:
        if event == 'exception':
            # A call that raises is followed by no handler of a signal.
            self._last[frame] = ''
        if event != 'opcode' or self.done:
            return self._trace
        last = self._last.get(frame, 'RESUME')
        self._last[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
        if last.startswith(self._PLACES):
            self._left -= 1
            if self._left < 0:
                self.done = True
                self.forget()
                self.where = (frame.f_code.co_name, frame.f_lineno)
                raise Raised
        return self._trace


class TestRaisedAnywhere(base.TestCase):
    """An exception before any instruction leaves nothing open."""

    def sweep(self, act: Callable[[], Any], check: Callable[[], None]) -> int:
        """Raise at each instruction in turn.

        :param act: What to do.
        :param check: Called after each.
        :returns: How many instructions there were.
        """
        # Since 3.12 it is settrace() that looks whether anything is to be
        # traced by instructions, and code is so from its next call on.
        sys._getframe().f_trace_opcodes = True
        for _ in range(2):
            self.raise_at(10**9, act)
        number = 0
        # 3.13.0 needs a second time after an exception, too.
        while self.raise_at(number, act) or self.raise_at(number, act):
            check()
            number += 1
        return number

    def raise_at(self, number: int, act: Callable[[], Any]) -> bool:
        """Raise at one place; tell whether there is such a place."""
        raiser = Raiser(number)
        before = os.listdir('/proc/self/fd')
        previous = sys.gettrace()
        sys.settrace(raiser)
        try:
            with contextlib.suppress(Raised):
                act()
        finally:
            sys.settrace(previous)
            raiser.forget()
        after = os.listdir('/proc/self/fd')
        self.assertEqual(before, after, raiser.where)
        return raiser.done

    def save(self, resume: bool = True) -> None:
        """Write an image to the path of this test."""
        sink: sinks.Sink = choice.sink_for(
            self.path(), ID, _config.checked(resume=resume, sparse=True)
        )
        with sink:
            sink.write(DATA)
            sink.commit()

    def setUp(self) -> None:
        super().setUp()
        # What is dropped has to be closed at once, not by the collector.
        gc.disable()
        self.addCleanup(gc.enable)

    def test_claim(self) -> None:
        """The partial file is free again, and found again."""
        resumable = partial_files.name(self.path(), ID)

        def claim() -> None:
            partial_files.claim(
                self.path(), ID, private=False, resume=True
            ).release()

        def check() -> None:
            self.assertLessEqual(set(os.listdir(self.directory)), names)
            partial = partial_files.claim(
                self.path(), ID, private=False, resume=True
            )
            self.assertEqual(resumable, partial.path)
            partial.discard()
            partial.release()

        names = {os.path.basename(resumable)}
        self.assertGreater(self.sweep(claim, check), 30)

    def test_claim_of_its_own(self) -> None:
        """A file that no other download could use is removed."""

        def claim() -> None:
            partial = partial_files.claim(
                self.path(), ID, private=True, resume=False
            )
            partial.discard()
            partial.release()

        def check() -> None:
            self.assertEqual([], self.files())

        self.assertGreater(self.sweep(claim, check), 30)

    def test_replaced(self) -> None:
        """The file is the old one or the new one."""

        def act() -> None:
            self.write(OLD)
            self.save(resume=False)

        def check() -> None:
            self.assertIn(self.content(), (OLD, DATA))
            self.assertEqual(['image'], self.files())

        self.assertGreater(self.sweep(act, check), 200)

    def test_filled_in_place(self) -> None:
        """The file is empty or whole, and may be written to again."""

        def act() -> None:
            self.write(b'')
            self.save()

        def check() -> None:
            self.assertIn(self.content(), (b'', DATA))
            self.write(b'')
            self.save()
            self.assert_same(DATA, self.content())

        self.assertGreater(self.sweep(act, check), 200)

    def test_descriptor_of_the_caller(self) -> None:
        """The copy is closed, the caller's stays open."""
        with open(self.path(), 'wb') as file:

            def act() -> None:
                with direct.DirectSink(file.fileno()) as sink:
                    sink.write(DATA)
                    sink.commit()

            self.assertGreater(self.sweep(act, lambda: None), 30)
            self.assertFalse(file.closed)


class TestChild(base.TestCase):
    """A child of the process that downloads."""

    def in_child(self, act: Callable[[], None]) -> None:
        """Do something in a child that then exits."""
        child = os.fork()
        if not child:
            status = 1
            try:
                act()
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(0, os.waitpid(child, 0)[1])

    def enter(self, content: bytes | None = None) -> sinks.Sink:
        """Return a sink with the first bytes of the image written."""
        if content is not None:
            self.write(content)
        sink = choice.sink_for(
            self.path(), ID, _config.checked(resume=True, sparse=True)
        )
        self.addCleanup(sink.__exit__, None, None, None)
        sink.__enter__()
        sink.write(DATA)
        return sink

    @base.for_each({'new': None, 'old': OLD, 'empty': b''})
    def test_leaves_the_file(self, content: bytes | None) -> None:
        """Leaving the download in a child undoes and unlocks nothing."""
        sink = self.enter(content)
        self.in_child(lambda: sink.__exit__(Raised, Raised(), None))
        other = choice.sink_for(
            self.path(), ID, _config.checked(resume=True, sparse=True)
        )
        if content == b'':
            # It has content by now, so that it would be replaced.
            self.assert_same(DATA, self.content())
        else:
            with other:
                self.assertEqual(0, other.start)
        sink.write(DATA)
        sink.commit()
        self.assert_same(DATA * 2, self.content())

    @base.for_each({'new': None, 'old': OLD, 'empty': b''})
    def test_with_copies(self, content: bytes | None) -> None:
        """Nor does a child that was not made by Python, and has copies."""
        sink = self.enter(content)
        self.useFixture(fixtures.MockPatchObject(owned, '_OPEN', set()))
        self.in_child(lambda: sink.__exit__(Raised, Raised(), None))
        other = choice.sink_for(
            self.path(), ID, _config.checked(resume=True, sparse=True)
        )
        if content != b'':
            with other:
                self.assertEqual(0, other.start)
        sink.write(DATA)
        sink.commit()
        self.assert_same(DATA * 2, self.content())

    @base.for_each({'new': None, 'old': OLD, 'empty': b''})
    def test_cannot_write(self, content: bytes | None) -> None:
        """Two processes do not write one download."""
        sink = self.enter(content)

        def write() -> None:
            for use in (sink.write, lambda data: sink.commit()):
                try:
                    use(DATA)
                except Exception as exc:
                    if 'a child cannot' in str(exc):
                        continue
                    raise
                raise AssertionError('not refused')

        self.in_child(write)
        sink.commit()
        self.assert_same(DATA, self.content())

    def test_does_not_keep_the_lock(self) -> None:
        """A child that lives longer than a download is in nobody's way."""
        partial = partial_files.claim(
            self.path(), ID, private=False, resume=True
        )
        # One that does not know that its copies are to be closed.
        copy = os.dup(partial.descriptor)
        self.addCleanup(os.close, copy)
        partial.release()
        again = partial_files.claim(
            self.path(), ID, private=False, resume=True
        )
        self.addCleanup(again.release)
        self.assertTrue(again.resumable)

    def test_has_no_copy(self) -> None:
        """After a fork in Python it does not even have the descriptor."""
        partial = partial_files.claim(
            self.path(), ID, private=False, resume=True
        )
        self.addCleanup(partial.release)
        number = partial.descriptor

        def look() -> None:
            try:
                os.fstat(number)
            except OSError:
                return
            raise AssertionError('still open')

        self.in_child(look)
        self.assertTrue(partial.is_ours)


class TestLeaving(base.TestCase):
    """Cleaning up that is interrupted."""

    def test_is_completed(self) -> None:
        """An exception in the middle of it does not end it."""
        self.write(b'')
        sink = choice.sink_for(
            self.path(), ID, _config.checked(resume=True, sparse=True)
        )
        real = os.ftruncate
        calls: list[int] = []

        def truncate(descriptor: int, length: int) -> None:
            calls.append(length)
            if len(calls) == 1:
                raise Raised
            real(descriptor, length)

        def download() -> None:
            with sink:
                sink.write(DATA)
                os.ftruncate = truncate  # type: ignore[assignment]
                raise ValueError

        try:
            self.assertRaises(Raised, download)
        finally:
            os.ftruncate = real
        self.assertEqual(b'', self.content())
        self.assertEqual([0, 0], calls)

    def test_lock_that_is_refused_late(self) -> None:
        """What lies in the way of unlocking does not keep it open."""
        partial = partial_files.claim(
            self.path(), ID, private=False, resume=True
        )

        def refuse(descriptor: int, lock: bool) -> None:
            raise OSError(37, 'No locks available')

        partial._locking = refuse
        partial.release()
        self.assertFalse(partial.is_ours)
