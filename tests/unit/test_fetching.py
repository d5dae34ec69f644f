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

"""Tests of the source, against a scripted server and without the SDK."""

from collections.abc import Mapping
import functools
import gzip
import http.client
import json
import tracemalloc
from typing import Any
from unittest import mock
import zlib

from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions as sdk_exceptions
import requests
import urllib3

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._http import fetching
from openstack_image_stream._sdk import sending
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import image_source
from openstack_image_stream import exceptions
from tests.servers import scripted
from tests.unit import base

DATA = base.some_bytes(20_000)

#: How a body ends too early, and how much of it a client can have seen.
BROKEN: dict[str, dict[str, Any]] = {
    'length': {'cut_after': 7_000},
    'nothing': {'cut_after': 0},
    'last_byte': {'cut_after': 19_999},
    'reset': {'cut_after': 7_000, 'reset': True},
    'chunked': {'cut_after': 7_000, 'framing': 'chunked'},
    'chunked_last_byte': {'cut_after': 19_999, 'framing': 'chunked'},
    'no_length': {'cut_after': 7_000, 'framing': 'close'},
    'no_length_nothing': {'cut_after': 0, 'framing': 'close'},
    'no_length_last_byte': {'cut_after': 19_999, 'framing': 'close'},
}


class SourceTestCase(base.GlanceTestCase):
    """A test with a Glance and a source that asks it."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA)
        self.coordinator = coordination.Coordinator(scripted.IMAGE_ID)
        self.session = requests.Session()
        self.addCleanup(self.session.close)

    def get(self, headers: Mapping[str, str]) -> requests.Response:
        """Ask for the data, as the SDK would."""
        return self.session.get(
            f'{self.glance.url}/v2/images/{scripted.IMAGE_ID}/file',
            headers=headers,
            stream=True,
            allow_redirects=False,
        )

    def source(
        self,
        size: int | None = len(DATA),
        opener: Any = None,
        status: str = 'active',
    ) -> image_source.ImageSource:
        """Make a source of an image that has this size."""
        source = image_source.ImageSource(
            fetching.Fetcher(
                opener or self.get,
                image_id=scripted.IMAGE_ID,
                image_status=status,
                size=size,
                reopenings=3,
            ),
            retry.RetryPolicy(retries=3),
            self.coordinator,
        )
        self.addCleanup(source.close)
        return source

    def answer(self, **changes: Any) -> None:
        """Have every request for the data answered so."""
        self.glance.repeat_last = True
        self.glance.data_responses.clear()
        self.glance.data_responses.append(self.glance.honest(**changes))

    def read_all(
        self, source: image_source.ImageSource, size: int = 4_096
    ) -> bytes:
        """Read to the end."""
        chunks = []
        while chunk := source.read(size):
            chunks.append(chunk)
        return b''.join(chunks)

    def assert_nothing_left(self) -> None:
        """Check that no connection is held but by the pool."""
        base.close_idle(self.session)
        self.assertTrue(self.glance.wait_until_left())


class TestRequest(SourceTestCase):
    """What the server is asked."""

    def test_one_request(self) -> None:
        """One GET, and none before it is opened."""
        source = self.source()
        self.assertEqual([], self.glance.requests)
        source.open()
        self.assert_same(DATA, self.read_all(source))
        self.assertEqual(
            ['GET'], [request.method for request in self.glance.requests]
        )

    def test_identity_is_asked_for(self) -> None:
        """The server is asked not to compress."""
        self.source().open()
        headers = self.glance.requests[0].headers
        self.assertEqual('identity', headers['accept-encoding'])

    def test_is_logged(self) -> None:
        """A DEBUG line tells what was answered, through the SDK's logging."""
        with self.assertLogs('openstack.image_stream', 'DEBUG') as logged:
            self.source().open()
        (record,) = logged.records
        self.assertEqual('DEBUG', record.levelname)
        for word in (scripted.IMAGE_ID, '200', str(len(DATA))):
            self.assertIn(word, record.getMessage())


