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

"""The contract of a download, through conn.image and real sockets."""

import base64
import collections
import errno
import gc
import gzip
import hashlib
import io
import logging
import os
import pickle
import shutil
import tempfile
from typing import Any
from unittest import mock

import fixtures
from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions as sdk_exceptions
import requests

from openstack_image_stream._http import retry_after
from openstack_image_stream._sdk import sending
from openstack_image_stream._transfer import verified_stream
from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base
from tests.unit import modes

MIB = 1024 * 1024

DATA = base.some_bytes(2_500_000)
MD5 = hashlib.md5(DATA).hexdigest()
SHA512 = hashlib.sha512(DATA).hexdigest()
OLD = b'what was there before'
LOGIN = b'<html>Please log in</html>'

#: No hash in the metadata.
NO_HASH: dict[str, Any] = {
    'checksum': None,
    'os_hash_algo': None,
    'os_hash_value': None,
}

#: Statuses of the request for the data, and what they are raised as.
STATUSES: dict[str, tuple[int, type[Exception]]] = {
    '204': (204, exceptions.ImageDataMissingError),
    '206_unasked': (206, exceptions.UnexpectedResponseError),
    '302_to_nowhere': (302, exceptions.UnexpectedResponseError),
    '400': (400, sdk_exceptions.BadRequestException),
    '401': (401, sdk_exceptions.HttpException),
    '403': (403, sdk_exceptions.ForbiddenException),
    '404': (404, sdk_exceptions.NotFoundException),
    '416': (416, sdk_exceptions.HttpException),
    '500': (500, sdk_exceptions.HttpException),
    '503': (503, sdk_exceptions.HttpException),
}


def _incomplete(kind: type[modes.Mode]) -> type[Exception]:
    """Return what a body that does not arrive whole is raised as.

    In memory it is a request that failed, as upstream's call has it.
    """
    if kind is modes.InMemory:
        return exceptions.RequestFailedError
    return exceptions.InterruptedDownloadError


#: Sizes around those of the chunks that are read at a time.
SIZES: dict[str, int] = {
    'no_bytes': 0,
    'one_byte': 1,
    'below_a_stream_chunk': verified_stream.STREAM_CHUNK - 1,
    'one_stream_chunk': verified_stream.STREAM_CHUNK,
    'above_a_stream_chunk': verified_stream.STREAM_CHUNK + 1,
    'below_a_sink_chunk': verified_stream.SINK_CHUNK - 1,
    'one_sink_chunk': verified_stream.SINK_CHUNK,
    'above_a_sink_chunk': verified_stream.SINK_CHUNK + 1,
    'two_sink_chunks': 2 * verified_stream.SINK_CHUNK,
}

#: How a body ends too early.
BROKEN: dict[str, dict[str, Any]] = {
    'cut': {'cut_after': 1_500_000},
    'cut_at_once': {'cut_after': 0},
    'cut_before_the_last_byte': {'cut_after': 2_499_999},
    'reset': {'cut_after': 1_500_000, 'reset': True},
    'chunks_cut': {'cut_after': 1_500_000, 'framing': 'chunked'},
    'no_length_cut': {'cut_after': 1_500_000, 'framing': 'close'},
    'no_length_nothing': {'cut_after': 0, 'framing': 'close'},
    'no_length_last_byte': {'cut_after': 2_499_999, 'framing': 'close'},
}


class DownloadTestCase(base.GlanceTestCase):
    """A test that downloads."""

    def begin(self, data: bytes = DATA, **metadata: Any) -> Any:
        """Start a Glance with an image, connect to it."""
        self.glance = self.serve(data, **metadata)
        self.conn = self.connect(self.glance)
        # Finding the service is the SDK's concern, and not counted.
        self.assertIsNotNone(self.conn.image)
        self.glance.requests.clear()
        return self.conn

    def answer(self, **changes: Any) -> None:
        """Have every request for the data answered so."""
        self.glance.repeat_last = True
        self.glance.data_responses.clear()
        self.glance.data_responses.append(self.glance.honest(**changes))

    def mode(self, kind: type[modes.Mode]) -> modes.Mode:
        """Make a mode that works in the directory of this test."""
        return kind(self.directory)

    def stream(self, **options: Any) -> requests.Response:
        """Ask for a stream."""
        response: requests.Response = self.conn.image.download_image(
            scripted.IMAGE_ID, stream=True, **options
        )
        return response

    def file_requests(self) -> list[str]:
        """Return the requests for data that were made."""
        return [
            request.path
            for request in self.glance.requests
            if request.path.endswith('/file')
        ]

    def assert_fails(
        self,
        expected: type[Exception],
        kind: type[modes.Mode],
        sent: bytes = DATA,
        **options: Any,
    ) -> Any:
        """Download, see it fail, and nobody hold all that was sent.

        :returns: The error.
        """
        mode = self.mode(kind)
        error = self.assertRaises(
            expected, mode.download, self.conn, **options
        )
        self.assertIs(expected, type(error))
        held = mode.held()
        self.assertTrue(sent.startswith(held))
        self.assertLess(len(held), max(len(sent), 1))
        self.assert_kept(error, sent)
        self.assert_nothing_open(self.glance, self.conn)
        return error

    def assert_kept(self, error: Exception, sent: bytes, *others: str) -> None:
        """Check that there is a partial file where the error says so."""
        path = getattr(error, 'partial_path', None)
        if path is None:
            self.assertEqual([*others], self.files())
            return
        name = os.path.basename(path)
        self.assertEqual(sorted([*others, name]), self.files())
        self.assertIn(path, str(error))
        kept = self.content(name)
        self.assertEqual(error.received, len(kept))
        self.assertTrue(sent.startswith(kept))


