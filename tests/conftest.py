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

"""The option that all tests with a real cloud share."""

from collections.abc import Callable
import os
import pathlib
from typing import Any

import pytest

#: Returns where a cloud of a name is to be kept, ``None`` if it is not.
KeptDirectory = Callable[[str], pathlib.Path | None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the option that keeps the clouds."""
    parser.addoption(
        '--keep-cloud',
        type=pathlib.Path,
        metavar='DIRECTORY',
        help='leave the clouds there, with their logs and images; must be '
        'new or empty',
    )


def pytest_terminal_summary(
    terminalreporter: Any, config: pytest.Config
) -> None:
    """Say where the clouds are."""
    directory = config.getoption('--keep-cloud')
    if directory is not None and directory.is_dir():
        terminalreporter.section('clouds')
        for path in sorted(directory.resolve().iterdir()):
            logs = ', '.join(sorted(log.name for log in path.glob('*.log')))
            terminalreporter.write_line(f'{path}: {logs}')


@pytest.fixture(scope='session')
def kept_directory(pytestconfig: pytest.Config) -> KeptDirectory:
    """Where each cloud of this run is to be kept, by its name."""
    parent = pytestconfig.getoption('--keep-cloud')

    def directory(name: str) -> pathlib.Path | None:
        if parent is None:
            return None
        worker = os.environ.get('PYTEST_XDIST_WORKER', '')
        kept: pathlib.Path = parent / '-'.join(filter(None, (name, worker)))
        return kept

    return directory
