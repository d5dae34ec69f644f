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

"""Tests of the ends that write."""

import contextlib
import errno
import io
import os
import pathlib
import re
import resource
import select
import signal
import stat
import tempfile
import threading
from typing import Any
from unittest import mock
import zlib

import fixtures
import hypothesis
from hypothesis import strategies

from openstack_image_stream import _config
from openstack_image_stream._output import attributes
from openstack_image_stream._output import choice
from openstack_image_stream._output import direct
from openstack_image_stream._output import files
from openstack_image_stream._output import partial_files
from openstack_image_stream._output import sinks
from openstack_image_stream import exceptions
from tests.unit import base
from tests.unit import scripted_source

DATA = base.some_bytes(1_000)
OLD = b'what was there before'
ID = '0b8c6a6e-5bd7-4f1c-9d6a-6c1fb3a4a0d1'


class Enough(Exception):
    """Stands for whatever ends a download early."""


class BytesPath(os.PathLike):  # type: ignore[type-arg]
    """A path that is bytes inside."""

    def __init__(self, path: bytes) -> None:
        self._path = path

    def __fspath__(self) -> bytes:
        return self._path


def mode_of(path: str) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(os.stat(path).st_mode)


def sink_for(output: Any, image_id: str) -> sinks.Sink:
    """Choose a sink that keeps no partial file."""
    return choice.sink_for(
        output, image_id, _config.checked(resume=False, sparse=True)
    )


class SinkTestCase(base.TestCase):
    """A test that writes."""

    def save(self, output: Any, data: bytes = DATA) -> sinks.Sink:
        """Write all of an image and commit it."""
        sink = sink_for(output, ID)
        with sink as entered:
            self.assertIs(sink, entered)
            for chunk in scripted_source.split(data, 300):
                sink.write(chunk)
            sink.commit()
        return sink

    def give_up(self, output: Any) -> None:
        """Write an image but for its commit."""
        sink = sink_for(output, ID)
        with contextlib.suppress(Enough), sink:
            sink.write(DATA)
            raise Enough


class TestRefused(SinkTestCase):
    """Outputs to which nothing could be written."""

    @base.for_each(
        {
            'flag': True,
            'closed_number': 99_999,
            'negative_number': -1,
            'absurd_number': 10**30,
            'buffer': bytearray(b'/tmp/image'),
            'no_write': object(),
            'write_is_no_method': mock.Mock(write=None, spec=['write']),
            'list': ['image'],
            'empty': '',
            'empty_bytes': b'',
            'null_byte': 'ima\0ge',
            'null_byte_in_bytes': b'ima\0ge',
            'text': io.StringIO(),
        }
    )
    def test_what_is_no_output(self, output: Any) -> None:
        """It is refused by name, when the sink is chosen."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError, sink_for, output, ID
        )
        self.assertIn('output', str(error))

    def test_directory(self) -> None:
        """A directory is no place for one file."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            sink_for,
            self.directory,
            ID,
        )
        self.assertIn(self.directory, str(error))
        self.assertIn('is a directory', str(error))

    def test_link_to_a_directory(self) -> None:
        """Nor is a link to one."""
        os.symlink(self.directory, self.path('link'))
        self.assertRaises(
            exceptions.InvalidArgumentError,
            sink_for,
            self.path('link'),
            ID,
        )

    @base.for_each({'direct': 'no/image', 'deep': 'no/such/image'})
    def test_missing_directory(self, name: str) -> None:
        """The error names the directory that is missing."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            sink_for,
            self.path(name),
            ID,
        )
        self.assertIn(repr(os.path.dirname(self.path(name))), str(error))

    def test_link_into_a_missing_directory(self) -> None:
        """Behind a link it is the directory of the link's target."""
        os.symlink(self.path('no/image'), self.path('link'))
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            sink_for,
            self.path('link'),
            ID,
        )
        self.assertIn(repr(self.path('no')), str(error))

    def test_name_of_a_new_directory(self) -> None:
        """A path that ends like a directory is not made a file."""
        self.assertRaises(
            exceptions.InvalidArgumentError,
            sink_for,
            self.path('new') + '/',
            ID,
        )

    @base.for_each({'new': 'new/', 'file': 'file/'})
    def test_slash_at_the_end(self, name: str) -> None:
        """The error says that it is the slash that is too much."""
        self.write(OLD, 'file')
        error = self.assertRaises(
            exceptions.InvalidArgumentError, sink_for, self.path(name), ID
        )
        self.assertIn('ends with a slash', str(error))

    def test_directory_that_may_not_be_searched(self) -> None:
        """It is not called missing."""
        real = os.stat

        def refuse(path: Any, **kwargs: Any) -> os.stat_result:
            if path == self.directory:
                raise PermissionError(errno.EACCES, 'Permission denied')
            return real(path, **kwargs)

        with mock.patch.object(os, 'stat', refuse):
            error = self.assertRaises(
                PermissionError, sink_for, self.path(), ID
            )
        self.assertEqual(self.directory, error.filename)
        self.assertIn('may not be searched', str(error))

    def test_descriptor_for_reading(self) -> None:
        """A descriptor that cannot be written to is refused in time."""
        with open(self.write(OLD), 'rb') as file:
            error = self.assertRaises(
                exceptions.InvalidArgumentError, sink_for, file.fileno(), ID
            )
        self.assertIn('for reading only', str(error))

    @base.for_each({'below': 'file/image', 'slash': 'file/'})
    def test_file_as_a_directory(self, name: str) -> None:
        """A file has no files in it."""
        self.write(OLD, 'file')
        self.assertRaises(
            exceptions.InvalidArgumentError,
            sink_for,
            self.path(name),
            ID,
        )
        self.assertEqual(OLD, self.content('file'))

    def test_open_for_text(self) -> None:
        """A text file is refused, and told how to do better."""
        with open(self.path(), 'w') as file:
            error = self.assertRaises(
                exceptions.InvalidArgumentError, sink_for, file, ID
            )
        self.assertIn("'wb'", str(error))

    def test_temporary_file_for_text(self) -> None:
        """Also where tempfile wraps it."""
        with tempfile.NamedTemporaryFile('w', dir=self.directory) as file:
            self.assertRaises(
                exceptions.InvalidArgumentError, sink_for, file, ID
            )

    def test_open_for_reading(self) -> None:
        """A file that says it is not writable is refused in time."""
        self.write(OLD)
        for buffering in (0, -1):
            with open(self.path(), 'rb', buffering) as file:
                self.assertRaises(
                    exceptions.InvalidArgumentError,
                    sink_for,
                    file,
                    ID,
                )

    def test_temporary_file_for_reading(self) -> None:
        """Also where tempfile wraps it."""
        self.write(OLD)
        with (
            open(self.path(), 'rb') as file,
            tempfile._TemporaryFileWrapper(
                file, self.path(), delete=False
            ) as wrapped,
        ):
            self.assertRaises(
                exceptions.InvalidArgumentError, sink_for, wrapped, ID
            )

    def test_closed_file(self) -> None:
        """So is one that was closed already."""
        with open(self.path(), 'wb') as file:
            pass
        self.assertRaises(exceptions.InvalidArgumentError, sink_for, file, ID)

    def test_nothing_is_touched(self) -> None:
        """Choosing a sink makes, opens and empties nothing."""
        self.write(OLD, 'old')
        self.write(b'', 'empty')
        for name in ('old', 'empty', 'new'):
            sink_for(self.path(name), ID)
        self.assertEqual(['empty', 'old'], self.files())
        self.assertEqual(OLD, self.content('old'))

    def test_local_errors_pass(self) -> None:
        """What only the system knows stays the OSError that it is."""
        error = self.assertRaises(
            OSError, sink_for, self.path('x' * 5_000), ID
        )
        self.assertEqual(errno.ENAMETOOLONG, error.errno)
        os.symlink('loop', self.path('loop'))
        error = self.assertRaises(OSError, sink_for, self.path('loop'), ID)
        self.assertEqual(errno.ELOOP, error.errno)


