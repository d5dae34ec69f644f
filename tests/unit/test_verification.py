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

"""Tests of local files against images, with and without a download."""

from collections.abc import Callable
import errno
import hashlib
import os
import pathlib
import pickle
import signal
import socket
import threading
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives import serialization
import fixtures

from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream._output import existing
from openstack_image_stream._transfer import observing
from openstack_image_stream._transfer import verified_stream
from openstack_image_stream import _verification
from openstack_image_stream import exceptions
from openstack_image_stream import progress
from tests.servers import scripted
from tests import signing
from tests.unit import base

MIB = 1024 * 1024
DATA = base.some_bytes(2_500_000)
CHUNK = verified_stream.SINK_CHUNK
SHA256 = hashlib.sha256(DATA).hexdigest()
SHA512 = hashlib.sha512(DATA).hexdigest()

#: No hash in the metadata.
NO_HASH: dict[str, Any] = {
    'checksum': None,
    'os_hash_algo': None,
    'os_hash_value': None,
}

#: Sizes around those that are read at a time.
SIZES = {
    'no_bytes': 0,
    'one_byte': 1,
    'below_a_chunk': CHUNK - 1,
    'one_chunk': CHUNK,
    'above_a_chunk': CHUNK + 1,
    'two_chunks': 2 * CHUNK,
}


def flipped(data: bytes, position: int) -> bytes:
    """Return data with one bit of a byte changed."""
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def signed(data: bytes, hash_method: str, which: int = 0) -> dict[str, Any]:
    """Return the properties of an image that has been signed."""
    key = signing.private_key('ECC_SECP384R1', which)
    return signing.properties(
        signing.sign(key, data, hash_method), 'ECC_SECP384R1', hash_method
    )


class FilesTestCase(base.GlanceTestCase):
    """A test with an image, and files that may be it."""

    def begin(self, data: bytes = DATA, **metadata: Any) -> Any:
        """Start a Glance with an image, connect to it."""
        settings = metadata.pop('settings', {})
        self.glance = self.serve(data, **metadata)
        self.conn = self.connect(self.glance, **settings)
        # Finding the service is the SDK's concern, and not counted.
        self.assertIsNotNone(self.conn.image)
        self.glance.requests.clear()
        self.seen: list[progress.Progress] = []
        return self.conn

    def public_key(self, which: int = 0) -> str:
        """Return the path of the key that signed."""
        key = signing.private_key('ECC_SECP384R1', which).public_key()
        pem = key.public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'key')
        path.write_bytes(pem)
        return str(path)

    def report_everything(self) -> None:
        """Have each chunk reported."""
        self.useFixture(fixtures.MockPatchObject(progress, '_INTERVAL', 0))

    def requests(self) -> list[bool]:
        """Return whether each request so far was for data."""
        return [request.is_for_data for request in self.glance.requests]

    def never_reads(self) -> None:
        """Fail the test when a file is read."""
        self.useFixture(
            fixtures.MockPatchObject(
                existing.ExistingFile, 'read', side_effect=AssertionError
            )
        )


class VerifyTestCase(FilesTestCase):
    """A test that verifies."""

    def verify(self, path: Any = None, **options: Any) -> None:
        """Verify a file, by default the one that write() makes."""
        self.conn.image.verify_image(
            scripted.IMAGE_ID,
            self.path() if path is None else path,
            **options,
        )

    def refused(
        self, expected: type[Exception], path: Any = None, **options: Any
    ) -> Any:
        """Verify, and see it fail; returns the error."""
        error = self.assertRaises(expected, self.verify, path, **options)
        self.assertIs(expected, type(error))
        self.assertEqual([], base.observer_threads())
        return error


