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

"""Tests of responses that come from somewhere between, on real sockets."""

from typing import Any

from openstack import exceptions as sdk_exceptions

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._http import fetching
from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base
from tests.unit import modes

DATA = base.some_bytes(2_500_000)
SIZE = len(DATA)
HTML = {'Content-Type': 'text/html; charset=utf-8'}
LOGIN = b'<html>Please log in</html>'

#: What the image's server would not send once it sent the right length.
FOREIGN: dict[str, dict[str, Any]] = {
    'page': {'headers': HTML, 'body': LOGIN},
    'page_in_chunks': {
        'headers': HTML,
        'body': LOGIN,
        'framing': 'chunked',
    },
    'text': {'headers': {'Content-Type': 'text/plain'}, 'body': LOGIN},
    'no_type': {'headers': {}, 'body': LOGIN},
    'longer': {'body': DATA + b'x'},
    'other_total': {
        'status': 206,
        'headers': {'Content-Range': 'bytes 1000000-2999999/3000000'},
        'body': bytes(2_000_000),
    },
    'no_range': {
        'status': 416,
        'headers': {'Content-Range': 'bytes */1000'},
        'body': b'',
    },
}

#: Those of them that are whole images.
WHOLE = {
    name: changes
    for name, changes in FOREIGN.items()
    if 'status' not in changes
}


class IntermediaryTestCase(base.GlanceTestCase):
    """A test with an image."""

    NAME = f'image.{scripted.IMAGE_ID}.part'

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA)
        self.conn = self.connect(self.glance)
        self.assertIsNotNone(self.conn.image)
        self.glance.requests.clear()

    def answer(self, **changes: Any) -> None:
        """Have the next request for the data answered so."""
        self.glance.data_responses.append(self.glance.honest(**changes))

    def ranges(self) -> list[str | None]:
        """Return the Range of each request for data."""
        return [
            request.headers.get('range')
            for request in self.glance.requests
            if request.path.endswith('/file')
        ]

    def save(self, **options: Any) -> None:
        """Download to a path."""
        self.conn.image.download_image(
            scripted.IMAGE_ID, output=self.path(), **options
        )


class TestLater(IntermediaryTestCase):
    """After a response that was the image's."""

    @base.for_each(modes.times(FOREIGN))
    def test_tried_again(self, case: Any) -> None:
        """It is not taken for the image's, nor for the end of ranges."""
        kind, changes = case
        self.answer(cut_after=1_000_000)
        self.answer(**changes)
        self.assert_same(DATA, kind(self.directory).download(self.conn))
        self.assertEqual(
            [None, 'bytes=1000000-', 'bytes=1000000-'], self.ranges()
        )

    @base.for_each(FOREIGN)
    def test_for_ever(self, changes: dict[str, Any]) -> None:
        """In the end the error says so, and what arrived is kept."""
        self.answer(cut_after=1_000_000)
        self.answer(**changes)
        self.glance.repeat_last = True
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, self.save, retries=3
        )
        self.assertEqual(1_000_000, error.received)
        self.assertEqual(4, len(self.ranges()))
        self.assertRegex(
            str(error), 'intermediary|no bytes from 1000000 on, though'
        )
        self.assertEqual(self.path(self.NAME), error.partial_path)
        self.assert_same(DATA[:1_000_000], self.content(self.NAME))

    def test_no_ranges(self) -> None:
        """Where it is asked for as a whole it is the same."""
        self.glance.ranged = False
        self.answer(cut_after=1_000_000)
        self.answer(status=400, body=b'')
        self.answer(headers=HTML, body=LOGIN)
        self.save()
        self.assert_same(DATA, self.content())
        self.assertEqual([None, 'bytes=1000000-', None, None], self.ranges())


class TestPartialFile(IntermediaryTestCase):
    """Where a partial file is there, from an earlier call."""

    @base.for_each(WHOLE)
    def test_is_kept(self, changes: dict[str, Any]) -> None:
        """What will be verified as a whole is not thrown away for it."""
        self.write(DATA[:1_000_000], self.NAME)
        self.answer(**changes)
        self.glance.repeat_last = True
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, self.save, retries=1
        )
        self.assertEqual(self.path(self.NAME), error.partial_path)
        self.assert_same(DATA[:1_000_000], self.content(self.NAME))
        self.glance.data_responses.clear()
        self.save()
        self.assert_same(DATA, self.content())

    def test_of_another_size(self) -> None:
        """A part of a longer image speaks against what is there."""
        self.write(DATA[:1_000_000], self.NAME)
        self.answer(**FOREIGN['other_total'])
        self.assertRaises(exceptions.ImageChangedError, self.save)
        self.assertEqual([], self.files())

    def test_no_retries(self) -> None:
        """retries=0 is one attempt, which may skip what is there."""
        self.glance.ranged = False
        self.write(DATA[:1_000_000], self.NAME)
        self.save(retries=0)
        self.assert_same(DATA, self.content())
        self.assertEqual(['bytes=1000000-', None], self.ranges())


