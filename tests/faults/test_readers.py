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

"""A reader is slow, and the server does not wait."""

from collections.abc import Callable, Mapping
import dataclasses
import os
import pathlib
import threading
import time
from typing import Any

import pytest

from tests.faults.catalogue import base
from tests.faults import clients
from tests.faults import local_download
from tests.faults import table as _table

#: Seconds for which the server waits.
SERVER_WAITS = 1.0

#: Seconds for which nothing is read.
PAUSE = 1.6


@dataclasses.dataclass(frozen=True)
class SlowPipe:
    """Download to a FIFO, whose reader has a pause after the first chunk.

    :param way: How.
    """

    way: clients.Client

    def __call__(
        self,
        place: clients.Place,
        path: pathlib.Path,
        options: Mapping[str, Any],
    ) -> None:
        pipe = path.with_name('pipe')
        os.mkfifo(pipe)
        content: list[bytes] = []
        reader = threading.Thread(
            target=_read_slowly, args=(pipe, content), daemon=True
        )
        reader.start()
        self.way(place, pipe, options)
        reader.join()
        path.write_bytes(b''.join(content))


def _read_slowly(pipe: pathlib.Path, content: list[bytes]) -> None:
    with pipe.open('rb') as file:
        content.append(file.read(local_download.MIB))
        time.sleep(PAUSE)
        content.append(file.read())


@dataclasses.dataclass(frozen=True, kw_only=True)
class SlowFault(base.Fault):
    """A reader that is slower than a server waits.

    :param ways: The plugin's, by the word in the name of a test.
    :param peers: Those of others, by the head of their column.
    :param reset: Whether the server resets the connection.
    """

    ways: Mapping[str, clients.Client]
    peers: Mapping[str, clients.Client]
    reset: bool = False
    promise: str = 'resumes at the next byte'


_STREAM: dict[str, Any] = {
    'ways': {'stream': clients.SlowStream('stream', PAUSE)},
    'peers': {'openstacksdk, stream=True': clients.SlowStream('plain', PAUSE)},
}
_PIPE: dict[str, Any] = {
    'ways': {'path': SlowPipe(clients.PLUGIN['path'])},
    'peers': {name: SlowPipe(way) for name, way in clients.PEERS.items()},
}

FAULTS = [
    SlowFault(
        name='slow-stream',
        title='a stream is read slowly, the server closes the connection',
        **_STREAM,
    ),
    SlowFault(
        name='slow-stream-reset',
        title='a stream is read slowly, the server resets the connection',
        reset=True,
        **_STREAM,
    ),
    SlowFault(
        name='slow-pipe',
        title='a FIFO is read slowly, the server closes the connection',
        **_PIPE,
    ),
    SlowFault(
        name='slow-pipe-reset',
        title='a FIFO is read slowly, the server resets the connection',
        reset=True,
        **_PIPE,
    ),
]

_each_fault = pytest.mark.parametrize(
    'fault',
    [
        pytest.param(
            fault,
            id=fault.name,
            marks=pytest.mark.thorough if fault.reset else (),
        )
        for fault in FAULTS
    ],
)


def _requests(on: local_download.LocalDownload) -> int:
    """Return how often the data were asked for."""
    return sum(
        request.path.endswith('/file') for request in on.glance.requests
    )


@_each_fault
@pytest.mark.parametrize(
    'connections', [1, pytest.param(4, marks=pytest.mark.thorough)]
)
def test_plugin(
    fault: SlowFault,
    connections: int,
    tmp_path: pathlib.Path,
    note: Callable[..., None],
) -> None:
    """Every byte comes, and in order."""
    # More than the connections take while nobody reads.
    data = local_download.DATA * (2 if connections == 1 else 4)
    for name, way in fault.ways.items():
        with local_download.LocalDownload(tmp_path / name, data=data) as on:
            on.change_once(client_timeout=SERVER_WAITS, reset=fault.reset)
            outcome = on.run(way, options={'connections': connections})
            note(fault, outcome, again=on.sent() - len(data))
            assert outcome.error is None, outcome
            assert outcome.content == 'right'
            # It did happen; parts are received whatever the reader does.
            assert connections > 1 or _requests(on) > 1


@pytest.mark.peers
@_each_fault
def test_peers(
    fault: SlowFault, tmp_path: pathlib.Path, table: _table.Table
) -> None:
    """What others make of it is written down, whatever it is."""

    def see(peer: str, way: clients.Client) -> str:
        if peer not in fault.peers:
            return ''
        with local_download.LocalDownload(tmp_path / peer) as on:
            on.change_once(client_timeout=SERVER_WAITS, reset=fault.reset)
            outcome = on.run(fault.peers[peer], deadline=10.0)
        return outcome.summary(len(on.data))

    table.row(fault, '').peers.update(local_download.each_peer(see))
