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

"""Image files: the objects by which a program reads an image at any place."""

import errno
import io
import operator
import os
from typing import Any, Protocol

from openstack_image_stream import exceptions

#: Bytes that are buffered above the blocks, so that small reads do not cost a
#: call of Python each.
_BUFFER = 64 * 1024


class Source(Protocol):
    """What an image file reads from."""

    @property
    def size(self) -> int:
        """Size of the image in bytes."""

    def read(self, position: int, amount: int, *, needed: int) -> memoryview:
        """Return some bytes at a position, none at the end only.

        :param needed: How many will be read there for sure.
        """

    def close(self) -> None:
        """End every read, without waiting."""


class RawImageFile(io.RawIOBase):
    """An image, read where its position stands.

    :param source: Where the bytes come from; closed with the file.
    :param buffer_size: Bytes that are read to fill a buffer. They are not all
        needed.
    """

    mode = 'rb'

    def __init__(self, source: Source, buffer_size: int) -> None:
        self._source = source
        self._buffer_size = buffer_size
        self._position = 0
        # Where a read began that did not end well.
        self._failed_at: int | None = None

    def readable(self) -> bool:
        """Return ``True``."""
        return True

    def seekable(self) -> bool:
        """Return ``True``."""
        return True

    def tell(self) -> int:
        """Return the position."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position, as that of a file; nothing is requested.

        :raises: :exc:`OSError` as the system gives it for a file.
        """
        self._check_open()
        offset = operator.index(offset)
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += self._source.size
        elif whence != os.SEEK_SET:
            offset = -1
        if offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._failed_at = None
        self._position = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        """Read some bytes into a buffer; returns how many, 0 at the end."""
        with memoryview(buffer).cast('B') as target:
            chunk = self._read(len(target))
            target[: len(chunk)] = chunk
        return len(chunk)

    def readall(self) -> bytes:
        """Return all bytes from the position on, which are in memory then."""
        whole = io.BytesIO()
        while chunk := self._read(self._source.size):
            whole.write(chunk)
        return whole.getvalue()

    def close(self) -> None:
        """End every read. Does not wait; may be called in any thread."""
        if not self.closed:
            try:
                self._source.close()
            finally:
                super().close()

    def _read(self, amount: int) -> memoryview:
        self._check_open()
        if self._failed_at is not None:
            # What it had read already is lost in the buffers above, so that
            # to read on would leave bytes out.
            raise exceptions.ReadError(
                f'an earlier read failed at byte {self._failed_at}: seek to '
                'the position to read from, or open the image again'
            )
        self._failed_at = self._position
        chunk = self._source.read(
            self._position,
            amount,
            needed=amount if amount > self._buffer_size else 1,
        )
        self._position += len(chunk)
        self._failed_at = None
        return chunk

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError('I/O operation on closed file')


class ImageFile(io.BufferedReader):
    """A buffered image file that can be closed while it is read."""

    def close(self) -> None:
        """Close the file; a thread that reads gets an error.

        May be called more than once, from any thread, at any moment.
        """
        # That of the base class waits until no other thread reads.
        self.raw.close()


def buffered(source: Source, block_size: int) -> io.BufferedReader:
    """Return an image file.

    :param source: Where the bytes come from; closed with the file.
    :param block_size: Bytes that the source has at a time.
    """
    buffer_size = min(block_size, _BUFFER)
    return ImageFile(RawImageFile(source, buffer_size), buffer_size)