class TestGoodImage(DownloadTestCase):
    """An image that is what it should be."""

    @base.for_each(modes.times(SIZES))
    def test_size(self, case: tuple[type[modes.Mode], int]) -> None:
        """All of its bytes arrive, whatever their number."""
        kind, size = case
        data = base.some_bytes(size)
        conn = self.begin(data)
        self.assert_same(data, self.mode(kind).download(conn))
        self.assert_nothing_open(self.glance, conn)
        self.assertEqual([], self.warnings())

    @base.for_each(
        modes.times({'chunked': 'chunked', 'without_length': 'close'})
    )
    def test_framing(self, case: tuple[type[modes.Mode], str]) -> None:
        """They do without a Content-Length as well."""
        kind, framing = case
        conn = self.begin()
        self.answer(framing=framing)
        self.assert_same(DATA, self.mode(kind).download(conn))
        self.assert_nothing_open(self.glance, conn)

    @base.for_each(modes.ALL)
    def test_compressed(self, kind: type[modes.Mode]) -> None:
        """If something compresses, the decoded bytes are the image."""
        data = bytes(5 * MIB)
        conn = self.begin(data)
        self.answer(
            headers={'Content-Encoding': 'gzip'}, body=gzip.compress(data)
        )
        self.assert_same(data, self.mode(kind).download(conn))

    @base.for_each(modes.ALL)
    def test_connection_is_used_again(self, kind: type[modes.Mode]) -> None:
        """One connection serves all the requests of several downloads."""
        conn = self.begin()
        accepted = self.glance.accepted
        for _ in range(3):
            self.mode(kind).download(conn)
        self.assertEqual(accepted, self.glance.accepted)

    @base.for_each(modes.ALL)
    def test_size_unknown(self, kind: type[modes.Mode]) -> None:
        """An image without a size is verified by its hash alone."""
        conn = self.begin(size=None)
        self.answer(framing='chunked')
        self.assert_same(DATA, self.mode(kind).download(conn))

    @base.for_each(
        {
            'small': 1,
            'default_of_the_client': 1024,
            'large': 10**9,
            'zero': 0,
            'negative': -5,
            'none': None,
        }
    )
    def test_chunk_size(self, chunk_size: int | None) -> None:
        """The caller's chunk size changes nothing about the bytes."""
        conn = self.begin()
        conn.image.download_image(
            scripted.IMAGE_ID, output=self.path(), chunk_size=chunk_size
        )
        self.assert_same(DATA, self.content())


class TestStatus(DownloadTestCase):
    """The server has no data to give."""

    @base.for_each(modes.times(STATUSES))
    def test_is_raised(self, case: Any) -> None:
        """The status is raised, no byte of its answer is taken."""
        kind, (status, expected) = case
        self.begin(status='queued')
        self.answer(status=status, body=b'This is not an image.')
        error = self.assert_fails(expected, kind, b'')
        self.assertIn(scripted.IMAGE_ID, str(error))
        # What another attempt may cure is tried as often as retries says;
        # what keystoneauth would repeat by itself does not come on top.
        attempts = 6 if status in retry_after.STATUSES else 1
        self.assertEqual(attempts, len(self.file_requests()))

    @base.for_each(modes.times(STATUSES))
    def test_is_raised_without_a_hash(self, case: Any) -> None:
        """Also where nothing else would tell the answer from an image."""
        kind, (status, expected) = case
        self.begin(size=None, **NO_HASH)
        self.answer(status=status, body=b'This is not an image.')
        self.assert_fails(expected, kind, b'')

    @base.for_each(STATUSES)
    def test_file_stays(self, case: Any) -> None:
        """What was under the name is as it was, to the inode."""
        status, expected = case
        conn = self.begin()
        before = os.stat(self.write(OLD))
        self.answer(status=status, body=b'This is not an image.')
        self.assertRaises(
            expected,
            conn.image.download_image,
            scripted.IMAGE_ID,
            output=self.path(),
        )
        self.assertEqual(OLD, self.content())
        self.assertEqual(before.st_ino, os.stat(self.path()).st_ino)
        self.assertEqual(['image'], self.files())

    def test_no_data_yet(self) -> None:
        """An image without data is named together with its status."""
        conn = self.begin(status='queued', size=None, **NO_HASH)
        self.answer(status=204)
        error = self.assertRaises(
            exceptions.ImageDataMissingError,
            conn.image.download_image,
            scripted.IMAGE_ID,
        )
        self.assertEqual(scripted.IMAGE_ID, error.image_id)
        self.assertEqual('queued', error.status)

    @base.for_each({'quiet': logging.INFO, 'debugging': logging.DEBUG})
    def test_words_of_the_server(self, level: int) -> None:
        """Why it says no is in the error, however much is logged."""
        # keystoneauth logs the body of such an answer, so it reads it first.
        self.useFixture(fixtures.FakeLogger(level=level))
        conn = self.begin()
        self.glance.repeat_last = True
        self.glance.data_responses.append(
            responses.json_response(
                {'error': {'message': 'The store is on fire'}}, status=503
            )
        )
        error = self.assertRaises(
            sdk_exceptions.HttpException,
            conn.image.download_image,
            scripted.IMAGE_ID,
        )
        self.assertIn('The store is on fire', str(error))

    @base.for_each(
        modes.times(
            {
                '401': (401, sdk_exceptions.HttpException),
                '403': (403, sdk_exceptions.ForbiddenException),
                '404': (404, sdk_exceptions.NotFoundException),
                '500': (500, sdk_exceptions.HttpException),
                '503': (503, sdk_exceptions.HttpException),
            }
        )
    )
    def test_of_the_metadata(self, case: Any) -> None:
        """Without metadata the data are not even asked for."""
        kind, (status, expected) = case
        self.begin()
        self.glance.repeat_last = True
        self.glance.metadata_responses.append(
            responses.Response(status=status, body=b'no')
        )
        self.assert_fails(expected, kind)
        self.assertEqual([], self.file_requests())

    @base.for_each(
        {
            'web_page': responses.Response(body=LOGIN),
            'no_content': responses.Response(status=204),
            'redirect_to_nowhere': responses.Response(status=302),
            'nothing': responses.Response(),
        }
    )
    def test_metadata_of_something_else(
        self, answer: responses.Response
    ) -> None:
        """Who answers without an image document has no image to give."""
        # Like a portal that answers everything with its own page.
        self.begin()
        self.glance.metadata_responses.append(answer)
        self.answer(headers={'Content-Type': 'text/html'}, body=LOGIN)
        self.assert_fails(
            exceptions.UnexpectedResponseError, modes.ToPath, b''
        )

    def test_redirect_is_followed(self) -> None:
        """A redirect that leads somewhere is followed by keystoneauth."""
        conn = self.begin()
        self.glance.data_responses.append(
            responses.Response(
                status=302,
                headers={
                    'Location': f'{self.glance.url}/v2/images/elsewhere/file'
                },
            )
        )
        response = conn.image.download_image(scripted.IMAGE_ID)
        self.assert_same(DATA, response.content)
        self.assertEqual(2, len(self.file_requests()))