class TestNewFile(SinkTestCase):
    """A name that does not exist yet."""

    @base.for_each(
        {
            'str': str,
            'bytes': os.fsencode,
            'pathlike': pathlib.Path,
            'pathlike_of_bytes': lambda path: BytesPath(os.fsencode(path)),
        }
    )
    def test_is_made(self, kind: Any) -> None:
        """It holds the image, and nothing else is left."""
        self.save(kind(self.path()))
        self.assert_same(DATA, self.content())
        self.assertEqual(['image'], self.files())

    def test_without_a_directory(self) -> None:
        """A bare name is one of the present directory."""
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.directory)
        sink = sink_for('image', ID)
        # Threads of the caller may change it at any time.
        os.chdir(before)
        with sink:
            sink.write(DATA)
            sink.commit()
        self.assert_same(DATA, self.content())

    @base.for_each({'027': 0o027, '077': 0o077, '002': 0o002})
    def test_umask_decides(self, umask: int) -> None:
        """The mode is what it would be for any new file."""
        self.addCleanup(os.umask, os.umask(umask))
        self.save(self.path())
        self.assertEqual(0o666 & ~umask, mode_of(self.path()))

    def test_is_not_there_before(self) -> None:
        """Until the commit the name does not exist."""
        sink = sink_for(self.path(), ID)
        with sink:
            sink.write(DATA)
            self.assertNotIn('image', self.files())
            self.assertEqual(1, len(self.files()))

    def test_giving_up(self) -> None:
        """Without a commit nothing is left."""
        self.give_up(self.path())
        self.assertEqual([], self.files())

    def test_empty_image(self) -> None:
        """An image of no bytes is a file of no bytes."""
        self.save(self.path(), b'')
        self.assertEqual(b'', self.content())


class TestPartialFile(SinkTestCase):
    """The file beside the target, until the commit."""

    def _partial(self, target: str = 'image', image_id: str = ID) -> str:
        sink = sink_for(self.path(target), image_id)
        with sink:
            (name,) = set(self.files()) - {target}
        return name

    def test_tells_what_it_is(self) -> None:
        """It is named after the output and the image."""
        self.assertRegex(
            self._partial(), rf'^image\.{re.escape(ID)}\.[0-9a-f]+\.part$'
        )

    def test_is_not_shared(self) -> None:
        """Two downloads to one name do not mix."""
        first = sink_for(self.path(), ID)
        second = sink_for(self.path(), ID)
        with first, second:
            first.write(b'1' * 10)
            second.write(b'2' * 10)
            first.write(b'1' * 10)
            self.assertEqual(2, len(self.files()))
            first.commit()
            self.assertEqual(b'1' * 20, self.content())
            second.commit()
        self.assertEqual(b'2' * 10, self.content())
        self.assertEqual(['image'], self.files())

    def test_does_not_follow_what_is_there(self) -> None:
        """A name that another program has put there is passed over."""
        taken = self.path('image.taken.part')
        os.symlink(self.write(OLD, 'precious'), taken)
        free = self.path('image.free.part')
        with mock.patch.object(
            partial_files, 'name', side_effect=[taken, taken, free]
        ):
            self.save(self.path())
        self.assert_same(DATA, self.content())
        self.assertEqual(OLD, self.content('precious'))
        self.assertTrue(os.path.islink(taken))

    @base.for_each(
        {
            'slashes': 'a/../../../etc/passwd',
            'absolute': '/etc/passwd',
            'dots': '..',
            'null': 'a\0b',
            'newline': 'a\nb',
            'not_ascii': 'Ä' * 300,
            'long': 'x' * 10_000,
            'empty': '',
        }
    )
    def test_odd_id(self, image_id: str) -> None:
        """An ID cannot lead out of the directory, nor break the name."""
        name = self._partial(image_id=image_id)
        self.assertRegex(name, r'^image(\.[A-Za-z0-9_-]+)?\.[0-9a-f]+\.part$')
        self.assertLessEqual(len(os.fsencode(name)), 255)

    @base.for_each(
        {
            'ascii': 'x' * 255,
            'two_bytes': 'ä' * 127,
            'cut_inside': 'xx' + 'ä' * 126,
            'four_bytes': '\N{GRINNING FACE}' * 63,
            'not_utf8': os.fsdecode(b'\xff' * 255),
        }
    )
    def test_long_name(self, name: str) -> None:
        """The longest name that a file can have is no problem."""
        self.save(self.path(name))
        self.assert_same(DATA, self.content(name))
        self.assertEqual(1, len(self.files()))

    @hypothesis.given(
        strategies.text(max_size=100), strategies.text(max_size=100)
    )
    @base.EXAMPLES
    def test_any_name(self, name: str, image_id: str) -> None:
        """It is always beside the target, and short enough."""
        name = name.replace('/', '').encode(errors='ignore').decode()
        path = partial_files.name(os.path.join('/dir', name), image_id)
        directory, partial = os.path.split(path)
        self.assertEqual('/dir', directory)
        self.assertLessEqual(len(os.fsencode(partial)), 255)


