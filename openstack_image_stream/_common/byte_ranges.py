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

"""Byte ranges: what is requested, and what comes back.

Nothing here does input or output.
"""

import dataclasses
import re

#: RFC 9110, section 14.4; a total of ``*`` is one that the server does not
#: know. Twenty digits are more than any storage holds, and keep a hostile
#: header from becoming a number of a million digits.
_CONTENT_RANGE = re.compile(
    r'bytes (\d{1,20})-(\d{1,20})/(?:(\d{1,20})|\*)', re.IGNORECASE | re.ASCII
)
_LENGTH = re.compile(r'\d+', re.ASCII)


class RangesRefused(Exception):
    """The store of the image serves it only as a whole."""


@dataclasses.dataclass(frozen=True)
class ByteRange:
    """Bytes of an image, from ``start`` up to but not including ``stop``.

    :param start: Position of the first byte.
    :param stop: Position behind the last byte, ``None`` for the end of the
        image.
    """

    start: int
    stop: int | None = None

    def header(self) -> str:
        """Return the value of a ``Range`` header (RFC 9110, 14.2)."""
        last = '' if self.stop is None else self.stop - 1
        return f'bytes={self.start}-{last}'


@dataclasses.dataclass(frozen=True)
class ContentRange:
    """What a response with status 206 says that it holds.

    :param byte_range: The bytes of the image that follow.
    :param total: Size of the image in bytes, ``None`` if the server does not
        know.
    """

    byte_range: ByteRange
    total: int | None


def parse_content_range(value: str | None) -> ContentRange | None:
    """Read a ``Content-Range`` header (RFC 9110, section 14.4).

    :param value: The value of the header, ``None`` if there is no header.
    :returns: What it says, ``None`` if it says nothing that makes sense.
    """
    found = _CONTENT_RANGE.fullmatch((value or '').strip())
    if not found:
        return None
    first, last = int(found[1]), int(found[2])
    total = int(found[3]) if found[3] else None
    if last < first or (total is not None and last >= total):
        return None
    return ContentRange(ByteRange(first, last + 1), total)


def parse_length(value: str | None) -> int | None:
    """Read a ``Content-Length`` header (RFC 9110, section 8.6).

    :param value: The value of the header, ``None`` if there is no header.
    :returns: The length in bytes, ``None`` if it is not a number.
    """
    # int() would let signs, blanks and underscores pass.
    found = _LENGTH.fullmatch((value or '').strip())
    # Of thousands of digits, which int() refuses, the first ones tell
    # enough: no image is that large.
    return int(found[0][:21]) if found else None
