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

"""Downloads from a real Glance over a network that breaks.

Processes that are killed or interrupted, several with one output path, and
tokens that are revoked are faults of ``tests/faults``.
"""

import itertools
import os
import pathlib
import typing

import pytest

import openstack_image_stream
from tests.functional import conftest
from tests.functional import modes
from tests.servers import cloud
from tests.servers import fault_proxy

MIB = 1024 * 1024

#: What is read at a time for a file.
CHUNK = 4 * MIB

# Some parts for each of four connections, and one that is not full.
DATA = os.urandom(48 * MIB + 17)


def connected(
    connect: conftest.Connect, proxy: fault_proxy.FaultProxy
) -> typing.Any:
    """Connect to the cloud, with Glance behind a proxy."""
    return connect(
        'stream', image_endpoint_override=proxy.url, image_api_version='2'
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
        """A reset costs a chunk at the most."""
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
        # What came of a chunk is lost with the connection.
        assert proxy.fetched <= len(DATA) + proxy.broken * CHUNK

    @pytest.mark.parametrize('connections', [1, 4])
    def test_retries_end(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
        tmp_path: pathlib.Path,
        connections: int,
    ) -> None:
        """Connections without a new byte end it; the next call resumes."""
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
                connected(connect, proxy),
                image_id,
                output,
                connections=connections,
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