class TestRightFiles(VerifyTestCase):
    """What is accepted."""

    @base.for_each(SIZES)
    def test_any_size(self, size: int) -> None:
        """The file is read and hashed, one request is made."""
        data = base.some_bytes(size)
        self.begin(data)
        self.write(data)
        self.assertIsNone(self.verify())
        self.assertEqual([False], self.requests())
        self.assert_nothing_open(self.glance, self.conn)

    @base.for_each({'bytes': os.fsencode, 'path': pathlib.Path, 'text': str})
    def test_kinds_of_paths(self, kind: Callable[[str], Any]) -> None:
        """A path is what open() takes for one."""
        self.begin()
        self.verify(kind(self.write(DATA)))

    def test_links_are_followed(self) -> None:
        """A path that is a link means the file that it leads to."""
        self.begin()
        self.write(DATA, 'target')
        os.symlink('target', self.path('link'))
        os.symlink('link', self.path())
        self.verify()

    def test_holes(self) -> None:
        """Those of a sparse file are zeros."""
        data = bytes(CHUNK) + b'end'
        self.begin(data)
        with open(self.path(), 'wb') as file:
            file.seek(CHUNK)
            file.write(b'end')
        self.verify()

    def test_md5_alone(self) -> None:
        """An image that has nothing better is verified by that."""
        self.begin(os_hash_algo=None, os_hash_value=None)
        self.write(DATA)
        self.verify()

    def test_md5_fallback(self) -> None:
        """It takes the place of an unknown algorithm by choice."""
        self.begin(os_hash_algo='sha4096', os_hash_value='00')
        self.write(DATA)
        self.verify(allow_md5_fallback=True)

    def test_md5_fallback_of_the_cloud(self) -> None:
        """The choice may be in the configuration."""
        self.begin(
            os_hash_algo='sha4096',
            os_hash_value='00',
            settings={'image_stream_allow_md5_fallback': True},
        )
        self.write(DATA)
        self.verify()
        self.refused(exceptions.UnusableHashError, allow_md5_fallback=False)

    def test_resources(self) -> None:
        """An image is given as for a download."""
        self.begin()
        path = self.write(DATA)
        plain = self.connect(self.glance, vendor_hook=None)
        for conn in (self.conn, plain):
            image = conn.image.get_image(scripted.IMAGE_ID)
            self.conn.image.verify_image(image, path)

    def test_other_settings(self) -> None:
        """Settings of downloads are not in the way."""
        self.begin(
            settings={
                'image_stream_validate_checksum': False,
                'image_stream_skip_current': True,
                'image_stream_connections': 4,
            }
        )
        self.write(flipped(DATA, 5))
        self.refused(exceptions.ChecksumMismatchError)
        self.write(DATA)
        self.verify()

    def test_progress(self) -> None:
        """It is reported from chunk to chunk, up to the end."""
        data = base.some_bytes(2 * CHUNK + 1)
        self.begin(data)
        self.report_everything()
        self.write(data)
        self.verify(progress=self.seen.append)
        self.assertEqual(
            [CHUNK, 2 * CHUNK, len(data), len(data)],
            [snapshot.done for snapshot in self.seen],
        )
        self.assertEqual(
            {(len(data), 0)},
            {(snapshot.total, snapshot.resumed) for snapshot in self.seen},
        )


