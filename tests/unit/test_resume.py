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

"""Tests of going on after a cut, on real sockets."""

import logging
import os
from typing import Any

import fixtures
import hypothesis
from hypothesis import strategies
from openstack import exceptions as sdk_exceptions

from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base
from tests.unit import modes

DATA = base.some_bytes(2_500_000)

#: How a connection ends in the middle of the data.
CUTS: dict[str, dict[str, Any]] = {
    'cut': {'cut_after': 1_000_000},
    'reset': {'cut_after': 1_000_000, 'reset': True},
    'at_once': {'cut_after': 0},
    'before_the_last_byte': {'cut_after': len(DATA) - 1},
    'chunked': {'cut_after': 1_000_000, 'framing': 'chunked'},
    'no_length': {'cut_after': 1_000_000, 'framing': 'close'},
}


class ResumeTestCase(base.GlanceTestCase):
    """A test with an image, and a log of everything."""

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
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

    def download(
        self, kind: type[modes.Mode] = modes.InMemory, **options: Any
    ) -> bytes:
        """Download in a mode, and see that nothing is left behind."""
        data = kind(self.directory).download(self.conn, **options)
        self.assert_nothing_open(self.glance, self.conn)
        return data


class TestRanges(ResumeTestCase):
    """A store that serves parts."""

    @base.for_each(modes.times(CUTS))
    def test_goes_on(self, case: Any) -> None:
        """Nobody notices a cut but the log."""
        kind, how = case
        self.answer(**how)
        self.assert_same(DATA, self.download(kind))
        self.assertEqual(2, len(self.ranges()))
        self.assertIn('retrying in', self.log.output)

    def test_asks_for_the_rest(self) -> None:
        """What arrived is not asked for again."""
        self.answer(cut_after=1_000_000)
        self.download()
        self.assertEqual([None, 'bytes=1000000-'], self.ranges())

    def test_many_cuts(self) -> None:
        """Every new byte gives all the retries back."""
        self.glance.cut_every = 100_000
        self.assert_same(DATA, self.download(retries=1))
        self.assertEqual(25, len(self.ranges()))

    @hypothesis.given(
        cuts=strategies.lists(
            strategies.tuples(
                strategies.integers(0, len(DATA) - 1), strategies.booleans()
            ),
            max_size=5,
        ),
        ranged=strategies.booleans(),
        kind=strategies.sampled_from(list(modes.ALL.values())),
    )
    @hypothesis.settings(base.EXAMPLES, max_examples=20)
    def test_any_cuts(
        self,
        cuts: list[tuple[int, bool]],
        ranged: bool,
        kind: type[modes.Mode],
    ) -> None:
        """Wherever and however it is cut, the bytes are the image's."""
        self.glance.ranged = ranged
        self.glance.cuts.extend(cuts)
        mode = kind(self.directory)
        self.assert_same(DATA, mode.download(self.conn, retries=10))
        for name in self.files():
            os.unlink(self.path(name))

    def test_verified_as_a_whole(self) -> None:
        """A byte that was flipped in the second answer is noticed."""
        self.answer(cut_after=1_000_000)
        self.glance.data = DATA[:-1] + bytes([DATA[-1] ^ 1])
        self.glance.metadata['checksum'] = None
        self.assertRaises(exceptions.ChecksumMismatchError, self.download)

    def test_waits_longer_and_longer(self) -> None:
        """Without a new byte the waits grow, up to the last attempt."""
        self.glance.repeat_last = True
        self.answer(cut_after=1_000_000)
        # Ranges are ignored by this one, so nothing new ever comes.
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, self.download, retries=3
        )
        self.assertEqual(1_000_000, error.received)
        self.assertEqual(3, len(self.waits))
        for wait, longest in zip(self.waits, (0.5, 1, 2), strict=True):
            self.assertLessEqual(wait, longest)