class TestOtherPrograms(SinkTestCase):
    """The partial file is not only ours to change."""

    def entered(self) -> sinks.Sink:
        """Return a sink with two chunks written."""
        sink = self.enter(sink_for(self.path(), ID))
        sink.write(DATA)
        sink.write(DATA)
        return sink

    def enter(self, sink: sinks.Sink) -> sinks.Sink:
        """Enter a sink, and leave it after the test."""
        self.addCleanup(sink.__exit__, None, None, None)
        return sink.__enter__()

    def partial(self) -> str:
        """Return the path of the partial file."""
        return self.path(self.files()[0])

    @base.for_each({'cut': len(DATA), 'empty': 0, 'longer': 3 * len(DATA)})
    def test_length_when_it_is_written(self, length: int) -> None:
        """It is noticed before anything is written in the wrong place."""
        sink = self.entered()
        os.truncate(self.partial(), length)
        error = self.assertRaises(
            exceptions.ImageStreamError, sink.write, DATA
        )
        self.assertIn('by another program', str(error))

    @base.for_each(
        {
            'cut': lambda path: os.truncate(path, 1),
            'removed': os.unlink,
            'replaced': lambda path: os.rename(path, f'{path}.old'),
        }
    )
    def test_at_the_end(self, act: Any) -> None:
        """It does not become the file."""
        sink = self.entered()
        act(self.partial())
        self.assertRaises(exceptions.ImageStreamError, sink.commit)
        self.assertNotIn('image', self.files())

    def test_while_it_is_flushed(self) -> None:
        """Not even when it happens at the last moment."""
        sink = self.entered()
        path = self.partial()
        with mock.patch.object(
            os, 'fsync', side_effect=lambda descriptor: os.unlink(path)
        ):
            self.assertRaises(exceptions.ImageStreamError, sink.commit)
        self.assertEqual([], self.files())


class TestWriteBack(SinkTestCase):
    """The disk writes beside the download."""

    def advised(self, **changes: Any) -> list[Any]:
        """Save a file in small steps; return what the kernel was told."""
        self.useFixture(fixtures.MockPatchObject(files, '_FLUSHED', 1_000))
        with (
            mock.patch.object(os, 'posix_fadvise', **changes) as advise,
            sink_for(self.path(), ID) as sink,
        ):
            for _ in range(6):
                sink.write(bytes(range(250)) * 2)
            sink.commit()
        self.assertEqual(3_000, os.path.getsize(self.path()))
        return [call.args[1:] for call in advise.mock_calls]

    def test_is_told_to_begin(self) -> None:
        """Each step is told once, as it is full."""
        self.assertEqual(
            [(at, 1_000, os.POSIX_FADV_DONTNEED) for at in (0, 1_000, 2_000)],
            self.advised(),
        )

    def test_systems_without(self) -> None:
        """Not every system can be told."""
        with (
            mock.patch.object(files, '_FLUSHED', 100),
            mock.patch.object(os, 'posix_fadvise') as advise,
        ):
            del os.posix_fadvise
            self.save(self.path())
            os.posix_fadvise = advise
        self.assert_same(DATA, self.content())

    def test_does_not_have_to(self) -> None:
        """Where it cannot be told, the file is written all the same."""
        error = OSError(errno.EINVAL, 'no')
        self.assertEqual(3, len(self.advised(side_effect=error)))


class TestExistingFile(SinkTestCase):
    """A file with content."""

    def test_is_replaced(self) -> None:
        """Afterwards it holds the image alone."""
        self.write(OLD * 1_000)
        self.save(self.path())
        self.assert_same(DATA, self.content())
        self.assertEqual(['image'], self.files())

    def test_stands_until_then(self) -> None:
        """Until the commit, whoever opens it sees what was there."""
        self.write(OLD)
        sink = sink_for(self.path(), ID)
        with sink:
            sink.write(DATA)
            self.assertEqual(OLD, self.content())
            sink.commit()
            self.assert_same(DATA, self.content())

    def test_giving_up(self) -> None:
        """Without a commit it is as it was, to the inode."""
        self.write(OLD)
        before = os.stat(self.path())
        self.give_up(self.path())
        self.assertEqual(OLD, self.content())
        self.assertEqual(before.st_ino, os.stat(self.path()).st_ino)
        self.assertEqual(before.st_mtime_ns, os.stat(self.path()).st_mtime_ns)
        self.assertEqual(['image'], self.files())

    def test_readers_keep_the_old_one(self) -> None:
        """Who reads it at that moment reads the old one to its end."""
        self.write(OLD)
        with open(self.path(), 'rb') as reader:
            self.save(self.path())
            self.assertEqual(OLD, reader.read())

    @base.for_each({'600': 0o600, '644': 0o644, '755': 0o755, '4755': 0o4755})
    def test_mode_is_kept(self, mode: int) -> None:
        """The umask does not change what another program has set."""
        self.addCleanup(os.umask, os.umask(0o077))
        os.chmod(self.write(OLD), mode)
        self.save(self.path())
        self.assertEqual(mode, mode_of(self.path()))

    def test_mode_before_the_name(self) -> None:
        """No one can open the new one before it has the old one's mode."""
        os.chmod(self.write(OLD), 0o600)
        seen = []

        def replace(source: str, target: str) -> None:
            seen.append(mode_of(source))

        with mock.patch.object(os, 'replace', replace):
            self.save(self.path())
        self.assertEqual([0o600], seen)

    def test_owner_is_kept(self) -> None:
        """Where it is permitted the owner stays, and is set first."""
        os.chmod(self.write(OLD), 0o640)
        old = os.stat(self.path())
        with (
            mock.patch.object(os, 'chown') as chown,
            mock.patch.object(os, 'chmod') as chmod,
        ):
            calls = mock.Mock()
            calls.attach_mock(chown, 'chown')
            calls.attach_mock(chmod, 'chmod')
            self.save(self.path())
        self.assertEqual(
            [
                mock.call.chown(mock.ANY, old.st_uid, old.st_gid),
                mock.call.chmod(mock.ANY, 0o640),
            ],
            calls.mock_calls,
        )

    def test_owner_is_not_permitted(self) -> None:
        """Where it is not, the mode is kept all the same."""
        os.chmod(self.write(OLD), 0o640)
        with mock.patch.object(
            os, 'chown', side_effect=PermissionError(errno.EPERM, 'no')
        ):
            self.save(self.path())
        self.assertEqual(0o640, mode_of(self.path()))
        self.assert_same(DATA, self.content())

    @base.for_each(
        {
            'group': (0o640, 0o600),
            'group_and_others': (0o644, 0o644),
            'write': (0o664, 0o644),
            'set_ids': (0o6750, 0o700),
        }
    )
    def test_owner_cannot_be_kept(self, case: tuple[int, int]) -> None:
        """What was for one group is not given to another."""
        mode, expected = case
        os.chmod(self.write(OLD), mode)
        self.play_foreign()
        with mock.patch.object(
            os, 'chown', side_effect=PermissionError(errno.EPERM, 'no')
        ):
            self.save(self.path())
        self.assertEqual(expected, mode_of(self.path()))

    def test_only_the_group_can_be_kept(self) -> None:
        """A member of the group may give the file to it."""
        self.write(OLD)
        old = self.play_foreign()
        with mock.patch.object(
            os, 'chown', side_effect=[PermissionError(errno.EPERM, 'no'), None]
        ) as chown:
            self.save(self.path())
        self.assertEqual(
            [
                mock.call(mock.ANY, old.st_uid, old.st_gid),
                mock.call(mock.ANY, -1, old.st_gid),
            ],
            chown.mock_calls,
        )

    def play_foreign(self) -> os.stat_result:
        """Let the file be another user's, which only root could have it."""
        real = os.stat(self.path())
        fields = list(real)
        fields[stat.ST_UID] += 1
        fields[stat.ST_GID] += 1
        foreign = os.stat_result(fields)
        self.useFixture(
            fixtures.MockPatchObject(
                attributes,
                'read',
                return_value=attributes.Attributes(foreign),
            )
        )
        return foreign

    def test_nobody_else_reads_it_meanwhile(self) -> None:
        """Until it has the owner and mode of the old file it has no reader."""
        os.chmod(self.write(OLD), 0o644)
        with sink_for(self.path(), ID) as sink:
            sink.write(DATA)
            partial = next(n for n in self.files() if n != 'image')
            self.assertEqual(0o600, mode_of(self.path(partial)))
            sink.commit()
        self.assertEqual(0o644, mode_of(self.path()))

    def test_vanishes_on_the_way(self) -> None:
        """A file that is removed meanwhile has no mode to keep."""
        self.write(OLD)
        self.addCleanup(os.umask, os.umask(0o027))
        sink = sink_for(self.path(), ID)
        with sink:
            sink.write(DATA)
            os.unlink(self.path())
            sink.commit()
        self.assert_same(DATA, self.content())
        self.assertEqual(0o640, mode_of(self.path()))

    def test_write_protected(self) -> None:
        """A write-protected file is not replaced behind its back."""
        # For root nothing is write-protected, so the system is played.
        self.write(OLD)
        sink = sink_for(self.path(), ID)
        with mock.patch.object(os, 'access', return_value=False) as access:
            error = self.assertRaises(PermissionError, sink.__enter__)
        access.assert_called_once_with(self.path(), os.W_OK)
        self.assertEqual(errno.EACCES, error.errno)
        self.assertEqual(self.path(), error.filename)
        self.assertEqual(OLD, self.content())
        self.assertEqual(['image'], self.files())


