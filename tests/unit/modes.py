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

"""The ways to download, for the one image of the scripted Glance."""

import os
from typing import Any

from tests.servers import scripted
from tests import ways


class Mode:
    """One way to download.

    :param directory: Where files may be made.
    """

    way: type[ways.Way]

    def __init__(self, directory: str) -> None:
        self._way = self.way(directory)

    def download(self, conn: Any, **options: Any) -> bytes:
        """Download the image, return its bytes."""
        return self._way.download(conn, scripted.IMAGE_ID, **options)

    def held(self) -> bytes:
        """Return the bytes that a caller has got at, failure or not."""
        return self._way.content()


class InMemory(Mode):
    """As the content of the response."""

    way = ways.Memory


class Streamed(Mode):
    """Chunk by chunk, by the caller."""

    way = ways.OpenStream


class _Directory(ways.Path):
    def content(self) -> bytes:
        # Whatever is there, so that a file left under any name shows.
        content = b''
        directory = os.path.dirname(self.path)
        for name in sorted(os.listdir(directory)):
            with open(os.path.join(directory, name), 'rb') as file:
                content += file.read()
        return content


class ToPath(Mode):
    """To a file that does not exist yet."""

    way = _Directory


class ToFileObject(Mode):
    """To something with write()."""

    way = ways.Writer


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
