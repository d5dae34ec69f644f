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

"""Tests of what plans ranges, reads headers and puts parts in order."""

import hypothesis
from hypothesis import strategies

from openstack_image_stream._common import byte_ranges
from tests.unit import base


class TestSpan(base.TestCase):
    """What a range is called in a request."""

    def test_to_the_end(self) -> None:
        """Without a stop it has no last byte."""
        self.assertEqual('bytes=5-', byte_ranges.ByteRange(5).header())

    def test_to_a_stop(self) -> None:
        """The stop is not part of it, the last byte of a header is."""
        self.assertEqual('bytes=5-9', byte_ranges.ByteRange(5, 10).header())


class TestContentRange(base.TestCase):
    """What an answer says that it holds."""

    def test_with_a_total(self) -> None:
        """The usual form."""
        self.assertEqual(
            byte_ranges.ContentRange(byte_ranges.ByteRange(5, 10), 20),
            byte_ranges.parse_content_range('bytes 5-9/20'),
        )

    def test_without_a_total(self) -> None:
        """A server may not know how much there is."""
        self.assertEqual(
            byte_ranges.ContentRange(byte_ranges.ByteRange(0, 1), None),
            byte_ranges.parse_content_range(' Bytes 0-0/* '),
        )

    @base.for_each(
        {
            'missing': None,
            'empty': '',
            'unit': 'items 0-1/2',
            'unsatisfied': 'bytes */20',
            'backwards': 'bytes 9-5/20',
            'beyond': 'bytes 5-20/20',
            'negative': 'bytes -5-9/20',
            'fraction': 'bytes 0-1.5/20',
            'other_digits': 'bytes \u0665-\u0669/20',
            'endless': f'bytes 0-{"9" * 5000}/{"9" * 5001}',
            'two': 'bytes 0-1/20, 3-4/20',
        }
    )
    def test_nonsense_is_nothing(self, value: str | None) -> None:
        """What makes no sense is not made sense of."""
        self.assertIsNone(byte_ranges.parse_content_range(value))

    @hypothesis.given(strategies.text())
    @base.EXAMPLES
    def test_any_text(self, value: str) -> None:
        """No text makes it fail."""
        byte_ranges.parse_content_range(value)
        byte_ranges.parse_length(value)

    @base.for_each(
        {
            'sign': '+5',
            'negative': '-5',
            'underscore': '1_000',
            'empty': '',
            'missing': None,
            'two': '5, 5',
        }
    )
    def test_length_is_digits(self, value: str | None) -> None:
        """A length is a number as RFC 9110 has it, not as Python has it."""
        self.assertIsNone(byte_ranges.parse_length(value))

    def test_endless_length(self) -> None:
        """More digits than Python converts are more than any image has."""
        self.assertGreater(byte_ranges.parse_length('9' * 5000), 10**20)

    def test_length(self) -> None:
        """Blanks around it are not part of it."""
        self.assertEqual(12, byte_ranges.parse_length(' 12 '))