class TestNoAnswer(DownloadTestCase):
    """The connection fails before there is an answer."""

    def begin(self, data: bytes = DATA, **metadata: Any) -> Any:
        conn = super().begin(data, **metadata)
        # Older SDKs have keystoneauth try twice, half a second apart.
        conn.image.connect_retry_delay = 1e-6
        return conn

    @base.for_each(modes.ALL)
    def test_to_the_request_for_data(self, kind: type[modes.Mode]) -> None:
        """It is an incomplete download of nothing."""
        self.begin()
        self.glance.repeat_last = True
        self.glance.data_responses.append(responses.Response(hang_up=True))
        error = self.assert_fails(exceptions.ConnectionFailedError, kind, b'')
        self.assertEqual(0, error.received)
        self.assertEqual(len(DATA), error.expected)

    @base.for_each(modes.ALL)
    def test_to_the_request_for_metadata(self, kind: type[modes.Mode]) -> None:
        """It is an error of this package, too, and names the image."""
        self.begin()
        self.glance.repeat_last = True
        self.glance.metadata_responses.append(responses.Response(hang_up=True))
        error = self.assert_fails(exceptions.ConnectionFailedError, kind, b'')
        self.assertIn(scripted.IMAGE_ID, str(error))
        self.assertEqual([], self.file_requests())

    def test_nobody_listens(self) -> None:
        """A server that is gone is an error of this package as well."""
        conn = self.begin()
        self.glance.__exit__()
        error = self.assertRaises(
            exceptions.ImageStreamError,
            conn.image.download_image,
            scripted.IMAGE_ID,
        )
        self.assertIsNotNone(error.__cause__)


class TestBrokenBody(DownloadTestCase):
    """The data do not arrive whole."""

    @base.for_each(modes.times(BROKEN))
    def test_is_noticed(self, case: Any) -> None:
        """It is told how much arrived, and nothing is left."""
        kind, how = case
        self.begin()
        self.answer(**how)
        error = self.assert_fails(_incomplete(kind), kind)
        self.assertEqual(len(DATA), error.expected)
        self.assertLessEqual(error.received, how['cut_after'])
        self.assertTrue(error.reason)

    @base.for_each(modes.times(BROKEN))
    def test_is_noticed_without_a_hash(self, case: Any) -> None:
        """The length alone is enough to notice."""
        kind, how = case
        self.begin(**NO_HASH)
        self.answer(**how)
        self.assert_fails(_incomplete(kind), kind)

    @base.for_each(modes.times(BROKEN))
    def test_is_noticed_unverified(self, case: Any) -> None:
        """Who waives the digest does not waive the length."""
        kind, how = case
        self.begin()
        self.answer(**how)
        self.assert_fails(_incomplete(kind), kind, validate_checksum=False)

    @base.for_each(modes.times({'length': 'length', 'chunked': 'chunked'}))
    def test_size_unknown(self, case: Any) -> None:
        """HTTP tells of the end where the metadata do not."""
        kind, framing = case
        self.begin(size=None, **NO_HASH)
        self.answer(cut_after=1_500_000, framing=framing)
        self.assert_fails(_incomplete(kind), kind)

    @base.for_each(modes.ALL)
    def test_only_the_hash_tells(self, kind: type[modes.Mode]) -> None:
        """Without any length a cut is a mismatch."""
        self.begin(size=None)
        self.answer(cut_after=1_500_000, framing='close')
        self.assert_fails(
            exceptions.ChecksumMismatchError, kind, DATA[:1_500_000]
        )

    @base.for_each(modes.ALL)
    def test_compressed_and_cut(self, kind: type[modes.Mode]) -> None:
        """A compressed body that breaks off is incomplete as well."""
        self.begin()
        body = gzip.compress(DATA, 1)
        self.answer(
            headers={'Content-Encoding': 'gzip'},
            body=body,
            cut_after=len(body) - 100_000,
        )
        self.assert_fails(_incomplete(kind), kind)


