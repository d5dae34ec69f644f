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

"""Faults of answers, by a server that lies where it is told to.

No honest server does these on demand, so it is a scripted one, on real
sockets. The ways to download meet a fault side by side, as most of the time
is spent waiting.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent import futures
import dataclasses
import pathlib
from typing import Any

import pytest

from tests.faults import answers
from tests.faults import attempt
from tests.faults import breaks
from tests.faults import clients
from tests.faults import lies
from tests.faults import table as _table
from tests.servers import responses
from tests.servers import scripted

#: Options of the plugin, where the fault has no others.
OPTIONS = {'timeout': 1.0, 'retries': 2}

#: Seconds after which somebody who waits for ever is taken to do so.
PATIENCE = 5.0

#: Downloads at a time. With too many of them slowness becomes silence.
SIDE_BY_SIDE = 4

FAULTS = [
    *breaks.CONNECTIONS,
    *breaks.STATUSES,
    *lies.LENGTHS,
    *lies.BYTES,
    *lies.RANGES,
    *lies.CODINGS,
    *lies.HASHES,
    *lies.HEADERS,
]

PARTIAL = f'image.{scripted.IMAGE_ID}.part'


def _each(faults: Iterable[answers.AnswerFault]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        'fault',
        [
            pytest.param(
                fault,
                id=fault.name,
                marks=[] if fault.brief else [pytest.mark.thorough],
            )
            for fault in faults
        ],
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a download, on both sides.

    :param outcome: What the client has.
    :param sent: Bytes of data that the server sent.
    :param told: Whether the token was sent to the other server.
    """

    outcome: attempt.Outcome
    sent: int
    told: bool


def _script(
    glance: scripted.ScriptedGlance,
    fault: answers.AnswerFault,
    scene: answers.Scene,
) -> None:
    glance.stubborn = fault.for_ever
    glance.metadata.update(fault.metadata)
    for spoil in fault.spoilers:
        glance.spoilers.append(
            lambda answer, spoil=spoil: spoil(answer, scene)
        )
    described = responses.json_response(glance.metadata)
    for spoil in fault.descriptions:
        glance.metadata_answers.append(spoil(described, scene))


def _run(
    fault: answers.AnswerFault | None,
    way: clients.Client,
    at: int,
    directory: pathlib.Path,
    **how: Any,
) -> Result:
    """Download once.

    :param fault: What goes wrong, ``None`` for nothing.
    :param way: How.
    :param at: Byte at which it goes wrong.
    :param directory: For this download alone, or for the one before it, too.
    :param how: As for :func:`attempt.run`.
    """
    (directory / 'out').mkdir(parents=True, exist_ok=True)
    with (
        scripted.ScriptedGlance(answers.DATA) as glance,
        scripted.ScriptedGlance(answers.DATA) as other,
    ):
        if fault is not None:
            # Another name, too, as a name is what a token is for.
            elsewhere = other.url.replace('127.0.0.1', 'localhost')
            _script(glance, fault, answers.Scene(at, elsewhere))
        outcome = attempt.run(
            way,
            clients.place_of(glance, directory),
            directory / 'out' / 'image',
            data=answers.DATA,
            **how,
        )
    # Only now has the server counted everything.
    tokens = [r.headers.get('x-auth-token') for r in other.requests]
    return Result(
        outcome=outcome, sent=glance.sent, told=scripted.TOKEN in tokens
    )


def _run_plugin(
    fault: answers.AnswerFault | None,
    mode: str,
    at: int,
    directory: pathlib.Path,
) -> Result:
    options = {**OPTIONS, **(fault.options if fault else {})}
    return _run(fault, clients.PLUGIN[mode], at, directory, options=options)


def _side_by_side(
    run: Callable[..., Result], calls: Sequence[tuple[Any, ...]]
) -> list[Result]:
    with futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(lambda call: run(*call), calls))


def _check(fault: answers.AnswerFault, mode: str, result: Result) -> None:
    error = fault.errors.get(mode, fault.error)
    outcome = result.outcome
    assert error is None or error in outcome.bases, (mode, outcome)
    assert (error is None) == (outcome.error is None), (mode, outcome)
    assert outcome.content == ('none' if error else 'right'), (mode, outcome)
    kept = (PARTIAL,) if mode in fault.keeps else ()
    assert outcome.others == kept, (mode, outcome)
    assert not result.told, (mode, outcome)


def _check_second(
    mode: str, kept: int, result: Result, size: int = len(answers.DATA)
) -> None:
    outcome = result.outcome
    assert outcome.error is None, (mode, outcome)
    assert outcome.content == 'right', (mode, outcome)
    assert outcome.others == (), (mode, outcome)
    assert result.sent == size - kept, (mode, kept, result)


def _kept(directory: pathlib.Path) -> int:
    path = directory / 'out' / PARTIAL
    return path.stat().st_size if path.exists() else 0


@_each(FAULTS)
def test_plugin(
    fault: answers.AnswerFault,
    tmp_path: pathlib.Path,
    table: _table.Table,
    positions: Callable[[int], list[int]],
) -> None:
    """What is promised holds, in every way to download."""
    calls = [
        (fault, mode, at, tmp_path / f'{mode}-{at}')
        for mode in fault.modes or clients.PLUGIN
        for at in positions(len(answers.DATA))[: fault.places]
    ]
    results = _side_by_side(_run_plugin, calls)
    for result in results:
        table.note(
            fault,
            f'test_answers.py::test_plugin[{fault.name}]',
            result.outcome,
            again=result.sent - len(answers.DATA),
        )
    for (_, mode, *_), result in zip(calls, results, strict=True):
        _check(fault, mode, result)
    # Whatever a failure left, the same call succeeds once all is well.
    failed = [
        (None, mode, at, directory)
        for (_, mode, at, directory), result in zip(
            calls, results, strict=True
        )
        if result.outcome.error and mode in ('path', 'connections')
    ]
    kept = [_kept(directory) for *_, directory in failed]
    results = _side_by_side(_run_plugin, failed)
    for (_, mode, *_), amount, result in zip(
        failed, kept, results, strict=True
    ):
        _check_second(mode, amount, result)


@pytest.mark.peers
@_each(fault for fault in FAULTS if not fault.modes)
def test_peers(
    fault: answers.AnswerFault, tmp_path: pathlib.Path, table: _table.Table
) -> None:
    """What others make of it is written down, whatever it is."""

    def run(peer: str, way: clients.Client) -> Result:
        return _run(
            fault,
            way,
            len(answers.DATA) // 2,
            tmp_path / peer.replace(' ', '-'),
            deadline=PATIENCE,
        )

    results = _side_by_side(run, list(clients.PEERS.items()))
    row = table.row(fault, '')
    for peer, result in zip(clients.PEERS, results, strict=True):
        words = result.outcome.in_words(len(answers.DATA))
        row.peers[peer] = words + (', TOKEN SENT' if result.told else '')
        if fault.name == 'none':
            # An error of theirs shall be one of the download.
            assert words == 'right', (peer, result)
