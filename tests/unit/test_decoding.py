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

"""Tests of decoding what is compressed, a bounded amount at a time."""

import gzip
import tracemalloc
from typing import Any
import zlib

import hypothesis
from hypothesis import strategies

from openstack_image_stream._http import decoding
from tests.unit import base

DATA = base.some_bytes(50_000) + bytes(50_000)


def _bare(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


#: A coding, and what makes it.
FORMATS: dict[str, tuple[str, Any]] = {
    'gzip': ('gzip', gzip.compress),
    'x_gzip': ('x-gzip', gzip.compress),
    'zlib': ('deflate', zlib.compress),
    'bare_deflate': ('deflate', _bare),
}


def decode(
    coding: str, encoded: bytes, fed: int = 1_000, size: int = 3_000
) -> list[bytes]:
    """Decode a body, fed and read by so many bytes."""
    decoder = decoding.Decoder(coding)
    chunks = []
    for start in range(0, len(encoded), fed):
        decoder.feed(encoded[start : start + fed])
        while chunk := decoder.read(size):
            chunks.append(chunk)
    decoder.check_end()
    return chunks


class TestDecoder(base.TestCase):
    """What comes out."""

    @base.for_each(FORMATS)
    def test_is_the_data(self, case: tuple[str, Any]) -> None:
        """The bytes are those that were compressed."""
        coding, compress = case
        self.assert_same(DATA, b''.join(decode(coding, compress(DATA))))

    @base.for_each(FORMATS)
    def test_is_bounded(self, case: tuple[str, Any]) -> None:
        """No more comes out at a time than was asked for."""
        coding, compress = case
        chunks = decode(coding, compress(DATA), fed=len(DATA))
        self.assertEqual(3_000, max(map(len, chunks)))

    @hypothesis.given(strategies.integers(1, 40), strategies.integers(1, 40))
    @base.EXAMPLES
    def test_any_sizes(self, fed: int, size: int) -> None:
        """However it is cut into chunks, members and headers included."""
        data = bytes(range(200))
        encoded = gzip.compress(data) + gzip.compress(data) + bytes(9)
        chunks = decode('gzip', encoded, fed, size)
        self.assert_same(data * 2, b''.join(chunks))

    def test_memory(self) -> None:
        """A gigabyte of zeros in a megabyte does not become one."""
        encoded = gzip.compress(bytes(64 * 1024 * 1024))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        decoder = decoding.Decoder('gzip')
        decoder.feed(encoded)
        total = 0
        while chunk := decoder.read(1024 * 1024):
            total += len(chunk)
        self.assertEqual(64 * 1024 * 1024, total)
        self.assertLess(tracemalloc.get_traced_memory()[1], 4 * 1024 * 1024)

    @base.for_each(FORMATS)
    def test_cut(self, case: tuple[str, Any]) -> None:
        """What ends too early is told from what ends."""
        coding, compress = case
        for length in (1, 5, 1_000, -1):
            self.assertRaises(
                ValueError, decode, coding, compress(DATA)[:length]
            )

    @base.for_each({'gzip': 'gzip', 'deflate': 'deflate'})
    def test_garbage(self, coding: str) -> None:
        """What is not compressed so is an error."""
        self.assertRaises(ValueError, decode, coding, b'\xff' * 100)

    def test_nothing(self) -> None:
        """A body without a byte decodes to none."""
        self.assertEqual([], decode('gzip', b''))