class TestAnotherLength(DownloadTestCase):
    """What is sent is longer or shorter than the image."""

    @base.for_each(
        modes.times({'chunked': 'chunked', 'without_length': 'close'})
    )
    def test_longer(self, case: Any) -> None:
        """More than the image is another image."""
        kind, framing = case
        self.begin()
        self.answer(body=DATA + b'x', framing=framing)
        error = self.assert_fails(exceptions.ImageChangedError, kind)
        self.assertEqual(2_500_000, error.expected)
        self.assertEqual(2_500_001, error.actual)

    @base.for_each(
        modes.times({'chunked': 'chunked', 'without_length': 'close'})
    )
    def test_much_longer(self, case: Any) -> None:
        """It is not waited for the end of an endless body."""
        kind, framing = case
        self.begin(DATA[:100], **NO_HASH)
        self.answer(body=DATA * 8, framing=framing)
        self.assert_fails(exceptions.ImageChangedError, kind, DATA[:100])

    @base.for_each(
        modes.times(
            {'shorter': len(DATA) - 1, 'longer': len(DATA) + 1, 'zero': 0}
        )
    )
    def test_announced(self, case: Any) -> None:
        """A length that is not the image's is refused before a byte."""
        kind, length = case
        self.begin()
        self.answer(framing=length)
        error = self.assert_fails(exceptions.ImageChangedError, kind, b'')
        self.assertEqual(2_500_000, error.expected)
        self.assertEqual(length, error.actual)

    @base.for_each(modes.ALL)
    def test_image_of_no_bytes(self, kind: type[modes.Mode]) -> None:
        """A byte where there should be none is one too many."""
        self.begin(b'')
        self.answer(body=b'x', framing='chunked')
        self.assert_fails(exceptions.ImageChangedError, kind, b'')


