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

"""Local files against the images of a real Glance."""

import collections.abc
import hashlib
import os
import pathlib

from openstack import exceptions as sdk_exceptions
import pytest

import openstack_image_stream
from tests.functional import conftest
from tests.servers import cloud
from tests.servers import fault_proxy
from tests.unit import test_formats

MIB = 1024 * 1024

# Several chunks of what is read at a time, and one that is not full.
DATA = os.urandom(9 * MIB + 17)

#: Bytes in the first chunk, in the middle, the last one.
DAMAGES = (5, 5 * MIB, len(DATA) - 1)


@pytest.fixture(scope='module')
def image_id(running_cloud: cloud.Cloud) -> str:
    """An image."""
    return running_cloud.upload('verified', DATA)


@pytest.fixture
def images(connect: conftest.Connect) -> openstack_image_stream.ImageProxy:
    """The Image service, with the plugin."""
    images = connect('stream').image
    assert isinstance(images, openstack_image_stream.ImageProxy)
    return images


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """A file that is the image, and has been for some time."""
    path = tmp_path / 'image'
    path.write_bytes(DATA)
    os.utime(path, (1, 1))
    return path


@pytest.fixture
def counted(
    running_cloud: cloud.Cloud,
) -> collections.abc.Iterator[fault_proxy.FaultProxy]:
    """What counts the requests for data on their way to Glance."""
    with fault_proxy.FaultProxy(running_cloud.image_url) as proxy:
        yield proxy


@pytest.fixture
def counted_images(
    connect: conftest.Connect, counted: fault_proxy.FaultProxy
) -> openstack_image_stream.ImageProxy:
    """The Image service behind that."""
    images = connect(
        'stream',
        image_endpoint_override=counted.url,
        image_api_version='2',
    ).image
    assert isinstance(images, openstack_image_stream.ImageProxy)
    return images


def flip(path: pathlib.Path, position: int) -> None:
    """Change a bit of a file."""
    with path.open('r+b') as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


class TestVerify:
    """Files are verified by the hash that Glance computed."""

    def test_right(
        self,
        counted_images: openstack_image_stream.ImageProxy,
        counted: fault_proxy.FaultProxy,
        image_id: str,
        path: pathlib.Path,
    ) -> None:
        """The image passes, and none of its data are requested."""
        seen: list[openstack_image_stream.Progress] = []

        counted_images.verify_image(image_id, path, progress=seen.append)

        assert counted.statuses == []
        assert (seen[-1].done, seen[-1].total) == (len(DATA), len(DATA))

    @pytest.mark.parametrize('position', DAMAGES)
    def test_flipped_bit(
        self,
        images: openstack_image_stream.ImageProxy,
        image_id: str,
        path: pathlib.Path,
        position: int,
    ) -> None:
        """A bit makes the difference, wherever it is."""
        flip(path, position)

        with pytest.raises(
            openstack_image_stream.ChecksumMismatchError
        ) as caught:
            images.verify_image(image_id, path)

        assert caught.value.algorithm == 'sha512'
        assert caught.value.path == str(path)

    def test_length(
        self,
        images: openstack_image_stream.ImageProxy,
        image_id: str,
        path: pathlib.Path,
    ) -> None:
        """A file that is too short is known as such."""
        os.truncate(path, len(DATA) - 1)

        with pytest.raises(
            openstack_image_stream.ChecksumMismatchError, match='size'
        ):
            images.verify_image(image_id, path)

    def test_empty(
        self,
        running_cloud: cloud.Cloud,
        images: openstack_image_stream.ImageProxy,
        image_id: str,
        path: pathlib.Path,
    ) -> None:
        """An empty file is an empty image, and no other."""
        os.truncate(path, 0)

        images.verify_image(running_cloud.upload('empty', b''), path)
        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            images.verify_image(image_id, path)

    def test_holes(
        self,
        running_cloud: cloud.Cloud,
        images: openstack_image_stream.ImageProxy,
        tmp_path: pathlib.Path,
    ) -> None:
        """A downloaded file with holes is the image."""
        sparse = running_cloud.upload('sparse', bytes(8 * MIB) + b'end')
        path = tmp_path / 'image'
        images.download_image(sparse, output=path)
        assert path.stat().st_blocks * 512 < 8 * MIB

        images.verify_image(sparse, path)

    def test_link(
        self,
        images: openstack_image_stream.ImageProxy,
        image_id: str,
        path: pathlib.Path,
        tmp_path: pathlib.Path,
    ) -> None:
        """A link means what it leads to."""
        link = tmp_path / 'link'
        link.symlink_to(path)

        images.verify_image(image_id, link)

    def test_fifo(
        self,
        images: openstack_image_stream.ImageProxy,
        image_id: str,
        tmp_path: pathlib.Path,
    ) -> None:
        """It is refused, not waited for."""
        os.mkfifo(tmp_path / 'fifo')

        with pytest.raises(
            openstack_image_stream.InvalidArgumentError, match='FIFO'
        ):
            images.verify_image(image_id, tmp_path / 'fifo')

    def test_changed_while_read(
        self,
        running_cloud: cloud.Cloud,
        images: openstack_image_stream.ImageProxy,
        tmp_path: pathlib.Path,
    ) -> None:
        """Another program writes to the file."""
        # Long enough for progress to be reported before the end.
        data = bytes(256 * MIB)
        image_id = running_cloud.upload('long', data)
        path = tmp_path / 'image'
        path.write_bytes(data)
        os.utime(path, (1, 1))

        with pytest.raises(
            openstack_image_stream.OutputError, match='while it was read'
        ):
            images.verify_image(
                image_id, path, progress=lambda snapshot: flip(path, 5)
            )

    def test_expected_digest(
        self,
        images: openstack_image_stream.ImageProxy,
        image_id: str,
        path: pathlib.Path,
    ) -> None:
        """It is compared in addition."""
        digest = hashlib.sha256(DATA).hexdigest()

        images.verify_image(image_id, path, expected_digest=f'sha256:{digest}')
        with pytest.raises(
            openstack_image_stream.ChecksumMismatchError, match='sha256'
        ):
            images.verify_image(
                image_id, path, expected_digest=f'sha256:{"0" * 64}'
            )

    def test_without_a_hash(
        self,
        running_cloud: cloud.Cloud,
        images: openstack_image_stream.ImageProxy,
        path: pathlib.Path,
    ) -> None:
        """An image without data verifies nothing."""
        image_id = running_cloud.upload('queued', None)

        with pytest.raises(
            openstack_image_stream.UnverifiableImageError, match='queued'
        ):
            images.verify_image(image_id, path)

    def test_missing_image(
        self, images: openstack_image_stream.ImageProxy, path: pathlib.Path
    ) -> None:
        """It is the error of the SDK."""
        with pytest.raises(sdk_exceptions.NotFoundException):
            images.verify_image('00000000-0000-0000-0000-000000000000', path)


