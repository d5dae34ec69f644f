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

"""Where the data of an image comes from."""

import collections.abc
import contextlib
import io
import os
import typing

_PIECE = 1024 * 1024


class Readable(typing.Protocol):
    """A binary file, or what passes for one.

    Its length must be known: by a ``__len__``, or by ``seek`` and ``tell``.
    """

    def read(self, size: int, /) -> bytes:
        """Return at most so many of the next bytes, none at the end."""

    def close(self) -> None:
        """Give it up."""


#: The bytes, the path of a file with them, or what opens such a file.
Source = (
    bytes | str | os.PathLike[str] | collections.abc.Callable[[], Readable]
)


class Body:
    """What :mod:`requests` sends with a ``Content-Length``, chunk by chunk.

    It offers a length and nothing else, whatever the file can do: ``requests``
    takes a file that cannot tell its position for one without a length. It
    takes an empty one for that, too, which does no harm.
    """

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._length = _length(file)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> collections.abc.Iterator[bytes]:
        while chunk := self.read():
            yield chunk

    def read(self, size: int = -1) -> bytes:
        """Return a chunk, a larger one than the 16 KiB that are asked for."""
        return self._file.read(_PIECE)


@contextlib.contextmanager
def opened(source: Source) -> collections.abc.Iterator[Body]:
    """Open a source for one upload.

    :returns: What to give to :mod:`requests` as ``data``.
    """
    with contextlib.closing(_open(source)) as file:
        yield Body(file)


def _open(source: Source) -> Readable:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if callable(source):
        return source()
    return open(source, 'rb')


def _length(file: typing.Any) -> int:
    if hasattr(file, '__len__'):
        return len(file)
    length: int = file.seek(0, os.SEEK_END)
    file.seek(0)
    return length
