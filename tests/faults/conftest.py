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

"""The options, the table, and where the downloads take place."""

import collections.abc
import pathlib
import random
from typing import Any

import pytest

from tests.faults import attempt
from tests.faults.catalogue import base
from tests.faults import table as _table

_TABLE = pytest.StashKey[_table.Table]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what ``tox -e faults`` gives."""
    group = parser.getgroup('faults')
    group.addoption(
        '--all-faults',
        action='store_true',
        help='every fault at many places, and other programs beside it',
    )
    group.addoption(
        '--faults-csv',
        type=pathlib.Path,
        metavar='PATH',
        help='where to write the table for the documentation',
    )
    group.addoption(
        '--faults-seed', type=int, default=0, help='for the random places'
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin a table."""
    config.stash[_TABLE] = _table.Table()
    config.addinivalue_line('markers', 'peers: other programs beside it')
    config.addinivalue_line('markers', 'thorough: not in the short selection')
    attempt.preload(peers=config.getoption('--all-faults'))


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave the other programs and more out of the short selection."""
    if not config.getoption('--all-faults'):
        items[:] = [
            item
            for item in items
            if not item.get_closest_marker('peers')
            and not item.get_closest_marker('thorough')
        ]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the table in where several processes run the tests."""
    output = getattr(session.config, 'workeroutput', None)
    if output is not None:
        output['faults'] = session.config.stash[_TABLE].as_data()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the table of one of several processes."""
    output = getattr(node, 'workeroutput', {})
    node.config.stash[_TABLE].merge(output.get('faults', []))


def pytest_terminal_summary(
    terminalreporter: Any, config: pytest.Config
) -> None:
    """Print the table, and write it down where that is asked for."""
    table = config.stash[_TABLE]
    if not table:
        return
    terminalreporter.section('faults')
    table.print(terminalreporter._tw._file)
    path = config.getoption('--faults-csv')
    if path is not None:
        path.write_text(table.as_csv())


@pytest.fixture(scope='session')
def table(pytestconfig: pytest.Config) -> _table.Table:
    """The table of this run."""
    return pytestconfig.stash[_TABLE]


@pytest.fixture
def note(
    table: _table.Table, request: pytest.FixtureRequest
) -> collections.abc.Callable[..., None]:
    """A function that writes down what this test saw of the plugin."""
    test = f'{request.path.name}::{request.node.name}'

    def write_down(
        fault: base.Fault,
        outcome: attempt.Outcome,
        *,
        again: int | None = None,
    ) -> None:
        table.note(fault, test, outcome, again=again)

    return write_down


@pytest.fixture(scope='session')
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether everything is asked for, not the short selection."""
    return bool(pytestconfig.getoption('--all-faults'))


@pytest.fixture(scope='session')
def positions(
    pytestconfig: pytest.Config, thorough: bool
) -> collections.abc.Callable[[int], list[int]]:
    """A function that picks the bytes of an image to go wrong at."""
    seed = pytestconfig.getoption('--faults-seed')

    def pick(size: int) -> list[int]:
        chosen = [size // 2]
        if thorough:
            chance = random.Random(seed)
            chosen += [0, 1, size - 1]
            chosen += [chance.randrange(size) for _ in range(4)]
        return chosen

    return pick
