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

"""Tests of images that are opened as files."""

import dataclasses
import errno
import hashlib
import io
import os
import resource
import tempfile
from typing import Any

import fixtures
from openstack import exceptions as sdk_exceptions
from openstack.image.v2 import image as upstream_image

from openstack_image_stream._output import owned
from openstack_image_stream._output import unnamed
from openstack_image_stream import exceptions
from tests import resources
from tests.servers import images
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base

KIB = 1024
DATA = base.some_bytes(200 * KIB + 7)

INVALID = exceptions.InvalidArgumentError


class TestCase(base.GlanceTestCase):
    """Tests with a scripted Glance."""

    glance: scripted.ScriptedGlance

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(
            fixtures.MockPatchObject(tempfile, 'tempdir', self.directory)
        )

    def open(
        self,
        glance: scripted.ScriptedGlance | None = None,
        *,
        verified: bool = False,
        **options: Any,
    ) -> io.BufferedReader:
        """Open the image of a Glance, closed in the end."""
        self.glance = glance or self.serve(DATA)
        self.conn = self.connect(self.glance)
        if not verified:
            options.setdefault('block_size', 16 * KIB)
        file: io.BufferedReader = self.conn.image.open_image(
            scripted.IMAGE_ID, verified=verified, **options
        )
        self.addCleanup(file.close)
        return file

    def ranges(self) -> list[str]:
        """Return the ranges of all requests for data."""
        return [
            request.headers.get('range', '')
            for request in self.glance.requests
            if request.is_for_data
        ]


class TestArguments(TestCase):
    """A call that cannot work is refused before any request."""

    def refuse(self, kind: type[Exception], **arguments: Any) -> str:
        """Check that a call is refused; returns the message."""
        glance = self.serve(DATA)
        open_image = self.connect(glance).image.open_image
        # Those of the discovery of the service.
        glance.requests.clear()
        error = self.assertRaises(
            kind, open_image, scripted.IMAGE_ID, **arguments
        )
        self.assertEqual([], glance.requests)
        return str(error)

    def test_verified_has_no_default(self) -> None:
        """A program says which of the two it relies on."""
        self.assertIn('verified', self.refuse(TypeError))

    @base.for_each({'none': None, 'number': 1, 'text': 'yes'})
    def test_verified(self, verified: Any) -> None:
        """It is True or False."""
        message = self.refuse(INVALID, verified=verified)
        self.assertIn('verified must be True or False, not', message)

    @base.for_each({'zero': 0, 'small': 4095, 'large': 2**27, 'text': '1M'})
    def test_block_size(self, block_size: Any) -> None:
        """It is within its limits."""
        message = self.refuse(INVALID, verified=False, block_size=block_size)
        self.assertIn('block_size must be a whole number of bytes', message)

    def test_options(self) -> None:
        """Those of a download follow the same rules."""
        self.refuse(INVALID, verified=False, retries=-1)
        self.refuse(INVALID, verified=True, connections=0)
        self.refuse(INVALID, verified=True, store_preferences='fast')

    @base.for_each({n: n for n in ('validate_checksum', 'resume', 'output')})
    def test_no_options(self, name: str) -> None:
        """What makes no sense here is not known."""
        self.refuse(TypeError, verified=True, **{name: True})

    @base.for_each(
        {
            'expected_digest': f'sha256:{"0" * 64}',
            'check_format': True,
            'signed_by': 'key.pem',
            'trusted_certificates': ['ca.pem'],
        }
    )
    def test_no_checks(self, value: Any) -> None:
        """A part of an image cannot be checked, and that is not silent."""
        name = self.id().rpartition('test_no_checks_')[2]
        message = self.refuse(INVALID, verified=False, **{name: value})
        self.assertIn(f'{name} is about a whole image', message)


