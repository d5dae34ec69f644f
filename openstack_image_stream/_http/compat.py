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
