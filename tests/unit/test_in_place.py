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

"""Tests of files that are written in place, and of who else writes there."""

import errno
import fcntl
import os
import stat
import tempfile
import threading
from typing import Any
from unittest import mock

import fixtures

from openstack_image_stream import _config
from openstack_image_stream._output import choice
from openstack_image_stream._output import direct
from openstack_image_stream._output import sinks
from openstack_image_stream import exceptions
from tests.unit import base

DATA = base.some_bytes(1_000)
ID = '0b8c6a6e-5bd7-4f1c-9d6a-6c1fb3a4a0d1'


class Enough(Exception):
    """Ends a download early."""


class InPlaceTestCase(base.TestCase):
    """A test with an empty file."""

    def setUp(self) -> None:
        super().setUp()
        self.write(b'')

    def sink(self, output: Any = None) -> sinks.Sink:
        """Return a sink, for the empty file unless told otherwise."""
        return choice.sink_for(
            self.path() if output is None else output,
            ID,
            _config.checked(resume=True, sparse=True),
        )

    def enter(self, sink: sinks.Sink) -> sinks.Sink:
        """Enter a sink, and leave it after the test."""
        self.addCleanup(sink.__exit__, None, None, None)
        return sink.__enter__()

    def refused(self, function: Any, *args: Any) -> str:
        """Check that something is refused; return the error's text."""
        return str(
            self.assertRaises(exceptions.ImageStreamError, function, *args)
        )


