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

"""Downloads over several connections at once, and holes in files."""

from concurrent import futures
import io
import logging
import os
import pathlib
import threading
import typing

import pytest

import openstack_image_stream
from tests.functional import conftest
from tests.functional import modes
from tests.functional import test_resume
from tests import processes
from tests.servers import cloud
from tests.servers import fault_proxy

MIB = 1024 * 1024

#: What a connection is asked for at a time.
PART = 8 * MIB

# More parts than are on their way at a time, and one that is not full.
DATA = os.urandom(48 * MIB + 17)

# Nine tenths of it zeros, not up to the boundaries of anything.
SPARSE = os.urandom(3 * MIB + 1).join([bytes(17 * MIB), bytes(10 * MIB)])

#: Bytes of the parts that four connections request ahead, and those of them
#: that they keep.
WINDOW = 6 * PART
KEPT = 5 * PART // 2

#: Bytes that are many beside what a download may take.
LARGE = 256 * MIB

#: Prints by how many bytes the peak of the process grew in a download over
#: four connections. With 'late' it reads on only when it is told to.
_PROGRAM = """
import sys
import openstack

def status(field):
    with open('/proc/self/status') as lines:
        for line in lines:
            if line.startswith(field):
                return int(line.split()[1]) * 1024

way, url, image_id, output = sys.argv[1:]
conn = openstack.connect(image_endpoint_override=url, image_api_version='2')
# Connected, and with all that is loaded lazily in the place.
conn.image.get_image(image_id)
before = status('VmRSS')
options = {'connections': 4}
if way == 'path':
    conn.image.download_image(image_id, output=output, **options)
else:
    response = conn.image.download_image(image_id, stream=True, **options)
    chunks = response.iter_content(1024 * 1024)
    got = len(next(chunks))
    if way == 'late':
        print('first', flush=True)
        sys.stdin.readline()
    assert got + sum(map(len, chunks)) == {size}
print(status('VmHWM') - before)
"""


@pytest.fixture(scope='module')
def image_id(running_cloud: cloud.Cloud) -> str:
    """An image that nobody damages."""
    return running_cloud.upload('parts', DATA)


@pytest.fixture(scope='module')
def large_image_id(running_cloud: cloud.Cloud) -> str:
    """An image whose size would show in the memory."""
    return running_cloud.upload(
        'large parts', lambda: io.BytesIO(bytes(LARGE))
    )


@pytest.fixture(scope='module')
def sparse_image_id(running_cloud: cloud.Cloud) -> str:
    """A raw image that is mostly zeros."""
    return running_cloud.upload('zeros', SPARSE)


def _left_threads() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith('openstack-image-stream')
    ]


class TestOrder:
    """What comes side by side is handed on in order."""

    @modes.MODES
    def test_bytes_are_equal(
        self,
        connect: conftest.Connect,
        image_id: str,
        tmp_path: pathlib.Path,
        read: modes.Read,
    ) -> None:
        """Every way gives the bytes that were uploaded."""
        content = read(
            connect('stream'), image_id, tmp_path / 'image', connections=4
        )
        assert content == DATA

    def test_four_at_once(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
    ) -> None:
        """All connections are in use, and nothing is fetched twice."""
        with (
            fault_proxy.FaultProxy(
                running_cloud.image_url, hold_after=1
            ) as proxy,
            futures.ThreadPoolExecutor() as pool,
        ):
            conn = test_resume.connected(connect, proxy)
            download = pool.submit(
                conn.image.download_image, image_id, connections=4
            )
            try:
                processes.wait_for(lambda: proxy.busy == 4)
            finally:
                proxy.release()
            assert download.result().content == DATA
        assert proxy.fetched == len(DATA)
        assert proxy.statuses == [206] * 7


