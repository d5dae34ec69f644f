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

"""Downloads over a network that breaks, and by processes that die."""

import itertools
import json
import os
import pathlib
import signal
import typing

import pytest

import openstack_image_stream
from tests.functional import conftest
from tests.functional import modes
from tests import processes
from tests.servers import cloud
from tests.servers import fault_proxy

MIB = 1024 * 1024

#: What is read at a time for a file.
PIECE = 4 * MIB

# Some parts for each of four connections, and one that is not full.
DATA = os.urandom(48 * MIB + 17)

#: Downloads an image to a path.
_PROGRAM = """
import signal
import sys
import openstack

# Ignored where the tests run in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)
url, image_id, output, connections = sys.argv[1:]
conn = openstack.connect(image_endpoint_override=url, image_api_version='2')
conn.image.download_image(
    image_id, output=output, connections=int(connections)
)
"""


def connected(
    connect: conftest.Connect, proxy: fault_proxy.FaultProxy
) -> typing.Any:
    """Connect to the cloud, with Glance behind a proxy."""
    return connect(
        'stream', image_endpoint_override=proxy.url, image_api_version='2'
    )


def _started(
    running_cloud: cloud.Cloud,
    proxy: fault_proxy.FaultProxy,
    image_id: str,
    output: pathlib.Path,
    *,
    connections: int = 1,
) -> processes.Program:
    """Start a process that downloads to a path."""
    return processes.Program(
        '-c',
        _PROGRAM,
        proxy.url,
        image_id,
        output,
        connections,
        env=running_cloud.environment('stream'),
    )


def _partials(output: pathlib.Path) -> list[pathlib.Path]:
    return list(output.parent.glob(f'{output.name}.*.part'))


def _kept(output: pathlib.Path) -> int:
    """Return how many bytes the partial files have."""
    return sum(path.stat().st_size for path in _partials(output))


@pytest.fixture(scope='module')
def image_id(running_cloud: cloud.Cloud) -> str:
    """The image that all of them download."""
    return running_cloud.upload('resumed', DATA)


class TestCuts:
    """Connections that break, with a store that serves ranges."""

    @pytest.mark.parametrize('connections', [1, 4])
    @modes.MODES
    def test_bytes_are_equal(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
        tmp_path: pathlib.Path,
        read: modes.Read,
        connections: int,
    ) -> None:
        """Every way gives all bytes, and hardly any is fetched twice."""
        # With several connections a part is 8 MiB: each is cut once.
        cut = 8 * MIB if connections == 1 else 5 * MIB
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=itertools.repeat(cut)
        ) as proxy:
            content = read(
                connected(connect, proxy),
                image_id,
                tmp_path / 'image',
                connections=connections,
            )
        assert content == DATA
        assert proxy.broken == 6
        assert proxy.fetched <= 1.1 * len(DATA)

    @pytest.mark.parametrize('connections', [1, 4])
    def test_resets(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
        tmp_path: pathlib.Path,
        connections: int,
    ) -> None:
        """A reset costs a piece at the most."""
        cut = 8 * MIB if connections == 1 else 5 * MIB
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=itertools.repeat(cut), reset=True
        ) as proxy:
            content = modes.read_path(
                connected(connect, proxy),
                image_id,
                tmp_path / 'image',
                connections=connections,
            )
        assert content == DATA
        assert proxy.broken >= 6
        # What came of a piece is lost with the connection.
        assert proxy.fetched <= len(DATA) + proxy.broken * PIECE

    @pytest.mark.parametrize('connections', [1, 4])
    def test_patience_ends(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
        tmp_path: pathlib.Path,
        connections: int,
    ) -> None:
        """Connections without a new byte end it; the next call goes on."""
        output = tmp_path / 'image'
        with (
            fault_proxy.FaultProxy(
                running_cloud.image_url,
                cuts=itertools.chain(
                    itertools.repeat(9 * MIB, connections), itertools.repeat(0)
                ),
            ) as proxy,
            pytest.raises(
                openstack_image_stream.IncompleteDownloadError
            ) as caught,
        ):
            connected(connect, proxy).image.download_image(
                image_id,
                output=output,
                connections=connections,
                retries=1,
            )
        kept = _kept(output)
        assert kept >= 8 * MIB
        assert (caught.value.received, caught.value.expected) == (
            kept,
            len(DATA),
        )
        assert [caught.value.partial_path] == [
            str(path) for path in _partials(output)
        ]
        with fault_proxy.FaultProxy(running_cloud.image_url) as proxy:
            content = modes.read_path(
                connected(connect, proxy), image_id, output
            )
        assert content == DATA
        assert proxy.fetched == len(DATA) - kept


class TestRefusedRanges:
    """Connections that break, with a store that serves no ranges."""

    @modes.MODES
    def test_as_many_as_retries(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
        tmp_path: pathlib.Path,
        read: modes.Read,
    ) -> None:
        """It is opened anew as often, and asked for one range only."""
        cuts = [number * 8 * MIB for number in range(1, 6)]
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=cuts, refuse_ranges=True
        ) as proxy:
            content = read(
                connected(connect, proxy), image_id, tmp_path / 'image'
            )
        assert content == DATA
        assert proxy.statuses == [200, 400] + 5 * [200]
        assert proxy.fetched == len(DATA) + sum(cuts)

    def test_one_more(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
        tmp_path: pathlib.Path,
    ) -> None:
        """What arrived is kept, named, and used by the next call."""
        output = tmp_path / 'image'
        cuts = [number * 8 * MIB for number in range(1, 5)]
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=cuts, refuse_ranges=True
        ) as proxy:
            conn = connected(connect, proxy)
            with pytest.raises(
                openstack_image_stream.IncompleteDownloadError
            ) as caught:
                conn.image.download_image(image_id, output=output, retries=3)
            assert not output.exists()
            assert _kept(output) == cuts[-1] == caught.value.received
            assert [caught.value.partial_path] == [
                str(path) for path in _partials(output)
            ]
            assert caught.value.partial_path in str(caught.value)
            seen: list[typing.Any] = []
            content = modes.read_path(
                conn, image_id, output, retries=3, progress=seen.append
            )
        assert content == DATA
        assert {snapshot.resumed for snapshot in seen} == {cuts[-1]}


