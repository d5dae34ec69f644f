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

"""What a server can make a download keep in memory."""

from collections.abc import Callable, Iterator
import contextlib
import itertools
import tracemalloc
from typing import Any
import zlib

import pytest

from tests.fuzz import cloud as _cloud
from tests.fuzz import raw_responses
from tests.fuzz import targets

_MEMORY = targets.target('attacks on the memory')

_MIB = 1024 * 1024

#: Bytes that an attack sends, and that it may take.
_SENT = 32 * _MIB
_BOUND = 8 * _MIB
#: A description is held as a whole, as bytes and as a text.
_BOUND_OF_DOCUMENTS = 56 * _MIB


def _much(start: bytes, block: bytes = b'x' * 65536) -> Iterator[bytes]:
    yield start
    yield from itertools.repeat(block, _SENT // len(block))


def _bomb() -> bytes:
    # A thousandth of what it becomes.
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(_MIB)
    chunks = [packer.compress(zeros) for _ in range(_SENT // _MIB)]
    return b''.join([*chunks, packer.flush()])


_OK = b'HTTP/1.1 200 OK'
_CHUNKED = raw_responses.head(_OK, b'Transfer-Encoding: chunked')
_ENDLESS = b'Content-Length: 999999999999'
#: As long as a line may be: many short ones take long to read.
_LINE = b'X: %s\r\n' % (b'y' * 65000)
_GZIP = b'Content-Encoding: gzip'

_ATTACKS: dict[str, Callable[[], raw_responses.Raw]] = {
    'status line': lambda: _much(b'HTTP/1.1 200 '),
    'header': lambda: _much(_OK + b'\r\nX: '),
    'headers': lambda: _much(_OK + b'\r\n', b'X: y\r\n' * 1000),
    'continuation': lambda: _much(_OK + b'\r\nX: y\r\n', b' y\r\n' * 1000),
    'interim responses': lambda: _much(
        b'', b'HTTP/1.1 100 Go\r\n%s\r\n' % _LINE
    ),
    'no end': lambda: _much(raw_responses.head(_OK)),
    'length': lambda: _much(raw_responses.head(_OK, _ENDLESS)),
    'chunk line': lambda: _much(_CHUNKED),
    'chunk': lambda: _much(_CHUNKED + b'fffffffffff\r\n'),
    'negative chunk': lambda: _much(_CHUNKED + b'-1\r\n'),
    'chunk extension': lambda: _much(_CHUNKED + b'5;'),
    'trailer': lambda: _much(_CHUNKED + b'0\r\n', _LINE),
    'trailer line': lambda: _much(_CHUNKED + b'0\r\nX: '),
    'bomb': lambda: raw_responses.head(_OK, _GZIP) + _bomb(),
    'error': lambda: _much(raw_responses.head(b'HTTP/1.1 404 No', _ENDLESS)),
    'error of chunks': lambda: _much(
        raw_responses.head(b'HTTP/1.1 404 No', b'Transfer-Encoding: chunked')
        + b'-1\r\n'
    ),
    'error bomb': lambda: (
        raw_responses.head(b'HTTP/1.1 404 No', _GZIP) + _bomb()
    ),
    'redirect': lambda: _much(
        raw_responses.head(b'HTTP/1.1 302 No', b'Location: x', _ENDLESS)
    ),
}


class TestAttacks:
    """A response of 32 MiB where a few bytes are expected."""

    @pytest.mark.parametrize('connections', [1, 4])
    @pytest.mark.parametrize('attack', _ATTACKS)
    def test_with_the_data(
        self, cloud: _cloud.Cloud, attack: str, connections: int
    ) -> None:
        """It is not kept."""
        cloud.glance.script(data=lambda part: _ATTACKS[attack]())
        with _MEMORY.example(), _bounded(_BOUND):
            cloud.download(connections=connections, retries=1)

    @pytest.mark.parametrize('attack', _ATTACKS)
    def test_with_the_metadata(self, cloud: _cloud.Cloud, attack: str) -> None:
        """No more of it is kept than a description may have."""
        cloud.glance.script(metadata=_Again(_ATTACKS[attack]))
        with _MEMORY.example(), _bounded(_BOUND_OF_DOCUMENTS):
            cloud.download(retries=1)


class TestConnections:
    """Many connections for a small image."""

    def test_are_not_prepared(self, cloud: _cloud.Cloud) -> None:
        """No more than there are parts take memory."""
        cloud.glance.script()
        with _MEMORY.example(), _bounded(_MIB // 2):
            cloud.download(connections=1000)


class _Again:
    """A response that can be given more than once."""

    def __init__(self, response: Callable[[], Any]) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        response = self._response()
        return iter([response] if isinstance(response, bytes) else response)


@contextlib.contextmanager
def _bounded(bound: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak <= bound, f'{peak / _MIB:.1f} MiB'
