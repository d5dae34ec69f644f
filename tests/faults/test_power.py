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

"""The power fails.

No test can do that. What it leaves is what was flushed, in the order in which
it was; the rest may be there, or missing, or zeros.
"""

from collections.abc import Callable
import dataclasses
import functools
import json
import pathlib
import random

import pytest

from tests.faults.catalogue import base
from tests.faults import clients
from tests.faults import local_download
from tests.faults import machine
from tests.faults import table as _table

ORDER = base.Fault(
    name='power-order',
    title='the power fails at the end (order of the system calls)',
    promise='data are flushed before the rename, the directory after it',
)
ZEROS = base.Fault(
    name='power-zeros',
    title='a power cut left zeros at the end of the partial file',
    promise='is detected; the image is downloaded from its first byte',
)

_each_mode = pytest.mark.parametrize('mode', local_download.TO_PATH)


@dataclasses.dataclass(frozen=True)
class _Call:
    """A system call as it was recorded."""

    name: str
    path: str
    result: int | None


def _recorded(
    on: local_download.LocalDownload, way: clients.Client, log: pathlib.Path
) -> tuple[object, list[_Call]]:
    outcome = on.run(way, prepare=functools.partial(machine.record_calls, log))
    lines = log.read_text().splitlines()
    return outcome, [_Call(*json.loads(line)) for line in lines]


@_each_mode
@pytest.mark.parametrize('resumed', [0, 9 * local_download.MIB])
def test_order(
    mode: str,
    resumed: int,
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """At no moment is there a name without all of its bytes."""
    with local_download.LocalDownload(tmp_path, old=local_download.OLD) as on:
        on.shared.write_bytes(on.data[:resumed])
        outcome, calls = _recorded(on, clients.PLUGIN[mode], tmp_path / 'log')
        note(ORDER, outcome, again=on.sent() - len(on.data) + resumed)
    written = [
        call.result for call in calls if call.name in ('pwrite', 'ftruncate')
    ]
    assert sum(filter(None, written)) == len(on.data) - resumed
    partial, directory = str(on.shared), str(on.path.parent)
    assert [
        (call.name, call.path)
        for call in calls
        if call.name not in ('pwrite', 'ftruncate')
    ] == [('fsync', partial), ('replace', partial), ('fsync', directory)]
    # Nothing is written after what makes it last.
    assert [call.name for call in calls[-3:]] == ['fsync', 'replace', 'fsync']
    assert on.content() == on.data


@_each_mode
@pytest.mark.parametrize(
    'length', [9 * local_download.MIB, len(local_download.DATA)]
)
def test_zeros(
    mode: str,
    length: int,
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """The right length is not taken for the right bytes."""
    way = clients.PLUGIN[mode]
    with local_download.LocalDownload(tmp_path, old=local_download.OLD) as on:
        flushed = random.Random(length).randrange(length)
        on.shared.write_bytes(on.data[:flushed] + bytes(length - flushed))
        outcome = on.run(way)
        rest = max(1, len(on.data) - length)
        note(ZEROS, outcome, again=on.sent() - rest)
        assert outcome.error is None, outcome
        assert outcome.content == 'right'
        assert outcome.others == ()
        assert on.sent() == rest + len(on.data)


@pytest.mark.peers
def test_peers(tmp_path: pathlib.Path, table: _table.Table) -> None:
    """Whether others flush what they wrote is written down."""

    def see(peer: str, way: clients.Client) -> str:
        with local_download.LocalDownload(tmp_path / peer) as on:
            _, calls = _recorded(on, way, tmp_path / f'{peer} log')
        flushed = {'fsync', 'fdatasync'} & {call.name for call in calls}
        return 'flushed' if flushed else 'right, not flushed'

    table.row(ORDER, '').peers.update(local_download.each_peer(see))
