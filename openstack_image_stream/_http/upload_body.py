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

"""What a request sends that creates an image's data."""

from collections.abc import Callable, Iterator


class NotReadError(Exception):
    """The body of an upload cannot be read.

    No :exc:`OSError`: urllib3 takes some of them for a server that responds
    before it has the whole body, and waits for its response.
    """


class UploadBody:
    """The body of one upload, which is read while it is sent.

    Requests sends what has a length and can be iterated over, and has no
    ``read()``, with a ``Content-Length`` and chunk by chunk as it comes.

    It can be sent once. :attr:`failure` tells an error of what is read from
    one of the connection that sends.

    :param read: Returns the next chunk, ``b''`` after the last one.
    :param size: Bytes in all.
    """

    def __init__(self, read: Callable[[], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._started = False
        #: Bytes that were handed out to be sent.
        self.sent = 0
        #: What ``read`` raised.
        self.failure: Exception | None = None

    @property
    def complete(self) -> bool:
        """Whether all bytes were handed out to be sent."""
        return self.sent == self._size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        if self._started:
            raise NotReadError('the body of an upload can be sent once')
        self._started = True
        return self._chunks()

    def _chunks(self) -> Iterator[bytes]:
        while True:
            try:
                chunk = self._read()
            except Exception as exc:
                self.failure = exc
                raise NotReadError('the body cannot be read') from exc
            if not chunk:
                return
            self.sent += len(chunk)
            yield chunk
