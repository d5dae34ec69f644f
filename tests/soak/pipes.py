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

"""Somebody who reads from a named pipe."""

import os
import threading


class Reader:
    """Makes a named pipe and reads from it, in a thread.

    Whoever makes one calls :meth:`close`.

    :param path: Of the pipe.
    :param enough: Bytes after which it goes away, ``None`` for never.
    """

    def __init__(self, path: str, enough: int | None) -> None:
        if not os.path.exists(path):
            os.mkfifo(path)
        self._enough = enough
        self._pieces: list[bytes] = []
        # Neither opening waits for the other side in this order, and as long
        # as we hold a writing end the pipe does not end with the download.
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._keeper = os.open(path, os.O_WRONLY)
        os.set_blocking(reading, True)
        self._thread = threading.Thread(target=self._read, args=(reading,))
        self._thread.start()

    def _read(self, descriptor: int) -> None:
        count = 0
        try:
            while self._enough is None or count < self._enough:
                piece = os.read(descriptor, 64 * 1024)
                if not piece:
                    break
                self._pieces.append(piece)
                count += len(piece)
        finally:
            os.close(descriptor)

    def content(self) -> bytes:
        """Return all that came, after the download."""
        self.close()
        return b''.join(self._pieces)

    def close(self) -> None:
        """End the pipe. May be called more than once."""
        keeper, self._keeper = self._keeper, -1
        if keeper >= 0:
            os.close(keeper)
        self._thread.join()
