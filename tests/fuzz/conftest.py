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

"""How much is tried, and the report of what came of it."""

from collections.abc import Iterator
import random
from typing import Any

import hypothesis
import pytest

from tests.fuzz import cloud as _cloud
from tests.fuzz import targets

#: Examples of each test where nothing is said.
_FEW = 40


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for a long search."""
    parser.addoption(
        '--examples',
        type=int,
        help='random examples of each test, instead of a few that are the '
        'same at every run; --hypothesis-seed repeats them',
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose how examples are made up."""
    common: dict[str, Any] = {
        # A shared machine stalls when it likes.
        'deadline': None,
        'suppress_health_check': [hypothesis.HealthCheck.too_slow],
        'database': None,
    }
    hypothesis.settings.register_profile(
        'default', derandomize=True, max_examples=_FEW, **common
    )
    examples = config.getoption('--examples', default=None)
    hypothesis.settings.register_profile(
        'long', max_examples=examples or _FEW, print_blob=True, **common
    )
    hypothesis.settings.load_profile('long' if examples else 'default')
    if examples and config.option.hypothesis_seed is None:
        # Hypothesis would choose one for each test, and tell of none.
        config.option.hypothesis_seed = str(random.getrandbits(32))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts in where several processes run the tests."""
    output = getattr(session.config, 'workeroutput', None)
    if output is not None:
        output['fuzz'] = targets.as_data()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the counts of one of several processes."""
    targets.merge(getattr(node, 'workeroutput', {}).get('fuzz', []))


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    """Write what was tried, and what came of it."""
    terminalreporter.section('fuzzing')
    for line in targets.table():
        terminalreporter.write_line(line)
    if config.getoption('--examples', default=None):
        terminalreporter.write_line(
            f'repeat with --hypothesis-seed {config.option.hypothesis_seed}'
        )


@pytest.fixture(scope='session')
def cloud() -> Iterator[_cloud.Cloud]:
    """A cloud with a Glance that says what it is told to."""
    with _cloud.Cloud() as found:
        yield found
