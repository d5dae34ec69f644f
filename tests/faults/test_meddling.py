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

"""Somebody else changes the file while it is written.

That is the plugin's partial file, and the final file of everybody else.
"""

from collections.abc import Callable
import dataclasses
import os
import pathlib
import random
import shutil

import pytest

from tests.faults import attempt
from tests.faults import clients
from tests.faults import stage
from tests.faults import table as _table

#: When it happens: after the first piece, and before the last.
EARLY = 4 * stage.MIB

#: Seconds that a download takes.
PACE = 0.6

#: As long as the image. Made before, since nobody waits for it later.
_FOREIGN = random.Random(19).randbytes(len(stage.DATA))


def _remove(path: pathlib.Path) -> None:
    path.unlink()


def _replace(path: pathlib.Path) -> None:
    other = path.with_name('other')
    other.write_bytes(_FOREIGN)
    os.replace(other, path)


def _truncate(path: pathlib.Path) -> None:
    os.truncate(path, 0)


def _append(path: pathlib.Path) -> None:
    # More than is still going to be written over it.
    with path.open('ab') as file:
        file.write(stage.DATA)


def _remove_directory(path: pathlib.Path) -> None:
    shutil.rmtree(path.parent)


def _rename_directory(path: pathlib.Path) -> None:
    path.parent.rename(path.parent.with_name('elsewhere'))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Meddling(_table.Fault):
    """Something that somebody does to a file that is written.

    :param act: Does it.
    """

    act: Callable[[pathlib.Path], None]
    promise: str = 'ImageStreamError, the old file stays'


FAULTS = [
    Meddling(
        name='removed',
        title='somebody removes the file while it is written',
        act=_remove,
    ),
    Meddling(
        name='replaced',
        title='somebody replaces the file while it is written',
        act=_replace,
    ),
    Meddling(
        name='truncated',
        title='somebody truncates the file while it is written',
        act=_truncate,
    ),
    Meddling(
        name='appended',
        title='somebody appends to the file while it is written',
        act=_append,
    ),
    Meddling(
        name='directory-removed',
        title='somebody removes the directory meanwhile',
        act=_remove_directory,
        promise='ImageStreamError',
    ),
    Meddling(
        name='directory-renamed',
        title='somebody renames the directory meanwhile',
        act=_rename_directory,
        promise='ImageStreamError',
    ),
]

#: What is done to the file that is going to be replaced.
ON_FINAL = Meddling(
    name='final',
    title='somebody removes, replaces, truncates, appends to the old file',
    act=_remove,
    promise='the image takes its name in the end',
)

#: Of the plugin; they end alike.
MODES = ['path', pytest.param('connections', marks=pytest.mark.thorough)]


def _meddled_with(
    on: stage.Stage, way: clients.Client, act: Callable[[pathlib.Path], None]
) -> attempt.Outcome:
    """Download, and meddle with the file that grows meanwhile."""
    on.pace(PACE)
    with on.start(way) as running:
        path = on.grown(running.process, EARLY)
        assert path is not None
        act(path)
        return running.outcome()


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('fault', FAULTS, ids=lambda fault: fault.name)
def test_partial_file(
    fault: Meddling,
    mode: str,
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """Nothing gets the final name, and the next call works."""
    with stage.Stage(tmp_path, old=stage.OLD) as on:
        outcome = _meddled_with(on, clients.PLUGIN[mode], fault.act)
        note(fault, outcome)
        assert outcome.error == 'OutputError', outcome
        if on.path.parent.exists():
            assert on.content() == stage.OLD
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
        _replace,
        pytest.param(_remove, marks=pytest.mark.thorough),
        pytest.param(_truncate, marks=pytest.mark.thorough),
        pytest.param(_append, marks=pytest.mark.thorough),
    ],
)
def test_final_file(
    mode: str,
    act: Callable[[pathlib.Path], None],
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """What is there gives way to the image, whatever became of it."""
    with stage.Stage(tmp_path, old=stage.OLD) as on:
        outcome = _meddled_with(
            on, clients.PLUGIN[mode], lambda partial: act(on.path)
        )
    note(ON_FINAL, outcome)
    assert outcome.error is None, outcome
    assert outcome.content == 'right'
    assert outcome.others == ()


@pytest.mark.peers
@pytest.mark.parametrize('fault', FAULTS, ids=[f.name for f in FAULTS])
def test_peers(
    fault: Meddling, tmp_path: pathlib.Path, table: _table.Table
) -> None:
    """What others make of it is written down, whatever it is."""

    def see(peer: str, way: clients.Client) -> str:
        with stage.Stage(tmp_path / peer) as on:
            outcome = _meddled_with(on, way, fault.act)
        return outcome.in_words(len(on.data))

    table.row(fault, '').peers.update(stage.each_peer(see))
