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

"""What the programs have in common that judge images by the rules of others.

Each service keeps its settings in one object of the process, and two of them
do not fit into one. So each is a program of its own, such as ``python -m
tests.oracles.by_nova FOLDER``, which judges every image in a folder under
every disk_format and prints its verdicts.
"""

from collections.abc import Callable, Mapping
import importlib.metadata
import json
import pathlib
import sys

#: Names of parts of a machine image.
AMAZON = ('aki', 'ami', 'ari')

#: Every disk_format that the plugin can check.
DISK_FORMATS = (
    *AMAZON,
    'gpt',
    'iso',
    'luks',
    'qcow2',
    'qed',
    'raw',
    'vdi',
    'vhd',
    'vhdx',
    'vmdk',
)

#: Says why an image with a disk_format is refused; ``None`` if it is not.
Judge = Callable[[pathlib.Path, str], str | None]

#: Why images are refused, by their name and disk_format.
Verdicts = dict[str, dict[str, str | None]]


def version(*packages: str) -> str:
    """Return the names of packages with their versions."""
    return ', '.join(
        f'{package} {importlib.metadata.version(package)}'
        for package in packages
    )


def verdicts(folder: pathlib.Path, judge: Judge) -> Verdicts:
    """Judge every image in a folder under every disk_format."""
    return {
        path.name: {name: judge(path, name) for name in DISK_FORMATS}
        for path in sorted(folder.iterdir())
    }


def main(judges: Mapping[str, Judge], version: str) -> None:
    """Print the verdicts about the images in a folder.

    :param judges: By the name of the oracle.
    :param version: What they are, with its version.
    """
    folder = pathlib.Path(sys.argv[1])
    result = {
        name: {'version': version, 'verdicts': verdicts(folder, judge)}
        for name, judge in judges.items()
    }
    json.dump(result, sys.stdout)
