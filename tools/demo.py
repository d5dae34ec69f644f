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

Run it as ``tox -e demo``.
"""

import argparse
from importlib import metadata
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from tests.servers import cloud

MIB = 1024 * 1024

#: Columns for the name of what is compared.
_NAME = 22

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

#: The calls that are compared, as a user writes them.
_CALLS = {
    'output': 'download_image(image, output=path)',
    'stream': 'download_image(image, stream=True), written by iter_content',
}


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
    """

    _WAYS = ('plain', 'stream')

    def __init__(
        self, running: cloud.Cloud, size: int, directory: pathlib.Path
    ) -> None:
        self._cloud = running
        self._size = size
        self._output = directory / 'image.raw'
        version = metadata.version('openstacksdk')
        self._names = {
            'plain': f'openstacksdk {version}',
            'stream': 'with the plugin',
        }
        self._image_id = ''

    def run(self) -> None:
        """Run all comparisons."""
        with _Step(f'Uploading an image of {self._size // MIB} MiB'):
            whole = self._upload('demo', self._size)
            damaged = self._upload('demo-damaged', self._size // 8)
            self._damage(damaged)
        print('A second image, an eighth as large, has one bit flipped.')
        for call, words in _CALLS.items():
            self._show_download(call, words, whole, damaged)
        self._show_openstackclient(whole)

    def _upload(self, name: str, size: int) -> str:
        return self._cloud.upload(name, lambda: _RandomBytes(size))

    def _damage(self, image_id: str) -> None:
        with self._cloud.stored_file(image_id).open('r+b') as stored:
            position = self._size // 16
            stored.seek(position)
            byte = stored.read(1)[0]
            stored.seek(position)
            stored.write(bytes([byte ^ 1]))

    def _show_download(
        self, call: str, words: str, whole: str, damaged: str
    ) -> None:
        print(f'\n{words}')
        print(f'  {"":{_NAME}}{"time":>8}{"memory":>12}   damage noticed')
        for way in self._WAYS:
            result = self._download(way, call, whole)
            self._output.unlink()
            after = self._download(way, call, damaged)
            print(
                f'  {self._names[way]:{_NAME}}'
                f'{result["seconds"]:6.1f} s'
                f'{result["memory"] / MIB:8.0f} MiB   '
                f'{_consequence(call, after["error"], self._output)}'
            )
            self._output.unlink(missing_ok=True)

    def _show_openstackclient(self, image_id: str) -> None:
        print('\nopenstack image save --file path image')
        print(f'  {"":{_NAME}}{"time":>8}')
        for way in self._WAYS:
            began = time.perf_counter()
            subprocess.run(
                [
                    *(sys.executable, '-m', 'openstackclient.shell'),
                    *('image', 'save', '--file', self._output, image_id),
                ],
                env=self._environment(way),
                check=True,
            )
            seconds = time.perf_counter() - began
            self._output.unlink()
            print(f'  {self._names[way]:{_NAME}}{seconds:6.1f} s')

    def _download(self, way: str, call: str, image_id: str) -> Any:
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
    if not error:
        return 'no, the bad file is accepted'
    noticed = f'yes, {error.partition(":")[0]}'
    if not output.exists():
        return f'{noticed}; no file is left'
    size = f'{output.stat().st_size // MIB} MiB'
    if call == 'stream':
        # This file is the caller's own.
        return f'{noticed} after {size}'
    return f'{noticed}; a bad file of {size} is left'


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
    try:
        with _Step('Starting a real Keystone and a real Glance'):
            running = cloud.Cloud.start()
        with running, tempfile.TemporaryDirectory() as directory:
            Demo(running, arguments.size * MIB, pathlib.Path(directory)).run()
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