class TestEmptyFile(SinkTestCase):
    """A file that the caller made a moment ago."""

    def test_is_filled_in_place(self) -> None:
        """It stays the same file, with its mode."""
        os.chmod(self.write(b''), 0o604)
        before = os.stat(self.path())
        self.save(self.path())
        self.assert_same(DATA, self.content())
        self.assertEqual(before.st_ino, os.stat(self.path()).st_ino)
        self.assertEqual(0o604, mode_of(self.path()))
        self.assertEqual(['image'], self.files())

    def test_open_descriptor_sees_the_bytes(self) -> None:
        """That is what mkstemp() and its likes are used for."""
        with tempfile.NamedTemporaryFile(dir=self.directory) as file:
            self.save(file.name)
            self.assert_same(DATA, file.read())

    def test_giving_up(self) -> None:
        """Without a commit it is there, and empty again."""
        self.write(b'')
        before = os.stat(self.path())
        self.give_up(self.path())
        self.assertEqual(b'', self.content())
        self.assertEqual(before.st_ino, os.stat(self.path()).st_ino)
        self.assertEqual(['image'], self.files())

    def test_behind_a_link(self) -> None:
        """A link to it changes nothing."""
        self.write(b'')
        os.symlink('image', self.path('link'))
        before = os.stat(self.path())
        self.save(self.path('link'))
        self.assert_same(DATA, self.content())
        self.assertEqual(before.st_ino, os.stat(self.path()).st_ino)
        self.assertTrue(os.path.islink(self.path('link')))


class TestSymbolicLink(SinkTestCase):
    """A name that stands for another."""

    def setUp(self) -> None:
        super().setUp()
        os.mkdir(self.path('elsewhere'))

    def _link(self, target: str) -> None:
        os.symlink(target, self.path('link'))

    @base.for_each(
        {
            'same_directory': 'target',
            'other_directory': 'elsewhere/target',
        }
    )
    def test_target_is_replaced(self, target: str) -> None:
        """The link stays, what it leads to is new."""
        self.write(OLD, target)
        self._link(target)
        self.save(self.path('link'))
        self.assertEqual(target, os.readlink(self.path('link')))
        self.assert_same(DATA, self.content(target))
        self.assertFalse(os.path.islink(self.path(target)))
        self.assertEqual(
            {'elsewhere', 'link', target.split('/')[0]}, set(self.files())
        )

    @base.for_each(
        {
            'same_directory': 'target',
            'other_directory': 'elsewhere/target',
        }
    )
    def test_target_is_made(self, target: str) -> None:
        """Also when there was nothing at its end."""
        self._link(target)
        self.save(self.path('link'))
        self.assertEqual(target, os.readlink(self.path('link')))
        self.assert_same(DATA, self.content(target))

    def test_link_to_a_link(self) -> None:
        """All links on the way stay."""
        self._link('second')
        os.symlink('elsewhere/target', self.path('second'))
        self.write(OLD, 'elsewhere/target')
        self.save(self.path('link'))
        self.assertTrue(os.path.islink(self.path('link')))
        self.assertTrue(os.path.islink(self.path('second')))
        self.assert_same(DATA, self.content('elsewhere/target'))

    def test_partial_file_is_beside_the_target(self) -> None:
        """A rename works only within one file system."""
        self.write(OLD, 'elsewhere/target')
        self._link('elsewhere/target')
        with sink_for(self.path('link'), ID):
            self.assertEqual(['elsewhere', 'link'], self.files())
            self.assertEqual(2, len(os.listdir(self.path('elsewhere'))))

    @base.for_each({'existing': True, 'dangling': False})
    def test_giving_up(self, exists: bool) -> None:
        """Without a commit link and target are as they were."""
        if exists:
            self.write(OLD, 'elsewhere/target')
        self._link('elsewhere/target')
        self.give_up(self.path('link'))
        self.assertTrue(os.path.islink(self.path('link')))
        self.assertEqual(
            ['target'] if exists else [],
            os.listdir(self.path('elsewhere')),
        )
        if exists:
            self.assertEqual(OLD, self.content('elsewhere/target'))


class TestSharedDirectory(SinkTestCase):
    """A link that is put, or changed, while we look."""

    def setUp(self) -> None:
        super().setUp()
        os.mkdir(self.path('private'))
        self.write(OLD, 'private/file')

    def assert_refused(self, resolved: str) -> None:
        """Check what happens when the path resolved so a moment ago."""
        with mock.patch.object(os.path, 'realpath', return_value=resolved):
            error = self.assertRaises(
                exceptions.ImageStreamError, sink_for, self.path(), ID
            )
        self.assertIn('was replaced', str(error))

    def test_link_becomes_a_file(self) -> None:
        """The file it led to is not touched for the file it is now."""
        self.write(DATA)
        self.assert_refused(self.path('private/file'))

    def test_link_vanishes(self) -> None:
        """Nor for nothing."""
        self.assert_refused(self.path('private/file'))

    def test_target_vanishes(self) -> None:
        """Nor is a file made where there was one when we looked."""
        self.write(DATA)
        self.assert_refused(self.path('private/none'))


