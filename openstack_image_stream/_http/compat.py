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

"""Private names of requests, urllib3 and :mod:`http.client`.

One function for each, and nowhere else. A release that takes one of them away
fails the test of that function.
"""

from collections.abc import Callable
import queue
from typing import Any
import weakref

import requests


def is_loaded(response: requests.Response) -> bool:
    """Tell whether the body of a response was read already.

    :param response: Any response of requests.
    """
    return bool(response._content_consumed)  # type: ignore[attr-defined]


def check_chunk_sizes(response: requests.Response) -> None:
    """Have a negative chunk size be an error.

    :mod:`http.client` takes a chunk of -1 bytes for all that will ever come,
    whatever amount is asked for.

    :param response: A response with its body unread. Reading it fails from
        then on at such a chunk.
    """
    received = getattr(response.raw, '_fp', None)
    read_size: Any = getattr(type(received), '_read_next_chunk_size', None)
    if read_size is None or not getattr(received, 'chunked', False):
        return
    # What refers to the response must not be held by it: such a cycle keeps
    # the socket until the garbage is collected.
    referred = weakref.ref(received)

    def read_positive_size() -> int:
        size: int = read_size(referred())
        if size < 0:
            raise ValueError(f'a chunk of {size} bytes')
        return size

    received._read_next_chunk_size = read_positive_size  # type: ignore[union-attr]


def read_available(raw: Any, size: int) -> bytes:
    """Read the bytes that there are, and wait for the first of them only.

    The ``read()`` of urllib3 waits for all of them, and not all of its
    releases have a ``read1()``.

    :param raw: The response of urllib3. It gives its connection back at the
        end, as after ``read()``.
    :param size: How many bytes at the most, positive.
    :returns: The bytes, not decoded, ``b''`` at the end.
    """
    received = raw._fp
    if not hasattr(received, 'read1'):
        # Not a response of http.client.
        chunk: bytes = raw.read(size, decode_content=False)
        return chunk
    with raw._error_catcher():
        chunk = received.read1(size)
        if not chunk or getattr(received, 'length', None) == 0:
            received.close()
    return chunk


def with_hook(pool: Any, hook: Callable[[Any, Any], None]) -> Any:
    """Return a class of connection pools that show what they hand out.

    :param pool: A class of urllib3's connection pools.
    :param hook: Called with the pool and the connection.
    :returns: A subclass.
    """

    class Pool(pool):  # type: ignore[misc]
        process = 0

        def _get_conn(self, *args: Any, **kwargs: Any) -> Any:
            connection = super()._get_conn(*args, **kwargs)
            hook(self, connection)
            return connection

    return Pool


class IdleConnections:
    """The idle connections of a pool, without the lock of its queue.

    That lock is taken by code of Python. What a signal handler raises in the
    midst of that leaves it locked for good, and every later request of the
    pool waits for it. To take an item from a list, or to append one, is one
    step of the interpreter.

    :param shared: The queue of a pool that does not wait for connections.
    """

    def __init__(self, shared: 'queue.Queue[Any]') -> None:
        self._items = shared.queue
        self._most = shared.maxsize

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        """Take the connection that was used last.

        :raises: :exc:`queue.Empty` when there is none.
        """
        try:
            return self._items.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, block: bool = False) -> None:
        """Give a connection back.

        :raises: :exc:`queue.Full` when there are enough of them.
        """
        if 0 < self._most <= len(self._items):
            raise queue.Full
        self._items.append(item)

    def qsize(self) -> int:
        """Return how many there are."""
        return len(self._items)


def without_lock(pool: Any) -> None:
    """Have a connection pool take its idle connections without a lock.

    :param pool: A pool of urllib3, which is changed. Its queue may belong to
        other pools, too. One that is closed, or that makes threads wait for
        connections, stays as it is.
    """
    if isinstance(pool.pool, queue.Queue) and not pool.block:
        pool.pool = IdleConnections(pool.pool)
