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
"""Tests of systems other than Linux, which this one is made to look like."""

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import subprocess
import sys
from typing import Any
from unittest import mock

import fixtures
from openstack import exceptions as sdk_exceptions

import openstack_image_stream
from openstack_image_stream import __main__ as commands
from openstack_image_stream._output import files
from openstack_image_stream._output import owned
from openstack_image_stream import exceptions
from openstack_image_stream import service
from tests.servers import scripted
from tests.unit import base

#: What only Linux has, of what the package uses or could.
LINUX_ONLY = (
    'O_PATH',
    'O_TMPFILE',
    'POSIX_FADV_DONTNEED',
    'copy_file_range',
    'fdatasync',
    'getxattr',
    'listxattr',
    'posix_fadvise',
    'posix_fallocate',
    'removexattr',
    'sched_getaffinity',
    'sendfile',
    'setxattr',
    'splice',
)

#: What Windows does not have besides.
POSIX_ONLY = (
    'O_CLOEXEC',
    'O_NOFOLLOW',
    'O_NONBLOCK',
    'chown',
    'fchmod',
    'fork',
    'geteuid',
    'pread',
    'pwrite',
    'register_at_fork',
)


class MacTestCase(base.GlanceTestCase):
    """A system without what only Linux has."""

    def setUp(self) -> None:
        super().setUp()
        for name in LINUX_ONLY:
            if hasattr(os, name):
                self.useFixture(
                    fixtures.MonkeyPatch(
                        f'os.{name}', fixtures.MonkeyPatch.delete
                    )
                )
        self.useFixture(fixtures.MockPatchObject(sys, 'platform', 'darwin'))
        # It has the name, but another layout of the record.
        real = fcntl.fcntl

        def refuse(descriptor: int, command: int, *args: Any) -> Any:
            self.assertEqual(fcntl.F_GETFL, command)
            return real(descriptor, command, *args)

        self.useFixture(fixtures.MockPatchObject(fcntl, 'fcntl', refuse))


class TestMac(MacTestCase):
    """Downloads on macOS."""

    #: More than what is written before the disk is told to begin.
    SIZE = files._FLUSHED + 3_000_000

    def setUp(self) -> None:
        super().setUp()
        # Zeros, some of them, so that there are holes.
        self.data = base.some_bytes(1_000_000).ljust(self.SIZE, b'\0') + b'end'
        self.glance = self.serve(self.data)
        self.conn: Any = self.connect(self.glance)

    def _download(self, **options: Any) -> None:
        self.conn.image.download_image(
            scripted.IMAGE_ID, output=self.path(), **options
        )
        self.assert_same(self.data, self.content())
        self.assertEqual(['image'], self.files())

    def test_attributes_are_gone(self) -> None:
        """The system looks as it is to."""
        self.assertFalse(hasattr(os, 'posix_fadvise'))
        self.assertTrue(hasattr(os, 'pwrite'))

    @base.for_each(
        {
            'plain': {},
            'not_sparse': {'sparse': False},
            'connections': {'connections': 4},
            'not_resumed': {'resume': False},
        }
    )
    def test_new_file(self, options: Any) -> None:
        """A file that is not there yet."""
        self._download(**options)

    def test_replaced_file(self) -> None:
        """A file that is there, whose mode is kept."""
        path = self.write(b'old')
        os.chmod(path, 0o640)
        self._download()
        self.assertEqual(0o640, os.stat(path).st_mode & 0o777)

    def test_empty_file(self) -> None:
        """An empty file is written in place."""
        inode = os.stat(self.write(b'')).st_ino
        self._download()
        self.assertEqual(inode, os.stat(self.path()).st_ino)

    def test_resumed(self) -> None:
        """A partial file of an earlier download is resumed."""
        self.glance.cuts.append((20_000_000, False))
        self.assertRaises(
            exceptions.IncompleteDownloadError, self._download, retries=0
        )
        self.assertEqual(1, len(self.files()))
        self.glance.requests.clear()
        self._download()
        ranges = [r.headers.get('range') for r in self.glance.requests]
        self.assertTrue(any(ranges), ranges)

    @base.for_each({'file': 'wb', 'appended': 'ab'})
    def test_file_object(self, mode: str) -> None:
        """A file that the caller opened."""
        with open(self.path(), mode) as file:
            self.conn.image.download_image(scripted.IMAGE_ID, output=file)
        self.assert_same(self.data, self.content())

    def test_descriptor(self) -> None:
        """A descriptor, and its name under /dev/fd."""
        for name in (int, '/dev/fd/{}'.format):
            with open(self.path(), 'wb') as file:
                self.conn.image.download_image(
                    scripted.IMAGE_ID, output=name(file.fileno())
                )
            self.assert_same(self.data, self.content())

    def test_stream(self) -> None:
        """A stream."""
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, stream=True
        )
        digest = hashlib.sha256()
        for chunk in response.iter_content(1_000_000):
            digest.update(chunk)
        self.assertEqual(hashlib.sha256(self.data).digest(), digest.digest())


