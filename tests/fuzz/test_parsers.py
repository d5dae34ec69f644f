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

"""What reads single headers and hashes, without a server."""

import base64
import datetime
import hashlib
import math
from typing import Any

import hypothesis
from hypothesis import strategies

from openstack_image_stream._check import hashes
from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._http import retry_after
from openstack_image_stream import exceptions
from tests.fuzz import targets
from tests.fuzz import values

_CONTENT_RANGE = targets.target('Content-Range')
_CONTENT_LENGTH = targets.target('Content-Length')
_RETRY_AFTER = targets.target('Retry-After')
_CONTENT_MD5 = targets.target('Content-MD5')
_HASHES = targets.target('hashes of the metadata')

#: Twenty-one digits are more than any storage holds.
_MOST = 10**21

_NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)

_DATES = strategies.builds(
    lambda when, zone: when.strftime('%a, %d %b %Y %H:%M:%S ') + zone,
    strategies.datetimes(),
    strategies.sampled_from(
        ['GMT', '', 'EST', '-0000', '+2359', '+9999', '-999999', 'Z', '\u0660']
    ),
)

_BYTES = strategies.one_of(
    strategies.binary(max_size=64),
    # The lengths of MD5 and of SHA-512.
    strategies.binary(min_size=16, max_size=16),
    strategies.binary(min_size=64, max_size=64),
)

_DIGESTS = _BYTES.map(bytes.hex)

_DIGITS = strategies.integers(0, 10**19)


def _must_make_sense(result: Any) -> None:
    if result is None:
        raise targets.Refused


class TestContentRange:
    """Bytes from where to where, of how many."""

    @hypothesis.given(
        values.near(
            strategies.builds(
                'bytes {}-{}/{}'.format,
                _DIGITS,
                _DIGITS,
                _DIGITS | values.TEXTS,
            )
        )
    )
    def test_is_a_range_or_nothing(self, value: str) -> None:
        """What is made of it is a range within an image."""
        with _CONTENT_RANGE.example():
            found = byte_ranges.parse_content_range(value)
            _must_make_sense(found)
            stop = found.span.stop
            assert 0 <= found.span.start < stop < _MOST
            assert found.total is None or stop <= found.total < _MOST

    @hypothesis.given(_DIGITS, _DIGITS, strategies.none() | _DIGITS)
    def test_says_what_it_says(
        self, start: int, more: int, rest: int | None
    ) -> None:
        """A proper one is read as it is."""
        last = start + more
        total = None if rest is None else last + 1 + rest
        value = f'bytes {start}-{last}/{"*" if total is None else total}'
        with _CONTENT_RANGE.example():
            found = byte_ranges.parse_content_range(value)
            assert found == byte_ranges.ContentRange(
                byte_ranges.ByteRange(start, last + 1), total
            )


class TestContentLength:
    """How many bytes follow."""

    @hypothesis.given(values.near(_DIGITS.map(str)))
    @hypothesis.example(values.LONG)
    def test_is_a_length_or_nothing(self, value: str) -> None:
        """What is made of it is a whole number, and none without an end."""
        with _CONTENT_LENGTH.example():
            found = byte_ranges.parse_length(value)
            _must_make_sense(found)
            assert 0 <= found < _MOST


class TestRetryAfter:
    """How long to wait."""

    @hypothesis.given(values.near(_DATES | _DIGITS.map(str)))
    def test_is_a_time_or_nothing(self, value: str) -> None:
        """What is made of it can be waited for, and has a limit."""
        with _RETRY_AFTER.example():
            found = retry_after.parse_retry_after(value, _NOW)
            _must_make_sense(found)
            assert math.isfinite(found)
            assert found >= 0
            retries = retry.Retries(retry.RetryPolicy(retries=1))
            delay = retries.delay(retry.RetriableError('', retry_after=found))
            assert delay is not None
            assert delay <= retry._LONGEST_ASKED + retry._LONGEST


class TestContentMD5:
    """The digest in the response, in hexadecimal or base64."""

    @hypothesis.given(
        values.near(
            _DIGESTS
            | _BYTES.map(lambda digest: base64.b64encode(digest).decode())
        )
    )
    def test_is_a_digest_or_nothing(self, value: str) -> None:
        """What is made of it is sixteen bytes."""
        with _CONTENT_MD5.example():
            found = hashes.from_content_md5(value)
            _must_make_sense(found)
            assert found.algorithm == 'md5'
            assert len(bytes.fromhex(found.value)) == 16


class TestHashes:
    """The hash that decides."""

    @hypothesis.given(
        algorithm=strategies.sampled_from(sorted(hashlib.algorithms_available))
        | values.near(strategies.just('sha512'))
        | values.JSON,
        value=values.near(_DIGESTS) | values.JSON,
        checksum=values.near(_DIGESTS) | values.JSON,
        fallback=strategies.booleans(),
    )
    def test_is_usable_or_refused(
        self, algorithm: Any, value: Any, checksum: Any, fallback: bool
    ) -> None:
        """What is chosen can be computed and compared."""
        with _HASHES.example((exceptions.UnusableHashError,)):
            found = hashes.choose(
                hash_algo=algorithm,
                hash_value=value,
                checksum=checksum,
                allow_md5_fallback=fallback,
            )
            if found is None:
                assert not checksum
                assert not (algorithm and value)
                return
            size = hashlib.new(found.algorithm).digest_size
            assert len(bytes.fromhex(found.value)) == size
            assert found.value == found.value.lower()