class TestTwoLooks(SinkTestCase):
    """A path whose file is replaced while it is looked at."""

    @base.for_each({'appears': None, 'replaced': OLD})
    def test_is_looked_at_again(self, content: bytes | None) -> None:
        """What another download does in between is no reason to refuse."""
        if content is not None:
            self.write(content)
        real = os.stat
        looks: list[Any] = []

        def stat_and_replace(path: Any, **kwargs: Any) -> os.stat_result:
            looks.append(path)
            if len(looks) == 2:
                os.rename(self.write(DATA, 'other'), self.path())
            return real(path, **kwargs)

        with mock.patch.object(os, 'stat', stat_and_replace):
            sink = sink_for(self.path(), ID)
        with sink:
            sink.write(DATA)
            sink.commit()
        self.assert_same(DATA, self.content())


class TestCannotBeReplaced(SinkTestCase):
    """A file that has to stay under its name."""

    def assert_refused(self, reason: str) -> None:
        """Check that it is refused at once, and empty it."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError, sink_for, self.path(), ID
        )
        self.assertIn(reason, str(error))
        self.assertIn('empty it first', str(error))
        self.assertEqual(OLD, self.content())
        # As the error says.
        self.write(b'')
        self.save(self.path())
        self.assert_same(DATA, self.content())

    def test_mounted(self) -> None:
        """A mount point cannot be renamed over."""
        self.write(OLD)
        mounts = {self.path(): 'mnt_id:\t7', self.directory: 'mnt_id:\t6'}
        with mock.patch.object(choice, '_mount_of', mounts.get):
            self.assert_refused('a bind mount')

    def test_sticky(self) -> None:
        """Nor can what belongs to another user in a shared directory."""
        self.write(OLD)
        with mock.patch.object(
            os, 'rmdir', side_effect=PermissionError(errno.EPERM, 'no')
        ):
            self.assert_refused('sticky bit')

    def test_nothing_is_touched(self) -> None:
        """To find out changes nothing."""
        before = os.stat(self.write(OLD))
        sink_for(self.path(), ID)
        after = os.stat(self.path())
        self.assertEqual(before.st_ctime_ns, after.st_ctime_ns)
        self.assertEqual(OLD, self.content())

    def test_same_mount(self) -> None:
        """Linux tells that a file is where its directory is."""
        self.write(OLD)
        self.assertIn('mnt_id', choice._mount_of(self.path()) or '')
        self.assertEqual(
            choice._mount_of(self.directory),
            choice._mount_of(self.path()),
        )


class TestPosition(SinkTestCase):
    """How much of the image a file has."""

    CHUNK = bytes(range(1, 251)) * 400

    def sink(self, content: bytes | None, sparse: bool) -> sinks.Sink:
        """Return a sink that was entered."""
        if content is not None:
            self.write(content)
        sink = choice.sink_for(
            self.path(), ID, _config.checked(resume=True, sparse=sparse)
        )
        self.addCleanup(sink.__exit__, None, None, None)
        return sink.__enter__()

    @base.for_each(
        {
            'new': (None, True),
            'old': (OLD, True),
            'empty': (b'', True),
            'full': (None, False),
        }
    )
    def test_grows(self, case: tuple[bytes | None, bool]) -> None:
        """It is what was written."""
        sink = self.sink(*case)
        self.assertEqual(0, sink.position)
        for done in range(1, 4):
            sink.write(self.CHUNK + bytes(200_000))
            self.assertEqual(done * (len(self.CHUNK) + 200_000), sink.position)

    @base.for_each(
        {
            'before': (0, False),
            'half': (30_000, False),
            'whole': (100_000, False),
            'after_a_hole': (100_000, True),
        }
    )
    def test_interrupted(self, case: tuple[int, bool]) -> None:
        """A write that ended half way counts as far as it came."""
        count, hole = case
        sink = self.sink(None, sparse=True)
        sink.write(self.CHUNK)
        chunk = (bytes(131_072) if hole else b'') + self.CHUNK
        real = os.pwrite

        def write_some(descriptor: int, data: Any, offset: int) -> int:
            if count:
                real(descriptor, data[:count], offset)
            raise Enough

        with mock.patch.object(os, 'pwrite', write_some):
            self.assertRaises(Enough, sink.write, chunk)
        position = sink.position or 0
        done = position - len(self.CHUNK)
        self.assertEqual(count + (131_072 if hole else 0), done)
        # So it can be completed without a gap.
        sink.write(chunk[done:])
        sink.write(self.CHUNK)
        sink.commit()
        self.assert_same(self.CHUNK + chunk + self.CHUNK, self.content())

    def test_interrupted_and_changed(self) -> None:
        """Where another program changed the file nothing is known."""
        sink = self.sink(None, sparse=True)
        sink.write(self.CHUNK)
        with mock.patch.object(os, 'pwrite', side_effect=Enough):
            self.assertRaises(Enough, sink.write, self.CHUNK)
        os.truncate(self.path(self.files()[0]), 10)
        self.assertRaises(exceptions.ImageStreamError, lambda: sink.position)

    def test_unknown(self) -> None:
        """What goes to an object of the caller's has no known end."""
        self.assertIsNone(sink_for(io.BytesIO(), ID).position)


class TestBadDisk(SinkTestCase):
    """A disk that says that it failed."""

    def resumed(self) -> sinks.Sink:
        """Return a sink that keeps its partial file."""
        return choice.sink_for(
            self.path(), ID, _config.checked(resume=True, sparse=True)
        )

    @base.for_each({'disk': errno.EIO, 'late': errno.ENOSPC})
    def test_flush(self, number: int) -> None:
        """What was not flushed is in memory alone, and is not resumed."""
        sink = self.resumed()

        def download() -> None:
            with sink:
                sink.write(DATA)
                sink.commit()

        failure = OSError(number, os.strerror(number))
        with mock.patch.object(os, 'fsync', side_effect=failure):
            error = self.assertRaises(OSError, download)
        self.assertEqual(number, error.errno)
        self.assertEqual(partial_files.name(self.path(), ID), error.filename)
        self.assertIn('it is removed', self.log.output)
        self.assertEqual([], self.files())
        with self.resumed() as again:
            self.assertEqual(0, again.start)

    @base.for_each({'read': errno.EIO, 'damaged': errno.EUCLEAN})
    def test_reading(self, number: int) -> None:
        """A file that cannot be read is named, and is in nobody's way."""
        error = OSError(number, os.strerror(number))
        with contextlib.suppress(OSError), self.resumed() as sink:
            sink.write(DATA)
            # As the thread does that hashes what a former download left.
            raise error
        self.assertEqual(partial_files.name(self.path(), ID), error.filename)
        self.assertEqual([], self.files())

    def test_other_errors(self) -> None:
        """A full disk is no bad disk."""
        with contextlib.suppress(OSError), self.resumed() as sink:
            sink.write(DATA)
            raise OSError(errno.ENOSPC, 'full')
        with self.resumed() as sink:
            self.assertEqual(len(DATA), sink.start)

    def test_handler_of_a_signal(self) -> None:
        """Nor is one whose flush takes longer than a time limit."""
        before = signal.signal(signal.SIGALRM, self._too_late)
        self.addCleanup(signal.signal, signal.SIGALRM, before)

        def flush(descriptor: int) -> None:
            os.kill(os.getpid(), signal.SIGALRM)

        def download() -> None:
            with self.resumed() as sink:
                sink.write(DATA)
                with mock.patch.object(os, 'fsync', flush):
                    sink.commit()

        error = self.assertRaises(OSError, download)
        self.assertIsNone(error.filename)
        with self.resumed() as sink:
            self.assertEqual(len(DATA), sink.start)

    def _too_late(self, number: int, frame: Any) -> None:
        raise OSError(errno.EIO, 'too late')