class TestMacLocks(MacTestCase):
    """Two downloads to one file on macOS."""

    def _file(self) -> owned.OwnedFile:
        return owned.OwnedFile(
            owned.open_file(self.path(), os.O_RDWR), self.path()
        )

    @base.for_each({'ours': owned.flock, 'callers': owned.lock_byte})
    def test_exclude_each_other(self, locking: Any) -> None:
        """The second one is refused until the first is done."""
        self.write(b'')
        first, second = self._file(), self._file()
        first.lock(locking)
        self.assertTrue(first.lock_is_kept(os.O_RDWR))
        self.assertRaises(BlockingIOError, second.lock, locking)
        first.release()
        second.lock(locking)
        second.release()

    def test_not_everywhere(self) -> None:
        """Where there are no locks, a file is written all the same."""
        glance = self.serve(b'image')
        conn: Any = self.connect(glance)
        self.write(b'')
        error = OSError(errno.ENOTSUP, 'no locks')
        with mock.patch.object(fcntl, 'flock', side_effect=error):
            conn.image.download_image(scripted.IMAGE_ID, output=self.path())
        self.assert_same(b'image', self.content())


#: Imports the package on what looks like Windows, and tries every way.
WINDOWS = """
import os, sys
import openstack
for name in {names}:
    vars(os).pop(name, None)
for name in ('fcntl', 'grp', 'pwd', 'resource', 'termios'):
    sys.modules[name] = None
sys.platform = 'win32'

import openstack_image_stream as ois

def connect(**options):
    return openstack.connect(
        load_yaml_config=False, load_envvars=False, auth_type='none',
        auth={{'endpoint': 'http://127.0.0.1:9'}}, **options
    )

plain = connect()
for way in (
    lambda: connect(vendor_hook='openstack_image_stream:load'),
    lambda: ois.load(plain),
    lambda: ois.ImageStreamService('image'),
    ois.install,
):
    try:
        way()
    except openstack.exceptions.SDKException as exc:
        print(type(exc).__name__)
print(type(plain).__module__)
ois.uninstall()
"""


class TestWindows(base.TestCase):
    """A system that is not supported."""

    def test_every_way(self) -> None:
        """Nothing enables the plugin, and each way says so."""
        names = LINUX_ONLY + POSIX_ONLY
        done = subprocess.run(
            [sys.executable, '-c', WINDOWS.format(names=names)],
            capture_output=True,
            text=True,
        )
        self.assertEqual(
            ['UnsupportedPlatformError'] * 4 + ['openstack.connection'],
            done.stdout.split(),
            done.stderr,
        )

    @base.for_each(
        {
            'check': (['check', '--os-cloud', 'mine'], 1),
            'run': (['run', '--', '-m', 'this'], 2),
        }
    )
    def test_command(self, case: Any) -> None:
        """The commands say so, too."""
        words, expected = case
        self.useFixture(fixtures.MockPatchObject(sys, 'argv', []))
        self.useFixture(fixtures.MockPatchObject(sys, 'path', sys.path[:]))
        with (
            mock.patch.dict(sys.modules, fcntl=None),
            contextlib.redirect_stderr(io.StringIO()) as printed,
        ):
            status = commands.main(words)
        self.assertEqual(expected, status)
        self.assertIn('Windows', printed.getvalue())

    def test_error(self) -> None:
        """The SDK does not swallow the error, which is none of those."""
        with mock.patch.dict(sys.modules, fcntl=None):
            error = self.assertRaises(
                openstack_image_stream.UnsupportedPlatformError,
                service.check_platform,
            )
        self.assertIsInstance(error, sdk_exceptions.SDKException)
        self.assertNotIsInstance(
            error, (ImportError, TypeError, AttributeError)
        )
