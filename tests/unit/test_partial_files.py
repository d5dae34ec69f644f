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

"""Tests of the partial file: whose it is."""

import fcntl
import os
import stat
from typing import Any

import fixtures

from openstack_image_stream._output import partial_files
from tests.unit import base

ID = '0b8c6a6e-5bd7-4f1c-9d6a-6c1fb3a4a0d1'
NAME = f'image.{ID}.part'


class ClaimTestCase(base.TestCase):
    """A test that claims partial files."""

    def claim(self, *, resume: bool = True, private: bool = False) -> Any:
        """Claim the partial file of a target in this test's directory."""
        partial = partial_files.claim(
            self.path(), ID, private=private, resume=resume
        )
        self.addCleanup(partial.release)
        return partial


class TestOwner(ClaimTestCase):
    """One at a time."""

    def test_first_comes_first(self) -> None:
        """The first gets the file that is found again."""
        partial = self.claim()
        self.assertEqual(self.path(NAME), partial.path)
        self.assertTrue(partial.resumable)
        self.assertTrue(partial.still_there())

    def test_second_gets_another(self) -> None:
        """Whoever comes while it is owned gets a file of its own."""
        first, second = self.claim(), self.claim()
        self.assertNotEqual(first.path, second.path)
        self.assertFalse(second.resumable)
        self.assertIn('another download', self.log.output)

    def test_given_free(self) -> None:
        """Closing it gives it to the next."""
        first = partial_files.claim(
            self.path(), ID, private=False, resume=True
        )
        first.release()
        self.assertEqual(first.path, self.claim().path)

    def test_finished_meanwhile(self) -> None:
        """A file that its owner renamed between open and lock is not ours."""
        original = fcntl.flock
        moved: list[str] = []

        def finish_first(descriptor: int, operation: int) -> None:
            if not moved:
                os.rename(self.path(NAME), self.path())
                moved.append(NAME)
            original(descriptor, operation)

        self.useFixture(fixtures.MockPatchObject(fcntl, 'flock', finish_first))
        partial = self.claim()
        self.assertTrue(partial.still_there())
        self.assertEqual(sorted(['image', NAME]), self.files())

    def test_locks_that_do_nothing(self) -> None:
        """Where every lock is granted, nobody may rely on one."""
        self.useFixture(
            fixtures.MockPatchObject(fcntl, 'flock', lambda *args: None)
        )
        first, second = self.claim(), self.claim()
        self.assertEqual((False, False), (first.resumable, second.resumable))
        self.assertNotEqual(first.path, second.path)
        self.assertIn('locks do nothing', self.log.output)

    def test_locks_that_fail(self) -> None:
        """A file system without locks is one without resumption."""

        def refuse(descriptor: int, operation: int) -> None:
            raise OSError(95, 'Operation not supported')

        self.useFixture(fixtures.MockPatchObject(fcntl, 'flock', refuse))
        self.assertFalse(self.claim().resumable)

    def test_not_wanted(self) -> None:
        """Without resumption nothing is shared."""
        self.assertFalse(self.claim(resume=False).resumable)


class TestForeign(ClaimTestCase):
    """What another program may have put in its place."""

    def assert_passed_over(self) -> None:
        """Check that a file of its own is made instead."""
        partial = self.claim()
        self.assertFalse(partial.resumable)
        self.assertTrue(stat.S_ISREG(os.fstat(partial.descriptor).st_mode))

    def test_link(self) -> None:
        """A link is not followed."""
        precious = self.write(b'precious', 'precious')
        os.symlink(precious, self.path(NAME))
        self.assert_passed_over()
        self.assertEqual(b'precious', self.content('precious'))

    def test_hard_link(self) -> None:
        """Neither is a second name of something else used."""
        precious = self.write(b'precious', 'precious')
        os.link(precious, self.path(NAME))
        self.assert_passed_over()
        self.assertEqual(b'precious', self.content('precious'))

    def test_directory(self) -> None:
        """A directory is no file."""
        os.mkdir(self.path(NAME))
        self.assert_passed_over()

    def test_fifo(self) -> None:
        """A FIFO is none either, and is not waited for."""
        os.mkfifo(self.path(NAME))
        self.assert_passed_over()

    def test_other_owner(self) -> None:
        """A file of another user may be changed by that user."""
        self.write(b'theirs', NAME)
        self.useFixture(fixtures.MockPatchObject(os, 'geteuid', lambda: 12345))
        self.assert_passed_over()
        self.assertEqual(b'theirs', self.content(NAME))


class TestMode(ClaimTestCase):
    """Who may read it."""

    def test_umask(self) -> None:
        """The umask decides, as for any new file."""
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        partial = self.claim()
        self.assertEqual(
            0o640, stat.S_IMODE(os.fstat(partial.descriptor).st_mode)
        )

    def test_not_more_than_the_file(self) -> None:
        """Nobody reads the partial file who may not read the file."""
        partial = self.claim(private=True)
        self.assertEqual(
            0o600, stat.S_IMODE(os.fstat(partial.descriptor).st_mode)
        )

    def test_left_by_a_freer_one(self) -> None:
        """What a former download left for all is for its owner alone now."""
        os.chmod(self.write(b'left', NAME), 0o644)
        partial = self.claim(private=True)
        self.assertTrue(partial.resumable)
        self.assertEqual(
            0o600, stat.S_IMODE(os.fstat(partial.descriptor).st_mode)
        )