class TestFlippedByte(DownloadTestCase):
    """One byte is wrong."""

    @base.for_each(
        modes.times(
            {
                f'{where}_of_{word}': (where, size)
                for word, size in SIZES.items()
                for where in ('first', 'middle', 'last')
                # More of them are no other case.
                if size and (size < 2 * MIB or where == 'last')
            }
        )
    )
    def test_is_noticed(self, case: Any) -> None:
        """Wherever it is, it is noticed, and nobody gets all bytes."""
        kind, (where, size) = case
        data = base.some_bytes(size)
        position = {'first': 0, 'middle': size // 2, 'last': size - 1}[where]
        bad = bytearray(data)
        bad[position] ^= 1
        self.begin(data)
        self.answer(body=bytes(bad))
        error = self.assert_fails(
            exceptions.ChecksumMismatchError, kind, bytes(bad)
        )
        self.assertEqual('sha512', error.algorithm)
        self.assertEqual(hashlib.sha512(data).hexdigest(), error.expected)
        self.assertEqual(hashlib.sha512(bad).hexdigest(), error.actual)

    @base.for_each(modes.ALL)
    def test_is_what_upstream_raises(self, kind: type[modes.Mode]) -> None:
        """Who catches upstream's error for it catches ours."""
        conn = self.begin()
        self.answer(body=b'x' + DATA[1:])
        try:
            self.mode(kind).download(conn)
        except sdk_exceptions.InvalidResponse:
            return
        self.fail('no error')


class TestHash(DownloadTestCase):
    """Which hash is compared."""

    @base.for_each(modes.ALL)
    def test_wrong_multihash(self, kind: type[modes.Mode]) -> None:
        """The multihash decides, though the MD5 would agree."""
        self.begin(os_hash_value='0' * 128)
        error = self.assert_fails(exceptions.ChecksumMismatchError, kind)
        self.assertEqual('0' * 128, error.expected)
        self.assertEqual(SHA512, error.actual)

    @base.for_each(modes.ALL)
    def test_wrong_md5_beside_a_multihash(
        self, kind: type[modes.Mode]
    ) -> None:
        """Nobody looks at the MD5 then, in the metadata or the header."""
        conn = self.begin(checksum='0' * 32)
        self.assert_same(DATA, self.mode(kind).download(conn))

    @base.for_each(modes.ALL)
    def test_uppercase(self, kind: type[modes.Mode]) -> None:
        """Hexadecimal has no case."""
        conn = self.begin(os_hash_value=SHA512.upper())
        self.assert_same(DATA, self.mode(kind).download(conn))

    @base.for_each(
        modes.times(
            {
                'multihash': {},
                'sha256': {
                    'os_hash_algo': 'sha256',
                    'os_hash_value': hashlib.sha256(DATA).hexdigest(),
                },
                'algorithm_only': {'os_hash_value': None},
                'value_only': {'os_hash_algo': None},
                'md5': {'os_hash_algo': None, 'os_hash_value': None},
            }
        )
    )
    def test_verifies(self, case: Any) -> None:
        """Each of these is a proof: it accepts good bytes, and no bad ones."""
        kind, metadata = case
        conn = self.begin(**metadata)
        self.assert_same(DATA, self.mode(kind).download(conn))
        self.assertEqual([], self.warnings())
        for name in self.files():
            os.unlink(self.path(name))
        self.answer(body=b'x' + DATA[1:])
        self.assert_fails(
            exceptions.ChecksumMismatchError, kind, b'x' + DATA[1:]
        )

    @base.for_each(
        modes.times(
            {
                'unknown_algorithm': {'os_hash_algo': 'sha4096'},
                'no_digest_of_its_own': {
                    'os_hash_algo': 'shake_128',
                    'os_hash_value': '00' * 16,
                },
                'not_hexadecimal': {'os_hash_value': 'z' * 128},
                'wrong_length': {'os_hash_value': SHA512[:-2]},
                'no_string': {'os_hash_value': 5},
                'md5_is_garbage': {
                    'os_hash_algo': None,
                    'os_hash_value': None,
                    'checksum': 'garbage',
                },
            }
        )
    )
    def test_unusable(self, case: Any) -> None:
        """A hash that says nothing here ends it before the data."""
        kind, metadata = case
        self.begin(**metadata)
        self.assert_fails(exceptions.UnusableHashError, kind, b'')
        self.assertEqual([], self.file_requests())

    @base.for_each(modes.ALL)
    def test_md5_by_choice(self, kind: type[modes.Mode]) -> None:
        """Who allows MD5 in its place gets bytes that agree with it."""
        conn = self.begin(os_hash_algo='sha4096')
        self.assert_same(
            DATA, self.mode(kind).download(conn, allow_md5_fallback=True)
        )
        for name in self.files():
            os.unlink(self.path(name))
        self.answer(body=b'x' + DATA[1:])
        error = self.assert_fails(
            exceptions.ChecksumMismatchError,
            kind,
            b'x' + DATA[1:],
            allow_md5_fallback=True,
        )
        self.assertEqual('md5', error.algorithm)

    @base.for_each(modes.ALL)
    def test_no_md5_to_choose(self, kind: type[modes.Mode]) -> None:
        """An image without MD5 leaves no choice."""
        self.begin(os_hash_algo='sha4096', checksum=None)
        self.assert_fails(
            exceptions.UnusableHashError, kind, b'', allow_md5_fallback=True
        )
        self.assertEqual([], self.file_requests())

    @base.for_each(
        modes.times(
            {
                'hexadecimal': MD5,
                'base64': base64.b64encode(bytes.fromhex(MD5)).decode(),
            }
        )
    )
    def test_content_md5(self, case: Any) -> None:
        """Without any hash in the metadata the header is a proof."""
        kind, header = case
        conn = self.begin(**NO_HASH)
        self.answer(headers={'Content-MD5': header})
        self.assert_same(DATA, self.mode(kind).download(conn))
        self.assertEqual([], self.warnings())
        for name in self.files():
            os.unlink(self.path(name))
        self.answer(headers={'Content-MD5': header}, body=b'x' + DATA[1:])
        error = self.assert_fails(
            exceptions.ChecksumMismatchError, kind, b'x' + DATA[1:]
        )
        self.assertEqual('md5', error.algorithm)

    @base.for_each(
        modes.times(
            {
                'no_header': {},
                'garbage': {'Content-MD5': 'garbage'},
                'empty': {'Content-MD5': ''},
            }
        )
    )
    def test_no_proof(self, case: Any) -> None:
        """Without a proof there is one warning, and the image."""
        kind, headers = case
        conn = self.begin(**NO_HASH)
        self.answer(headers=headers)
        with self.assertLogs('openstack.image_stream', 'WARNING') as logged:
            self.assert_same(DATA, self.mode(kind).download(conn))
        (record,) = logged.records
        self.assertEqual('WARNING', record.levelname)
        self.assertIn(scripted.IMAGE_ID, record.getMessage())

    @base.for_each(
        modes.times(
            {
                'wrong': {'os_hash_value': '0' * 128},
                'unusable': {'os_hash_algo': 'sha4096'},
                'missing': NO_HASH,
            }
        )
    )
    def test_waived(self, case: Any) -> None:
        """Who waives the digest gets the bytes, and no warning."""
        kind, metadata = case
        conn = self.begin(**metadata)
        self.assert_same(
            DATA, self.mode(kind).download(conn, validate_checksum=False)
        )
        self.assertEqual([], self.warnings())

    def test_waived_costs_no_thread(self) -> None:
        """Nothing is hashed then."""
        self.begin()
        with self.stream(validate_checksum=False) as response:
            response.raw.read(10)
            self.assertEqual([], base.observer_threads())
        with self.stream() as response:
            response.raw.read(10)
            self.assertEqual(1, len(base.observer_threads()))


class TestMetadataFromElsewhere(DownloadTestCase):
    """The server's metadata may hold anything."""

    @base.for_each(
        {
            'none': None,
            'negative': -1,
            'object': {},
            'fraction': 0.5,
        }
    )
    def test_odd_size(self, size: Any) -> None:
        """A size that is none is not a size; the hash decides."""
        conn = self.begin(size=size)
        response = conn.image.download_image(scripted.IMAGE_ID)
        self.assert_same(DATA, response.content)

    def test_size_in_words(self) -> None:
        """A number in quotes is a number."""
        self.begin(size=str(len(DATA)))
        self.answer(cut_after=100, framing='close')
        self.assert_fails(_incomplete(modes.InMemory), modes.InMemory)

    def test_checksum_that_is_no_text(self) -> None:
        """Where it is waived, a checksum of any kind does no harm."""
        conn = self.begin(checksum=5)
        self.answer(headers={})
        response = conn.image.download_image(
            scripted.IMAGE_ID, validate_checksum=False
        )
        self.assert_same(DATA, response.content)
        for value in response.headers.values():
            self.assertIsInstance(value, str)


class TestKeystoneauth(DownloadTestCase):
    """What keystoneauth does beside the requests."""

    def test_log_of_bodies(self) -> None:
        """Its log does not read an image that the server calls a text."""
        self.useFixture(
            fixtures.FakeLogger('keystoneauth', level=logging.DEBUG)
        )
        conn = self.begin()
        self.answer(headers={'Content-Type': 'application/json'})
        response = conn.image.download_image(scripted.IMAGE_ID, stream=True)
        self.assertFalse(response._content_consumed)
        self.assert_same(DATA, response.content)

    @base.for_each({'none': (None, 7.0), 'of_the_cloud': (3.0, 3.0)})
    def test_timeout_of_a_login(self, case: tuple[Any, float]) -> None:
        """A token is not waited for longer than for the image."""
        conn = self.begin()
        conn.session.timeout, expected = case
        timeouts = []

        def request(*args: Any, **kwargs: Any) -> Any:
            timeouts.append(kwargs['timeout'])
            raise requests.ConnectionError

        self.useFixture(
            fixtures.MockPatchObject(requests.Session, 'request', request)
        )
        ours: Any = sending.sender_for(conn.image).adapter(7.0)
        self.assertRaises(
            ksa_exceptions.ConnectFailure,
            ours.inside,
            lambda: ours.session.get('http://keystone.invalid'),
        )
        self.assertEqual([expected], timeouts)
        self.assertEqual(case[0], conn.session.timeout)


class TestStream(DownloadTestCase):
    """stream=True without output."""

    def setUp(self) -> None:
        super().setUp()
        self.begin()

    def test_is_unread(self) -> None:
        """The response comes before its body, without a thread."""
        response = self.stream()
        self.assertIsInstance(response, requests.Response)
        self.assertEqual(200, response.status_code)
        self.assertEqual(0, response.raw.tell())
        self.assertEqual([], base.observer_threads())
        response.close()

    def test_headers(self) -> None:
        """The headers are those of the server."""
        with self.stream() as response:
            self.assertEqual(
                str(len(DATA)), response.headers['Content-Length']
            )
            self.assertEqual(MD5, response.headers['Content-MD5'])
            self.assertTrue(response.url.endswith('/file'))
            self.assertTrue(response.ok)

    def test_content_md5_is_filled_in(self) -> None:
        """What the server left out of them comes from the metadata."""
        self.answer(headers={})
        with self.stream() as response:
            self.assertEqual(MD5, response.headers['content-md5'])

    def test_content_md5_stays(self) -> None:
        """What the server said is not overwritten."""
        self.answer(headers={'Content-MD5': 'its own'})
        with self.stream() as response:
            self.assertEqual('its own', response.headers['content-md5'])

    def test_no_content_md5_to_fill_in(self) -> None:
        """An image without checksum has none to fill in."""
        self.glance.metadata['checksum'] = None
        with self.stream() as response:
            self.assertNotIn('Content-MD5', response.headers)

    @base.for_each(
        {
            'content': lambda r: r.content,
            'default': lambda r: b''.join(r.iter_content(None)),
            'small': lambda r: b''.join(r.iter_content(1_000)),
            'large': lambda r: b''.join(r.iter_content(10**9)),
            'iter_lines': lambda r: b'\n'.join(
                r.iter_lines(delimiter=b'\n', chunk_size=MIB)
            ),
            'raw': lambda r: r.raw.read(),
            'raw_chunks': lambda r: b''.join(
                iter(lambda: r.raw.read(1_000), b'')
            ),
            'copied': lambda r: _copied(r),
            'buffered': lambda r: io.BufferedReader(r.raw).read(),
        }
    )
    def test_reading(self, read: Any) -> None:
        """Each way to read gives all bytes and ends the download."""
        self.assert_same(DATA, read(self.stream()))
        self.assert_nothing_open(self.glance, self.conn)

    def test_error_is_raised_again(self) -> None:
        """Reading on after an error does not end the image quietly."""
        for how in ({'body': b'x' + DATA[1:]}, {'cut_after': 1_500_000}):
            self.answer(**how)
            response = self.stream()
            errors = [
                self.assertRaises(
                    exceptions.ImageStreamError,
                    collections.deque,
                    response.iter_content(MIB),
                )
                for _ in range(3)
            ]
            self.assertEqual(1, len({str(error) for error in errors}))
            self.assertEqual(1, len({type(error) for error in errors}))
            self.assertRaises(
                exceptions.ImageStreamError, response.raw.read, 1
            )

    def test_errors_end_the_download(self) -> None:
        """Nothing stays open after an error, closed or not."""
        self.answer(body=b'x' + DATA[1:])
        response = self.stream()
        self.assertRaises(
            exceptions.ChecksumMismatchError, lambda: response.content
        )
        self.assert_nothing_open(self.glance, self.conn)

    @base.for_each({'unread': 0, 'begun': 10, 'half_read': 1_500_000})
    def test_early_close(self, count: int) -> None:
        """Stopping early is no error and leaves nothing open."""
        # Many times what the buffers of the sockets hold.
        self.answer(body=DATA * 8, framing='chunked')
        self.glance.metadata['size'] = len(DATA) * 8
        with self.stream() as response:
            self.assertEqual(count, len(response.raw.read(count)))
        self.assert_nothing_open(self.glance, self.conn)

    @base.for_each({'unread': 0, 'begun': 10, 'half_read': 1_500_000})
    def test_forgotten(self, count: int) -> None:
        """A response that is dropped leaves nothing open either."""
        response = self.stream()
        response.raw.read(count)
        del response
        gc.collect()
        # They were told to end, and nothing waited for that.
        for thread in base.observer_threads():
            thread.join(10)
        self.assert_nothing_open(self.glance, self.conn)

    def test_outlives_its_connection(self) -> None:
        """The response is enough to hold on to."""
        response = self.stream()
        self.conn = None
        gc.collect()
        self.assert_same(DATA, response.content)

    def test_read_after_close(self) -> None:
        """That is a ValueError, as of every file."""
        response = self.stream()
        response.raw.read(10)
        response.close()
        self.assertRaises(ValueError, response.raw.read, 10)

    def test_two_at_a_time(self) -> None:
        """Downloads do not disturb one another."""
        first, second = self.stream(), self.stream()
        pairs = zip(
            first.iter_content(100_000),
            second.iter_content(100_000),
            strict=True,
        )
        for one, other in pairs:
            self.assert_same(one, other)


def _copied(response: requests.Response) -> bytes:
    target = io.BytesIO()
    shutil.copyfileobj(response.raw, target)
    return target.getvalue()


class TestMemory(DownloadTestCase):
    """Neither stream nor output."""

    def test_content(self) -> None:
        """The response holds the image, as often as it is asked."""
        conn = self.begin()
        response = conn.image.download_image(scripted.IMAGE_ID)
        self.assert_same(DATA, response.content)
        self.assertIs(response.content, response.content)
        self.assertEqual(200, response.status_code)
        self.assertEqual(MD5, response.headers['Content-MD5'])
        self.assert_same(DATA, b''.join(response.iter_content(1_000)))

    def test_nothing_is_open(self) -> None:
        """Holding the response holds no connection."""
        conn = self.begin()
        response = conn.image.download_image(scripted.IMAGE_ID)
        self.assert_nothing_open(self.glance, conn)
        self.assertLess(0, len(response.content))


class TestOutput(DownloadTestCase):
    """To a path or an object."""

    def setUp(self) -> None:
        super().setUp()
        self.begin()

    def _save(self, output: Any, **options: Any) -> requests.Response:
        response: requests.Response = self.conn.image.download_image(
            scripted.IMAGE_ID, output=output, **options
        )
        return response

    @base.for_each({'stream': True, 'no_stream': False})
    def test_stream_makes_no_difference(self, stream: bool) -> None:
        """With an output, whatever stream says, it is streamed there."""
        response = self._save(self.path(), stream=stream)
        self.assert_same(DATA, self.content())
        self.assertEqual(200, response.status_code)
        self.assertEqual(MD5, response.headers['Content-MD5'])
        self.assertRaises(
            requests.exceptions.StreamConsumedError, response.iter_content
        )

    def test_memory_stays_small(self) -> None:
        """The image is not in the response as well, which says where it is."""
        for output in (self.path(), io.BytesIO()):
            response = self._save(output)
            for wants in (
                lambda response: response.content,
                lambda response: response.text,
                lambda response: response.json(),
            ):
                error = self.assertRaises(RuntimeError, wants, response)
                self.assertIn(f'written to {output!r}', str(error))
                self.assertIn('without output', str(error))
            again = pickle.loads(pickle.dumps(response))
            self.assertRaises(RuntimeError, lambda r: r.content, again)
            self.assertTrue(response.ok)

    def test_mismatch_names_the_path(self) -> None:
        """The error of a bad image says the image and the output."""
        for resume in (True, False):
            self.answer(body=b'x' + DATA[1:])
            error = self.assertRaises(
                exceptions.ChecksumMismatchError,
                self._save,
                self.path(),
                resume=resume,
            )
            self.assertEqual(self.path(), error.path)
            self.assertEqual(scripted.IMAGE_ID, error.image_id)
            self.assertIn(repr(self.path()), str(error))
            self.assertIn(scripted.IMAGE_ID, str(error))

    def test_mismatch_of_a_file_object(self) -> None:
        """Where there is no path, none is named."""
        self.answer(body=b'x' + DATA[1:])
        error = self.assertRaises(
            exceptions.ChecksumMismatchError, self._save, io.BytesIO()
        )
        self.assertIsNone(error.path)

    @base.for_each({'named': ['fast'], 'not_named': None})
    def test_forbidden_stores(self, stores: list[str] | None) -> None:
        """Where stores are named they may be what is forbidden."""
        self.answer(status=403)
        error = self.assertRaises(
            sdk_exceptions.ForbiddenException,
            self._save,
            self.path(),
            store_preferences=stores,
        )
        self.assertEqual(stores is not None, 'store_preferences' in str(error))

    def test_no_data_keeps_the_partial_file(self) -> None:
        """204 says nothing about the bytes that are there already."""
        name = f'image.{scripted.IMAGE_ID}.part'
        self.write(DATA[:5_000], name)
        self.answer(status=204)
        self.assertRaises(
            exceptions.ImageDataMissingError, self._save, self.path()
        )
        self.assert_same(DATA[:5_000], self.content(name))

    def test_home_directory(self) -> None:
        """A path that begins with ~ is taken as it is, as open() does."""
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.directory)
        error = self.assertRaises(
            exceptions.InvalidArgumentError, self._save, '~/image'
        )
        self.assertIn('~ is not expanded', str(error))
        self._save('~image')
        self.assertEqual(['~image'], self.files())

    def test_existing_file(self) -> None:
        """It is replaced by the whole image."""
        self.write(OLD)
        self._save(self.path())
        self.assert_same(DATA, self.content())
        self.assertEqual(['image'], self.files())

    @base.for_each(
        {
            'mismatch': (
                {'body': b'x' + DATA[1:]},
                exceptions.ChecksumMismatchError,
            ),
            'cut': (
                {'cut_after': 1_500_000},
                exceptions.IncompleteDownloadError,
            ),
            'longer': (
                {'body': DATA + b'x', 'framing': 'chunked'},
                exceptions.ImageChangedError,
            ),
        }
    )
    def test_existing_file_stays(self, case: Any) -> None:
        """A failure changes nothing about it."""
        how, expected = case
        before = os.stat(self.write(OLD))
        self.answer(**how)
        error = self.assertRaises(expected, self._save, self.path())
        self.assertEqual(OLD, self.content())
        self.assertEqual(before.st_ino, os.stat(self.path()).st_ino)
        self.assert_kept(error, DATA, 'image')

    def test_temporary_file(self) -> None:
        """By name or by object, what tempfile makes is filled."""
        for by_name in (True, False):
            with tempfile.NamedTemporaryFile(dir=self.directory) as file:
                self._save(file.name if by_name else file)
                file.seek(0)
                self.assert_same(DATA, file.read())

    def test_temporary_file_is_emptied(self) -> None:
        """After a failure there is nothing bad in it."""
        self.answer(body=b'x' + DATA[1:])
        with tempfile.NamedTemporaryFile(dir=self.directory) as file:
            self.assertRaises(
                exceptions.ChecksumMismatchError, self._save, file.name
            )
            self.assertEqual(b'', file.read())

    def test_full_disk(self) -> None:
        """A local error is no error of the download, and leaves nothing."""
        error = self.assertRaises(OSError, self._save, '/dev/full')
        self.assertEqual(errno.ENOSPC, error.errno)
        self.assertNotIsInstance(error, sdk_exceptions.SDKException)
        self.assert_nothing_open(self.glance, self.conn)

    def test_file_object_that_fails(self) -> None:
        """So is what the caller's object raises."""
        failure = RuntimeError('its own')
        writer = mock.Mock(spec=['write'])
        writer.write.side_effect = failure
        self.assertIs(
            failure, self.assertRaises(RuntimeError, self._save, writer)
        )
        self.assert_nothing_open(self.glance, self.conn)

    def test_interrupted(self) -> None:
        """Ctrl-C leaves nothing behind."""
        sink = mock.Mock(spec=['write'])
        sink.write.side_effect = KeyboardInterrupt
        # Not assertRaises(), which lets a Ctrl-C pass.
        try:
            self._save(sink)
        except KeyboardInterrupt:
            pass
        else:
            self.fail('the interruption was swallowed')
        self.assert_nothing_open(self.glance, self.conn)

    def test_by_the_cloud_layer(self) -> None:
        """conn.download_image(), as Ansible uses it, is the same."""
        self.conn.download_image('scripted', output_path=self.path())
        self.assert_same(DATA, self.content())
        file = io.BytesIO()
        self.conn.download_image('scripted', output_file=file)
        self.assert_same(DATA, file.getvalue())
        self.answer(body=b'x' + DATA[1:])
        self.assertRaises(
            exceptions.ChecksumMismatchError,
            self.conn.download_image,
            'scripted',
            output_path=self.path('bad'),
        )
        self.assertEqual(['image'], self.files())


