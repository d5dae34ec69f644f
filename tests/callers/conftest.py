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

"""The service that all of these tests share."""

from collections.abc import Iterator
import pathlib

import pytest

from tests import processes
from tests.servers import certificates
from tests.servers import control

_HERE = pathlib.Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what ``tox -e callers`` gives."""
    group = parser.getgroup('callers')
    group.addoption(
        '--all-callers',
        action='store_true',
        help='every bad caller in every mode',
    )


def pytest_configure(config: pytest.Config) -> None:
    """Get ready for processes."""
    config.addinivalue_line('markers', 'every: not in the short selection')
    processes.preload()


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave some out of the short selection."""
    if not config.getoption('--all-callers'):
        items[:] = [
            item
            for item in items
            if not item.get_closest_marker('every')
            or _HERE not in item.path.parents
        ]


@pytest.fixture(scope='session')
def every(pytestconfig: pytest.Config) -> bool:
    """Whether everything is asked for, not the short selection."""
    return bool(pytestconfig.getoption('--all-callers'))


@pytest.fixture(scope='session')
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A certificate for 127.0.0.1 and its key, by their path."""
    path = tmp_path_factory.mktemp('tls') / 'service.pem'
    certificates.write(path)
    return str(path)


@pytest.fixture(scope='session')
def secure(certificate: str) -> Iterator[control.Remote]:
    """A service that speaks TLS, by its remote control."""
    with control.started(certificate) as started:
        yield started


@pytest.fixture(scope='session')
def remote() -> Iterator[control.Remote]:
    """A service, by its remote control."""
    with control.started() as started:
        yield started
