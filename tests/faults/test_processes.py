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

"""Several processes that download to one name at the same time."""

from collections.abc import Callable
import contextlib
import pathlib
import random
import time

import pytest

from tests.faults import attempt
from tests.faults.catalogue import processes
from tests.faults import clients
from tests.faults import local_download
from tests.faults import table as _table


_each_fault = pytest.mark.parametrize(
    'fault',
    processes.SHARED_PATH,
    ids=[fault.name for fault in processes.SHARED_PATH],
)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """The dice of a test."""
    seed = request.config.getoption('--faults-seed')
    return random.Random(f'{seed} {request.node.name}')


def _outcomes(
    on: local_download.LocalDownload,
    way: clients.Client,
    fault: processes.SharedPath,
    chance: random.Random,
) -> list[attempt.Outcome]:
    """Return what came of the processes; first those to be killed."""
    with contextlib.ExitStack() as stack:
        crowd = [
            stack.enter_context(on.start(way, prepare=fault.prepare))
            for _ in range(fault.count)
        ]
        # The first of them has the partial file that all would like.
        for running in crowd[: fault.killed]:
            time.sleep(
                chance.uniform(0, 1.2 * local_download.DURATION / fault.killed)
            )
            running.process.kill()
        return [running.outcome() for running in crowd]


def _left(on: local_download.LocalDownload) -> set[pathlib.Path]:
    """Return what is in the directory beside the image."""
    return {
        path
        for path in on.path.parent.iterdir()
        # The one that could not be locked stays, empty.
        if path != on.path and (path != on.shared or path.stat().st_size)
    }


@_each_fault
@pytest.mark.parametrize(
    'mode',
    ['path', pytest.param('connections', marks=pytest.mark.thorough)],
)
def test_plugin(
    fault: processes.SharedPath,
    mode: str,
    chance: random.Random,
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """None is in the way of another."""
    way = clients.PLUGIN[mode]
    with local_download.LocalDownload(tmp_path, old=local_download.OLD) as on:
        on.slow_down()
        outcomes = _outcomes(on, way, fault, chance)
        for outcome in outcomes:
            note(fault, outcome)
        for outcome in outcomes[fault.killed :]:
            assert outcome.error is None, outcome
            assert outcome.content == 'right'
        assert on.content() == on.data
        if not fault.killed and fault.prepare is None:
            # Each has a partial file of its own.
            assert on.sent() == fault.count * len(on.data)
        left = _left(on)
        assert len(left) <= fault.killed
        # Nobody is left who keeps a partial file from being finished.
        before = on.restart()
        kept = on.shared.stat().st_size if on.shared.exists() else 0
        outcome = on.run(way, prepare=fault.prepare)
        note(fault, outcome)
        assert outcome.error is None, outcome
        assert on.sent() - before == max(1, len(on.data) - kept)
        assert _left(on) == left - {on.shared}


@pytest.mark.peers
@pytest.mark.parametrize(
    'fault',
    # They take no locks.
    [fault for fault in processes.SHARED_PATH if fault.prepare is None],
    ids=lambda fault: fault.name,
)
def test_peers(
    fault: processes.SharedPath,
    chance: random.Random,
    tmp_path: pathlib.Path,
    table: _table.Table,
) -> None:
    """What others make of it is written down, whatever it is."""
    for peer, way in clients.PEERS.items():
        with local_download.LocalDownload(tmp_path / peer) as on:
            on.slow_down()
            outcomes = _outcomes(on, way, fault, chance)
        summaries = [
            outcome.summary(len(on.data))
            for outcome in outcomes[fault.killed :]
        ]
        bad = [word for word in summaries if word != 'right']
        table.row(fault, '').peers[peer] = (
            f'{len(bad)} of {len(summaries)}: {bad[0]}' if bad else 'right'
        )