class TestCommitOrder(SinkTestCase):
    """What a power cut may interrupt."""

    def _commit(self) -> list[tuple[str, Any]]:
        events: list[tuple[str, Any]] = []
        fsync, replace = os.fsync, os.replace

        def record_fsync(descriptor: int) -> None:
            path = os.readlink(f'/proc/self/fd/{descriptor}')
            events.append(('fsync', path))
            fsync(descriptor)

        def record_replace(source: str, target: str) -> None:
            # All of it is in the file by now, and not yet under the name.
            with open(source, 'rb') as file:
                self.assert_same(DATA, file.read())
            events.append(('replace', (source, target)))
            replace(source, target)

        with (
            mock.patch.object(os, 'fsync', record_fsync),
            mock.patch.object(os, 'replace', record_replace),
        ):
            self.save(self.path())
        return events

    @base.for_each({'new': None, 'existing': OLD})
    def test_replaced(self, content: bytes | None) -> None:
        """File to the disk, then the name, then the name to the disk."""
        if content is not None:
            self.write(content)
        events = self._commit()
        self.assertEqual(
            ['fsync', 'replace', 'fsync'], [event for event, _ in events]
        )
        partial, target = events[1][1]
        self.assertEqual(partial, events[0][1])
        self.assertEqual(self.path(), target)
        self.assertEqual(self.directory, events[2][1])

    def test_in_place(self) -> None:
        """A file that is filled in place reaches the disk as well."""
        self.write(b'')
        self.assertEqual([('fsync', self.path())], self._commit())

    def test_inode_is_that_of_the_partial_file(self) -> None:
        """The name changes from one whole file to another at once."""
        self.write(OLD)
        sink = sink_for(self.path(), ID)
        with sink:
            sink.write(DATA)
            (partial,) = set(self.files()) - {'image'}
            inode = os.stat(self.path(partial)).st_ino
            sink.commit()
        self.assertEqual(inode, os.stat(self.path()).st_ino)

    def test_directory_that_cannot_be_synchronised(self) -> None:
        """The file is there and whole; some file systems know no better."""
        fsync = os.fsync

        def refuse(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, 'a directory')
            fsync(descriptor)

        with mock.patch.object(os, 'fsync', refuse):
            self.save(self.path())
        self.assert_same(DATA, self.content())

    def test_file_that_does_not_reach_the_disk(self) -> None:
        """An image that the disk refuses late is not committed."""
        self.write(OLD)
        with mock.patch.object(
            os, 'fsync', side_effect=OSError(errno.EIO, 'broken')
        ):
            error = self.assertRaises(OSError, self.save, self.path())
        self.assertEqual(errno.EIO, error.errno)
        self.assertEqual(OLD, self.content())
        self.assertEqual(['image'], self.files())

    def test_rename_that_fails(self) -> None:
        """Nor is one whose name cannot be had."""
        self.write(OLD)
        with mock.patch.object(
            os, 'replace', side_effect=OSError(errno.EBUSY, 'mounted')
        ):
            error = self.assertRaises(OSError, self.save, self.path())
        self.assertEqual(errno.EBUSY, error.errno)
        self.assertEqual(OLD, self.content())
        self.assertEqual(['image'], self.files())

    def test_no_descriptor_stays_open(self) -> None:
        """Whatever was opened is closed, on success and on failure."""
        os.mkfifo(self.path('fifo'))
        reader = os.open(self.path('fifo'), os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        before = os.listdir('/proc/self/fd')
        for name in ('new', 'old', 'empty', 'fifo'):
            for use in (self.give_up, self.save):
                if name == 'old':
                    self.write(OLD, name)
                if name == 'empty':
                    self.write(b'', name)
                use(self.path(name))
        self.assertEqual(before, os.listdir('/proc/self/fd'))


class TestFullDisk(SinkTestCase):
    """The system takes no more."""

    @base.for_each({'new': None, 'existing': OLD, 'empty': b''})
    def test_no_space(self, content: bytes | None) -> None:
        """The error comes through, and all is as it was before."""
        if content is not None:
            self.write(content)
        write = os.pwrite
        left = [500]

        def write_some(descriptor: int, data: Any, offset: int) -> int:
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            count = write(descriptor, data[: left[0]], offset)
            left[0] -= count
            return count

        with mock.patch.object(os, 'pwrite', write_some):
            error = self.assertRaises(OSError, self.save, self.path())
        self.assertEqual(errno.ENOSPC, error.errno)
        self.assertEqual(0, left[0])
        if content is None:
            self.assertEqual([], self.files())
        else:
            self.assertEqual(content, self.content())
            self.assertEqual(['image'], self.files())

    @base.for_each({'new': None, 'existing': OLD, 'empty': b''})
    def test_limit(self, content: bytes | None) -> None:
        """So does a limit that the system really enforces."""
        if content is not None:
            self.write(content)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
        try:
            error = self.assertRaises(OSError, self.save, self.path())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.assertEqual(errno.EFBIG, error.errno)
        if content is None:
            self.assertEqual([], self.files())
        else:
            self.assertEqual(content, self.content())

    def test_full_device(self) -> None:
        """A device says so as well."""
        error = self.assertRaises(OSError, self.save, '/dev/full')
        self.assertEqual(errno.ENOSPC, error.errno)

    def test_full_file_object(self) -> None:
        """And so does a file object, where it is unbuffered."""
        with open('/dev/full', 'wb', buffering=0) as file:
            error = self.assertRaises(OSError, self.save, file)
        self.assertEqual(errno.ENOSPC, error.errno)

    def test_full_buffered_file_object(self) -> None:
        """Where it is buffered, not later than at the commit."""
        # Leaving it fails too, its buffer still holds what was not written.
        with contextlib.suppress(OSError), open('/dev/full', 'wb') as file:
            error = self.assertRaises(OSError, self.save, file)
        self.assertEqual(errno.ENOSPC, error.errno)

    @base.for_each({'new': None, 'existing': OLD, 'empty': b''})
    def test_short_writes(self, content: bytes | None) -> None:
        """The system may take less than it is given."""
        if content is not None:
            self.write(content)
        write = os.write
        with mock.patch.object(
            os, 'write', lambda fd, data: write(fd, data[:7])
        ):
            self.save(self.path())
        self.assert_same(DATA, self.content())


class TestSpecialFile(SinkTestCase):
    """What is not a regular file."""

    def test_pipe(self) -> None:
        """A FIFO gets the bytes in order, and stays a FIFO."""
        os.mkfifo(self.path('fifo'))
        received = []

        def read() -> None:
            with open(self.path('fifo'), 'rb') as file:
                received.append(file.read())

        # A daemon, as it waits for ever if nobody ever writes.
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self.save(self.path('fifo'))
        reader.join()
        self.assertEqual([DATA], received)
        self.assertEqual(['fifo'], self.files())
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path('fifo')).st_mode))

    def test_pipe_that_nobody_reads_any_more(self) -> None:
        """A reader that goes away is a local error."""
        os.mkfifo(self.path('fifo'))
        reader = os.open(self.path('fifo'), os.O_RDONLY | os.O_NONBLOCK)
        sink = sink_for(self.path('fifo'), ID)
        with self.assertRaisesRegex(BrokenPipeError, ''), sink:
            os.close(reader)
            sink.write(DATA)

    def test_device(self) -> None:
        """A device is written to and not replaced by a file."""
        self.save(os.devnull)
        self.assertTrue(stat.S_ISCHR(os.stat(os.devnull).st_mode))

    def test_link_to_a_device(self) -> None:
        """Nor is a link to it."""
        os.symlink(os.devnull, self.path('null'))
        self.save(self.path('null'))
        self.assertTrue(os.path.islink(self.path('null')))
        self.assertEqual(['null'], self.files())

    def test_giving_up_leaves_it(self) -> None:
        """What has gone through a device cannot be undone."""
        os.symlink(os.devnull, self.path('null'))
        self.give_up(self.path('null'))
        self.assertEqual(['null'], self.files())

    def test_disk_errors_count(self) -> None:
        """A device that fails to take the bytes fails the download."""
        with mock.patch.object(
            os, 'fsync', side_effect=OSError(errno.EIO, 'broken')
        ):
            error = self.assertRaises(OSError, self.save, os.devnull)
        self.assertEqual(errno.EIO, error.errno)


