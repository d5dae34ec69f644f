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

"""Images in an S3 store of a real Glance, which serves no byte ranges."""

import collections.abc
import logging
import os
import pathlib

import pytest

import openstack_image_stream
from tests import conftest as tests_conftest
from tests.functional import conftest
from tests.functional import destinations
from tests.functional import modes
from tests.servers import cloud
from tests.servers import fault_proxy
from tests.servers import upload_proxy

MIB = 1024 * 1024

#: An object that is uploaded at once, and one that is uploaded in parts.
SMALL = os.urandom(4 * MIB + 3)
DATA = os.urandom(24 * MIB + 17)

CUTS = (3 * MIB, 17 * MIB + 1)

Fault = upload_proxy.Fault


@pytest.fixture(scope='module')
def object_cloud(
    kept_directory: tests_conftest.KeptDirectory,
) -> collections.abc.Iterator[cloud.Cloud]:
    """A cloud that keeps its images in the store."""
    with cloud.Cloud.start(
        kept_directory('objects'),
        object_store=True,
        hashing_algorithm='sha256',
    ) as running:
        yield running


@pytest.fixture
def objects(
    object_cloud: cloud.Cloud,
) -> collections.abc.Iterator[destinations.Destination]:
    """The same, and what a test connected to it."""
    made = destinations.Destination(object_cloud)
    yield made
    made.close()


@pytest.fixture(scope='module')
def image_id(object_cloud: cloud.Cloud) -> str:
    """An image in the store."""
    return object_cloud.upload('stored', DATA)


@pytest.fixture(scope='module')
def file_image_id(running_cloud: cloud.Cloud) -> str:
    """The same image in files of the other cloud."""
    return running_cloud.upload('filed', DATA)


@pytest.fixture
def unchanged(
    objects: destinations.Destination,
) -> collections.abc.Iterator[None]:
    """Checks that a test leaves neither an image nor an object."""
    ids, keys = objects.ids(), objects.running.object_store.keys()
    yield
    assert objects.ids() == ids
    assert objects.running.object_store.keys() == keys


