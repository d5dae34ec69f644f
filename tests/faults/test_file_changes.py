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

"""Another program changes the file while it is written.

That is the partial file of the plugin, and the final file of other clients.
"""

from collections.abc import Callable
import pathlib

import pytest

from tests.faults import attempt
from tests.faults.catalogue import files
from tests.faults import clients
from tests.faults import local_download
from tests.faults import table as _table

#: When it happens: after the first chunk, and before the last.
EARLY = 4 * local_download.MIB

#: Seconds that a download takes.
DURATION = 0.6

#: Of the plugin; they end alike.
MODES = ['path', pytest.param('connections', marks=pytest.mark.thorough)]


def _disturbed(
    on: local_download.LocalDownload,
    way: clients.Client,
    act: Callable[[pathlib.Path], None],
) -> attempt.Outcome:
    """Download, and change the file that grows meanwhile."""
    on.slow_down(DURATION)
    with on.start(way) as running:
        path = on.grown(running.process, EARLY)
        assert path is not None
        act(path)
        return running.outcome()


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('fault', files.FAULTS, ids=lambda fault: fault.name)
def test_partial_file(
    fault: files.FileChange,
    mode: str,
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """Nothing gets the final name, and the next call works."""
    with local_download.LocalDownload(tmp_path, old=local_download.OLD) as on:
        outcome = _disturbed(on, clients.PLUGIN[mode], fault.act)
        note(fault, outcome)
        assert outcome.error == 'OutputError', outcome
        if on.path.parent.exists():
            assert on.content() == local_download.OLD
        on.path.parent.mkdir(exist_ok=True)
        on.restart()
        outcome = on.run(clients.PLUGIN[mode])
        note(fault, outcome)
        assert outcome.error is None, outcome
        assert outcome.content == 'right'
        assert outcome.others == ()


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize(
    'act',
    [
        files.replace,
        pytest.param(files.remove, marks=pytest.mark.thorough),
        pytest.param(files.truncate, marks=pytest.mark.thorough),
        pytest.param(files.append, marks=pytest.mark.thorough),
    ],
)
def test_final_file(
    mode: str,
    act: Callable[[pathlib.Path], None],
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """What is there gives way to the image, whatever became of it."""
    with local_download.LocalDownload(tmp_path, old=local_download.OLD) as on:
        outcome = _disturbed(
            on, clients.PLUGIN[mode], lambda partial: act(on.path)
        )
    note(files.ON_FINAL, outcome)
    assert outcome.error is None, outcome
    assert outcome.content == 'right'
    assert outcome.others == ()


@pytest.mark.peers
@pytest.mark.parametrize(
    'fault', files.FAULTS, ids=[f.name for f in files.FAULTS]
)
def test_peers(
    fault: files.FileChange, tmp_path: pathlib.Path, table: _table.Table
) -> None:
    """What others make of it is written down, whatever it is."""

    def see(peer: str, way: clients.Client) -> str:
        with local_download.LocalDownload(tmp_path / peer) as on:
            outcome = _disturbed(on, way, fault.act)
        return outcome.summary(len(on.data))

    table.row(fault, '').peers.update(local_download.each_peer(see))
