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

"""Measure one call of the API, in a process of its own.

Reads its job from standard input, a line of JSON, connects, says ``ready``,
waits for a line, does the job, and prints what that took, as JSON.

Usage: python -m benchmarks.measure_call
"""

import json
import pathlib
import resource
import sys
import time

from benchmarks import measure_command
from benchmarks import ways


class Cost:
    """What a call takes: a context manager around it.

    Its attributes are there when it is left: ``wall`` and ``cpu`` in seconds,
    ``busy``, the same of all processes of the machine, ``memory``, by how many
    bytes the peak grew, and ``written``, bytes for any disk.
    """

    def __enter__(self) -> 'Cost':
        # Reset the peak to what the process has now.
        pathlib.Path('/proc/self/clear_refs').write_text('5')
        self._memory = _status('VmRSS')
        self._cpu = _cpu()
        self._written = _written()
        self._busy = measure_command.busy()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.wall = time.perf_counter() - self._began
        self.busy = measure_command.busy() - self._busy
        self.cpu = _cpu() - self._cpu
        self.written = _written() - self._written
        self.memory = _status('VmHWM') - self._memory


def main() -> None:
    """Prepare, wait, measure."""
    job = ways.Job(**json.loads(sys.stdin.readline()))
    call = ways.WAYS[job.way](job)
    print('ready', flush=True)
    sys.stdin.readline()
    with Cost() as cost:
        received = call()
    figures = ('wall', 'cpu', 'busy', 'memory', 'written')
    print(
        json.dumps(
            {
                **{name: getattr(cost, name) for name in figures},
                'received': received,
            }
        ),
        flush=True,
    )


def _cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(
            resource.getrusage,
            (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN),
        )
    )


def _written() -> int:
    """Return the bytes that were written for a disk, at once or later."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_oublock * measure_command.BLOCK


def _status(field: str) -> int:
    """Return one of the sizes of this process, in bytes."""
    for line in pathlib.Path('/proc/self/status').read_text().splitlines():
        name, _, value = line.partition(':')
        if name == field:
            return int(value.split()[0]) * 1024
    raise LookupError(field)


if __name__ == '__main__':
    main()