class TestFirst(IntermediaryTestCase):
    """The very first response."""

    @base.for_each({'longer': DATA + b'x', 'shorter': DATA[1:]})
    def test_other_length(self, body: bytes) -> None:
        """Where the metadata alone say the size, they may be wrong."""
        self.answer(body=body)
        self.assertRaises(exceptions.ImageChangedError, self.save)
        self.assertEqual([None], self.ranges())

    @base.for_each({'length': 'length', 'chunked': 'chunked'})
    def test_page(self, framing: str) -> None:
        """A page is not."""
        self.answer(headers=HTML, body=LOGIN, framing=framing)
        self.save()
        self.assert_same(DATA, self.content())

    def test_page_without_a_size(self) -> None:
        """It does not become the size of the image either."""
        self.glance.metadata['size'] = None
        self.answer(headers=HTML, body=LOGIN)
        self.save()
        self.assert_same(DATA, self.content())

    def test_is_html(self) -> None:
        """What has the right length is taken, whatever it is called."""
        self.answer(headers=HTML)
        self.save()
        self.assert_same(DATA, self.content())
        self.assertEqual([None], self.ranges())

    def test_no_retries(self) -> None:
        """With retries=0 there is one request for the data."""
        self.answer(status=503, body=b'')
        self.assertRaises(sdk_exceptions.HttpException, self.save, retries=0)
        self.assertEqual([None], self.ranges())
        self.assertEqual([], self.waits)


class TestFraming(IntermediaryTestCase):
    """Transfer-Encoding and Content-Length, both."""

    def test_length_does_not_count(self) -> None:
        """RFC 9112, section 6.3: the chunks say where the body ends."""
        self.answer(framing='chunked', headers={'Content-Length': '5'})
        self.save()
        self.assert_same(DATA, self.content())
        self.assertEqual([None], self.ranges())

    def test_of_the_metadata(self) -> None:
        """The description of the image is read alike."""
        honest = responses.json_response(
            self.glance.metadata,
            extra={'Content-Length': '50000'},
            framing='chunked',
        )
        self.glance.metadata_responses.append(honest)
        self.save()
        self.assert_same(DATA, self.content())
        self.assertEqual(2, len(self.glance.requests))


class TestContentMd5(IntermediaryTestCase):
    """Content-MD5, which is the image's or the part's."""

    def open(
        self, *md5s: str, verified: bool, whole: bool = False
    ) -> fetching.Fetcher:
        """Ask for one range after the other, with these Content-MD5."""
        fetcher = fetching.Fetcher(
            lambda headers: self.conn.image.get(
                f'/images/{scripted.IMAGE_ID}/file',
                headers=dict(headers),
                stream=True,
            ),
            image_id=scripted.IMAGE_ID,
            image_status='active',
            size=SIZE,
            reopenings=5,
            verified=verified,
        )
        for number, md5 in enumerate(md5s):
            start = number * 1_000
            changes: dict[str, Any] = {'headers': {'Content-MD5': md5}}
            if not whole:
                changes['status'] = 206
                changes['headers']['Content-Range'] = (
                    f'bytes {start}-{start + 999}/{SIZE}'
                )
                changes['body'] = DATA[start : start + 1_000]
            self.answer(**changes)
            fetcher.open(
                byte_ranges.ByteRange(0)
                if whole
                else byte_ranges.ByteRange(start, start + 1_000)
            ).close()
        return fetcher

    def test_of_parts(self) -> None:
        """RFC 1864 allows it; the digest of the whole decides."""
        self.assertTrue(self.open('a', 'b', 'c', verified=True).ranged)

    @base.for_each({'of_parts': False, 'of_the_whole': True})
    def test_changed(self, whole: bool) -> None:
        """Where no digest decides, or it is the whole's, all are the same."""
        error = self.assertRaises(
            exceptions.ImageChangedError,
            self.open,
            'a',
            'b',
            verified=whole,
            whole=whole,
        )
        self.assertEqual(('a', 'b'), (error.expected, error.actual))
