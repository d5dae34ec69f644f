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

"""Compare downloads with and without the plugin, from a real cloud.

Run it as ``tox -e demo``. It prints medians, since a single download on a busy
machine can take several times as long as the next one.
"""

import argparse
import collections.abc
import dataclasses
from importlib import metadata
import io
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from tests.servers import cloud
from tools import demo_commands

MIB = 1024 * 1024

#: Columns for the name of what is compared.
_NAME = 22

#: Whose downloads are compared: the names of the clouds of
#: :mod:`tests.servers.cloud` without and with the plugin.
_WAYS = ('plain', 'stream')

#: Runs one download in a process of its own, so that its memory is its own,
#: and prints the result.
_DOWNLOAD = """
import json
import sys
import time
import openstack

def memory(field):
    with open('/proc/self/status') as lines:
        for line in lines:
            if line.startswith(field):
                return int(line.split()[1]) * 1024

call, image, path = sys.argv[1:]
conn = openstack.connect()
conn.image.get_image(image)
before = memory('VmRSS')
began = time.perf_counter()
error = None
try:
    if call == 'output':
        conn.image.download_image(image, output=path)
    else:
        response = conn.image.download_image(image, stream=True)
        with open(path, 'wb') as file:
            for chunk in response.iter_content(1024 * 1024):
                file.write(chunk)
except Exception as exc:
    error = f'{type(exc).__name__}: {exc}'
print(json.dumps({
    'seconds': time.perf_counter() - began,
    'memory': memory('VmHWM') - before,
    'error': error,
}))
"""


@dataclasses.dataclass(frozen=True)
class _Call:
    """A call that is compared.

    :param name: How the program above knows it.
    :param title: The call, as a user writes it.
    :param verified: Whether the download is verified, with which of the ways.
    """

    name: str
    title: str
    verified: collections.abc.Mapping[str, bool]


_CALLS = (
    _Call(
        'output',
        'download_image(image, output=path)',
        {'plain': True, 'stream': True},
    ),
    _Call(
        'stream',
        'download_image(image, stream=True), written by iter_content',
        {'plain': False, 'stream': True},
    ),
)


@dataclasses.dataclass
class _Figures:
    """What was measured in several downloads of one kind."""

    seconds: list[float] = dataclasses.field(default_factory=list)
    memory: list[int] = dataclasses.field(default_factory=list)

    def times(self) -> str:
        """Return the median of the times, and the least and the most."""
        spread = f'{min(self.seconds):.1f}-{max(self.seconds):.1f} s'
        return f'{statistics.median(self.seconds):6.1f} s{spread:>14}'

    def most(self) -> str:
        """Return the median of the memory."""
        return f'{statistics.median(self.memory) / MIB:8.0f} MiB'


class _RandomBytes:
    """Random bytes as the content of an image: no two blocks are equal.

    :param size: How many there are.
    """

    def __init__(self, size: int) -> None:
        self._left = size
        self._size = size
        self._random = random.Random(0)

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        """Return some more of them."""
        count = min(self._left, MIB if size < 0 else min(size, MIB))
        self._left -= count
        return self._random.randbytes(count)

    def close(self) -> None:
        """Do nothing."""


