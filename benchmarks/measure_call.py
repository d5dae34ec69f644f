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

Connects, says ``ready``, waits for a line, downloads, and prints what it
took, as JSON.

Usage: python -m benchmarks.measure_call WAY IMAGE OUTPUT OPTIONS
"""

import collections.abc
import hashlib
import json
import pathlib
import resource
import sys
import time
import typing

import openstack

_MIB = 1024 * 1024

#: Bytes that are hashed at a time.
_CHUNK = 4 * _MIB

_Options = dict[str, typing.Any]

#: Returns how many bytes the caller was given, None if a file got them.
_Call = collections.abc.Callable[[], int | None]


class Cost:
    """What a call takes: a context manager around it.

    Its attributes are there when it is left: ``wall`` and ``cpu`` in seconds,
    ``memory``, by how many bytes the peak grew.
    """

    def __enter__(self) -> 'Cost':
        # Reset the peak to what the process has now.
        pathlib.Path('/proc/self/clear_refs').write_text('5')
        self._memory = _status('VmRSS')
        self._cpu = _cpu()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.wall = time.perf_counter() - self._began
        self.cpu = _cpu() - self._cpu
        self.memory = _status('VmHWM') - self._memory


def to_path(image_id: str, output: str, options: _Options) -> _Call:
    """Have it written to a file."""
    conn = _connected(image_id)

    def call() -> None:
        conn.image.download_image(image_id, output=output, **options)

    return call


def to_stream(image_id: str, output: str, options: _Options) -> _Call:
    """Read it in chunks, and discard them."""
    conn = _connected(image_id)

    def call() -> int:
        with conn.image.download_image(
            image_id, stream=True, **options
        ) as response:
            return sum(map(len, response.iter_content(_MIB)))

    return call


def to_memory(image_id: str, output: str, options: _Options) -> _Call:
    """Take all of it at once."""
    conn = _connected(image_id)

    def call() -> int:
        return len(conn.image.download_image(image_id, **options).content)

    return call


def digest(path: str, output: str, options: _Options) -> _Call:
    """Hash what is in memory, the bytes of a file, and nothing else."""
    with open(path, 'rb') as file:
        chunks = list(iter(lambda: file.read(_CHUNK), b''))

    def call() -> int:
        sha512 = hashlib.sha512()
        for chunk in chunks:
            sha512.update(chunk)
        sha512.digest()
        return sum(map(len, chunks))

    return call


WAYS: dict[str, collections.abc.Callable[[str, str, _Options], _Call]] = {
    'path': to_path,
    'stream': to_stream,
    'memory': to_memory,
    'digest': digest,
}


def main(arguments: list[str]) -> None:
    """Prepare, wait, measure.

    :param arguments: The way, the image, the output, and the options as JSON.
    """
    way, image, output, options = arguments
    call = WAYS[way](image, output, json.loads(options))
    print('ready', flush=True)
    sys.stdin.readline()
    with Cost() as cost:
        received = call()
    print(json.dumps({**_public(cost), 'received': received}), flush=True)


def _connected(image_id: str) -> typing.Any:
    """Connect, with all that is done or loaded but once in the place."""
    conn = openstack.connect()
    conn.image.get_image(image_id)
    return conn


def _public(cost: Cost) -> dict[str, float]:
    return {'wall': cost.wall, 'cpu': cost.cpu, 'memory': cost.memory}


def _cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(
            resource.getrusage,
            (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN),
        )
    )


def _status(field: str) -> int:
    """Return one of the sizes of this process, in bytes."""
    for line in pathlib.Path('/proc/self/status').read_text().splitlines():
        name, _, value = line.partition(':')
        if name == field:
            return int(value.split()[0]) * 1024
    raise LookupError(field)


if __name__ == '__main__':
    main(sys.argv[1:])
