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

"""A source whose every chunk is scripted."""

from collections.abc import Iterable
from typing import Any


class ScriptedSource:
    """Stands for a :class:`.ImageSource`.

    :param script: What each read gives: bytes, or an exception to raise. At
        the end of the script the image ends.
    """

    def __init__(self, script: Iterable[Any]) -> None:
        self._script = iter(script)
        #: How many bytes each read asked for.
        self.asked: list[int] = []
        #: Position of the next byte, and where the image ends.
        self.position = 0
        self.size = None
        #: How often it was closed.
        self.closed = 0

    def read(self, size: int) -> bytes:
        """Return the next chunk, however large."""
        self.asked.append(size)
        chunk = next(self._script, b'')
        if isinstance(chunk, BaseException):
            raise chunk
        self.position += len(chunk)
        return bytes(chunk)

    def ready(self) -> Iterable[tuple[int, bytes]]:
        """Have nothing that was not read."""
        return ()

    def close(self) -> None:
        """Count."""
        self.closed += 1


def split(data: bytes, size: int) -> list[bytes]:
    """Cut bytes in chunks of a size; the last one may be shorter."""
    return [data[i : i + size] for i in range(0, len(data), size)]