class Demo:
    """Uploads two images, and compares downloads of them.

    :param running: The cloud.
    :param size: Of the image, in bytes.
    :param directory: Where to download to.
    :param runs: How many downloads of each kind are measured.
    """

    def __init__(
        self,
        running: cloud.Cloud,
        size: int,
        directory: pathlib.Path,
        runs: int = 3,
    ) -> None:
        self._cloud = running
        self._size = size
        self._output = directory / 'image.raw'
        self._runs = runs
        version = metadata.version('openstacksdk')
        self._names = {
            'plain': f'openstacksdk {version}',
            'stream': 'with the plugin',
        }

    def run(self) -> None:
        """Run all comparisons."""
        with _Step(f'Uploading an image of {self._size // MIB} MiB'):
            whole = self._upload(demo_commands.GOOD, self._size)
            damaged = self._upload(demo_commands.DAMAGED, self._size // 8)
            self._damage(damaged)
        print(
            'A second image, an eighth as large, has one bit flipped. Times'
            f' are medians of {self._runs},\nwith the fastest and the slowest;'
            ' memory is what the process grew by.'
        )
        for call in _CALLS:
            self._show_download(call, whole, damaged)
        self._show_openstackclient(whole)
        print(f'\n{_remark(os.getloadavg()[0], os.cpu_count() or 1)}')

    def _upload(self, name: str, size: int) -> str:
        return self._cloud.upload(name, lambda: _RandomBytes(size))

    def _damage(self, image_id: str) -> None:
        with self._cloud.stored_file(image_id).open('r+b') as stored:
            position = self._size // 16
            stored.seek(position)
            byte = stored.read(1)[0]
            stored.seek(position)
            stored.write(bytes([byte ^ 1]))

    def _show_download(self, call: _Call, whole: str, damaged: str) -> None:
        print(f'\n{call.title}')
        print(
            f'  {"":{_NAME}}{"time":>8}{"range":>14}{"memory":>12}  verified'
            '  the bit is flipped'
        )
        figures = {way: _Figures() for way in _WAYS}
        for way in self._in_turns():
            result = self._download(way, call.name, whole)
            figures[way].seconds.append(result['seconds'])
            figures[way].memory.append(result['memory'])
        for way in _WAYS:
            error = self._download(way, call.name, damaged)['error']
            print(
                f'  {self._names[way]:{_NAME}}{figures[way].times()}'
                f'{figures[way].most()}'
                f'  {"yes" if call.verified[way] else "NO":8}'
                f'  {_consequence(call.name, error, self._output)}'
            )
            self._output.unlink(missing_ok=True)

    def _show_openstackclient(self, image_id: str) -> None:
        print('\nopenstack image save --file path image')
        print(f'  {"":{_NAME}}{"time":>8}{"range":>14}  verified')
        figures = {way: _Figures() for way in _WAYS}
        start = _Figures()
        for way in self._in_turns():
            save = ('image', 'save', '--file', str(self._output), image_id)
            figures[way].seconds.append(self._openstack(way, *save))
            self._output.unlink()
        for _ in range(self._runs):
            start.seconds.append(
                self._openstack('plain', 'image', 'show', image_id)
            )
        for way in _WAYS:
            print(f'  {self._names[way]:{_NAME}}{figures[way].times()}  yes')
        print(
            f'  {"start of the command":{_NAME}}{start.times()}'
            '  (openstack image show)'
        )

    def _openstack(self, way: str, *arguments: str) -> float:
        """Run openstackclient, and return how long it took."""
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, '-m', 'openstackclient.shell', *arguments],
            env=self._environment(way),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - began

    def _in_turns(self) -> collections.abc.Iterator[str]:
        # A moment at which the machine is busy then hits both.
        for _ in range(self._runs):
            yield from _WAYS

    def _download(self, way: str, call: str, image_id: str) -> Any:
        self._output.unlink(missing_ok=True)
        printed = subprocess.run(
            [sys.executable, '-c', _DOWNLOAD, call, image_id, self._output],
            env=self._environment(way),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        return json.loads(printed)

    def _environment(self, way: str) -> dict[str, str]:
        # Deprecations inside upstream are of no interest here.
        return {**self._cloud.environment(way), 'PYTHONWARNINGS': 'ignore'}


class _Step:
    """Prints what is being done, and how long it took."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        print(f'{self._what} ... ', end='', flush=True)
        self._began = time.perf_counter()

    def __exit__(self, exc_type: object, *rest: object) -> None:
        if exc_type is None:
            print(f'done in {time.perf_counter() - self._began:.0f} s')
        else:
            print('failed')


def _consequence(call: str, error: str | None, output: pathlib.Path) -> str:
    """Return what came of the download of the damaged image."""
    if not error:
        return 'not noticed: a bad file'
    noticed = error.partition(':')[0]
    if not output.exists():
        return f'{noticed}, no file'
    if call == 'stream':
        # This file is the caller's own.
        return f'{noticed} before the last chunk'
    return f'{noticed}, and a bad file'


def _remark(load: float, processors: int) -> str:
    """Return how much the times can be relied on.

    :param load: The load average of the machine.
    :param processors: How many processors it has.
    """
    text = (
        'The plugin hashes on a second core, if one is free, and waits until'
        ' the file is on the disk,\nwhich openstacksdk leaves to the system.'
        ' A verified download takes at least as long as the hash.'
    )
    if load > processors:
        text += (
            f'\nThis machine was busy (load average {load:.1f} on'
            f' {processors} cores): compare memory and results here, and the'
            ' times\non an idle machine.'
        )
    return text


def main() -> int:
    """Run the demonstration.

    :returns: The exit status.
    """
    parser = argparse.ArgumentParser(
        prog='tox -e demo --',
        description='Download a real image with and without the plugin.',
    )
    parser.add_argument(
        '--size',
        type=int,
        default=512,
        metavar='MIB',
        help='size of the image in MiB (default: %(default)s)',
    )
    parser.add_argument(
        '--keep',
        action='store_true',
        help='leave the cloud running at the end, until Ctrl-C',
    )
    arguments = parser.parse_args()
    if arguments.size < 8:
        parser.error('--size must be at least 8')
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Also into a pipe, as each comparison is made.
        sys.stdout.reconfigure(line_buffering=True)
    try:
        with _Step('Starting a real Keystone and a real Glance'):
            running = cloud.Cloud.start()
        with running, tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            Demo(running, arguments.size * MIB, directory).run()
            # Its images have another hash.
            with cloud.Cloud.start(hashing_algorithm='sha256') as other:
                demo_commands.Commands(running, other, directory).run()
            if arguments.keep:
                print(f'\n{running.how_to()}', flush=True)
                threading.Event().wait()
    except KeyboardInterrupt:
        print('\nStopped.', file=sys.stderr)
    except cloud.CloudError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