class TestStatus(SourceTestCase):
    """What the status of the answer means."""

    @base.for_each(
        {
            '400': (400, sdk_exceptions.BadRequestException),
            '401': (401, sdk_exceptions.HttpException),
            '403': (403, sdk_exceptions.ForbiddenException),
            '404': (404, sdk_exceptions.NotFoundException),
            '409': (409, sdk_exceptions.ConflictException),
            '416': (416, sdk_exceptions.HttpException),
            '500': (500, sdk_exceptions.HttpException),
            '503': (503, sdk_exceptions.HttpException),
        }
    )
    def test_error(self, case: tuple[int, type[Exception]]) -> None:
        """An error status is the SDK's own exception for it."""
        status, expected = case
        self.answer(status=status, body=b'sorry')
        error = self.assertRaises(expected, self.source().open)
        self.assertIs(expected, type(error))
        self.assertEqual(status, error.response.status_code)
        self.assertIn(scripted.IMAGE_ID, str(error))
        self.assert_nothing_left()

    @base.for_each({'json': True, 'html': False})
    def test_words_of_the_server(self, is_json: bool) -> None:
        """What the server says about it is in the error."""
        content_type, body = 'text/html', b'<html><p>Out of disks</p></html>'
        if is_json:
            content_type = 'application/json'
            body = json.dumps({'error': {'message': 'Out of disks'}}).encode()
        self.answer(
            status=500, headers={'Content-Type': content_type}, body=body
        )
        error = self.assertRaises(
            sdk_exceptions.HttpException, self.source().open
        )
        self.assertIn('Out of disks', str(error))
        self.assertEqual(body, error.response.content)

    def test_compressed_words(self) -> None:
        """Also when the server compresses what it says."""
        self.answer(
            status=500,
            headers={
                'Content-Type': 'text/html',
                'Content-Encoding': 'gzip',
            },
            body=gzip.compress(b'Out of disks'),
        )
        error = self.assertRaises(
            sdk_exceptions.HttpException, self.source().open
        )
        self.assertIn('Out of disks', str(error))

    @base.for_each(
        {'unknown': 'martian', 'its_own': 'idna', 'no_text': 'zlib'}
    )
    def test_words_in_a_charset_of_its_own(self, charset: str) -> None:
        """A charset that cannot be decoded is taken for UTF-8."""
        self.answer(
            status=404,
            headers={'Content-Type': f'text/html; charset={charset}'},
            body='Keine Bücher'.encode(),
        )
        error = self.assertRaises(
            sdk_exceptions.NotFoundException, self.source().open
        )
        self.assertIn('Keine Bücher', str(error))

    def test_chunk_of_the_rest(self) -> None:
        """A chunk of -1 bytes is not all that will ever come."""
        self.answer(
            headers={'Transfer-Encoding': 'chunked'},
            framing='close',
            body=b'-1\r\n' + bytes(100_000),
        )
        source = self.source()
        source.open()
        self.assertRaises(
            exceptions.IncompleteDownloadError, self.read_all, source
        )

    def test_words_were_read_before(self) -> None:
        """keystoneauth reads the words itself when it logs at DEBUG."""

        def get(headers: Mapping[str, str]) -> requests.Response:
            response = self.get(headers)
            self.assertEqual('Out of disks', response.text)
            return response

        self.answer(
            status=500,
            headers={'Content-Type': 'text/html'},
            body=b'Out of disks',
        )
        error = self.assertRaises(
            sdk_exceptions.HttpException, self.source(opener=get).open
        )
        self.assertIn('Out of disks', str(error))

    def test_words_break_off(self) -> None:
        """The status counts also where the words do not arrive."""
        self.answer(status=403, body=b'no ' * 100, cut_after=50)
        self.assertRaises(
            sdk_exceptions.ForbiddenException, self.source().open
        )
        self.assert_nothing_left()

    def test_endless_words(self) -> None:
        """A server cannot fill the memory with an error."""
        self.answer(status=500, body=bytes(4 * 1024 * 1024))
        error = self.assertRaises(
            sdk_exceptions.HttpException, self.source().open
        )
        self.assertEqual(4 * 1024, len(error.response.content))
        # What is left of it must not wait in the pool for the next request.
        self.assertTrue(self.glance.wait_until_left())

    def test_part_of_what_has_none(self) -> None:
        """A part is not asked for once it is known that there are none."""
        fetcher = self.source()._fetcher
        fetcher.ranged = False
        self.assertRaises(
            byte_ranges.RangesRefused,
            fetcher.open,
            byte_ranges.ByteRange(10, 20),
        )
        self.assertEqual([], self.glance.requests)

    def test_no_data(self) -> None:
        """204 is Glance's answer for an image that was never uploaded."""
        self.answer(status=204)
        source = self.source(status='queued')
        error = self.assertRaises(
            exceptions.ImageDataMissingError, source.open
        )
        self.assertEqual(scripted.IMAGE_ID, error.image_id)
        self.assertEqual('queued', error.status)
        self.assertIn('queued', str(error))
        self.assert_nothing_left()

    @base.for_each(
        {
            'created': 201,
            'part': 206,
            'redirect': 302,
            'not_modified': 304,
        }
    )
    def test_no_answer_to_this(self, status: int) -> None:
        """Nothing else is the whole image, whatever its body looks like."""
        self.answer(status=status)
        error = self.assertRaises(
            exceptions.ImageStreamError, self.source().open
        )
        self.assertIn(str(status), str(error))
        self.assert_nothing_left()