class TestMemory:
    """The peak above that of the connected process."""

    @pytest.mark.parametrize('way', ['path', 'stream', 'late'])
    def test_bounded_by_the_window(
        self,
        running_cloud: cloud.Cloud,
        large_image_id: str,
        tmp_path: pathlib.Path,
        way: str,
    ) -> None:
        """It is what the user guide says, also for a slow reader."""
        with (
            fault_proxy.FaultProxy(running_cloud.image_url) as proxy,
            processes.Program(
                '-c',
                _PROGRAM.replace('{size}', str(LARGE)),
                way,
                proxy.url,
                large_image_id,
                tmp_path / 'image',
                env=running_cloud.environment('stream'),
            ) as program,
        ):
            if way == 'late':
                program.wait_for_line('first')
                # What may be kept is received before anything is read. No more
                # than the window is requested.
                processes.wait_for(lambda: proxy.fetched >= KEPT)
                assert proxy.fetched <= WINDOW
            status, printed, _ = program.end(stdin='\n')
        assert status == 0
        assert int(printed) <= (48 + 4 * 6) * MIB


class TestRefusedRanges:
    """A store that serves images as a whole only."""

    @modes.MODES
    def test_one_connection_does(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
        tmp_path: pathlib.Path,
        caplog: pytest.LogCaptureFixture,
        read: modes.Read,
    ) -> None:
        """It is asked for one range, and the log has one line about it."""
        with (
            fault_proxy.FaultProxy(
                running_cloud.image_url, refuse_ranges=True
            ) as proxy,
            caplog.at_level(logging.INFO, 'openstack.image_stream'),
        ):
            content = read(
                test_resume.connected(connect, proxy),
                image_id,
                tmp_path / 'image',
                connections=4,
            )
        assert content == DATA
        assert proxy.statuses == [400, 200]
        assert proxy.fetched == len(DATA)
        lines = [
            record
            for record in caplog.records
            if record.name == 'openstack.image_stream'
        ]
        assert [line.levelname for line in lines] == ['INFO']
        assert 'one connection instead of 4' in lines[0].getMessage()


class TestThreads:
    """What a download started has ended when it returns."""

    @modes.MODES
    def test_after_success(
        self,
        connect: conftest.Connect,
        image_id: str,
        tmp_path: pathlib.Path,
        read: modes.Read,
    ) -> None:
        """Reading to the end is enough."""
        read(connect('stream'), image_id, tmp_path / 'image', connections=4)
        assert _left_threads() == []

    def test_after_an_early_close(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
    ) -> None:
        """Closing ends those that wait for a silent server, too."""
        # More is asked for by then, and at least one part has not ended.
        silent_after = KEPT - MIB
        with (
            futures.ThreadPoolExecutor() as pool,
            fault_proxy.FaultProxy(
                running_cloud.image_url, hold_after=silent_after
            ) as proxy,
        ):
            conn = test_resume.connected(connect, proxy)
            response = conn.image.download_image(
                image_id, stream=True, connections=4, timeout=600
            )
            next(response.iter_content(MIB))
            processes.wait_for(lambda: proxy.fetched >= silent_after)
            assert proxy.busy
            assert _left_threads()
            pool.submit(response.close).result(processes.DEADLINE)
            assert _left_threads() == []

    @modes.MODES
    def test_after_a_failure(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        tmp_path: pathlib.Path,
        read: modes.Read,
    ) -> None:
        """A flipped byte in the store is found, and all is put away."""
        image_id = running_cloud.upload('changed parts', DATA)
        position = 20 * MIB
        with running_cloud.stored_file(image_id).open('r+b') as stored:
            stored.seek(position)
            stored.write(bytes([DATA[position] ^ 1]))
        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            read(
                connect('stream'), image_id, tmp_path / 'image', connections=4
            )
        assert _left_threads() == []
        assert os.listdir(tmp_path) == []


class TestHoles:
    """Raw images are mostly zeros."""

    @pytest.mark.parametrize('connections', [1, 4])
    @pytest.mark.parametrize(
        ('options', 'sparse'), [({}, True), ({'sparse': False}, False)]
    )
    def test_zeros_take_no_space(
        self,
        connect: conftest.Connect,
        sparse_image_id: str,
        tmp_path: pathlib.Path,
        options: dict[str, typing.Any],
        sparse: bool,
        connections: int,
    ) -> None:
        """Unless they are asked to; the bytes are equal in any case."""
        output = tmp_path / 'image'
        connect('stream').image.download_image(
            sparse_image_id, output=output, connections=connections, **options
        )
        assert output.read_bytes() == SPARSE
        occupied = output.stat().st_blocks * 512
        if sparse:
            assert occupied < len(SPARSE) / 5
        else:
            assert occupied >= len(SPARSE)