class TestWrongFiles(VerifyTestCase):
    """What is refused."""

    @base.for_each({'shorter': DATA[:-1], 'longer': DATA + b'1', 'empty': b''})
    def test_length(self, data: bytes) -> None:
        """It is compared before anything is read."""
        self.begin()
        path = self.write(data)
        self.never_reads()
        error = self.refused(exceptions.ChecksumMismatchError)
        self.assertEqual(
            ('size', str(len(DATA)), str(len(data)), scripted.IMAGE_ID, path),
            (
                error.algorithm,
                error.expected,
                error.actual,
                error.image_id,
                error.path,
            ),
        )
        self.assertEqual(
            f'image {scripted.IMAGE_ID}: size mismatch: expected {len(DATA)} '
            f'bytes, file {path!r} has {len(data)}',
            str(error),
        )

    @base.for_each({'first': 0, 'middle': 1_250_000, 'last': 2_499_999})
    def test_flipped_bit(self, position: int) -> None:
        """Image, path and both digests are named."""
        self.begin()
        data = flipped(DATA, position)
        path = self.write(data)
        error = self.refused(exceptions.ChecksumMismatchError)
        actual = hashlib.sha512(data).hexdigest()
        self.assertEqual(
            ('sha512', SHA512, actual, scripted.IMAGE_ID, path),
            (
                error.algorithm,
                error.expected,
                error.actual,
                error.image_id,
                error.path,
            ),
        )
        self.assertEqual(
            f'image {scripted.IMAGE_ID}: sha512 mismatch: expected {SHA512}, '
            f'file {path!r} has {actual}',
            str(error),
        )
        self.assertEqual(str(error), str(pickle.loads(pickle.dumps(error))))

    def test_progress_of_a_failure(self) -> None:
        """The end is not reported."""
        self.begin()
        self.write(flipped(DATA, 5))
        self.report_everything()
        self.refused(
            exceptions.ChecksumMismatchError, progress=self.seen.append
        )
        self.assertEqual(
            [len(DATA)], [snapshot.done for snapshot in self.seen]
        )

    def test_changed_resource(self) -> None:
        """An image that is known by another hash is not this one."""
        self.begin()
        self.write(DATA)
        image = self.conn.image.get_image(scripted.IMAGE_ID)
        self.glance.metadata['os_hash_value'] = '0' * 128
        self.assertRaises(
            exceptions.ImageChangedError,
            self.conn.image.verify_image,
            image,
            self.path(),
        )

    def test_unusable_hash(self) -> None:
        """The error speaks of the file, and of what verify_image() takes."""
        self.begin(os_hash_algo='sha4096', os_hash_value='00')
        path = self.write(DATA)
        error = self.refused(exceptions.UnusableHashError)
        self.assertEqual(('sha4096', '00'), (error.algorithm, error.expected))
        for word in (repr(path), scripted.IMAGE_ID, 'allow_md5_fallback'):
            self.assertIn(word, str(error))
        for word in ('ownload', 'validate_checksum'):
            self.assertNotIn(word, str(error))

    def test_no_hash(self) -> None:
        """There is nothing to verify it by."""
        self.begin(**NO_HASH, status='queued')
        path = self.write(DATA)
        self.never_reads()
        error = self.refused(exceptions.UnverifiableImageError)
        self.assertEqual(
            (scripted.IMAGE_ID, None), (error.image_id, error.algorithm)
        )
        for word in (repr(path), scripted.IMAGE_ID, "'queued'"):
            self.assertIn(word, str(error))

    def test_hash_without_a_value(self) -> None:
        """The service is still computing it, which the error says."""
        self.begin(**{**NO_HASH, 'os_hash_algo': 'sha512'})
        self.write(DATA)
        error = self.refused(exceptions.UnverifiableImageError)
        self.assertEqual('sha512', error.algorithm)
        self.assertIn('sha512 is not known yet', str(error))


class TestPaths(VerifyTestCase):
    """What cannot be verified is refused before any request."""

    def refused_path(self, path: Any, *words: str) -> None:
        """Verify, and see the path refused by these words."""
        error = self.refused(exceptions.InvalidArgumentError, path)
        for word in words:
            self.assertIn(word, str(error))
        self.assertEqual([], self.requests())

    def test_fifo(self) -> None:
        """It is not waited for until data come."""
        self.begin()
        os.mkfifo(self.path())
        self.refused_path(self.path(), repr(self.path()), 'is a FIFO')

    def test_link_to_a_fifo(self) -> None:
        """What was opened counts, not what the path looks like."""
        self.begin()
        os.mkfifo(self.path('fifo'))
        os.symlink('fifo', self.path())
        self.refused_path(self.path(), 'is a FIFO')

    def test_directory(self) -> None:
        """It is no file."""
        self.begin()
        self.refused_path(self.directory, 'is a directory')

    def test_device(self) -> None:
        """A device has no length to compare."""
        self.begin()
        self.refused_path('/dev/null', 'is a character device')

    def test_socket(self) -> None:
        """It cannot be opened, and the reason is told."""
        self.begin()
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(self.path('s'))
            self.refused_path(self.path('s'), 'must be the path of a regular')

    @base.for_each({'descriptor': 1, 'none': None, 'list': ['image']})
    def test_no_path(self, path: Any) -> None:
        """Nothing else is taken for one."""
        self.begin()
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            self.conn.image.verify_image,
            scripted.IMAGE_ID,
            path,
        )
        self.assertIn(repr(path), str(error))
        self.assertEqual([], self.requests())

    def test_null_byte(self) -> None:
        """No file has such a name."""
        self.begin()
        self.refused_path('a\0b', repr('a\0b'))

    def test_missing(self) -> None:
        """It is the error of the system."""
        self.begin()
        error = self.refused(FileNotFoundError)
        self.assertEqual(self.path(), error.filename)
        self.assertEqual([], self.requests())

    def test_nothing_is_left_open(self) -> None:
        """Neither of a file that is refused nor of one that is verified."""
        self.begin()
        os.mkfifo(self.path('fifo'))
        self.write(DATA)
        before = os.listdir('/dev/fd')
        self.refused_path(self.path('fifo'))
        self.verify()
        self.conn.close()
        self.assertLessEqual(len(os.listdir('/dev/fd')), len(before) + 1)