class TestLength(SourceTestCase):
    """The length that the server announces."""

    @base.for_each({'shorter': 19_999, 'longer': 20_001, 'zero': 0})
    def test_another_length(self, length: int) -> None:
        """An answer of another length than the image's is not begun with."""
        self.answer(framing=length)
        error = self.assertRaises(
            exceptions.ImageChangedError, self.source().open
        )
        self.assertEqual(20_000, error.expected)
        self.assertEqual(length, error.actual)
        self.assertIn('20000', str(error))
        self.assertIn(str(length), str(error))
        self.assert_nothing_left()

    def test_becomes_the_size(self) -> None:
        """Where the metadata do not say, the length of the answer counts."""
        source = self.source(size=None)
        source.open()
        self.assertEqual(20_000, source.size)
        self.answer(cut_after=100)
        source = self.source(size=None)
        source.open()
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, self.read_all, source
        )
        self.assertEqual(20_000, error.expected)

    @base.for_each({'chunked': 'chunked', 'close': 'close'})
    def test_no_length_at_all(self, framing: str) -> None:
        """Without any length the server decides where the end is."""
        self.answer(framing=framing)
        source = self.source(size=None)
        source.open()
        self.assert_same(DATA, self.read_all(source))
        self.assertIsNone(source.size)
        self.assertEqual(20_000, source.position)

    @base.for_each(
        {
            'sign': '+20001',
            'underscore': '20_001',
            'word': 'many',
            'other_digits': '٢',
        }
    )
    def test_is_no_length(self, value: str) -> None:
        """What RFC 9110 does not call a length is not taken for one."""
        source = self.source()
        response = requests.Response()
        response.status_code = 200
        response.headers['Content-Length'] = value
        response.raw = urllib3.HTTPResponse()
        source = self.source(opener=lambda headers: response)
        source.open()
        self.assertEqual(20_000, source.size)

    def test_absurd_length(self) -> None:
        """A length of thousands of digits is another length, no crash."""
        self.answer(framing=int('1' * 4_000 + '0'))
        self.assertRaises(exceptions.ImageChangedError, self.source().open)
        response = requests.Response()
        response.status_code = 200
        # More digits than int() takes.
        response.headers['Content-Length'] = '1' * 5_000
        response.raw = urllib3.HTTPResponse()
        source = self.source(opener=lambda headers: response)
        self.assertRaises(exceptions.ImageStreamError, source.open)