class TestDescriptor(SinkTestCase):
    """A path that names a descriptor of this process."""

    @base.for_each({'dev': '/dev/fd/{}', 'proc': '/proc/self/fd/{}'})
    def test_at_its_position(self, pattern: str) -> None:
        """It is written to where it stands, and stays open."""
        with open(self.path(), 'wb', buffering=0) as file:
            file.write(b'before')
            self.save(pattern.format(file.fileno()))
            file.write(b'after')
        self.assert_same(b'before' + DATA + b'after', self.content())

    def test_number(self) -> None:
        """The number alone means the same."""
        with open(self.path(), 'wb', buffering=0) as file:
            file.write(b'before')
            self.save(file.fileno())
            file.write(b'after')
        self.assert_same(b'before' + DATA + b'after', self.content())

    def test_appending(self) -> None:
        """A shell's >> appends."""
        self.write(OLD)
        with open(self.path(), 'ab') as file:
            self.save(f'/dev/fd/{file.fileno()}')
        self.assert_same(OLD + DATA, self.content())

    def test_giving_up_removes_nothing(self) -> None:
        """What was in the file before is not ours."""
        self.write(OLD)
        with open(self.path(), 'ab') as file:
            self.give_up(f'/dev/fd/{file.fileno()}')
        self.assertTrue(self.content().startswith(OLD))

    def test_pipe(self) -> None:
        """Standard output is a pipe more often than not."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.save(f'/dev/fd/{writing}')
        os.close(writing)
        self.assert_same(DATA, os.read(reading, 10_000))

    @base.for_each(
        {
            'stdout': ('/dev/stdout', 1),
            'stderr': ('/dev/stderr', 2),
            'fd': ('/dev/fd/7', 7),
            'proc': ('/proc/self/fd/7', 7),
            'stdin': ('/dev/stdin', None),
            'word': ('/dev/fd/x', None),
            'more': ('/dev/fd/7/x', None),
            'before': ('/x/dev/fd/7', None),
            'relative': ('dev/fd/7', None),
            'null': ('/dev/null', None),
        }
    )
    def test_names(self, case: tuple[str, int | None]) -> None:
        """These names mean a descriptor, and no others do."""
        path, number = case
        self.assertEqual(number, direct.DirectSink.descriptor_of(path))

    @base.for_each({'closed': 99_999, 'absurd': 10**30})
    def test_that_is_not_open(self, number: int) -> None:
        """A descriptor that does not exist is an error of the system."""
        # Not later than this, when the first bytes are at hand.
        sink = sink_for(f'/dev/fd/{number}', ID)
        error = self.assertRaises(OSError, sink.__enter__)
        self.assertEqual(errno.EBADF, error.errno)


class RawWriter(io.RawIOBase):
    """A raw file that takes what its script says.

    :param counts: How many bytes each write takes; None as a raw file that
        would block. At the end of the script it takes all.
    """

    def __init__(self, counts: list[int | None]) -> None:
        self._counts = iter(counts)
        self.taken = b''

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int | None:
        count = next(self._counts, len(data))
        if count is not None:
            count = min(count, len(data))
            self.taken += bytes(data[:count])
        return count


class Writer:
    """Something that has write() and no base class.

    :param result: What write() returns.
    """

    def __init__(self, result: Any = None) -> None:
        self._result = result
        self.taken = b''

    def write(self, data: Any) -> Any:
        """Take all of the data."""
        self.taken += bytes(data)
        return self._result(data) if callable(self._result) else self._result


class TestFileObject(SinkTestCase):
    """An object of the caller's."""

    def test_bytesio(self) -> None:
        """The simplest one."""
        file = io.BytesIO()
        self.save(file)
        self.assert_same(DATA, file.getvalue())
        self.assertFalse(file.closed)

    def test_at_its_position(self) -> None:
        """It is written to where it stands."""
        file = io.BytesIO(b'before-')
        file.seek(0, io.SEEK_END)
        self.save(file)
        self.assert_same(b'before-' + DATA, file.getvalue())

    @base.for_each({'buffered': -1, 'raw': 0})
    def test_open_file(self, buffering: int) -> None:
        """It is left open, and all of it is written when we return."""
        with open(self.path(), 'wb', buffering) as file:
            self.save(file)
            self.assert_same(DATA, self.content())
            self.assertFalse(file.closed)

    @base.for_each({'buffered': -1, 'raw': 0})
    def test_named_temporary_file(self, buffering: int) -> None:
        """What tempfile makes is no io.IOBase, and works."""
        with tempfile.NamedTemporaryFile(
            buffering=buffering, dir=self.directory
        ) as file:
            self.save(file)
            file.seek(0)
            self.assert_same(DATA, file.read())

    def test_derived_from_iobase(self) -> None:
        """A file that thinks of nothing but write() is no less a file."""

        class Thoughtless(io.IOBase):
            taken = b''

            def write(self, data: Any) -> int:
                self.taken += bytes(data)
                return len(data)

        file = Thoughtless()
        self.assertFalse(file.writable())
        self.save(file)
        self.assert_same(DATA, file.taken)

    def test_raw_pipe(self) -> None:
        """An unbuffered file of a pipe takes what it can."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        with open(writing, 'wb', buffering=0) as file:
            self.save(file)
        self.assert_same(DATA, os.read(reading, 10_000))

    @base.for_each(
        {
            'none': None,
            'count': len,
            'true': True,
            'false': False,
            'text': 'ok',
            'object': lambda data: object(),
            'total': lambda data: 10**9,
            'nothing': 0,
            'one': 1,
            'negative': -1,
        }
    )
    def test_any_result(self, result: Any) -> None:
        """A writer that is no raw file takes all, whatever it returns."""
        writer = Writer(result)
        self.save(writer)
        self.assert_same(DATA, writer.taken)

    @hypothesis.given(strategies.lists(strategies.integers(1, 300)))
    @base.EXAMPLES
    def test_short_writes(self, counts: list[int | None]) -> None:
        """Whatever a raw file takes at a time, it gets all in the end."""
        file = RawWriter(counts)
        self.save(file)
        self.assert_same(DATA, file.taken)

    @base.for_each({'at_once': [None], 'later': [7, None]})
    def test_would_block(self, counts: list[int | None]) -> None:
        """A raw file that must not wait, and cannot be waited for, fails."""
        file = RawWriter(counts)
        error = self.assertRaises(BlockingIOError, self.save, file)
        self.assertEqual(errno.EAGAIN, error.errno)
        self.assertIn('fileno()', str(error))
        self.assert_same(DATA[: sum(c or 0 for c in counts)], file.taken)

    def test_takes_nothing(self) -> None:
        """A raw file that takes nothing is not asked for ever."""
        file = RawWriter([7, 0])
        self.assertRaises(OSError, self.save, file)
        self.assert_same(DATA[:7], file.taken)

    def test_count_of_what_went_out(self) -> None:
        """A compressor that counts its output gets everything once."""
        file = io.BytesIO()
        compressor = zlib.compressobj()

        class Compressing:
            def write(self, data: bytes) -> int:
                return file.write(compressor.compress(data))

            def flush(self) -> None:
                file.write(compressor.flush())

        image = bytes(100_000)
        self.save(Compressing(), image)
        self.assert_same(image, zlib.decompress(file.getvalue()))

    def test_wrapped_raw_file(self) -> None:
        """What tempfile wraps may be a raw file, whose counts are counts."""
        raw = RawWriter([7, 300, 1])
        self.save(tempfile._TemporaryFileWrapper(raw, 'name', delete=False))
        self.assert_same(DATA, raw.taken)

    def _saved_through(self, output: Any, reading: int, size: int) -> None:
        """Save to what must not wait, while a thread reads slowly."""
        received = io.BytesIO()

        def read() -> None:
            while received.tell() < size:
                received.write(os.read(reading, 10_000))

        reader = threading.Thread(target=read, daemon=True)
        image = base.some_bytes(size)
        reader.start()
        self.save(output, image)
        reader.join()
        self.assert_same(image, received.getvalue())

    @base.for_each({'path': '/dev/fd/{}', 'number': None, 'object': ''})
    def test_nonblocking_pipe(self, pattern: str | None) -> None:
        """A pipe that must not wait is waited for."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.set_blocking(writing, False)
        with open(writing, 'wb', buffering=0) as file:
            outputs = {None: writing, '': file}
            output = outputs.get(pattern) or str(pattern).format(writing)
            self._saved_through(output, reading, 300_000)

    def test_waiting_can_be_interrupted(self) -> None:
        """A signal ends the wait for a pipe that nobody reads."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.set_blocking(writing, False)
        before = signal.signal(signal.SIGALRM, self._enough)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        poll = select.poll

        def poll_and_signal() -> Any:
            os.kill(os.getpid(), signal.SIGALRM)
            return poll()

        self.useFixture(
            fixtures.MockPatchObject(select, 'poll', poll_and_signal)
        )
        with open(writing, 'wb', buffering=0) as file:
            self.assertRaises(Enough, self.save, file, bytes(1_000_000))

    def _enough(self, number: int, frame: Any) -> None:
        raise Enough

    def test_impossible_count(self) -> None:
        """A raw file that claims more than it was given is not believed."""
        file = mock.Mock(spec=io.RawIOBase)
        file.write.return_value = 10**9
        self.assertRaises(OSError, self.save, file)

    def test_error_passes(self) -> None:
        """What write() raises comes through as it is."""
        failure = OSError(errno.EDQUOT, 'quota')
        writer = mock.Mock(spec=['write'])
        writer.write.side_effect = failure
        self.assertIs(failure, self.assertRaises(OSError, self.save, writer))

    def test_whole_pieces_are_not_copied(self) -> None:
        """What write() gets is the very object that was received."""
        writer = mock.Mock(spec=['write'], write=mock.Mock(return_value=3))
        sink = sink_for(writer, ID)
        chunk = b'abc'
        sink.write(chunk)
        self.assertIs(chunk, writer.write.call_args.args[0])

    def test_giving_up(self) -> None:
        """It is the caller's: neither closed nor emptied."""
        file = io.BytesIO()
        self.give_up(file)
        self.assertFalse(file.closed)

    def test_flush_is_optional(self) -> None:
        """A flush that is no method is let be."""
        writer = Writer()
        writer.flush = 'not a method'  # type: ignore[attr-defined]
        self.save(writer)
        self.assert_same(DATA, writer.taken)

    def test_standard_output(self) -> None:
        """Where a program prints bytes, it is the buffer that takes them."""
        output = io.TextIOWrapper(io.BytesIO())
        self.useFixture(fixtures.MonkeyPatch('sys.stdout', output))
        self.assertRaises(
            exceptions.InvalidArgumentError, sink_for, output, ID
        )
        self.save(output.buffer)
        self.assert_same(DATA, output.buffer.getvalue())


class TestMemory(SinkTestCase):
    """The image as one object."""

    def test_content(self) -> None:
        """It is all that was written."""
        sink = sinks.MemorySink()
        with sink:
            for chunk in scripted_source.split(DATA, 300):
                sink.write(chunk)
            sink.commit()
        self.assert_same(DATA, sink.content())

    def test_is_not_copied(self) -> None:
        """It is the same object each time."""
        sink = sinks.MemorySink()
        sink.write(DATA)
        self.assertIs(sink.content(), sink.content())

    def test_nothing(self) -> None:
        """No bytes are no bytes."""
        self.assertEqual(b'', sinks.MemorySink().content())