def written(mode: str) -> Callable[[str], object]:
    """Return what writes to a file that is opened in this mode."""

    def write(path: str) -> None:
        with open(path, mode) as file:
            file.write(b'other bytes')

    return write


#: What another program may do to the file while it is read.
CHANGES: dict[str, Callable[[str], object]] = {
    'appended': written('ab'),
    'overwritten': written('r+b'),
    'truncated': lambda path: os.truncate(path, 5),
    'removed': os.remove,
    'replaced': lambda path: os.replace(f'{path}.new', path),
}


class TestChanges(VerifyTestCase):
    """A file that is not left alone."""

    @base.for_each(CHANGES)
    def test_changed_while_read(self, change: Callable[[str], object]) -> None:
        """Whether it was the image cannot be told."""
        data = base.some_bytes(3 * CHUNK)
        self.begin(data)
        path = self.write(data)
        self.write(data, 'image.new')
        # What is written within the same tick of the clock as this has the
        # same time.
        os.utime(path, (1, 1))
        self.report_everything()

        def once(snapshot: progress.Progress) -> None:
            if snapshot.done == CHUNK:
                change(path)

        error = self.refused(exceptions.OutputError, progress=once)
        self.assertIn(repr(path), str(error))
        self.assertIn('while it was read', str(error))

    def test_first_change_then_digest(self) -> None:
        """That it was changed explains a wrong hash."""
        data = base.some_bytes(2 * CHUNK)
        self.begin(flipped(data, 7))
        path = self.write(data)
        os.utime(path, (1, 1))
        self.report_everything()
        self.refused(
            exceptions.OutputError,
            progress=lambda snapshot: os.truncate(path, CHUNK + 1),
        )

    def test_link_is_changed(self) -> None:
        """Where the path leads later makes no difference."""
        data = base.some_bytes(2 * CHUNK)
        self.begin(data)
        self.write(data, 'good')
        self.write(flipped(data, 7), 'bad')
        os.symlink('good', self.path())
        self.report_everything()

        def swap(snapshot: progress.Progress) -> None:
            os.remove(self.path())
            os.symlink('bad', self.path())

        self.verify(progress=swap)
        self.refused(exceptions.ChecksumMismatchError)

    def test_interrupted(self) -> None:
        """Ctrl-C gets through, and the thread is joined."""
        data = base.some_bytes(3 * CHUNK)
        self.begin(data)
        self.write(data)
        self.report_everything()

        def interrupt(snapshot: progress.Progress) -> None:
            raise KeyboardInterrupt

        try:
            self.verify(progress=interrupt)
        except KeyboardInterrupt:
            self.assertEqual([], base.observer_threads())
        else:
            self.fail('it was not interrupted')

    def test_signal(self) -> None:
        """So does a real one, wherever it finds the thread that reads."""
        # A program that was started in the background ignores it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        size = 256 * 1024 * MIB
        self.begin(size=size)
        os.truncate(self.write(b''), size)
        self.report_everything()
        reading = threading.Event()

        def interrupt() -> None:
            reading.wait()
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(reading.set)
        try:
            self.verify(progress=lambda snapshot: reading.set())
        except KeyboardInterrupt:
            self.assertEqual([], base.observer_threads())
        else:
            self.fail('it was not interrupted')

    def test_bad_disk(self) -> None:
        """The error of the system comes through."""
        self.begin()
        self.write(DATA)
        broken = OSError(errno.EIO, 'bad sector')
        with mock.patch.object(os, 'pread', side_effect=broken):
            self.assertIs(broken, self.refused(OSError))


