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

"""What a transfer needs from the other rooms.

Tests implement these in memory; :mod:`openstack_image_stream._http.fetching`,
:mod:`openstack_image_stream._check` and what reads a verified stream do in a
download.
"""

from typing import Protocol

import requests

from openstack_image_stream._common import byte_ranges


class Body(Protocol):
    """The bytes of one response."""

    #: Position in the image of its first byte.
    start: int
    #: Whether it is a byte range, and so ends where that does.
    ranged: bool

    def take_response(self) -> requests.Response:
        """Hand out the response, once; it is not kept any more."""

    def read(self, size: int) -> bytes:
        """Read some bytes.

        :param size: How many at the most, positive.
        :returns: The bytes, ``b''`` at the end.
        :raises: :exc:`.RetriableError` when the connection fails.
        """

    def close(self) -> None:
        """Let go of the connection. May be called more than once."""


class Connection(Protocol):
    """Sends one request after another."""

    @property
    def connecting(self) -> bool:
        """Whether it waits for what cannot be interrupted."""

    def open(self, byte_range: byte_ranges.ByteRange) -> Body:
        """Request some bytes of the image, once.

        :param byte_range: Which.
        :returns: The body of the response. It begins where the range begins
            or, when the store serves no ranges, at the beginning of the
            image. Its caller closes it.
        :raises: :exc:`.RangesRefused` when a range was requested and is not
            served; the next call requests the whole, unless a part is wanted.
        :raises: :exc:`.RetriableError` for what a retry may cure.
        :raises: what no retry can cure.
        """

    def abort(self) -> None:
        """Break the connection, and any later one.

        Called in any thread, at any moment; does not wait, does not raise.
        """

    def forget(self) -> None:
        """Take note that its last body was closed."""


class Fetcher(Protocol):
    """Requests the bytes of one image; for several threads at a time."""

    #: ID of the image, fit for a message.
    image_id: str
    #: Size of the image in bytes, ``None`` if neither the metadata nor the
    #: server say.
    size: int | None
    #: Whether byte ranges of the image may be requested.
    ranged: bool

    def connection(self) -> Connection:
        """Return what requests are sent by, one at a time."""

    def close(self) -> None:
        """Close what is idle. May be called more than once."""


class Observer(Protocol):
    """Judges the bytes of an image, each of which it sees once, in order.

    It is called in one thread at a time. What it raises ends the download.
    """

    @property
    def hashing(self) -> bool:
        """Whether it computes a digest of all bytes.

        That lets go of the interpreter lock, so each further one has a thread
        of its own.
        """

    @property
    def decided(self) -> bool:
        """Whether the bytes so far may be handed out.

        It becomes true at some time, and stays so; any thread may look.
        """

    def update(self, chunk: bytes) -> object:
        """Take the next bytes.

        :param chunk: Not empty, not to be changed or kept.
        """

    def finish(self) -> object:
        """Judge the whole: there are no more bytes."""


class Sink(Protocol):
    """Where the bytes of an image are written to, in order."""

    #: Bytes of the image that are there already.
    start: int
    #: Whether what was written is kept after a failure.
    resume: bool
    #: Descriptor to read back from what was written, if it can be.
    store: int | None

    @property
    def position(self) -> int | None:
        """Bytes of the image that are there, ``None`` if that is unknown."""

    def write(self, chunk: bytes) -> None:
        """Write all of a chunk."""

    def commit(self) -> None:
        """Make what was written final: all of it is there and verified."""
