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

"""Faults of the place that is written to: full, limited, not writable."""

from collections.abc import Callable
from concurrent import futures
import dataclasses
import errno
import multiprocessing
import pathlib

import pytest

from tests.faults.catalogue import disks
from tests.faults import clients
from tests.faults import local_download
from tests.faults import machine
from tests.faults import table as _table


@pytest.fixture(scope='session')
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> disks.LocalFault:
    """The full disk, as it can be had on this machine."""
    fault = disks.FAULTS[0]
    with futures.ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context('forkserver')
    ) as pool:
        trial = pool.submit(
            machine.can_mount, tmp_path_factory.mktemp('trial')
        )
        try:
            how = 'tmpfs' if trial.result() else 'tmpfs of a user namespace'
        except OSError:
            return dataclasses.replace(
                fault,
                title=f'{fault.title} (in its stead RLIMIT_FSIZE)',
                around=None,
                prepare=disks.LIMITED,
                number=errno.EFBIG,
            )
    return dataclasses.replace(fault, title=f'{fault.title} ({how})')


@pytest.fixture(
    params=disks.FAULTS, ids=[fault.name for fault in disks.FAULTS]
)
def fault(
    request: pytest.FixtureRequest, full_disk: disks.LocalFault
) -> disks.LocalFault:
    """Each of the faults."""
    return full_disk if request.param is disks.FAULTS[0] else request.param


@pytest.mark.parametrize(
    'old',
    [
        pytest.param(local_download.OLD, id='old'),
        pytest.param(None, id='new', marks=pytest.mark.thorough),
    ],
)
@pytest.mark.parametrize('mode', local_download.TO_PATH)
def test_plugin(
    fault: disks.LocalFault,
    mode: str,
    old: bytes | None,
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """The error comes through, what was there stays, the next call works."""
    way = clients.PLUGIN[mode]
    with local_download.LocalDownload(tmp_path, old=old) as on:
        outcome = on.run(fault.affecting(way), prepare=fault.prepare)
        note(fault, outcome)
        assert 'OSError' in outcome.bases, outcome
        assert f'[Errno {fault.number}]' in outcome.message, outcome
        assert on.content() == old
        kept = on.kept()
        assert (
            kept >= disks.ROOM - local_download.MIB
            if fault.keeps
            else kept == 0
        )
        # It says which file system is full.
        assert not fault.keeps or str(on.partials()[0]) in outcome.message
        before = on.restart()
        outcome = on.run(way)
        note(fault, outcome, again=on.sent() - before - len(on.data) + kept)
        assert outcome.error is None, outcome
        assert outcome.content == 'right'
        assert outcome.others == ()
        assert on.sent() - before == len(on.data) - kept


@pytest.mark.peers
def test_peers(
    fault: disks.LocalFault, tmp_path: pathlib.Path, table: _table.Table
) -> None:
    """What others make of it is written down, whatever it is."""

    def see(peer: str, way: clients.Client) -> str:
        with local_download.LocalDownload(tmp_path / peer) as on:
            outcome = on.run(fault.affecting(way), prepare=fault.prepare)
        return outcome.summary(len(on.data))

    if fault.for_peers:
        table.row(fault, '').peers.update(local_download.each_peer(see))