class TestExpectedDigest(VerifyTestCase):
    """A digest from elsewhere."""

    @base.for_each(
        {
            'another_algorithm': f'sha256:{SHA256}',
            'the_same_algorithm': f'sha512:{SHA512}',
            'upper_case': f'SHA256:{SHA256.upper()}',
        }
    )
    def test_right(self, digest: str) -> None:
        """A file that has both digests is accepted."""
        self.begin()
        self.write(DATA)
        self.verify(expected_digest=digest)

    def test_the_same_is_computed_once(self) -> None:
        """A digest that the service announces, too, costs nothing."""
        self.begin()
        self.write(DATA)
        made = self.useFixture(
            fixtures.MockPatchObject(
                observing, 'ObserverThreads', wraps=observing.ObserverThreads
            )
        ).mock
        self.verify(expected_digest=f'sha512:{SHA512}')
        self.verify(expected_digest=f'sha256:{SHA256}')
        self.assertEqual(
            [1, 2], [len(call.args[0]) for call in made.call_args_list]
        )

    def test_wrong(self) -> None:
        """A file that is the image is refused all the same."""
        self.begin()
        path = self.write(DATA)
        error = self.refused(
            exceptions.ChecksumMismatchError,
            expected_digest=f'sha256:{"0" * 64}',
        )
        self.assertEqual(
            ('sha256', '0' * 64, SHA256, path),
            (error.algorithm, error.expected, error.actual, error.path),
        )

    def test_the_service_disagrees(self) -> None:
        """Of the same algorithm, the two are compared and nothing is read."""
        self.begin()
        self.write(DATA)
        self.never_reads()
        error = self.refused(
            exceptions.ChecksumMismatchError,
            expected_digest=f'sha512:{"0" * 128}',
        )
        self.assertEqual(
            ('sha512', '0' * 128, SHA512),
            (error.algorithm, error.expected, error.actual),
        )
        self.assertIn('expected_digest', str(error))

    def test_wrong_for_the_service(self) -> None:
        """A file that is not the image is refused, too."""
        data = flipped(DATA, 5)
        self.begin()
        self.write(data)
        error = self.refused(
            exceptions.ChecksumMismatchError,
            expected_digest=f'sha256:{hashlib.sha256(data).hexdigest()}',
        )
        self.assertEqual('sha512', error.algorithm)

    def test_image_without_a_hash(self) -> None:
        """It is what verifies the file then."""
        self.begin(**NO_HASH)
        self.write(DATA)
        self.verify(expected_digest=f'sha256:{SHA256}')
        self.write(flipped(DATA, 5))
        self.refused(
            exceptions.ChecksumMismatchError,
            expected_digest=f'sha256:{SHA256}',
        )

    @base.for_each(
        {
            'md5': f'md5:{"0" * 32}',
            'sha1': f'sha1:{"0" * 40}',
            'too_short': 'sha256:00',
            'other_length': f'sha256:{SHA512}',
            'no_digits': f'sha256:{"g" * 64}',
            'no_algorithm': SHA256,
            'bytes': f'sha256:{SHA256}'.encode(),
            'empty': '',
        }
    )
    def test_refused(self, digest: Any) -> None:
        """What is no good digest is refused before any request."""
        self.begin()
        self.write(DATA)
        error = self.refused(
            exceptions.InvalidArgumentError, expected_digest=digest
        )
        self.assertIn('expected_digest', str(error))
        self.assertEqual([], self.requests())