class TestStatus(ResumeTestCase):
    """Statuses that another attempt may cure, and those that none does."""

    @base.for_each({str(s): s for s in (408, 429, 500, 502, 503, 504)})
    def test_tried_again(self, status: int) -> None:
        """The next answer is the image."""
        self.answer(status=status, body=b'')
        self.assert_same(DATA, self.download())

    @base.for_each({str(s): s for s in (408, 429, 500, 502, 503, 504)})
    def test_metadata_tried_again(self, status: int) -> None:
        """The metadata are asked for as patiently as the data."""
        self.glance.metadata_responses.append(
            responses.Response(status=status)
        )
        self.assert_same(DATA, self.download())

    def test_retry_after(self) -> None:
        """The server says when."""
        self.answer(status=503, body=b'', headers={'Retry-After': '7'})
        self.download()
        (wait,) = self.waits
        self.assertGreaterEqual(wait, 7)
        self.assertLessEqual(wait, 7.5)

    def test_after_a_cut(self) -> None:
        """In the middle it is the same."""
        self.answer(cut_after=1_000_000)
        self.answer(status=503, body=b'')
        self.assert_same(DATA, self.download())

    def test_gone_in_the_middle(self) -> None:
        """An image that was deleted meanwhile is not found."""
        self.answer(cut_after=1_000_000)
        self.answer(status=404, body=b'')
        self.assertRaises(
            sdk_exceptions.NotFoundException, self.download, modes.ToPath
        )
        self.assertEqual([], self.files())


class TestNoRanges(ResumeTestCase):
    """A store that serves an image only as a whole."""

    def setUp(self) -> None:
        super().setUp()
        self.glance.ranged = False

    @base.for_each(modes.ALL)
    def test_reopened(self, kind: type[modes.Mode]) -> None:
        """All of it is asked for again, and what is there is discarded."""
        self.answer(cut_after=1_000_000)
        self.assert_same(DATA, self.download(kind))
        self.assertEqual([None, 'bytes=1000000-', None], self.ranges())

    def test_refused_once(self) -> None:
        """It is not asked for a range again, and the log says so once."""
        for _ in range(3):
            self.glance.cuts.append((1_000_000, False))
            self.glance.cuts.append((1_500_000, False))
        self.assert_same(DATA, self.download(retries=10))
        self.assertEqual(1, len([r for r in self.ranges() if r]))
        self.assertEqual(1, self.log.output.count('refuses range requests'))

    def test_budget(self) -> None:
        """It begins anew at most as often as retries says, in all."""
        for number in range(1, 9):
            self.glance.cuts.append((number * 200_000, False))
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, self.download, retries=3
        )
        self.assertEqual(4, self.ranges().count(None))
        self.assertEqual(800_000, error.received)

    def test_ignored(self) -> None:
        """A whole image in answer to a range is as good."""
        self.answer(cut_after=1_000_000)
        self.answer()
        self.assert_same(DATA, self.download())
        self.assertEqual([None, 'bytes=1000000-'], self.ranges())

    @base.for_each(
        {
            'elsewhere': f'bytes 5-{len(DATA) - 1}/{len(DATA)}',
            'missing': '',
            'garbage': 'bytes x-y/z',
        }
    )
    def test_wrong_range(self, content_range: str) -> None:
        """Who answers another range than asked is not asked again."""
        self.answer(cut_after=1_000_000)
        self.answer(status=206, headers={'Content-Range': content_range})
        self.assert_same(DATA, self.download())
        self.assertIsNone(self.ranges()[-1])


class TestChanged(ResumeTestCase):
    """The image is another one after the cut."""

    def _answer_with_other_checksum(self) -> None:
        self.answer(cut_after=1_000_000)
        self.answer(
            status=206,
            headers={
                'Content-Range': f'bytes 1000000-{len(DATA) - 1}/{len(DATA)}',
                'Content-MD5': '0' * 32,
            },
            body=DATA[1_000_000:],
        )

    def test_other_checksum(self) -> None:
        """One with another Content-MD5 is, where no digest is compared."""
        self._answer_with_other_checksum()
        self.assertRaises(
            exceptions.ImageChangedError,
            self.download,
            modes.ToPath,
            validate_checksum=False,
        )
        self.assertEqual([], self.files())

    def test_checksum_of_the_part(self) -> None:
        """Where one is, the Content-MD5 may be that of the part."""
        self._answer_with_other_checksum()
        self.assert_same(DATA, self.download(modes.ToPath))