class TestUnverified(TestCase):
    """Bytes are requested as they are read."""

    def test_reads(self) -> None:
        """What is read is the image, also in one call."""
        file = self.open()
        self.assertEqual(DATA[:10], file.read(10))
        file.seek(-10, os.SEEK_END)
        self.assertEqual(DATA[-10:], file.read())
        file.seek(0)
        self.assert_same(DATA, file.read())

    def test_requests(self) -> None:
        """They are for blocks, over one connection that is kept."""
        file = self.open()
        file.seek(100 * KIB)
        file.read(10)
        file.seek(-10, os.SEEK_END)
        file.read(10)

        self.assertEqual(
            ['bytes=0-16383', 'bytes=98304-114687', 'bytes=196608-204806'],
            self.ranges(),
        )
        self.assertEqual(1, self.glance.accepted)

    def test_holds_no_connection(self) -> None:
        """Between two reads a connection is with the pool of the caller."""
        file = self.open()
        file.read(10)
        self.assert_nothing_open(self.glance, self.conn)

    def test_outlives_the_connection(self) -> None:
        """The names of the connection to the cloud are not needed."""
        file = self.open()
        del self.conn
        scripted.forget_connections()
        self.assert_same(DATA, file.read())

    def test_stores(self) -> None:
        """Stores can be chosen, one of which may serve ranges."""
        self.open(store_preferences=['fast'])
        self.assertIn('prefer=fast', self.glance.requests[-1].path)

    def test_resource_of_upstream(self) -> None:
        """An image of the SDK's class is taken, its hash must be the same."""
        glance = self.serve(DATA)
        image = upstream_image.Image.existing(
            id=scripted.IMAGE_ID, hash_algo='sha512', hash_value='00'
        )
        self.assertRaises(
            exceptions.ImageChangedError,
            self.connect(glance).image.open_image,
            image,
            verified=False,
        )

    def test_a_hash_that_is_not_known_here(self) -> None:
        """It does not matter: nothing is verified."""
        glance = self.serve(DATA, os_hash_algo='sha4096', os_hash_value='00')
        self.assertEqual(DATA[:10], self.open(glance).read(10))

    def test_a_size_that_the_metadata_lack(self) -> None:
        """The first response says it."""
        file = self.open(self.serve(DATA, size=None))
        self.assert_same(DATA, file.read())

    def test_settings_of_the_cloud(self) -> None:
        """Those that do not apply are no error, progress is not shown."""
        glance = self.serve(DATA)
        conn = self.connect(
            glance,
            image_stream_connections=4,
            image_stream_validate_checksum=False,
            image_stream_resume=False,
            image_stream_check_format=True,
            image_stream_signed_by='/nonexistent.pem',
            image_stream_trusted_certificates='/nonexistent.pem',
        )
        with conn.image.open_image(scripted.IMAGE_ID, verified=False) as file:
            self.assert_same(DATA, file.read())
        self.assertEqual(1, glance.accepted)

    def test_without_data(self) -> None:
        """An image without data is refused as by a download."""
        glance = self.serve(b'', size=None, status='queued')
        glance.data_responses.append(responses.Response(status=204))
        self.assertRaises(exceptions.ImageDataMissingError, self.open, glance)

    def test_retries(self) -> None:
        """A lost connection and a busy service are retried."""
        glance = self.serve(DATA)
        file = self.open(glance)
        glance.cuts += [(100, True), (200, False)]
        glance.data_responses.append(responses.Response(status=503))
        self.assert_same(DATA, file.read())
        self.assertEqual(3, len(self.waits))

    def test_no_retry_left(self) -> None:
        """The status is raised, and the file can be read later."""
        glance = self.serve(DATA)
        file = self.open(glance, retries=0)
        glance.data_responses.append(responses.Response(status=503))
        file.seek(100 * KIB)
        error = self.assertRaises(sdk_exceptions.HttpException, file.read, 1)
        self.assertEqual(503, error.status_code)
        file.seek(100 * KIB)
        self.assert_same(DATA[100 * KIB :], file.read())

    def test_deleted(self) -> None:
        """An image that is gone is not retried."""
        glance = self.serve(DATA)
        file = self.open(glance)
        glance.data_responses.append(responses.Response(status=404))
        self.assertRaises(sdk_exceptions.NotFoundException, file.read)
        self.assertEqual([], self.waits)


class TestRefusedRanges(TestCase):
    """A store without ranges is no reason to download the image."""

    def refuse(self, glance: scripted.ScriptedGlance) -> None:
        """Check that the image cannot be opened, by one request."""
        error = self.assertRaises(
            exceptions.RangeNotSupportedError, self.open, glance
        )
        self.assertIsInstance(error, io.UnsupportedOperation)
        self.assertEqual(scripted.IMAGE_ID, error.image_id)
        self.assertEqual(['bytes=0-16383'], self.ranges())
        self.assertIn('serves no byte ranges', str(error))
        self.assertIn('verified=True', str(error))
        self.assert_nothing_open(glance, self.conn)

    def test_400(self) -> None:
        """What Glance says for Ceph RBD and others."""
        glance = self.serve(DATA)
        glance.ranged = False
        self.refuse(glance)

    @base.for_each({'length': 'length', 'chunked': 'chunked'})
    def test_200(self, framing: str) -> None:
        """The body of the whole image is not read."""
        glance = self.serve(DATA)
        # The rest of it never comes.
        glance.data_responses.append(
            glance.honest(silent_after=20 * KIB, framing=framing)
        )
        self.refuse(glance)

    def test_another_range(self) -> None:
        """A range that was not requested is not taken for another."""
        glance = self.serve(DATA)
        headers = {'Content-Range': f'bytes 5-9/{len(DATA)}'}
        glance.data_responses.append(
            responses.Response(status=206, headers=headers, body=b'12345')
        )
        self.refuse(glance)

    def test_compressed(self) -> None:
        """A position in compressed bytes means nothing."""
        glance = self.serve(DATA)
        glance.changes.append(
            lambda response: dataclasses.replace(
                response,
                headers={**response.headers, 'Content-Encoding': 'gzip'},
            )
        )
        self.refuse(glance)

    def test_later(self) -> None:
        """The same holds for a later read."""
        glance = self.serve(DATA)
        file = self.open(glance)
        glance.ranged = False
        self.assertRaises(exceptions.RangeNotSupportedError, file.read)