class TestReading(SourceTestCase):
    """The bytes in order."""

    @base.for_each({'one': 1, 'odd': 4_097, 'exact': 20_000, 'more': 30_000})
    def test_chunks(self, size: int) -> None:
        """Chunks are full up to the last, and counted."""
        data = DATA if size > 1 else DATA[:50]
        self.answer(body=data)
        source = self.source(size=len(data))
        source.open()
        received = b''
        while chunk := source.read(size):
            self.assertEqual(min(size, len(data) - len(received)), len(chunk))
            received += chunk
            self.assertEqual(len(received), source.position)
        self.assertEqual(data, received)
        self.assertEqual(b'', source.read(size))

    @base.for_each({'length': 'length', 'chunked': 'chunked'})
    def test_connection_is_used_again(self, framing: str) -> None:
        """After the end the connection goes back to the pool."""
        for _ in range(2):
            self.answer(framing=framing)
            source = self.source()
            source.open()
            self.assert_same(DATA, self.read_all(source))
            source.close()
        self.assertEqual(1, self.glance.accepted)

    def test_empty_image(self) -> None:
        """An image may have no bytes."""
        self.answer(body=b'')
        source = self.source(size=0)
        source.open()
        self.assertEqual(b'', source.read(10))

    @base.for_each({'chunked': 'chunked', 'close': 'close'})
    def test_more_than_the_image(self, framing: str) -> None:
        """A body that continues after the image's end is another image."""
        self.answer(framing=framing, body=DATA + b'x')
        source = self.source()
        source.open()
        error = self.assertRaises(
            exceptions.ImageChangedError, self.read_all, source
        )
        self.assertEqual(20_000, error.expected)
        self.assertEqual(20_001, error.actual)
        self.assertIn('20000', str(error))

    @base.for_each(BROKEN)
    def test_less_than_the_image(self, how: dict[str, Any]) -> None:
        """A body that breaks off is told from one that ends."""
        self.answer(**how)
        source = self.source()
        source.open()
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, self.read_all, source
        )
        self.assertEqual(20_000, error.expected)
        self.assertEqual(source.position, error.received)
        self.assertLessEqual(error.received, how['cut_after'])
        self.assertIsNone(error.partial_path)
        self.assertTrue(error.reason)
        self.assertIn(error.reason, str(error))
        source.close()
        self.assert_nothing_left()

    @base.for_each(
        {
            'protocol': (urllib3.exceptions.ProtocolError('broken'), 'broken'),
            'timeout': (
                urllib3.exceptions.ReadTimeoutError(
                    mock.Mock(host=None), 'url', 'broken'
                ),
                'no data within the timeout',
            ),
            'tls': (urllib3.exceptions.SSLError('broken'), 'broken'),
            'http': (
                http.client.IncompleteRead(b''),
                'the data ended too early',
            ),
            'socket': (ConnectionResetError(104, 'broken'), 'broken'),
            'silence': (
                TimeoutError('broken'),
                'no data within the timeout',
            ),
        }
    )
    def test_all_failures_are_one(self, case: tuple[Exception, str]) -> None:
        """However urllib3 says it, the caller hears it in one manner."""
        failure, reason = case
        source = self.source()
        source.open()
        source.read(1_000)
        with mock.patch.object(
            urllib3.HTTPResponse, 'read', side_effect=failure
        ):
            error = self.assertRaises(
                exceptions.IncompleteDownloadError, source.read, 1_000
            )
        self.assertIs(failure, error.__cause__)
        self.assertEqual(reason, error.reason)
        self.assertEqual(1_000, error.received)
        self.assertEqual(20_000, error.expected)

    def test_early_end_has_no_cause(self) -> None:
        """Where nothing was raised, the words say what happened."""
        self.answer(framing='close', cut_after=100)
        source = self.source()
        source.open()
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, self.read_all, source
        )
        self.assertIsNone(error.__cause__)
        self.assertEqual(100, error.received)
        self.assertIn('100 of 20000 bytes', str(error))

    def test_unknown_total(self) -> None:
        """The words stay true where nobody knows the size."""
        self.answer(framing='chunked', cut_after=100)
        source = self.source(size=None)
        source.open()
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, self.read_all, source
        )
        self.assertIsNone(error.expected)
        self.assertIn('unknown', str(error))


