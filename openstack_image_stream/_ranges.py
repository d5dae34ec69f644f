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

"""Ranges of bytes: what is asked for, what comes back, in which order.

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


@dataclasses.dataclass(frozen=True)
class Span:
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
    """What an answer with status 206 says that it holds.

    :param span: The bytes of the image that follow.
    :param total: Size of the image in bytes, ``None`` if the server does not
        know.
    """

    span: Span
    total: int | None


def parse_content_range(value: str | None) -> ContentRange | None:
    """Read a ``Content-Range`` header (RFC 9110, section 14.4).

    :param value: The value of the header, ``None`` if there is none.
    :returns: What it says, ``None`` if it says nothing that makes sense.
    """
    found = _CONTENT_RANGE.fullmatch((value or '').strip())
    if not found:
        return None
    first, last = int(found[1]), int(found[2])
    total = int(found[3]) if found[3] else None
    if last < first or (total is not None and last >= total):
        return None
    return ContentRange(Span(first, last + 1), total)


def parse_length(value: str | None) -> int | None:
    """Read a ``Content-Length`` header (RFC 9110, section 8.6).

    :param value: The value of the header, ``None`` if there is none.
    :returns: The length in bytes, ``None`` if it is not a number.
    """
    # int() would let signs, blanks and underscores pass.
    found = _LENGTH.fullmatch((value or '').strip())
    # Of thousands of digits, which int() refuses, the first ones tell
    # enough: no image is that large.
    return int(found[0][:21]) if found else None


class Parts:
    """The parts of an image, in order out of disorder.

    They are handed out in order, taken back in any order, and given away in
    order again. At most ``limit`` parts are on their way or waiting at a
    time, which is what bounds the memory.

    :param start: Position to begin at.
    :param size: Size of the image in bytes.
    :param part_size: Bytes per part; the last one may be shorter.
    :param limit: Parts at a time.
    """

    def __init__(
        self, start: int, size: int, part_size: int, limit: int
    ) -> None:
        self._next_start = start
        self._size = size
        self._part_size = part_size
        #: Parts at a time.
        self.limit = limit
        #: Position up to which everything was given away.
        self.given = start
        self._waiting: dict[int, tuple[int, list[bytes]]] = {}
        self._outside = 0

    @property
    def all_planned(self) -> bool:
        """Whether there is no part left to hand out."""
        return self._next_start >= self._size

    @property
    def finished(self) -> bool:
        """Whether every byte was given away."""
        return self.given >= self._size

    def plan(self) -> Span | None:
        """Hand out the next part.

        :returns: The part, ``None`` if none is left or too many are out.
        """
        if self.all_planned or self._outside >= self.limit:
            return None
        start = self._next_start
        stop = min(start + self._part_size, self._size)
        self._next_start = stop
        self._outside += 1
        return Span(start, stop)

    def plan_no_more(self) -> None:
        """Hand out no further part; what is out is all there will be."""
        self._size = self._next_start

    def put(self, span: Span, pieces: list[bytes]) -> None:
        """Take a part back.

        :param span: As it was handed out.
        :param pieces: Its bytes.
        """
        stop = self._size if span.stop is None else span.stop
        self._waiting[span.start] = (stop, pieces)

    def take(self) -> list[bytes] | None:
        """Give away the next part in order.

        :returns: Its bytes, ``None`` while they have not come yet.
        """
        if self.given not in self._waiting:
            return None
        stop, pieces = self._waiting.pop(self.given)
        self.given = stop
        self._outside -= 1
        return pieces
