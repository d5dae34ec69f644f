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

"""The ways to download an image, once for all kinds of tests.

A way makes the call in one manner, takes the bytes as a caller would, and
says afterwards which bytes the caller has. What must be true of them is for
the tests to say. Options of the download, such as the number of connections,
are given to any way.
"""

import abc
from collections.abc import Callable, Iterator
import functools
import io
import os
import threading
from typing import Any

MIB = 1024 * 1024

#: Downloads an image; takes ``output``, ``stream`` and options.
Call = Callable[..., Any]


def _read(response: Any, size: int) -> Iterator[bytes]:
    while chunk := response.raw.read(size):
        yield chunk


def _read_into(response: Any, size: int) -> Iterator[bytes]:
    buffer = bytearray(size)
    while count := response.raw.readinto(buffer):
        yield bytes(buffer[:count])


#: The ways to read a streamed response; each is given the response and the
#: size of a chunk, and yields the bytes.
READS: dict[str, Callable[[Any, int], Any]] = {
    'iter_content': lambda response, size: response.iter_content(size),
    'iter': lambda response, size: iter(response),
    'read': _read,
    'readinto': _read_into,
    'content': lambda response, size: [response.content],
    'readall': lambda response, size: [response.raw.read()],
}


class Way(abc.ABC):
    """One way to download.

    :param directory: Where files may be made.
    :param chunk_size: Bytes that a caller reads at a time. The default is
        neither a divisor nor a multiple of any size in the package.
    """

    def __init__(
        self, directory: str | os.PathLike[str], chunk_size: int = 100_000
    ) -> None:
        self.path = os.path.join(directory, 'image')
        self._chunk_size = chunk_size

    @abc.abstractmethod
    def take(self, call: Call) -> None:
        """Download the image.

        :param call: Does it.
        """

    @abc.abstractmethod
    def content(self) -> bytes:
        """Return the bytes that the caller has, after a failure as well."""

    def close(self) -> None:
        """Close what the caller had opened for the download."""

    def download(self, conn: Any, image_id: str, **options: Any) -> bytes:
        """Download an image, and return its bytes.

        :param conn: A connection.
        :param image_id: ID of the image.
        :param options: Options of the download.
        """
        self.take(
            functools.partial(conn.image.download_image, image_id, **options)
        )
        return self.content()


class _Chunks(Way):
    """A way by which the caller gets the bytes into its hands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._chunks: list[bytes] = []

    def content(self) -> bytes:
        """Return them in one."""
        return b''.join(self._chunks)


class Memory(_Chunks):
    """As the content of the response."""

    def take(self, call: Call) -> None:
        """Take the content."""
        self._chunks.append(call().content)


class Stream(_Chunks):
    """A stream that is read to its end in a ``with`` statement."""

    #: One of :data:`READS`.
    how = 'iter_content'

    def take(self, call: Call) -> None:
        """Read chunk by chunk."""
        with call(stream=True) as response:
            self._read(response)

    def _read(self, response: Any) -> None:
        # Not extend(): what came before a failure is to be seen.
        for chunk in READS[self.how](response, self._chunk_size):
            self._chunks.append(chunk)


class OpenStream(Stream):
    """A stream that is read to its end and not closed by its caller."""

    def take(self, call: Call) -> None:
        """Read chunk by chunk."""
        self._read(call(stream=True))


class Read(OpenStream):
    """A stream that is read by ``raw.read()``."""

    how = 'read'


class ReadInto(OpenStream):
    """A stream that is read by ``raw.readinto()``."""

    how = 'readinto'


class ClosedEarly(_Chunks):
    """A stream that is closed after a chunk."""

    def take(self, call: Call) -> None:
        """Read one chunk."""
        with call(stream=True) as response:
            self._chunks.append(response.raw.read(self._chunk_size))


class Forgotten(_Chunks):
    """A stream that is neither read to its end nor closed."""

    def take(self, call: Call) -> None:
        """Read one chunk."""
        self._chunks.append(call(stream=True).raw.read(self._chunk_size))


class Path(Way):
    """To a path, whatever is there."""

    def take(self, call: Call) -> None:
        """Name the path."""
        response = call(output=self.path)
        assert response.status_code == 200, response.status_code

    def content(self) -> bytes:
        """Return what is in the file; nothing where there is none."""
        if not os.path.exists(self.path):
            return b''
        with open(self.path, 'rb') as file:
            return file.read()


class Writer(Way):
    """To an object with ``write()``, behind what is there already."""

    _TITLE = b'title'

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file = self._open()
        self._file.write(self._TITLE)

    def _open(self) -> Any:
        return io.BytesIO()

    def _written(self) -> bytes:
        content: bytes = self._file.getvalue()
        return content

    def take(self, call: Call) -> None:
        """Give the object."""
        call(output=self._file)

    def content(self) -> bytes:
        """Return what stands behind the title."""
        assert not self._file.closed, 'the file object was closed'
        title, content = self._split()
        assert title == self._TITLE, 'not written from where it stood'
        return content

    def _split(self) -> tuple[bytes, bytes]:
        written = self._written()
        return written[: len(self._TITLE)], written[len(self._TITLE) :]

    def close(self) -> None:
        """Close the object."""
        self._file.close()


class File(Writer):
    """To a file without a buffer, which is open already."""

    def _open(self) -> Any:
        return open(self.path, 'wb', buffering=0)

    def _written(self) -> bytes:
        with open(self.path, 'rb') as file:
            return file.read()


class Pipe(_Chunks):
    """To a named pipe, which a thread reads."""

    #: Bytes after which the reader goes away, ``None`` for never.
    enough: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not os.path.exists(self.path):
            os.mkfifo(self.path)
        # Neither opening waits for the other side in this order, and as long
        # as we hold a writing end the pipe does not end with the download.
        reading = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self._writing = os.open(self.path, os.O_WRONLY)
        os.set_blocking(reading, True)
        self._thread = threading.Thread(
            target=self._read_pipe, args=(reading,)
        )
        self._thread.start()

    def _read_pipe(self, descriptor: int) -> None:
        count = 0
        with open(descriptor, 'rb', buffering=0) as pipe:
            while self.enough is None or count < self.enough:
                chunk = pipe.read(64 * 1024)
                if not chunk:
                    break
                self._chunks.append(chunk)
                count += len(chunk)

    def take(self, call: Call) -> None:
        """Name the pipe."""
        call(output=self.path)

    def content(self) -> bytes:
        """Return all that came."""
        self.close()
        return super().content()

    def close(self) -> None:
        """End the pipe. May be called more than once."""
        writing, self._writing = self._writing, -1
        if writing >= 0:
            os.close(writing)
        self._thread.join()


class BrokenPipe(Pipe):
    """To a named pipe whose reader goes away."""

    enough = 100_000


#: Those that every promise has to hold for.
MODES: dict[str, type[Way]] = {
    'stream': Stream,
    'memory': Memory,
    'path': Path,
    'file': Writer,
}

#: All of them.
ALL: dict[str, type[Way]] = {
    **MODES,
    'open_stream': OpenStream,
    'read': Read,
    'readinto': ReadInto,
    'raw_file': File,
    'pipe': Pipe,
    'closed_early': ClosedEarly,
    'forgotten': Forgotten,
    'broken_pipe': BrokenPipe,
}