class TestSignedBy(VerifyTestCase):
    """A signature of the image."""

    @base.for_each({'of_the_hash': 'SHA-512', 'of_the_bytes': 'SHA-256'})
    def test_right(self, hash_method: str) -> None:
        """A file that was signed is accepted."""
        self.begin(**signed(DATA, hash_method))
        self.write(DATA)
        self.verify(signed_by=self.public_key())

    @base.for_each({'of_the_hash': 'SHA-512', 'of_the_bytes': 'SHA-256'})
    def test_another_key(self, hash_method: str) -> None:
        """A file that another signer signed is refused."""
        self.begin(**signed(DATA, hash_method))
        self.write(DATA)
        self.refused(
            exceptions.SignatureError, signed_by=self.public_key(which=1)
        )

    def test_other_bytes(self) -> None:
        """The error names the image and the file."""
        self.begin(**signed(b'other', 'SHA-256'))
        path = self.write(DATA)
        error = self.refused(
            exceptions.SignatureError, signed_by=self.public_key()
        )
        self.assertEqual(path, error.path)
        for word in (repr(path), scripted.IMAGE_ID):
            self.assertIn(word, str(error))
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((path, str(error)), (copy.path, str(copy)))

    def test_metadata_are_judged_first(self) -> None:
        """A signature of another hash is refused before anything is read."""
        self.begin(**signed(b'other', 'SHA-512'))
        self.write(DATA)
        self.never_reads()
        self.refused(exceptions.SignatureError, signed_by=self.public_key())

    def test_missing(self) -> None:
        """An image without a signature is refused."""
        self.begin()
        self.write(DATA)
        self.refused(exceptions.SignatureError, signed_by=self.public_key())

    def test_image_without_a_hash(self) -> None:
        """The signature verifies the file then."""
        self.begin(**NO_HASH, **signed(DATA, 'SHA-512'))
        self.write(DATA)
        self.verify(signed_by=self.public_key())
        self.write(flipped(DATA, 5))
        self.refused(exceptions.SignatureError, signed_by=self.public_key())

    def test_refused(self) -> None:
        """What is no key is refused before any request."""
        self.begin()
        path = self.write(DATA)
        error = self.refused(exceptions.InvalidArgumentError, signed_by=path)
        self.assertIn('signed_by', str(error))
        self.assertEqual([], self.requests())


class SkipTestCase(FilesTestCase):
    """A test of downloads that may not be needed."""

    def download(self, **options: Any) -> Any:
        """Download to the usual path, unless that is current."""
        return self.conn.image.download_image(
            scripted.IMAGE_ID,
            **{'output': self.path(), 'skip_current': True, **options},
        )

    def assert_downloaded(self, **options: Any) -> None:
        """Download, and see that the data were requested."""
        response = self.download(**options)
        self.assertEqual(200, response.status_code)
        self.assertEqual([False, True], self.requests())
        self.assert_same(self.glance.data, self.content())


class TestCurrent(SkipTestCase):
    """A file that is the image."""

    @base.for_each(SIZES)
    def test_any_size(self, size: int) -> None:
        """The data are not requested, and the file stays as it is."""
        data = base.some_bytes(size)
        self.begin(data)
        before = os.stat(self.write(data))
        self.assertEqual(304, self.download().status_code)
        self.assertEqual([False], self.requests())
        after = os.stat(self.path())
        self.assertEqual(
            (before.st_ino, before.st_mtime_ns, before.st_ctime_ns),
            (after.st_ino, after.st_mtime_ns, after.st_ctime_ns),
        )
        self.assertEqual(['image'], self.files())

    def test_response(self) -> None:
        """It is a 304 without a body, for the data of the image."""
        self.begin()
        self.write(DATA)
        given = self.download()
        for response in (given, pickle.loads(pickle.dumps(given))):
            self.assertEqual(304, response.status_code)
            self.assertEqual('Not Modified', response.reason)
            self.assertTrue(response.ok)
            self.assertEqual(
                f'{self.glance.url}/v2/images/{scripted.IMAGE_ID}/file',
                response.url,
            )
            self.assertEqual(b'', response.content)
            self.assertEqual([], list(response.iter_content(1024)))
            self.assertEqual(
                self.glance.metadata['checksum'],
                response.headers['Content-MD5'],
            )
            response.raise_for_status()
            response.close()
        self.assertEqual(b'', given.raw.read())

    def test_url_of_a_store(self) -> None:
        """It is the one that would have been requested."""
        self.begin()
        self.write(DATA)
        response = self.download(store_preferences=['fast', 'near'])
        skipped = response.url
        os.remove(self.path())
        response = self.download(store_preferences=['fast', 'near'])
        self.assertEqual(response.url, skipped)

    def test_progress(self) -> None:
        """Nothing comes over the wire, so all counts as resumed."""
        data = base.some_bytes(2 * CHUNK)
        self.begin(data)
        self.write(data)
        self.report_everything()
        self.download(progress=self.seen.append)
        self.assertEqual(
            [(CHUNK, CHUNK), (2 * CHUNK, 2 * CHUNK), (2 * CHUNK, 2 * CHUNK)],
            [(snapshot.done, snapshot.resumed) for snapshot in self.seen],
        )
        self.assertEqual({2 * CHUNK}, {each.total for each in self.seen})

    def test_setting_of_the_cloud(self) -> None:
        """It applies to the downloads that it can apply to."""
        self.begin(settings={'image_stream_skip_current': 'yes'})
        path = self.write(DATA)
        images = self.conn.image
        response = images.download_image(scripted.IMAGE_ID, output=path)
        self.assertEqual(304, response.status_code)
        image = images.get_image(scripted.IMAGE_ID)
        response = image.download(images, False, path)
        self.assertEqual(304, response.status_code)
        for options in (
            {'stream': True},
            {},
            {'output': path, 'validate_checksum': False},
            {'output': path, 'skip_current': False},
        ):
            response = images.download_image(scripted.IMAGE_ID, **options)
            self.assertEqual(200, response.status_code, options)
            response.close()

    def test_link(self) -> None:
        """A link that leads to the image stays, too."""
        self.begin()
        self.write(DATA, 'target')
        os.symlink('target', self.path())
        self.assertEqual(304, self.download().status_code)
        self.assertTrue(os.path.islink(self.path()))


