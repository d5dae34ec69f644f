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

"""Where an image goes, and what must hold there afterwards."""

import abc
from collections.abc import Callable, Iterator
import io
import os
from typing import Any

from tests.soak import pipes
from tests.soak import plans
from tests.soak import traces

#: Downloads the image of a plan; takes ``output`` and ``stream``.
Call = Callable[..., Any]


class End(abc.ABC):
    """An end of a download.

    :param directory: Where files may be made.
    :param plan: What is downloaded.
    """

    def __init__(self, directory: str, plan: plans.Plan) -> None:
        self._directory = directory
        self._plan = plan
        self._data = plan.image.data

    @abc.abstractmethod
    def download(self, call: Call) -> None:
        """Download the image to here.

        :param call: Does it.
        """

    @abc.abstractmethod
    def flaws(self, error: Exception | None) -> Iterator[str]:
        """Yield what is wrong here after the download.

        :param error: What it ended in.
        """

    def close(self) -> None:
        """Let go of what the end itself has opened."""


class _Receiving(End):
    """An end that has bytes in the hands of a caller."""

    #: Whether a download that is over without an error brought all bytes.
    _whole = True

    def __init__(self, directory: str, plan: plans.Plan) -> None:
        super().__init__(directory, plan)
        self._pieces: list[bytes] = []

    def _held(self) -> bytes:
        return b''.join(self._pieces)

    def flaws(self, error: Exception | None) -> Iterator[str]:
        held = self._held()
        if error is None and self._whole:
            if held != self._data:
                yield 'the bytes are not those of the image'
            return
        if error is not None and self._data and len(held) >= len(self._data):
            yield 'all bytes were handed out before the error'
        if not self._plan.corrupt and not self._data.startswith(held):
            yield 'the bytes do not begin the image'


class Memory(_Receiving):
    """As the content of the response."""

    def download(self, call: Call) -> None:
        response = call()
        self._pieces.append(response.content)

    def flaws(self, error: Exception | None) -> Iterator[str]:
        yield from super().flaws(error)
        if error is not None and self._pieces:
            yield 'there is content, and an error'


class Iterated(_Receiving):
    """Piece by piece."""

    def download(self, call: Call) -> None:
        response = call(stream=True)
        for piece in response.iter_content(self._plan.amount):
            self._pieces.append(piece)


class Read(_Receiving):
    """By ``raw.read()``."""

    def download(self, call: Call) -> None:
        response = call(stream=True)
        while piece := response.raw.read(self._plan.amount):
            self._pieces.append(piece)


class ReadInto(_Receiving):
    """By ``raw.readinto()``."""

    def download(self, call: Call) -> None:
        response = call(stream=True)
        buffer = bytearray(self._plan.amount)
        while count := response.raw.readinto(buffer):
            self._pieces.append(bytes(buffer[:count]))


class ClosedEarly(_Receiving):
    """By somebody who has enough before the end."""

    _whole = False

    def download(self, call: Call) -> None:
        with call(stream=True) as response:
            self._pieces.append(response.raw.read(self._plan.amount))


class Forgotten(_Receiving):
    """By somebody who neither reads to the end nor closes."""

    _whole = False

    def download(self, call: Call) -> None:
        response = call(stream=True)
        self._pieces.append(response.raw.read(self._plan.amount))


class Path(End):
    """To a path, whatever is there."""

    def __init__(self, directory: str, plan: plans.Plan) -> None:
        super().__init__(directory, plan)
        self._traces = traces.Traces(directory, plan)

    def download(self, call: Call) -> None:
        response = call(output=os.path.join(self._directory, traces.NAME))
        if response.status_code != 200:
            raise AssertionError(f'the status is {response.status_code}')

    def flaws(self, error: Exception | None) -> Iterator[str]:
        yield from self._traces.flaws(error)


class Object(_Receiving):
    """To something with ``write()``, behind what is there already."""

    _TITLE = b'title'

    def __init__(self, directory: str, plan: plans.Plan) -> None:
        super().__init__(directory, plan)
        self._file = self._open()
        self._file.write(self._TITLE)

    def _open(self) -> Any:
        return io.BytesIO()

    def _content(self) -> bytes:
        return self._file.getvalue()  # type: ignore[no-any-return]

    def download(self, call: Call) -> None:
        call(output=self._file)

    def _held(self) -> bytes:
        return self._content().removeprefix(self._TITLE)

    def flaws(self, error: Exception | None) -> Iterator[str]:
        yield from super().flaws(error)
        if self._file.closed or not self._content().startswith(self._TITLE):
            yield 'the file object was closed, or not written from where it is'

    def close(self) -> None:
        self._file.close()


class RawFile(Object):
    """To a file without a buffer."""

    def _open(self) -> Any:
        path = os.path.join(self._directory, traces.NAME)
        return open(path, 'wb', buffering=0)

    def _content(self) -> bytes:
        return traces.read(self._directory) or b''


class Fifo(_Receiving):
    """To a named pipe."""

    #: Bytes after which the reader goes away.
    _enough: int | None = None

    def __init__(self, directory: str, plan: plans.Plan) -> None:
        super().__init__(directory, plan)
        self._path = os.path.join(directory, traces.NAME)
        self._reader = pipes.Reader(self._path, self._enough)

    def download(self, call: Call) -> None:
        call(output=self._path)

    def _held(self) -> bytes:
        return self._reader.content()

    def close(self) -> None:
        self._reader.close()


class BrokenFifo(Fifo):
    """To a named pipe whose reader goes away."""

    _enough = 100_000

    def flaws(self, error: Exception | None) -> Iterator[str]:
        # What fits into the pipe may go in before it breaks.
        yield from ()


#: All of them by their names in plans.
ALL: dict[str, type[End]] = {
    'memory': Memory,
    'iterated': Iterated,
    'read': Read,
    'read_into': ReadInto,
    'closed_early': ClosedEarly,
    'forgotten': Forgotten,
    'path': Path,
    'object': Object,
    'raw_file': RawFile,
    'fifo': Fifo,
    'broken_fifo': BrokenFifo,
}