class TestDownload:
    """Downloads from the store."""

    @modes.MODES
    @pytest.mark.parametrize('reset', [False, True])
    def test_cut(
        self,
        objects: destinations.Destination,
        image_id: str,
        tmp_path: pathlib.Path,
        read: modes.Read,
        reset: bool,
    ) -> None:
        """Ranges are refused, and what was read is skipped."""
        with fault_proxy.FaultProxy(
            objects.running.image_url, cuts=CUTS, reset=reset
        ) as proxy:
            content = read(
                objects.behind(proxy, 'stream'), image_id, tmp_path / 'image'
            )

            assert proxy.broken == 2
            assert proxy.statuses == [200, 400, 200, 200]
        assert content == DATA

    @modes.MODES
    def test_several_connections(
        self,
        objects: destinations.Destination,
        image_id: str,
        tmp_path: pathlib.Path,
        read: modes.Read,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """There is one instead, and one line in the log."""
        with (
            fault_proxy.FaultProxy(objects.running.image_url) as proxy,
            caplog.at_level(logging.INFO, 'openstack.image_stream'),
        ):
            content = read(
                objects.behind(proxy, 'stream'),
                image_id,
                tmp_path / 'image',
                connections=4,
            )

            assert proxy.statuses == [400, 200]
        assert content == DATA
        [line] = [
            record.getMessage()
            for record in caplog.records
            if record.name == 'openstack.image_stream'
        ]
        assert 'one connection instead of 4' in line


class TestSource:
    """Copies from the store."""

    @pytest.mark.parametrize('reset', [False, True])
    @pytest.mark.parametrize('connections', [1, 4])
    def test_cut(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        objects: destinations.Destination,
        image_id: str,
        reset: bool,
        connections: int,
    ) -> None:
        """It is read anew beneath one upload."""
        with (
            fault_proxy.FaultProxy(
                objects.running.image_url, cuts=CUTS, reset=reset
            ) as proxy,
            upload_proxy.UploadProxy(running_cloud.image_url) as uploads,
        ):
            made = objects.behind(proxy, 'stream').image.copy_image(
                image_id,
                to=connect(
                    'plain',
                    image_endpoint_override=uploads.url,
                    image_api_version='2',
                ),
                connections=connections,
            )

            assert proxy.broken == 2
            assert 400 in proxy.statuses
            assert 206 not in proxy.statuses
            assert uploads.uploads == 1
        assert running_cloud.stored_file(made.id).read_bytes() == DATA

    @pytest.mark.usefixtures('unchanged')
    def test_damaged(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        objects: destinations.Destination,
    ) -> None:
        """An object that has changed is never all uploaded."""
        store = objects.running.object_store
        damaged = objects.running.upload('damaged', DATA)
        store.replace(damaged, DATA[:-1] + bytes([DATA[-1] ^ 1]))
        before = {image.id for image in connect('plain').image.images()}

        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            objects.connect('stream').image.copy_image(
                damaged, to=connect('plain')
            )

        after = {image.id for image in connect('plain').image.images()}
        assert after == before
        objects.running.delete(damaged)


class TestDestination:
    """Copies into the store."""

    @pytest.mark.parametrize('data', [SMALL, DATA], ids=['small', 'parts'])
    def test_whole(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        objects: destinations.Destination,
        data: bytes,
    ) -> None:
        """The object is what the files of the other cloud have."""
        store = objects.running.object_store
        begun = store.begun()
        made = connect('stream').image.copy_image(
            running_cloud.upload('copied', data), to=objects.connect()
        )

        assert store.content(made.id) == data
        assert (made.status, made.hash_algo) == ('active', 'sha256')
        assert store.begun() == begun

    def test_within(
        self, objects: destinations.Destination, image_id: str
    ) -> None:
        """From the store into the store, through cuts."""
        with fault_proxy.FaultProxy(
            objects.running.image_url, cuts=CUTS
        ) as proxy:
            made = objects.behind(proxy, 'stream').image.copy_image(
                image_id, to=objects.connect()
            )

            assert proxy.broken == 2
        assert objects.running.object_store.content(made.id) == DATA

    def test_stores(
        self,
        connect: conftest.Connect,
        objects: destinations.Destination,
        file_image_id: str,
    ) -> None:
        """One import fills it and a store of files."""
        made = connect('stream').image.copy_image(
            file_image_id, to=objects.connect(), stores=['objects', 'file']
        )

        assert objects.running.object_store.content(made.id) == DATA
        assert objects.content(made.id) == DATA

    @pytest.mark.usefixtures('unchanged')
    @pytest.mark.parametrize('size', [4 * MIB, 24 * MIB])
    @pytest.mark.parametrize('stores', [None, ['objects']])
    def test_damaged(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        objects: destinations.Destination,
        size: int,
        stores: list[str] | None,
    ) -> None:
        """A bad source leaves no object."""
        damaged = running_cloud.upload('damaged', DATA[:size])
        with running_cloud.stored_file(damaged).open('r+b') as stored:
            stored.write(bytes([DATA[0] ^ 1]))

        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            connect('stream').image.copy_image(
                damaged, to=objects.connect(), stores=stores
            )

    @pytest.mark.parametrize(
        'fault',
        [
            Fault(after=10 * MIB),
            Fault(after=10 * MIB, reset=True),
            Fault(after=10 * MIB, status=503),
            Fault(after=len(DATA) - 1),
        ],
        ids=['cut', 'reset', '503', 'last byte'],
    )
    def test_broken(
        self,
        connect: conftest.Connect,
        objects: destinations.Destination,
        file_image_id: str,
        fault: upload_proxy.Fault,
    ) -> None:
        """The second upload is to the same record."""
        ids = objects.ids()
        with upload_proxy.UploadProxy(objects.running.image_url) as uploads:
            uploads.faults.append(fault)
            made = connect('stream').image.copy_image(
                file_image_id, to=objects.behind(uploads)
            )

            assert uploads.uploads == 2
        assert objects.ids() - ids == {made.id}
        assert objects.running.object_store.content(made.id) == DATA

    def test_lost_response(
        self,
        connect: conftest.Connect,
        objects: destinations.Destination,
        file_image_id: str,
    ) -> None:
        """The object is there, and is not uploaded twice."""
        with upload_proxy.UploadProxy(objects.running.image_url) as uploads:
            uploads.faults.append(Fault())
            made = connect('stream').image.copy_image(
                file_image_id, to=objects.behind(uploads)
            )

            assert uploads.uploads == 1
        assert objects.running.object_store.content(made.id) == DATA

    @pytest.mark.usefixtures('unchanged')
    def test_broken_for_good(
        self,
        connect: conftest.Connect,
        objects: destinations.Destination,
        file_image_id: str,
    ) -> None:
        """There is neither an image nor an object after that."""
        with upload_proxy.UploadProxy(objects.running.image_url) as uploads:
            uploads.faults.extend([Fault(after=10 * MIB)] * 2)
            with pytest.raises(openstack_image_stream.CopyFailedError) as info:
                connect('stream').image.copy_image(
                    file_image_id, to=objects.behind(uploads), retries=1
                )

        assert not info.value.left_behind