class TestNotCurrent(SkipTestCase):
    """Files that are not the image are replaced."""

    @base.for_each(
        {
            'shorter': DATA[:-1],
            'longer': DATA + b'1',
            'empty': b'',
            'flipped': flipped(DATA, 2_000_000),
        }
    )
    def test_other_content(self, content: bytes) -> None:
        """The download is as usual."""
        self.begin()
        self.write(content)
        self.assert_downloaded()
        self.assert_nothing_open(self.glance, self.conn)

    def test_missing(self) -> None:
        """There is no file yet."""
        self.begin()
        self.assert_downloaded()

    def test_length_first(self) -> None:
        """A file of another length is not read."""
        self.begin()
        self.write(DATA[:-1])
        self.never_reads()
        self.assert_downloaded()

    def test_image_without_a_hash(self) -> None:
        """There is nothing to judge the file by."""
        self.begin(**NO_HASH)
        self.write(DATA)
        self.never_reads()
        self.assert_downloaded()

    def test_changed_while_read(self) -> None:
        """What cannot be told is downloaded."""
        self.begin()
        path = self.write(DATA)
        os.utime(path, (1, 1))
        self.report_everything()
        times = iter([1])

        def once(snapshot: progress.Progress) -> None:
            if next(times, None):
                os.truncate(path, 7)

        self.assert_downloaded(progress=once)

    def test_bad_disk(self) -> None:
        """A file that cannot be read is replaced."""
        self.begin()
        self.write(DATA)
        broken = OSError(errno.EIO, 'bad sector')
        with mock.patch.object(os, 'pread', side_effect=broken):
            self.assertEqual(200, self.download().status_code)

    def test_forbidden(self) -> None:
        """So is one that must not be read."""
        self.begin()
        self.write(DATA)
        denied = PermissionError(errno.EACCES, 'Permission denied')
        with mock.patch.object(existing, '_open', side_effect=denied):
            self.assert_downloaded()

    def test_fifo(self) -> None:
        """It is written to, not looked at."""
        self.begin(b'few bytes')
        os.mkfifo(self.path('fifo'))
        reader = os.open(self.path('fifo'), os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.download(output=self.path('fifo'))
        self.assertEqual(b'few bytes', os.read(reader, 100))

    def test_failure_of_a_progress_function(self) -> None:
        """It ends the download; it is not taken for one of the file."""
        self.begin()
        self.write(DATA)
        self.report_everything()
        error = BrokenPipeError('the window was closed')

        def fail(snapshot: progress.Progress) -> None:
            raise error

        raised = self.assertRaises(
            BrokenPipeError, self.download, progress=fail
        )
        self.assertIs(error, raised)
        self.assertEqual([False], self.requests())
        self.assertEqual([], base.observer_threads())


class TestBadCalls(SkipTestCase):
    """What cannot be skipped is refused before any request."""

    def refused(self, **options: Any) -> None:
        """Download, and see the call refused."""
        self.begin()
        self.write(DATA)
        error = self.assertRaises(
            exceptions.InvalidArgumentError, self.download, **options
        )
        self.assertIn('skip_current=True', str(error))
        self.assertEqual([], self.requests())

    def test_stream(self) -> None:
        """There is no file to look at."""
        self.refused(output=None, stream=True)

    def test_memory(self) -> None:
        """Nor is there here."""
        self.refused(output=None)

    def test_descriptor(self) -> None:
        """What is open is written to from where it stands."""
        self.refused(output=1)

    def test_without_hash(self) -> None:
        """There is nothing to judge the file by."""
        self.refused(validate_checksum=False)

    def test_settings_that_contradict(self) -> None:
        """In the configuration they are refused as in a call."""
        self.begin(
            settings={
                'image_stream_skip_current': True,
                'image_stream_validate_checksum': False,
            }
        )
        self.assertRaises(
            exceptions.InvalidArgumentError,
            self.conn.image.download_image,
            scripted.IMAGE_ID,
            output=self.write(DATA),
        )

    def test_no_flag(self) -> None:
        """What looks true is not taken for it."""
        self.begin()
        self.assertRaises(
            exceptions.InvalidArgumentError, self.download, skip_current=1
        )


class TestChecksOfCurrentFiles(FilesTestCase):
    """With further checks of the call, the file is judged by them, too."""

    def is_current(self, content: bytes, **checks: Any) -> bool:
        """Tell whether a file would be skipped."""
        path = self.write(content)
        options: Any = {**_config.checked(skip_current=True), **checks}
        image = self.conn.image.get_image(scripted.IMAGE_ID)
        context = _context.Context(image, self.conn.image, options)
        context.fetch_info()
        return _verification.is_current(context, path)

    def test_expected_digest(self) -> None:
        """A file that has another digest is not current."""
        self.begin()
        self.assertTrue(
            self.is_current(DATA, expected_digest=f'sha256:{SHA256}')
        )
        self.assertFalse(
            self.is_current(DATA, expected_digest=f'sha256:{"0" * 64}')
        )

    def test_expected_digest_against_the_service(self) -> None:
        """A digest that the service contradicts is an error."""
        self.begin()
        error = self.assertRaises(
            exceptions.ChecksumMismatchError,
            self.is_current,
            DATA,
            expected_digest=f'sha512:{"0" * 128}',
        )
        self.assertIn('expected_digest', str(error))

    def test_expected_digest_alone(self) -> None:
        """It judges the file of an image without a hash."""
        self.begin(**NO_HASH)
        digest = f'sha256:{SHA256}'
        self.assertTrue(self.is_current(DATA, expected_digest=digest))
        self.assertFalse(
            self.is_current(flipped(DATA, 5), expected_digest=digest)
        )

    @base.for_each({'of_the_hash': 'SHA-512', 'of_the_bytes': 'SHA-256'})
    def test_signature(self, hash_method: str) -> None:
        """A file with a good signature is current."""
        self.begin(**signed(DATA, hash_method))
        self.assertTrue(self.is_current(DATA, signed_by=self.public_key()))

    def test_signature_of_other_bytes(self) -> None:
        """A file that was not signed is not current."""
        self.begin(**signed(b'other', 'SHA-256'))
        self.assertFalse(self.is_current(DATA, signed_by=self.public_key()))

    def test_signature_missing(self) -> None:
        """An image without a signature is an error, as in the download."""
        self.begin()
        self.assertRaises(
            exceptions.SignatureError,
            self.is_current,
            DATA,
            signed_by=self.public_key(),
        )

    def test_format(self) -> None:
        """A file that is another format than it should be is not current."""
        labels = {'disk_format': 'raw', 'container_format': 'bare'}
        self.begin(**labels)
        self.assertTrue(self.is_current(DATA, check_format=True))
        qcow2 = b'QFI\xfb'.ljust(1024, b'\0')
        self.begin(qcow2, **labels)
        self.assertTrue(self.is_current(qcow2))
        self.assertFalse(self.is_current(qcow2, check_format=True))

    def test_format_that_cannot_be_checked(self) -> None:
        """It is an error, as in the download."""
        self.begin(disk_format='raw', container_format='ova')
        self.assertRaises(
            exceptions.UncheckableImageError,
            self.is_current,
            DATA,
            check_format=True,
        )