class TestRefused(DownloadTestCase):
    """Calls that cannot work."""

    @base.for_each(
        {
            'directory': {'output': '/'},
            'missing_directory': {'output': '/no/such/directory/image'},
            'empty_path': {'output': ''},
            'bytes_path': {'output': b'/no/such/directory/image'},
            'number': {'output': 99_999},
            'no_write': {'output': object()},
            'text': {'output': io.StringIO()},
            'chunk_size': {'chunk_size': 'many'},
            'chunk_size_unused': {'chunk_size': 0.5, 'stream': True},
            'validate_checksum': {'validate_checksum': 'no'},
            'allow_md5_fallback': {'allow_md5_fallback': 1},
        }
    )
    def test_before_any_request(self, options: dict[str, Any]) -> None:
        """They are refused without a word to the server."""
        conn = self.begin()
        self.assertRaises(
            exceptions.InvalidArgumentError,
            conn.image.download_image,
            scripted.IMAGE_ID,
            **options,
        )
        self.assertEqual([], self.glance.requests)


class TestLogging(DownloadTestCase):
    """What is logged of a download."""

    def test_quiet(self) -> None:
        """A download that went well says nothing above DEBUG."""
        conn = self.begin()
        with self.assertNoLogs('openstack.image_stream', 'INFO'):
            conn.image.download_image(scripted.IMAGE_ID)
