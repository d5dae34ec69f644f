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

"""Processes that end in the middle of a download."""

from collections.abc import Callable
import contextlib
import os
import pathlib
import random
import time

import pytest

from tests.faults import attempt
from tests.faults.catalogue import processes as faults
from tests.faults import clients
from tests.faults import local_download
from tests.faults import machine
from tests.faults import table as _table
from tests import processes

#: Seconds within which an interrupted process has to end. It takes a small
#: part of one; a silent server would keep it for a minute.
SOON = 5.0

#: Bytes that others are sent before it happens.
SAID = 6 * local_download.MIB


_each_fault = pytest.mark.parametrize(
    'fault', faults.SIGNALS, ids=[fault.name for fault in faults.SIGNALS]
)
_each_mode = pytest.mark.parametrize('mode', local_download.TO_PATH)


@pytest.fixture
def moments(request: pytest.FixtureRequest, thorough: bool) -> list[float]:
    """Seconds from the start of a process, up to a little after its end."""
    seed = request.config.getoption('--faults-seed')
    # Each test has moments of its own.
    chance = random.Random(f'{seed} {request.node.name}')
    count = 3 if thorough else 1
    return [
        chance.uniform(0, 1.3 * local_download.DURATION) for _ in range(count)
    ]


def _send(running: attempt.Running, number: int) -> None:
    # It may have ended by itself.
    if running.process.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.process.pid, number)


def _again(
    on: local_download.LocalDownload, way: clients.Client
) -> attempt.Outcome:
    """Repeat a call, and see that it fetches what is missing."""
    kept, before = on.kept(), on.restart()
    outcome = on.run(way)
    assert outcome.error is None, outcome
    assert outcome.content == 'right'
    assert outcome.others == ()
    # There has to be a response, so that one byte is asked for in any case.
    assert on.sent() - before == max(1, len(on.data) - kept)
    return outcome


@_each_fault
@_each_mode
def test_plugin(
    fault: faults.SignalFault,
    mode: str,
    moments: list[float],
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """There is the old file or the image; the next call resumes."""
    way = clients.PLUGIN[mode]
    for index, moment in enumerate(moments):
        old = local_download.OLD if index % 2 else None
        with local_download.LocalDownload(
            tmp_path / str(index), old=old
        ) as on:
            on.slow_down()
            with on.start(way, prepare=machine.be_interruptible) as running:
                time.sleep(moment)
                _send(running, fault.number)
                outcome = running.outcome(SOON)
            note(fault, outcome)
            # A signal before the download began finds nobody who reports.
            assert outcome.error in (None, 'died', fault.ends), outcome
            assert outcome.content == 'right' or on.content() == old
            assert len(outcome.others) <= 1
            done = outcome.content == 'right'
            outcome = _again(on, way)
            again = None if done else on.sent() - len(on.data)
            note(fault, outcome, again=again)


@pytest.mark.parametrize(
    ('mode', 'said', 'kept'),
    [
        ('path', 10 * local_download.MIB, 8 * local_download.MIB),
        # What has arrived of the first part is written, in whole chunks.
        (
            'connections',
            6 * local_download.MIB + local_download.MIB // 2,
            6 * local_download.MIB,
        ),
    ],
    ids=['path', 'connections'],
)
def test_silent_server(
    mode: str,
    said: int,
    kept: int,
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """Nobody has to wait until the server says something."""
    way = clients.PLUGIN[mode]
    with local_download.LocalDownload(tmp_path, old=local_download.OLD) as on:
        on.change(silent_after=said)
        with on.start(way, prepare=machine.be_interruptible) as running:
            processes.wait_for(lambda: on.glance.sent >= said)
            assert on.grown(running.process, kept)
            _send(running, faults.SILENT.number)
            outcome = running.outcome(SOON)
        note(faults.SILENT, outcome)
        assert outcome.error == faults.SILENT.ends, outcome
        assert on.content() == local_download.OLD
        assert kept <= on.kept() <= said
        note(faults.SILENT, _again(on, way), again=on.sent() - len(on.data))


@pytest.mark.peers
@pytest.mark.parametrize(
    'fault', [*faults.SIGNALS, faults.SILENT], ids=lambda fault: fault.name
)
def test_peers(
    fault: faults.SignalFault, tmp_path: pathlib.Path, table: _table.Table
) -> None:
    """What others make of it is written down, whatever it is."""

    def see(peer: str, way: clients.Client) -> str:
        with local_download.LocalDownload(tmp_path / peer) as on:
            if fault is faults.SILENT:
                on.change(silent_after=SAID)
            else:
                on.slow_down()
            with on.start(way, prepare=machine.be_interruptible) as running:
                # Not all of them write what they have.
                processes.wait_for(lambda: on.glance.sent >= SAID)
                _send(running, fault.number)
                outcome = running.outcome(SOON)
        return outcome.summary(len(on.data))

    table.row(fault, '').peers.update(local_download.each_peer(see))
