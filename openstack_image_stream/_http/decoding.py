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

"""Content codings, undone a bounded amount at a time.

What urllib3 decodes is as long as it happens to be: of zeros, gzip makes a
thousand times as many bytes as are read, and some releases return them all.
"""

from typing import Any
import zlib

#: Codings that can be undone.
CODINGS = frozenset({'gzip', 'x-gzip', 'deflate'})

#: What zlib takes for a gzip member, for a zlib stream, and for a bare one.
_GZIP, _ZLIB, _BARE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_GZIP_MAGIC = b'\x1f\x8b'


class Decoder:
    """Undoes the coding of one body.

    :param coding: One of :data:`CODINGS`.
    """

    def __init__(self, coding: str) -> None:
        self._is_gzip = coding != 'deflate'
        self._encoded = b''
        self._inflater: Any | None = None
        self._ended = False
        #: Whether what comes now is behind the end of the coded data.
        self.finished = False

    def feed(self, encoded: bytes) -> None:
        """Add what was received.

        :param encoded: Bytes, ignored behind the end of the coded data.
        """
        self._encoded += encoded

    def read(self, size: int) -> bytes:
        """Return some decoded bytes.

        :param size: How many at the most, positive.
        :returns: The bytes, ``b''`` when more has to be fed first, or at the
            end.
        :raises: :exc:`ValueError` when the data are not coded so.
        """
        chunk = b''
        while not chunk and (inflater := self._current()) is not None:
            try:
                chunk = self._inflate(inflater, size)
            except zlib.error as exc:
                # Said here, as the reason of a failure is what caused it.
                raise ValueError(f'invalid compressed data: {exc}') from None
            if not chunk and not self._encoded:
                break
        return chunk

    def _current(self) -> 'Any | None':
        # Which kind of deflate it is, and whether it is a gzip member, shows
        # in two bytes.
        if self._inflater is None and len(self._encoded) > 1:
            # RFC 1952, section 2.2: members follow each other. What is not
            # one is padding.
            self.finished = self._ended and (
                not self._is_gzip or self._encoded[:2] != _GZIP_MAGIC
            )
            if not self.finished:
                self._inflater = zlib.decompressobj(self._window())
        return self._inflater

    def _inflate(self, inflater: Any, size: int) -> bytes:
        chunk: bytes = inflater.decompress(self._encoded, size)
        self._encoded = inflater.unconsumed_tail
        self._ended = inflater.eof
        if self._ended:
            self._encoded = inflater.unused_data
            self._inflater = None
        return chunk

    def _window(self) -> int:
        if self._is_gzip:
            return _GZIP
        # RFC 9110, section 8.4.1.2: deflate is a zlib stream, but some
        # senders leave out its header (RFC 1950, section 2.2).
        first, second = self._encoded[:2]
        if first & 0x0F == zlib.DEFLATED and (first << 8 | second) % 31 == 0:
            return _ZLIB
        return _BARE

    def check_end(self) -> None:
        """Check that nothing is missing, at the end of the body.

        :raises: :exc:`ValueError` when the coded data were cut.
        """
        if not self._ended and (self._inflater or self._encoded):
            raise ValueError('the compressed data end too early')
