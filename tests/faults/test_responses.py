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

"""Faults of responses, by a scripted server on real sockets.

No correct server does these on demand. The ways to download meet a fault side
by side, as most of the time is spent waiting.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent import futures
import dataclasses
import pathlib
from typing import Any

import pytest

from tests.faults import attempt
from tests.faults import catalogue
from tests.faults.catalogue import base
from tests.faults.catalogue import changes
from tests.faults import clients
from tests.faults import table as _table
from tests.servers import responses
from tests.servers import scripted

#: Options of the plugin, where the fault has no others.
OPTIONS = {'timeout': 1.0, 'retries': 2}

#: Seconds after which another client is taken to wait for ever.
PEERS_DEADLINE = 5.0

#: Downloads at a time. With too many of them slowness becomes silence.
SIDE_BY_SIDE = 4

PARTIAL = f'image.{scripted.IMAGE_ID}.part'


def _each(faults: Iterable[base.ResponseFault]) -> pytest.MarkDecorator:
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
    :param leaked: Whether the token was sent to the other server.
    """

    outcome: attempt.Outcome
    sent: int
    leaked: bool


def _script(
    glance: scripted.ScriptedGlance,
    fault: base.ResponseFault,
    context: changes.Context,
) -> None:
    glance.repeat_last = fault.always
    glance.metadata.update(fault.metadata)
    for change in fault.changes:
        glance.changes.append(
            lambda response, change=change: change(response, context)
        )
    described = responses.json_response(glance.metadata)
    for change in fault.metadata_changes:
        glance.metadata_responses.append(change(described, context))


def _run(
    fault: base.ResponseFault | None,
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
        scripted.ScriptedGlance(base.DATA) as glance,
        scripted.ScriptedGlance(base.DATA) as other,
    ):
        if fault is not None:
            # Another name, too, as a name is what a token is for.
            elsewhere = other.url.replace('127.0.0.1', 'localhost')
            context = changes.Context(
                at, elsewhere, base.DATA, base.OTHER_DATA
            )
            _script(glance, fault, context)
        outcome = attempt.run(
            way,
            clients.place_of(glance, directory),
            directory / 'out' / 'image',
            data=base.DATA,
            **how,
        )
    # Only now has the server counted everything.
    tokens = [r.headers.get('x-auth-token') for r in other.requests]
    return Result(
        outcome=outcome, sent=glance.sent, leaked=scripted.TOKEN in tokens
    )


def _run_plugin(
    fault: base.ResponseFault | None,
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


def _check(fault: base.ResponseFault, mode: str, result: Result) -> None:
    error = fault.errors.get(mode, fault.error)
    outcome = result.outcome
    assert error is None or error in outcome.bases, (mode, outcome)
    assert (error is None) == (outcome.error is None), (mode, outcome)
    assert outcome.content == ('none' if error else 'right'), (mode, outcome)
    kept = (PARTIAL,) if mode in fault.keeps else ()
    assert outcome.others == kept, (mode, outcome)
    assert not result.leaked, (mode, outcome)


def _check_second(
    mode: str, kept: int, result: Result, size: int = len(base.DATA)
) -> None:
    outcome = result.outcome
    assert outcome.error is None, (mode, outcome)
    assert outcome.content == 'right', (mode, outcome)
    assert outcome.others == (), (mode, outcome)
    assert result.sent == size - kept, (mode, kept, result)


def _kept(directory: pathlib.Path) -> int:
    path = directory / 'out' / PARTIAL
    return path.stat().st_size if path.exists() else 0


@_each(catalogue.RESPONSES)
def test_plugin(
    fault: base.ResponseFault,
    tmp_path: pathlib.Path,
    table: _table.Table,
    positions: Callable[[int], list[int]],
) -> None:
    """What is promised holds, in every way to download."""
    calls = [
        (fault, mode, at, tmp_path / f'{mode}-{at}')
        for mode in fault.modes or clients.PLUGIN
        for at in positions(len(base.DATA))[: fault.places]
    ]
    results = _side_by_side(_run_plugin, calls)
    for result in results:
        table.note(
            fault,
            f'test_responses.py::test_plugin[{fault.name}]',
            result.outcome,
            again=result.sent - len(base.DATA),
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
@_each(fault for fault in catalogue.RESPONSES if not fault.modes)
def test_peers(
    fault: base.ResponseFault, tmp_path: pathlib.Path, table: _table.Table
) -> None:
    """What others make of it is written down, whatever it is."""

    def run(peer: str, way: clients.Client) -> Result:
        return _run(
            fault,
            way,
            len(base.DATA) // 2,
            tmp_path / peer.replace(' ', '-'),
            deadline=PEERS_DEADLINE,
        )

    results = _side_by_side(run, list(clients.PEERS.items()))
    row = table.row(fault, '')
    for peer, result in zip(clients.PEERS, results, strict=True):
        summary = result.outcome.summary(len(base.DATA))
        row.peers[peer] = summary + (', TOKEN SENT' if result.leaked else '')
        if fault.name == 'none':
            # An error of theirs shall be one of the download.
            assert summary == 'right', (peer, result)
