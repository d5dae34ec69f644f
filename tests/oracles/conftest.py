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

"""The verdicts of the plugin and of the oracles, and how many are the same."""

import functools
import json
import logging
import lzma
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest

from openstack_image_stream._check import detection
from openstack_image_stream._check import formats
from openstack_image_stream import exceptions
from tests.oracles import judging

ROOT = pathlib.Path(__file__).parents[2]
IMAGES = ROOT / 'tests' / 'data' / 'images'

#: What the option is set to for the comparison with an oracle, if not to True.
CHECK_FORMAT = {'ironic-permitted': ['raw', 'gpt', 'qcow2', 'iso']}

#: The oracles, and which program each is in.
ORACLES = {
    'nova-inspection': 'by_nova',
    'nova-download': 'by_nova',
    'glance': 'by_glance',
    'ironic': 'by_ironic',
    'ironic-permitted': 'by_ironic',
    'qemu-img': 'by_qemu',
}

#: Those that are not there where the system's packages lack qemu-img. Nothing
#: else may be missing.
ABSENT = () if shutil.which('qemu-img') else ('nova-download', 'qemu-img')

PRESENT = [name for name in ORACLES if name not in ABSENT]


class Results:
    """What the plugin and the oracles say about the images.

    :param folder: The images, as files.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        #: Lines for the end of the output, by the name of the oracle.
        self.lines: dict[str, list[str]] = {}

    @functools.cache  # noqa: B019 - there is one for all tests
    def _program(self, name: str) -> Any:
        process = subprocess.run(
            [sys.executable, '-m', f'tests.oracles.{name}', self._folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout)

    def oracle(self, name: str) -> judging.Verdicts:
        """Return the verdicts of an oracle."""
        result = self._program(ORACLES[name])[name]
        self.lines[name] = [result['version']]
        verdicts: judging.Verdicts = result['verdicts']
        return verdicts

    def plugin(self, oracle: str) -> judging.Verdicts:
        """Return the plugin's verdicts, to compare with an oracle's."""
        check_format = CHECK_FORMAT.get(oracle, True)
        return judging.verdicts(
            self._folder, functools.partial(by_plugin, check_format)
        )


def by_plugin(
    check_format: object, path: pathlib.Path, disk_format: str
) -> str | None:
    """Say why the plugin refuses an image."""
    try:
        observer = formats.FormatObserver(disk_format, 'bare', check_format)
        with path.open('rb') as file:
            while chunk := file.read(detection.BLOCK):
                observer.update(chunk)
        observer.finish()
    except exceptions.UnsafeImageError as exc:
        return str(exc)
    return None


_RESULTS = pytest.StashKey[Results]()


@pytest.fixture(scope='session')
def results(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Results:
    """What the plugin and the oracles say about the images."""
    # The inspectors log a line about most images.
    logging.getLogger('oslo_utils').setLevel(logging.CRITICAL)
    folder = tmp_path_factory.mktemp('images')
    for packed in IMAGES.glob('*.xz'):
        data = lzma.decompress(packed.read_bytes())
        (folder / packed.stem).write_bytes(data)
    found = Results(folder)
    pytestconfig.stash[_RESULTS] = found
    return found


def pytest_terminal_summary(
    terminalreporter: Any, config: pytest.Config
) -> None:
    """Say which oracles took part, and how many verdicts are the same."""
    terminalreporter.section('oracles')
    found = config.stash.get(_RESULTS, None)
    for name, (first, *others) in found.lines.items() if found else ():
        terminalreporter.write_line(f'{name}: {first}')
        for line in others:
            terminalreporter.write_line(f'    {line}')
    for name in ABSENT:
        terminalreporter.write_line(
            f'{name}: TOOK NO PART, as there is no qemu-img'
        )