class TestSkip:
    """What is there already is not downloaded."""

    def test_current(
        self,
        counted_images: openstack_image_stream.ImageProxy,
        counted: fault_proxy.FaultProxy,
        image_id: str,
        path: pathlib.Path,
    ) -> None:
        """No request for data is sent, and the file stays."""
        before = path.stat()
        seen: list[openstack_image_stream.Progress] = []

        response = counted_images.download_image(
            image_id, output=path, skip_current=True, progress=seen.append
        )

        assert counted.statuses == []
        assert (response.status_code, response.content) == (304, b'')
        assert response.url == f'{counted.url}/images/{image_id}/file'
        assert path.stat().st_ino == before.st_ino
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        assert seen[-1] == openstack_image_stream.Progress(
            done=len(DATA), total=len(DATA), resumed=len(DATA)
        )

    @pytest.mark.parametrize('position', DAMAGES)
    def test_flipped_bit(
        self,
        counted_images: openstack_image_stream.ImageProxy,
        counted: fault_proxy.FaultProxy,
        image_id: str,
        path: pathlib.Path,
        position: int,
    ) -> None:
        """A file that was damaged is replaced."""
        flip(path, position)

        response = counted_images.download_image(
            image_id, output=path, skip_current=True
        )

        assert counted.statuses == [200]
        assert response.status_code == 200
        assert path.read_bytes() == DATA

    def test_twice(
        self,
        counted_images: openstack_image_stream.ImageProxy,
        counted: fault_proxy.FaultProxy,
        image_id: str,
        tmp_path: pathlib.Path,
    ) -> None:
        """The second download is none, and nothing else is left."""
        for _ in range(2):
            counted_images.download_image(
                image_id, output=tmp_path / 'new', skip_current=True
            )

        assert counted.statuses == [200]
        assert os.listdir(tmp_path) == ['new']

    def test_failed_download(
        self,
        connect: conftest.Connect,
        running_cloud: cloud.Cloud,
        image_id: str,
        path: pathlib.Path,
    ) -> None:
        """A partial file is not taken for the image, and is resumed."""
        flip(path, 5)
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=[5 * MIB]
        ) as proxy:
            images = connect(
                'stream',
                image_endpoint_override=proxy.url,
                image_api_version='2',
            ).image
            with pytest.raises(openstack_image_stream.IncompleteDownloadError):
                images.download_image(
                    image_id, output=path, skip_current=True, retries=0
                )
            images.download_image(image_id, output=path, skip_current=True)
            assert proxy.statuses == [200, 206]
            assert proxy.fetched < len(DATA) + MIB
        assert path.read_bytes() == DATA


class TestInspect:
    """Images are looked into."""

    def test_beginning(
        self,
        running_cloud: cloud.Cloud,
        counted_images: openstack_image_stream.ImageProxy,
        counted: fault_proxy.FaultProxy,
    ) -> None:
        """One request, of whose data little is read."""
        data = test_formats.image('qcow2') + bytes(64 * MIB)
        image_id = running_cloud.upload('inspected', data)

        found = counted_images.inspect_image(image_id)

        assert (found.name, found.disk_format) == ('inspected', 'raw')
        assert (found.detected, found.failures) == (('qcow2',), {})
        assert counted.statuses == [200]
        assert found.bytes_read <= MIB
        assert counted.fetched < 16 * MIB

    def test_whole(
        self,
        running_cloud: cloud.Cloud,
        images: openstack_image_stream.ImageProxy,
    ) -> None:
        """All of it is read and verified."""
        data = test_formats.image('qcow2') + bytes(MIB)
        image_id = running_cloud.upload('inspected', data)

        assert images.inspect_image(image_id, whole=True).bytes_read == len(
            data
        )
        flip(running_cloud.stored_file(image_id), len(data) - 1)
        images.inspect_image(image_id)
        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            images.inspect_image(image_id, whole=True)

    def test_without_data(
        self,
        running_cloud: cloud.Cloud,
        images: openstack_image_stream.ImageProxy,
    ) -> None:
        """There is nothing to look into."""
        image_id = running_cloud.upload('queued', None)

        with pytest.raises(openstack_image_stream.ImageDataMissingError):
            images.inspect_image(image_id)
