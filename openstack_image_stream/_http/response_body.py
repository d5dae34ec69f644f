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

"""The bytes of one response, read as fast as its connection is."""

import time
from typing import Any

import requests

from openstack_image_stream._http import compat
from openstack_image_stream._http import decoding
from openstack_image_stream._http import responses

#: Bytes read from a new connection at a time. What it had delivered of a read
#: is lost when it is reset or falls silent in the middle, so a slow one is not
#: asked for more. From a fast one larger chunks cost less: they come whole,
#: and do not have to be joined.
_READ = 256 * 1024

#: Bytes read at a time at the most, and decoded at a time at the most. What
#: is only discarded may be asked for by the gigabyte.
_MOST = 4 * 1024 * 1024

#: Seconds in which a read must be done for the next one to be larger.
_SOON = 0.05


class Body:
    """The bytes of one response.

    :param response: The response, its body unread.
    :param start: Position in the image of its first byte.
    :param encoded: Whether the server compressed it.
    """

    def __init__(
        self, response: requests.Response, start: int, *, encoded: bool
    ) -> None:
        # Only until it is taken: what reads the image through it must not
        # be reached from here.
        self._response: requests.Response | None = response
        self.start = start
        # Not to be taken from the response later on: the caller finds
        # a reader of the whole image in its place.
        self._raw: Any = response.raw
        compat.check_chunk_sizes(response)
        self._decoder = (
            decoding.Decoder(responses.content_coding(response))
            if encoded
            else None
        )
        #: Whether it is a part, and so ends where it was said to.
        self.ranged = response.status_code == 206
        # What it was fast enough for in the last response. One that does not
        # register its socket has no such number.
        self._connection: Any = getattr(response.raw, 'connection', None)
        known = getattr(self._connection, 'read_size', None)
        self._amount = known if isinstance(known, int) else _READ

    def take_response(self) -> requests.Response:
        """Hand out the response, once; it is not kept here any more."""
        response, self._response = self._response, None
        if response is None:
            raise RuntimeError('the response was taken before')
        return response

    def read(self, size: int) -> bytes:
        """Read some bytes.

        :param size: How many at the most, positive.
        :returns: The bytes, ``b''`` at the end.
        :raises: :exc:`.RetriableError` when the
            connection fails.
        """
        if self._decoder is None:
            return self._receive_soon(size)
        return self._receive_decoded(self._decoder, min(size, _MOST))

    def _receive_decoded(self, decoder: decoding.Decoder, size: int) -> bytes:
        while True:
            with responses.retriable_errors():
                if chunk := decoder.read(size):
                    return chunk
            encoded = self._receive_soon(_MOST)
            if not encoded:
                with responses.retriable_errors():
                    decoder.check_end()
            if not encoded or decoder.finished:
                return b''
            decoder.feed(encoded)

    def _receive_soon(self, size: int) -> bytes:
        amount = min(size, self._amount)
        began = time.monotonic()
        chunk = self._receive(amount)
        if time.monotonic() - began > _SOON:
            self._note_amount(_READ)
        elif amount == self._amount:
            self._note_amount(min(self._amount * 2, _MOST))
        return chunk

    def _note_amount(self, amount: int) -> None:
        self._amount = amount
        if hasattr(self._connection, 'read_size'):
            self._connection.read_size = amount

    def _receive(self, size: int) -> bytes:
        with responses.retriable_errors():
            # urllib3 would copy everything through a buffer to decode it, and
            # return as much as that becomes.
            chunk: bytes = self._raw.read(size, decode_content=False)
        return chunk

    def close(self) -> None:
        """Close the connection, or give it back if all was read."""
        self._raw.close()
        self._raw.release_conn()
