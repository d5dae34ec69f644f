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

"""What a process holds while nothing is being done, and whether it grows."""

import collections
import ctypes
import gc
import os
import threading

from tests import resources
from tests.servers import scripted

#: Checks before anything is compared, as caches fill at first, and checks
#: that set the standard then.
_WARM_UP, _STANDARD = 2, 2

#: Checks in a row that have to be above the standard.
_IN_A_ROW = 3

#: Variables for a process whose memory shall tell what it holds: allocators
#: of the GNU kind otherwise keep for each thread what was freed.
ENVIRONMENT = {
    'MALLOC_ARENA_MAX': '1',
    'MALLOC_MMAP_THRESHOLD_': '65536',
}

#: What may be more than the standard.
_TOLERANCE = {
    # Some are opened when something is done for the first time.
    'descriptors': 2,
    'sockets': 0,
    'threads': 0,
    # An image that is left is found; what the interpreter keeps is not meant.
    'MiB of memory': 24,
}

#: What the names of the package's threads begin with.
_THREAD = 'openstack-image-stream'


class ProcessMetrics:
    """Looks at the process now and then, while no download is running."""

    def __init__(self) -> None:
        self._seen: list[dict[str, int]] = []

    def flaws(self) -> list[str]:
        """Look at the process; return what is wrong with it."""
        scripted.forget_connections()
        # Downloads that are part of a cycle end when that is found, and what
        # they held is found the next time.
        gc.collect()
        gc.collect()
        _trim()
        flaws = [
            f'thread {thread.name} is still running'
            for thread in threading.enumerate()
            if thread.name.startswith(_THREAD)
        ]
        self._seen.append(_now())
        flaws += [text for name in _TOLERANCE if (text := self._growth(name))]
        if flaws:
            # Not to be told of again until there is more.
            self._seen.clear()
        return flaws

    def _growth(self, name: str) -> str | None:
        settled = self._seen[_WARM_UP:]
        if len(settled) < _STANDARD + _IN_A_ROW:
            return None
        standard = max(each[name] for each in settled[:_STANDARD])
        lately = [each[name] for each in settled[-_IN_A_ROW:]]
        if min(lately) <= standard + _TOLERANCE[name]:
            return None
        return f'{name}: there were {standard}, lately {lately}'

    def line(self) -> str:
        """Return what was seen last."""
        seen = self._seen[-1] if self._seen else _now()
        return ', '.join(f'{count} {name}' for name, count in seen.items())


def _trim() -> None:
    """Have the allocator give back what it keeps between what is in use."""
    # Others than the GNU one have no such function.
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)


def _now() -> dict[str, int]:
    kinds = collections.Counter(
        target.partition(':')[0] for target in resources.descriptors().values()
    )
    with open('/proc/self/statm') as file:
        pages = int(file.read().split()[1])
    return {
        'descriptors': kinds.total(),
        'sockets': kinds['socket'],
        'threads': threading.active_count(),
        'MiB of memory': pages * os.sysconf('SC_PAGE_SIZE') // 1024**2,
    }