class TestEncoding(SourceTestCase):
    """Something on the way compresses, though nobody asked for it."""

    @base.for_each(
        {
            'gzip': ('gzip', gzip.compress(DATA)),
            'upper': ('GZIP', gzip.compress(DATA)),
            'deflate': ('deflate', zlib.compress(DATA)),
        }
    )
    def test_is_decoded(self, case: tuple[str, bytes]) -> None:
        """The bytes that count are those of the image."""
        coding, body = case
        self.answer(headers={'Content-Encoding': coding}, body=body)
        source = self.source()
        source.open()
        self.assert_same(DATA, self.read_all(source, 1_000))
        self.assertEqual(20_000, source.position)

    @base.for_each({'identity': 'identity', 'blank': ' '})
    def test_nothing_to_decode(self, coding: str) -> None:
        """A coding that is none leaves the length worth checking."""
        self.answer(headers={'Content-Encoding': coding}, framing=30_000)
        self.assertRaises(exceptions.ImageChangedError, self.source().open)

    def test_unknown_coding(self) -> None:
        """What cannot be decoded is taken as it is, for the hash to judge."""
        self.answer(headers={'Content-Encoding': 'rot13'})
        source = self.source()
        source.open()
        self.assert_same(DATA, self.read_all(source))

    def test_bomb(self) -> None:
        """Zeros that were compressed well do not unfold all at once."""
        zeros = bytes(64 * 1024 * 1024)
        self.answer(
            headers={'Content-Encoding': 'gzip'}, body=gzip.compress(zeros)
        )
        source = self.source(size=len(zeros))
        source.open()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.assertEqual(1_000, len(source.read(1_000)))
        self.assertLess(tracemalloc.get_traced_memory()[1], 16 * 2**20)

    def test_is_cut(self) -> None:
        """A compressed body that breaks off is incomplete."""
        body = gzip.compress(DATA)
        self.answer(
            headers={'Content-Encoding': 'gzip'},
            body=body,
            cut_after=len(body) // 2,
        )
        source = self.source()
        source.open()
        self.assertRaises(
            exceptions.IncompleteDownloadError, self.read_all, source
        )

    def test_is_garbage(self) -> None:
        """A compressed body that is none is an error of the download."""
        self.answer(headers={'Content-Encoding': 'gzip'}, body=DATA)
        source = self.source()
        source.open()
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, self.read_all, source
        )
        self.assertIsInstance(error.__cause__, ValueError)
        self.assertIn('invalid compressed data', str(error))

    def test_is_longer(self) -> None:
        """More decoded bytes than the image has are not the image."""
        self.answer(
            headers={'Content-Encoding': 'gzip'},
            body=gzip.compress(DATA + b'x'),
        )
        source = self.source()
        source.open()
        self.assertRaises(exceptions.ImageChangedError, self.read_all, source)


def _failing(failure: Exception) -> fetching.Opener:
    adapter = mock.Mock()
    adapter.get.side_effect = failure
    return functools.partial(sending.get_file, adapter, 'url')


class TestNoAnswer(SourceTestCase):
    """The request itself fails."""

    @base.for_each(
        {
            'refused': ksa_exceptions.ConnectFailure('no way'),
            'silence': ksa_exceptions.ConnectTimeout('no way'),
            'other': ksa_exceptions.UnknownConnectionError('no way', None),
        }
    )
    def test_of_the_network(self, failure: Exception) -> None:
        """No connection is an incomplete download of no bytes."""
        source = self.source(opener=_failing(failure))
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, source.open
        )
        self.assertIs(failure, error.__cause__)
        self.assertEqual(0, error.received)
        self.assertEqual(20_000, error.expected)
        self.assertIn('no way', str(error))

    @base.for_each(
        {
            'login': (
                ksa_exceptions.Unauthorized('no way'),
                exceptions.AuthenticationError,
            ),
            'catalog': (
                ksa_exceptions.EndpointNotFound('no way'),
                exceptions.ServiceAccessError,
            ),
            'certificate': (
                ksa_exceptions.SSLError('no way'),
                exceptions.TLSError,
            ),
        }
    )
    def test_of_keystone(
        self, case: tuple[Exception, type[Exception]]
    ) -> None:
        """Errors of keystoneauth that no retry cures keep their kind."""
        failure, expected = case
        source = self.source(opener=_failing(failure))
        error = self.assertRaises(expected, source.open)
        self.assertIsInstance(error, exceptions.IncompleteDownloadError)
        self.assertEqual([], self.waits)
        self.assertIs(failure, error.__cause__)
        self.assertIn(scripted.IMAGE_ID, str(error))
        self.assertIn('no way', str(error))


class TestClosing(SourceTestCase):
    """Who opens, closes."""

    def test_before_opening(self) -> None:
        """A source that was never opened has nothing to close."""
        source = self.source()
        source.close()
        self.assertEqual([], self.glance.requests)

    @base.for_each({'unread': 0, 'begun': 1_000})
    def test_before_the_end(self, size: int) -> None:
        """Giving up closes the connection, twice is no error."""
        # More than fits into the buffers of the sockets.
        data = bytes(8 * 1024 * 1024)
        self.answer(body=data)
        source = self.source(size=len(data))
        source.open()
        if size:
            source.read(size)
        source.close()
        source.close()
        self.assertTrue(self.glance.wait_until_left())
