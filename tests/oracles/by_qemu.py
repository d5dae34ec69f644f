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

"""Judges images by what ``qemu-img info`` says about them.

qemu opens anything. What is refused here is what it has to open other files
for, and what it takes for another format than was announced. A part of a
machine image may be of any.
"""

import functools
import json
import pathlib
import subprocess
from typing import Any

from tests.oracles import judging

#: What qemu calls a disk_format where it has another name for it.
_NAMES = {'vhd': 'vpc', 'gpt': 'raw', 'iso': 'raw'}

#: Where nova, too, reads what a VMDK refers to.
_ONE_FILE = ('monolithicSparse', 'streamOptimized')


@functools.cache
def info(path: pathlib.Path) -> dict[str, Any] | str:
    """Return what qemu-img says about an image; a text if it cannot."""
    process = subprocess.run(
        ['qemu-img', 'info', '--output=json', str(path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if process.returncode:
        return process.stderr
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def by_info(path: pathlib.Path, disk_format: str) -> str | None:
    """Say why an image is refused."""
    found = info(path)
    if isinstance(found, str):
        return found
    actual = found['format']
    announced = _NAMES.get(disk_format, disk_format)
    if disk_format not in judging.AMAZON and actual != announced:
        return f'it is {actual}'
    specific = found.get('format-specific', {}).get('data', {})
    for others in ('backing-filename', 'data-file'):
        if others in found or others in specific:
            return f'it has a {others}'
    if actual == 'vmdk' and specific['create-type'] not in _ONE_FILE:
        return 'it has its data in other files'
    return None


def main() -> None:
    """Print the verdicts about the images in a folder."""
    process = subprocess.run(
        ['qemu-img', '--version'], capture_output=True, text=True, check=True
    )
    judging.main({'qemu-img': by_info}, process.stdout.splitlines()[0])


if __name__ == '__main__':
    main()
