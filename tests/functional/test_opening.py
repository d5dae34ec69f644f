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

"""Images that are opened as files, of a real Glance."""

import collections.abc
import contextlib
import io
import pathlib
import random
import subprocess
import sys
import typing
import uuid
import zipfile

import fsspec
import pytest

from examples.image import read_part
import openstack_image_stream
from tests.functional import conftest
from tests.servers import cloud
from tests.servers import fault_proxy
from tests.servers import images

KIB = 1024
MIB = 1024 * KIB

#: Bytes of an image of which a part is read.
SIZE = 64 * MIB

DATA = random.Random(1).randbytes(9 * MIB + 5)


def _disk(name: str) -> bytes:
    """Return a disk that was made by qemu-img or sgdisk, and much behind."""
    found = images.disk(name)
    return found + random.Random(2).randbytes(SIZE - len(found))


def _zip() -> bytes:
    """Return a zip archive whose files are not compressed."""
    dice = random.Random(3)
    target = io.BytesIO()
    with zipfile.ZipFile(target, 'w') as archive:
        for number in range(512):
            archive.writestr(f'{number:03}.bin', dice.randbytes(SIZE // 512))
    return target.getvalue()


@contextlib.contextmanager
def _proxied(
    running_cloud: cloud.Cloud, connect: conftest.Connect, **faults: typing.Any
) -> collections.abc.Iterator[tuple[fault_proxy.FaultProxy, typing.Any]]:
    """Connect through a proxy that counts."""
    with fault_proxy.FaultProxy(running_cloud.image_url, **faults) as proxy:
        yield (
            proxy,
            connect(
                'stream',
                image_endpoint_override=proxy.url,
                image_api_version='2',
            ),
        )


@pytest.fixture(scope='module')
def image_id(running_cloud: cloud.Cloud) -> str:
    """An image of some blocks."""
    return running_cloud.upload('opened', DATA)


class TestReads:
    """What is read is what a local file has."""

    @pytest.mark.parametrize('verified', [True, False])
    @pytest.mark.parametrize('seed', range(3))
    def test_random_reads(
        self,
        connect: conftest.Connect,
        image_id: str,
        verified: bool,
        seed: int,
    ) -> None:
        """At any place, of any length, in any way."""
        dice = random.Random(seed)
        local = io.BytesIO(DATA)
        with connect('stream').image.open_image(
            image_id,
            verified=verified,
            block_size=dice.choice([4 * KIB, 64 * KIB, MIB]),
        ) as file:
            for _ in range(200):
                if dice.random() < 0.5:
                    place = dice.randrange(len(DATA) + 10)
                    assert file.seek(place) == local.seek(place)
                amount = int(2 ** dice.uniform(0, 21))
                name = dice.choice(['read', 'readline'])
                expected = getattr(local, name)(amount)
                assert getattr(file, name)(amount) == expected
                assert file.tell() == local.tell()

    def test_broken_connections(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
    ) -> None:
        """A read survives connections that are cut and reset."""
        for reset in (False, True):
            with (
                _proxied(
                    running_cloud,
                    connect,
                    cuts=[10, 5_000, 300_000, 400_000],
                    reset=reset,
                ) as (proxy, conn),
                conn.image.open_image(image_id, verified=False) as file,
            ):
                assert file.read() == DATA
                assert proxy.broken == 4


class TestDamage:
    """A store has lost a bit of an image."""

    @pytest.fixture
    def damaged(self, running_cloud: cloud.Cloud) -> str:
        """The ID of such an image."""
        damaged = running_cloud.upload(f'damaged-{uuid.uuid4()}', DATA)
        with running_cloud.stored_file(damaged).open('r+b') as stored:
            stored.seek(MIB)
            stored.write(bytes([DATA[MIB] ^ 1]))
        return damaged

    def test_verified(self, connect: conftest.Connect, damaged: str) -> None:
        """There is no file."""
        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            connect('stream').image.open_image(damaged, verified=True)

    def test_unverified(self, connect: conftest.Connect, damaged: str) -> None:
        """It is not noticed, as the documentation says."""
        with connect('stream').image.open_image(
            damaged, verified=False
        ) as file:
            file.seek(MIB)
            assert file.read(1) != DATA[MIB : MIB + 1]


class TestTraffic:
    """Looking into an image costs a few blocks, not the image."""

    @pytest.mark.parametrize(
        ('make', 'read', 'requests', 'blocks'),
        [
            (lambda: _disk('qcow2'), read_part.read_qcow2_size, 1, 1),
            (lambda: _disk('gpt'), read_part.read_partitions, 1, 1),
            (_zip, read_part.list_zip, 3, 3),
        ],
        ids=['qcow2', 'gpt', 'zip'],
    )
    def test_of(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        make: collections.abc.Callable[[], bytes],
        read: collections.abc.Callable[[typing.Any, str], typing.Any],
        requests: int,
        blocks: int,
    ) -> None:
        """It is bounded, in requests and bytes."""
        image_id = running_cloud.upload('looked-into', make())
        with _proxied(running_cloud, connect) as (proxy, conn):
            found = read(conn, image_id)
            print(
                f'{read.__name__}: {len(proxy.statuses)} requests, '
                f'{proxy.fetched} bytes'
            )
        assert found
        assert proxy.statuses == [206] * len(proxy.statuses)
        assert len(proxy.statuses) <= requests
        assert proxy.fetched <= blocks * 64 * KIB

    def test_refused(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
    ) -> None:
        """A store without ranges ends it, by one request."""
        with (
            _proxied(running_cloud, connect, refuse_ranges=True) as (
                proxy,
                conn,
            ),
            pytest.raises(io.UnsupportedOperation),
        ):
            conn.image.open_image(image_id, verified=False)
        assert proxy.statuses == [400]
        assert proxy.fetched == 0


class TestURL:
    """A cloud of clouds.yaml and an image are a URL of fsspec."""

    @pytest.fixture(autouse=True)
    def _configured(
        self, running_cloud: cloud.Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> collections.abc.Iterator[None]:
        environment = running_cloud.environment('stream')
        for name in ('OS_CLIENT_CONFIG_FILE', 'OS_CLOUD'):
            monkeypatch.setenv(name, environment[name])
        yield
        fsspec.get_filesystem_class('glance').clear_instance_cache()

    @pytest.mark.parametrize('name', ['stream', 'plain', ''])
    def test_of_each_cloud(self, image_id: str, name: str) -> None:
        """With the hook and without, and the one that is selected."""
        with fsspec.open(f'glance://{name}/{image_id}') as file:
            file.seek(MIB)
            assert file.read(999) == DATA[MIB:][:999]

    def test_get(self, image_id: str, tmp_path: pathlib.Path) -> None:
        """A copy is a download."""
        images_of = fsspec.filesystem('glance', cloud='stream')
        assert 'opened' in images_of.ls('', detail=False)
        images_of.get('opened', str(tmp_path / 'image'))
        assert (tmp_path / 'image').read_bytes() == DATA

    def test_missing(self) -> None:
        """There is no such image."""
        with pytest.raises(FileNotFoundError):
            fsspec.open(f'glance://stream/{uuid.uuid4()}').open()


#: Prints by how many bytes the peak of the process grew.
_PROGRAM = """
import sys
import openstack

def status(field):
    with open('/proc/self/status') as lines:
        for line in lines:
            if line.startswith(field):
                return int(line.split()[1]) * 1024

conn = openstack.connect()
conn.image.get_image(sys.argv[1])
before = status('VmRSS')
with conn.image.open_image(sys.argv[1], verified=False) as file:
    while file.read(5_000_000):
        pass
print(status('VmHWM') - before)
"""


class TestMemory:
    """The peak above that of the connected process."""

    def test_bounded(self, running_cloud: cloud.Cloud) -> None:
        """It does not grow with the image."""
        image_id = running_cloud.upload(
            'long', lambda: io.BytesIO(bytes(256 * MIB))
        )
        printed = subprocess.run(
            [sys.executable, '-c', _PROGRAM, image_id],
            env=running_cloud.environment('stream'),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        print(f'{int(printed) / MIB:.1f} MiB')
        assert int(printed) <= 48 * MIB