class TestPartialFile(ResumeTestCase):
    """Going on with what a former call left."""

    NAME = f'image.{scripted.IMAGE_ID}.part'

    def save(self, **options: Any) -> None:
        """Download to a path."""
        self.conn.image.download_image(
            scripted.IMAGE_ID, output=self.path(), **options
        )

    def assert_saved(self) -> None:
        """Check that the image is there, and nothing beside it."""
        self.assert_same(DATA, self.content())
        self.assertEqual(['image'], self.files())

    def test_kept_and_named(self) -> None:
        """A failure leaves what arrived, and says where."""
        self.glance.repeat_last = True
        self.answer(cut_after=1_000_000)
        error = self.assertRaises(
            exceptions.IncompleteDownloadError, self.save, retries=1
        )
        self.assertEqual(self.path(self.NAME), error.partial_path)
        self.assert_same(DATA[:1_000_000], self.content(self.NAME))

    def test_picked_up(self) -> None:
        """Only the rest is asked for."""
        self.write(DATA[:1_234_567], self.NAME)
        self.save()
        self.assert_saved()
        self.assertEqual(['bytes=1234567-'], self.ranges())

    def test_complete_already(self) -> None:
        """One byte is asked for, so that there is an answer to return."""
        self.write(DATA, self.NAME)
        self.save()
        self.assert_saved()
        self.assertEqual([f'bytes={len(DATA) - 1}-'], self.ranges())

    def test_longer_than_the_image(self) -> None:
        """Whatever that is, it is no beginning of this image."""
        self.write(DATA + b'x', self.NAME)
        self.save()
        self.assert_saved()
        self.assertEqual([None], self.ranges())

    def test_bad(self) -> None:
        """What is there is proved as well, and replaced when it is bad."""
        self.write(b'x' * 1_000_000, self.NAME)
        self.save()
        self.assert_saved()
        self.assertEqual(['bytes=1000000-', None], self.ranges())
        self.assertIn('was wrong', self.log.output)

    def test_without_ranges(self) -> None:
        """What is there is discarded from the answer, not from the disk."""
        self.glance.ranged = False
        self.write(DATA[:1_000_000], self.NAME)
        self.save()
        self.assert_saved()
        self.assertEqual(['bytes=1000000-', None], self.ranges())

    def test_not_wanted(self) -> None:
        """resume=False neither looks for it nor leaves one."""
        self.write(DATA[:1_000_000], self.NAME)
        self.save(resume=False)
        self.assert_same(DATA, self.content())
        self.assertEqual([None], self.ranges())
        self.assert_same(DATA[:1_000_000], self.content(self.NAME))

    def test_useless_without_a_hash(self) -> None:
        """What could not be proved begins anew."""
        self.write(DATA[:1_000_000], self.NAME)
        self.save(validate_checksum=False)
        self.assert_same(DATA, self.content())
        self.assertEqual([None], self.ranges())

    def test_header_speaks_of_the_whole(self) -> None:
        """The response to a part looks as that to the whole would."""
        self.write(DATA[:1_000_000], self.NAME)
        response = self.conn.image.download_image(
            scripted.IMAGE_ID, output=self.path()
        )
        self.assertEqual(200, response.status_code)
        self.assertEqual(str(len(DATA)), response.headers['Content-Length'])
        self.assertNotIn('Content-Range', response.headers)

    def test_progress_begins_there(self) -> None:
        """A resumed download does not begin its bar at nothing."""
        self.write(DATA[:1_000_000], self.NAME)
        seen: list[Any] = []
        self.save(progress=seen.append)
        self.assertEqual({1_000_000}, {p.resumed for p in seen})
        self.assertEqual(
            (len(DATA), len(DATA)), (seen[-1].done, seen[-1].total)
        )
