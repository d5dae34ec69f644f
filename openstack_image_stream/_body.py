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

"""The bytes of one answer, read as its connection is fast."""

import time
from typing import Any

import requests

from openstack_image_stream import _answers

#: Bytes read from a new connection at a time. What it had delivered of a read
#: is lost when it is reset or falls silent in the middle, so a slow one is not
#: asked for more. From a fast one larger pieces cost less: they come whole,
#: and do not have to be joined.
_READ = 256 * 1024

#: Seconds in which a read must be done for the next one to be larger.
_SOON = 0.05


class Body:
    """The bytes of one answer.

    :param response: The answer, its body unread.
    :param start: Position in the image of its first byte.
    :param encoded: Whether the server compressed it.
    """

    def __init__(
        self, response: requests.Response, start: int, *, encoded: bool
    ) -> None:
        # Only until it is taken: whoever reads the image through it must not
        # be reached from here.
        self._response: requests.Response | None = response
        self.start = start
        # Not to be taken from the response later on: whoever gets that finds
        # a reader of the whole image in its place.
        self._raw: Any = response.raw
        _answers.guard_chunks(response)
        self._encoded = encoded
        #: Whether it is a part, and so ends where it was said to.
        self.ranged = response.status_code == 206
        self._decoded = b''
        self._amount = _READ

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
        :raises: :exc:`~openstack_image_stream._retry.Interrupted` when the
            connection fails.
        """
        if not self._encoded:
            return self._receive_soon(size)
        piece = self._decoded or self._receive(_answers.ENCODED_BLOCK)
        self._decoded = piece[size:]
        return piece[:size]

    def _receive_soon(self, size: int) -> bytes:
        amount = min(size, self._amount)
        began = time.monotonic()
        piece = self._receive(amount)
        if time.monotonic() - began > _SOON:
            self._amount = _READ
        elif amount == self._amount:
            self._amount *= 2
        return piece

    def _receive(self, size: int) -> bytes:
        with _answers.interruptions():
            # Decoding is asked for only where there is something to decode,
            # as urllib3 copies everything through a buffer for it.
            piece: bytes = self._raw.read(size, decode_content=self._encoded)
        return piece

    def close(self) -> None:
        """Close the connection, or give it back if all was read."""
        self._raw.close()
        self._raw.release_conn()