class TestChanged(TestCase):
    """Bytes of two images are not mixed."""

    def test_another_checksum(self) -> None:
        """The Content-MD5 of the first response is that of all."""
        glance = self.serve(DATA)
        file = self.open(glance)
        glance.metadata['checksum'] = '00' * 16
        error = self.assertRaises(exceptions.ImageChangedError, file.read)
        self.assertEqual('00' * 16, error.actual)

    def test_another_size(self) -> None:
        """It may come from an intermediary, so it is retried first."""
        glance = self.serve(DATA)
        file = self.open(glance)
        glance.data = DATA + b'more'
        error = self.assertRaises(exceptions.ImageChangedError, file.read)
        self.assertEqual(len(DATA) + 4, error.actual)
        self.assertEqual(5, len(self.waits))

    def test_shorter(self) -> None:
        """So is a range that does not exist any more."""
        glance = self.serve(DATA)
        file = self.open(glance)
        glance.data = DATA[: 50 * KIB]
        file.seek(100 * KIB)
        self.assertRaises(exceptions.ImageChangedError, file.read)

    def test_not_what_the_metadata_say(self) -> None:
        """The first response must have the size of the metadata."""
        glance = self.serve(DATA, size=len(DATA) - 1)
        self.assertRaises(exceptions.ImageChangedError, self.open, glance)


