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

"""The ways to download that the contract knows, to test them alike."""

import abc
import io
import os
from typing import Any

from tests.unit import fake_glance

#: Bytes at a time of whoever reads a stream: neither a divisor nor a multiple
#: of the pieces of the package.
_CHUNK = 100_000


class Mode(abc.ABC):
    """One way to download.

    :param directory: Where files may be made.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    @abc.abstractmethod
    def download(self, conn: Any, **options: Any) -> bytes:
        """Download the image, return its bytes."""

    @abc.abstractmethod
    def held(self) -> bytes:
        """Return the bytes that a caller has got at, failure or not."""


class InMemory(Mode):
    """As the content of the response."""

    _content = b''

    def download(self, conn: Any, **options: Any) -> bytes:
        response = conn.image.download_image(fake_glance.IMAGE_ID, **options)
        self._content = response.content
        return self._content

    def held(self) -> bytes:
        return self._content


class Streamed(Mode):
    """Piece by piece, by the caller."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self._pieces: list[bytes] = []

    def download(self, conn: Any, **options: Any) -> bytes:
        response = conn.image.download_image(
            fake_glance.IMAGE_ID, stream=True, **options
        )
        # Not extend(): what came before a failure shall be seen.
        for piece in response.iter_content(_CHUNK):
            self._pieces.append(piece)
        return self.held()

    def held(self) -> bytes:
        return b''.join(self._pieces)


class ToPath(Mode):
    """To a file that does not exist yet."""

    def download(self, conn: Any, **options: Any) -> bytes:
        conn.image.download_image(
            fake_glance.IMAGE_ID,
            output=os.path.join(self._directory, 'image'),
            **options,
        )
        return self.held()

    def held(self) -> bytes:
        # Whatever is there, so that a file left under any name shows.
        content = b''
        for name in sorted(os.listdir(self._directory)):
            with open(os.path.join(self._directory, name), 'rb') as file:
                content += file.read()
        return content


class ToFileObject(Mode):
    """To something with write()."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self._file = io.BytesIO()

    def download(self, conn: Any, **options: Any) -> bytes:
        conn.image.download_image(
            fake_glance.IMAGE_ID, output=self._file, **options
        )
        return self.held()

    def held(self) -> bytes:
        return self._file.getvalue()


#: All of them, for :func:`base.for_each`.
ALL: dict[str, type[Mode]] = {
    'in_memory': InMemory,
    'streamed': Streamed,
    'to_path': ToPath,
    'to_file_object': ToFileObject,
}


def times(cases: dict[str, Any]) -> dict[str, Any]:
    """Combine each mode with each case, for :func:`base.for_each`."""
    return {
        f'{word}_{mode_word}': (mode, case)
        for word, case in cases.items()
        for mode_word, mode in ALL.items()
    }