class TestSecondDownload(InPlaceTestCase):
    """Two downloads to one empty file."""

    def test_same_process(self) -> None:
        """The second is refused before it asks for data."""
        first, second = self.sink(), self.sink()
        self.enter(first)
        text = self.refused(second.__enter__)
        self.assertIn('another download', text)
        self.assertIn(repr(self.path()), text)
        first.write(DATA)
        first.commit()
        self.assert_same(DATA, self.content())

    def test_other_process(self) -> None:
        """Also when it is another process."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            with self.sink():
                os.close(reading)
                os.write(writing, b'x')
                # Until the parent is done with it.
                threading.Event().wait(60)
            os._exit(0)
        os.close(writing)
        try:
            os.read(reading, 1)
            text = self.refused(self.sink().__enter__)
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
            os.close(reading)
        self.assertIn('another download is writing to', text)
        with self.sink() as sink:
            sink.write(DATA)
            sink.commit()
        self.assert_same(DATA, self.content())

    def test_one_fails(self) -> None:
        """The one that is refused takes nothing away from the other."""
        first, second = self.sink(), self.sink()
        self.enter(first)
        first.write(DATA)
        self.refused(second.__enter__)
        first.write(bytes(100_000))
        first.commit()
        self.assert_same(DATA + bytes(100_000), self.content())

    def test_after_the_first(self) -> None:
        """A file that was empty when it was chosen may be full by now."""
        second = self.sink()
        with self.sink() as first:
            first.write(DATA)
            first.commit()
        self.assertIn('was empty', self.refused(second.__enter__))
        self.assert_same(DATA, self.content())

    def test_lock_of_the_caller(self) -> None:
        """flock(1) around a download is not in its way."""
        with open(self.path(), 'rb') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with self.sink() as sink:
                sink.write(DATA)
                sink.commit()
        self.assert_same(DATA, self.content())


class TestOtherProgram(InPlaceTestCase):
    """Another program writes to the file, or takes it away."""

    @base.for_each({'cut': 1, 'longer': 5_000})
    def test_while_it_is_written(self, length: int) -> None:
        """Nothing is written in the wrong place, nothing is taken away."""
        sink = self.enter(self.sink())
        sink.write(DATA)
        os.truncate(self.path(), length)
        self.assertIn('was changed', self.refused(sink.write, DATA))
        sink.__exit__(Enough, Enough(), None)
        self.assertEqual(length, os.path.getsize(self.path()))

    @base.for_each(
        {
            'longer': lambda path: os.truncate(path, 5_000),
            'removed': os.unlink,
            'replaced': lambda path: os.rename(path, f'{path}.old'),
        }
    )
    def test_at_the_end(self, act: Any) -> None:
        """It is no success."""
        sink = self.enter(self.sink())
        sink.write(DATA)
        act(self.path())
        self.refused(sink.commit)

    def test_while_it_is_flushed(self) -> None:
        """Not even when it happens at the last moment."""
        sink = self.enter(self.sink())
        sink.write(DATA)
        with mock.patch.object(
            os,
            'fsync',
            side_effect=lambda descriptor: os.truncate(self.path(), 5_000),
        ):
            self.refused(sink.commit)


class TestWithoutLocks(InPlaceTestCase):
    """A file system whose locks do nothing."""

    def setUp(self) -> None:
        super().setUp()
        real = fcntl.fcntl
        self.failure: OSError | None = None

        def lock(descriptor: int, command: int, *args: Any) -> Any:
            if command != fcntl.F_OFD_SETLK:
                return real(descriptor, command, *args)
            if self.failure is not None:
                raise self.failure
            return b''

        self.useFixture(fixtures.MockPatchObject(fcntl, 'fcntl', lock))

    @base.for_each(
        {'silent': None, 'refused': errno.ENOLCK, 'unknown': errno.EINVAL}
    )
    def test_works(self, number: int | None) -> None:
        """A download that is alone is as good as elsewhere."""
        if number is not None:
            self.failure = OSError(number, os.strerror(number))
        with self.sink() as sink:
            sink.write(DATA)
            sink.write(bytes(200_000) + DATA)
            sink.commit()
        self.assert_same(DATA + bytes(200_000) + DATA, self.content())
        self.assertIn('locks do nothing', self.log.output)

    def test_written_in_turns(self) -> None:
        """A mixture that has the right length is no success."""
        sink = self.enter(self.sink())
        sink.write(DATA)
        with open(self.path(), 'r+b') as other:
            other.write(b'another image')
        sink.write(DATA)
        self.assertIn('was changed', self.refused(sink.commit))
        sink.__exit__(Enough, Enough(), None)
        self.assertEqual(b'', self.content())

    def test_not_readable(self) -> None:
        """What cannot be read back is refused at once."""
        real = os.open

        def refuse(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            if path == self.path() and flags & os.O_ACCMODE == os.O_RDONLY:
                raise PermissionError(errno.EACCES, 'no')
            return real(path, flags, *args, **kwargs)

        sink = self.sink()
        with mock.patch.object(os, 'open', refuse):
            text = self.refused(sink.__enter__)
        self.assertIn('without locks', text)

    def test_handler_of_a_signal(self) -> None:
        """What such a handler raises is not taken for a missing lock."""
        sink = self.sink()
        self.failure = TimeoutError('a time limit')
        with mock.patch(
            'openstack_image_stream._common.signals.find_raised',
            return_value=self.failure,
        ):
            self.assertRaises(TimeoutError, sink.__enter__)


class TestFilesOfTheCaller(InPlaceTestCase):
    """Two downloads to one file that the caller opened."""

    @base.for_each({'raw': 0, 'buffered': -1})
    def test_two_objects(self, buffering: int) -> None:
        """The second is refused while the first is at it."""
        with (
            open(self.path(), 'wb', buffering) as one,
            open(self.path(), 'wb', buffering) as two,
        ):
            first = self.enter(self.sink(one))
            first.write(DATA)
            self.assertIn(
                'at the same place', self.refused(self.sink(two).__enter__)
            )
            first.write(DATA)
            first.commit()
            self.assert_same(DATA * 2, self.content())

    def test_temporary_file(self) -> None:
        """Also what tempfile wraps."""
        with tempfile.NamedTemporaryFile(dir=self.directory) as one:
            self.enter(self.sink(one))
            with open(one.name, 'r+b') as two:
                self.refused(self.sink(two).__enter__)

    def test_descriptors(self) -> None:
        """And descriptors, under whatever name."""
        with open(self.path(), 'wb') as one, open(self.path(), 'ab') as two:
            self.enter(self.sink(one.fileno()))
            for output in (two, f'/dev/fd/{two.fileno()}', self.path()):
                self.refused(self.sink(output).__enter__)

    def test_one_after_the_other(self) -> None:
        """The same object may be used again."""
        with open(self.path(), 'wb') as file:
            for _ in range(3):
                with self.sink(file) as sink:
                    sink.write(DATA)
                    sink.commit()
        self.assert_same(DATA * 3, self.content())

    def test_different_places(self) -> None:
        """Two that write to different places do each other no harm."""
        with open(self.path(), 'r+b') as one, open(self.path(), 'r+b') as two:
            two.seek(1_000)
            first, second = self.sink(one), self.sink(two)
            self.enter(first)
            self.enter(second)
            first.write(DATA)
            second.write(DATA)
            first.commit()
            second.commit()
            self.assert_same(DATA * 2, self.content())
            # But not the one into what the other wrote.
            self.refused(first.write, b'x')

    def test_forgotten(self) -> None:
        """A download that is dropped without a word does not count."""
        with open(self.path(), 'wb') as file:
            forgotten = self.sink(file)
            forgotten.__enter__()
            del forgotten
            with self.sink(file):
                pass

    def test_pipes(self) -> None:
        """A pipe may have many writers."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        self.enter(self.sink(writing))
        self.enter(self.sink(f'/dev/fd/{writing}'))


class TestDevice(InPlaceTestCase):
    """A disk, played by a file: only its kind is asked for."""

    def device(self) -> sinks.Sink:
        """Return a sink for the disk."""
        return direct.DirectSink(self.path())

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(
            fixtures.MockPatchObject(stat, 'S_ISBLK', lambda mode: True)
        )

    def test_two_downloads(self) -> None:
        """The second is refused while the first writes."""
        first = self.enter(self.device())
        text = self.refused(self.device().__enter__)
        self.assertIn('another download is writing to', text)
        first.write(DATA)
        first.commit()
        first.__exit__(None, None, None)
        with self.device():
            pass

    def test_systems_without_locks(self) -> None:
        """A device that cannot be locked is written to all the same."""
        real = fcntl.fcntl

        def refuse(descriptor: int, command: int, *args: Any) -> Any:
            if command == fcntl.F_OFD_SETLK:
                raise OSError(errno.ENOLCK, 'no locks')
            return real(descriptor, command, *args)

        with mock.patch.object(fcntl, 'fcntl', refuse), self.device() as sink:
            sink.write(DATA)
            sink.commit()
        self.assert_same(DATA, self.content())