class TestVerified(TestCase):
    """The whole image is downloaded and verified first."""

    def open(
        self, glance: scripted.ScriptedGlance | None = None, **options: Any
    ) -> io.BufferedReader:
        """Open the image of a Glance, verified."""
        return super().open(glance, verified=True, **options)

    def test_reads(self) -> None:
        """What is read is the image, requested once and whole."""
        file = self.open()
        file.seek(-10, os.SEEK_END)
        self.assertEqual(DATA[-10:], file.read())
        file.seek(0)
        self.assert_same(DATA, file.read())
        self.assertEqual([''], self.ranges())

    def test_is_read_only(self) -> None:
        """Neither the file nor what is below it can be written to."""
        file = self.open()
        self.assertIs(io.BufferedReader, type(file))
        self.assertFalse(file.writable())
        self.assertRaises(io.UnsupportedOperation, file.raw.write, b'x')

    def test_has_no_name(self) -> None:
        """It is in the directory for temporary files, and leaves nothing."""
        file = self.open()
        target = os.readlink(f'/proc/self/fd/{file.fileno()}')
        self.assertTrue(target.startswith(f'{self.directory}/'), target)
        self.assertEqual(0, os.fstat(file.fileno()).st_nlink)
        self.assertEqual([], self.files())

    def test_without_o_tmpfile(self) -> None:
        """A file system without unnamed files has a name for a moment."""

        def refuse(path: str, flags: int, mode: int) -> None:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

        self.useFixture(fixtures.MockPatchObject(owned, 'open_file', refuse))
        self.assert_same(DATA, self.open().read())
        self.assertEqual([], self.files())

    def held(self) -> list[str]:
        """Return the files in the directory that this process has open."""
        found = resources.descriptors().values()
        return [path for path in found if path.startswith(self.directory)]

    def test_is_closed_with_its_last_name(self) -> None:
        """A file that is forgotten frees its space."""
        glance = self.serve(DATA)
        image = self.connect(glance).image
        file = image.open_image(scripted.IMAGE_ID, verified=True)
        self.assertEqual(1, len(self.held()))
        del file
        self.assertEqual([], self.held())

    def test_is_sparse(self) -> None:
        """Zeros take no space."""
        file = self.open(self.serve(bytes(4 * KIB * KIB) + b'end'))
        self.assertLess(os.fstat(file.fileno()).st_blocks * 512, 256 * KIB)
        self.assertEqual(bytes(4 * KIB * KIB) + b'end', file.read())

    def test_ends_in_zeros(self) -> None:
        """Its length is that of the image."""
        data = b'begin' + bytes(4 * KIB * KIB)
        self.assertEqual(data, self.open(self.serve(data)).read())

    def test_several_connections(self) -> None:
        """The options of a download apply."""
        seen: list[Any] = []
        data = base.some_bytes(17 * KIB * KIB)
        file = self.open(self.serve(data), connections=2, progress=seen.append)
        self.assert_same(data, file.read())
        self.assertTrue(self.ranges()[0].startswith('bytes=0-'))
        self.assertEqual(len(data), seen[-1].done)

    def test_store_without_ranges(self) -> None:
        """It needs none."""
        glance = self.serve(DATA)
        glance.ranged = False
        self.assert_same(DATA, self.open(glance, connections=2).read())

    def test_damaged(self) -> None:
        """There is no file of a bad image."""
        glance = self.serve(DATA)
        glance.data = b'!' + DATA[1:]
        self.assertRaises(exceptions.ChecksumMismatchError, self.open, glance)
        self.assert_nothing_open(glance, self.conn)
        self.assertEqual([], self.held())

    def test_the_setting_of_the_cloud(self) -> None:
        """The call counts, not a cloud that turns verification off."""
        glance = self.serve(DATA)
        conn = self.connect(glance, image_stream_validate_checksum=False)
        glance.data = b'!' + DATA[1:]
        self.assertRaises(
            exceptions.ChecksumMismatchError,
            conn.image.open_image,
            scripted.IMAGE_ID,
            verified=True,
        )

    def test_no_hash(self) -> None:
        """An image that cannot be verified is not called verified."""
        glance = self.serve(
            DATA, os_hash_algo=None, os_hash_value=None, checksum=None
        )
        error = self.assertRaises(
            exceptions.UnverifiableImageError, self.open, glance
        )
        self.assertEqual(scripted.IMAGE_ID, error.image_id)
        self.assertEqual([], self.ranges())

    def test_expected_digest(self) -> None:
        """A digest from elsewhere verifies an image without a hash."""
        digest = hashlib.sha256(DATA).hexdigest()
        nothing = dict.fromkeys(('os_hash_algo', 'os_hash_value', 'checksum'))
        file = self.open(
            self.serve(DATA, **nothing), expected_digest=f'sha256:{digest}'
        )
        self.assert_same(DATA, file.read())
        self.assertRaises(
            exceptions.ChecksumMismatchError,
            self.open,
            self.serve(DATA[:-1], **nothing),
            expected_digest=f'sha256:{digest}',
        )

    def test_format(self) -> None:
        """The content is checked, also where the cloud asks for it."""
        data = images.disk('qcow2-backing')
        self.assertRaises(
            exceptions.UnsafeImageError,
            self.open,
            self.serve(data, disk_format='qcow2', container_format='bare'),
            check_format=True,
        )
        conn = self.connect(self.glance, image_stream_check_format=True)
        self.assertRaises(
            exceptions.UnsafeImageError,
            conn.image.open_image,
            scripted.IMAGE_ID,
            verified=True,
        )

    def test_full_disk(self) -> None:
        """The error of the system comes through."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
        try:
            error = self.assertRaises(OSError, self.open)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.assertEqual(errno.EFBIG, error.errno)
        self.assertEqual([], self.held())

    def test_a_forked_child(self) -> None:
        """A child can read it: it is a file."""
        file = self.open()
        child = os.fork()
        if not child:
            os._exit(file.read() != DATA)
        self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


class TestDirectory(base.TestCase):
    """Where the file of a verified image is."""

    def directory_with(self, **variables: str) -> str:
        """Return the directory for this environment."""
        self.useFixture(fixtures.MonkeyPatch('tempfile.tempdir', None))
        for name in ('TMPDIR', 'TEMP', 'TMP'):
            self.useFixture(
                fixtures.EnvironmentVariable(name, variables.get(name))
            )
        return unnamed._directory()

    def test_for_large_files(self) -> None:
        """Without a choice of the user it is that for large files."""
        self.assertEqual('/var/tmp', self.directory_with())

    @base.for_each({n: n for n in ('TMPDIR', 'TEMP', 'TMP')})
    def test_of_the_environment(self, name: str) -> None:
        """The user's choice counts."""
        self.assertEqual(
            self.directory, self.directory_with(**{name: self.directory})
        )

    def test_that_cannot_be_written_to(self) -> None:
        """Without such a directory it is that of Python."""
        self.useFixture(
            fixtures.MockPatchObject(unnamed, '_LARGE', '/nonexistent')
        )
        self.assertEqual(tempfile.gettempdir(), self.directory_with())