class TestKilled:
    """A process that ends without having a say in it."""

    @pytest.mark.parametrize('connections', [1, 4])
    def test_the_same_command_again(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        tmp_path: pathlib.Path,
        connections: int,
    ) -> None:
        """It fetches what is missing, and no partial file is left."""
        output = tmp_path / 'image'
        enough = len(DATA) * 6 // 10
        with (
            fault_proxy.FaultProxy(
                running_cloud.image_url, hold_after=enough + PIECE
            ) as proxy,
            _started(running_cloud, proxy, image_id, output) as program,
        ):
            processes.wait_for(lambda: _kept(output) >= enough)
            program.signal(signal.SIGKILL)
            assert program.end()[0] == -signal.SIGKILL
        assert not output.exists()
        with fault_proxy.FaultProxy(running_cloud.image_url) as proxy:
            program = _started(
                running_cloud,
                proxy,
                image_id,
                output,
                connections=connections,
            )
            with program:
                assert program.end() == (0, '', '')
        assert output.read_bytes() == DATA
        assert proxy.fetched <= 0.41 * len(DATA) + PIECE
        assert os.listdir(tmp_path) == ['image']


class TestCtrlC:
    """A process that somebody interrupts."""

    @pytest.mark.parametrize('speed', ['slow', 'silent'])
    def test_ends_and_goes_on_later(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        tmp_path: pathlib.Path,
        speed: str,
    ) -> None:
        """Four connections do not keep it, not even silent ones."""
        output = tmp_path / 'image'
        limits: dict[str, typing.Any] = {'bandwidth': 4 * MIB}
        if speed == 'silent':
            # At most five parts of 8 MiB are ahead of what is written: the
            # first is there by then, and the last to be asked for is not.
            limits = {'hold_after': 44 * MIB}
        with fault_proxy.FaultProxy(
            running_cloud.image_url, **limits
        ) as proxy:
            program = _started(
                running_cloud, proxy, image_id, output, connections=4
            )
            with program:
                processes.wait_for(lambda: _kept(output) >= 8 * MIB)
                if speed == 'silent':
                    processes.wait_for(
                        lambda: proxy.fetched >= limits['hold_after']
                    )
                program.signal(signal.SIGINT)
                # Silence would end by itself after a minute.
                status, _, errors = program.end(20.0)
        assert status == -signal.SIGINT
        assert errors.rstrip().endswith('KeyboardInterrupt')
        assert not output.exists()
        kept = _kept(output)
        assert kept >= 8 * MIB
        with fault_proxy.FaultProxy(running_cloud.image_url) as proxy:
            program = _started(
                running_cloud, proxy, image_id, output, connections=4
            )
            with program:
                assert program.end() == (0, '', '')
        assert output.read_bytes() == DATA
        assert proxy.fetched == len(DATA) - kept
        assert os.listdir(tmp_path) == ['image']


class TestToken:
    """A token that is no longer good in the middle of a download."""

    @pytest.mark.parametrize('connections', [1, 4])
    def test_another_is_fetched(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
        connections: int,
    ) -> None:
        """The request that goes on is answered 401, and then repeated."""
        # Several connections make further requests without being cut.
        cuts = [8 * MIB] if connections == 1 else []
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=cuts
        ) as proxy:
            conn = connected(connect, proxy)
            with conn.image.download_image(
                image_id, stream=True, connections=connections
            ) as response:
                pieces = response.iter_content(MIB)
                content = [next(pieces)]
                _spoil_token(conn)
                content.extend(pieces)
        assert b''.join(content) == DATA
        assert 401 in proxy.statuses
        assert set(proxy.statuses) <= {200, 206, 401}


def _spoil_token(conn: typing.Any) -> None:
    auth = conn.session.auth
    state = json.loads(auth.get_auth_state())
    auth.set_auth_state(json.dumps({**state, 'auth_token': 'expired'}))


class TestTwoProcesses:
    """Two downloads of one image to one name."""

    def test_both_succeed(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        tmp_path: pathlib.Path,
    ) -> None:
        """Each has a partial file of its own, and none is left."""
        output = tmp_path / 'image'
        with (
            fault_proxy.FaultProxy(
                running_cloud.image_url, hold_after=16 * MIB
            ) as proxy,
            _started(running_cloud, proxy, image_id, output) as first,
            _started(running_cloud, proxy, image_id, output) as second,
        ):
            processes.wait_for(lambda: len(_partials(output)) == 2)
            processes.wait_for(lambda: proxy.fetched >= 16 * MIB)
            proxy.release()
            assert [first.end(), second.end()] == 2 * [(0, '', '')]
        assert proxy.fetched == 2 * len(DATA)
        assert output.read_bytes() == DATA
        assert os.listdir(tmp_path) == ['image']
