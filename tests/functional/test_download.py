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

"""Downloads from a real Glance, with real tokens."""

import hashlib
import logging
import os
import pathlib

import openstack
from openstack import exceptions as sdk_exceptions
import pytest

import openstack_image_stream
from tests.functional import conftest
from tests.functional import modes
from tests.servers import cloud

MIB = 1024 * 1024

# Several chunks of every size that is read, and one that is not full.
DATA = os.urandom(9 * MIB + 17)

#: A byte in the first chunk, in the middle, the last one.
DAMAGES = (5, 5 * MIB, len(DATA) - 1)


def _hasty(connect: conftest.Connect) -> openstack.connection.Connection:
    # For what is lost for good, and would be asked for again in vain.
    return connect('stream', image_stream_retries=1)


@pytest.fixture(scope='module')
def image_id(running_cloud: cloud.Cloud) -> str:
    """An image that nobody damages."""
    return running_cloud.upload('whole', DATA)


@pytest.fixture
def own_image_id(running_cloud: cloud.Cloud) -> str:
    """An image for a test that changes it."""
    return running_cloud.upload('changed', DATA)


class TestWhole:
    """What an undamaged image is like once it is downloaded."""

    @modes.MODES
    def test_bytes_are_equal(
        self,
        connect: conftest.Connect,
        image_id: str,
        tmp_path: pathlib.Path,
        read: modes.Read,
    ) -> None:
        """Every way gives the bytes that were uploaded."""
        assert read(connect('stream'), image_id, tmp_path / 'image') == DATA

    def test_only_the_file_is_left(
        self, connect: conftest.Connect, image_id: str, tmp_path: pathlib.Path
    ) -> None:
        """No partial file remains beside the finished one."""
        connect('stream').image.download_image(
            image_id, output=tmp_path / 'image'
        )
        assert os.listdir(tmp_path) == ['image']

    def test_cloud_layer_goes_the_same_way(
        self, connect: conftest.Connect, image_id: str, tmp_path: pathlib.Path
    ) -> None:
        """conn.download_image, by name and to a path, uses the plugin."""
        response = connect('stream').download_image(
            image_id, output_path=str(tmp_path / 'image')
        )
        assert (tmp_path / 'image').read_bytes() == DATA
        # Upstream would have it all in memory here.
        with pytest.raises(RuntimeError):
            _ = response.content

    def test_checksum_is_among_the_headers(
        self, connect: conftest.Connect, image_id: str
    ) -> None:
        """A caller that verifies by hand finds the MD5 there."""
        with connect('stream').image.download_image(
            image_id, stream=True
        ) as response:
            assert (
                response.headers['Content-MD5']
                == hashlib.md5(DATA).hexdigest()
            )

    def test_upstream_gives_the_same(
        self, connect: conftest.Connect, image_id: str
    ) -> None:
        """Without the hook upstream responds, with these bytes."""
        conn = connect('plain')
        assert not isinstance(conn.image, type(connect('stream').image))
        assert conn.image.download_image(image_id).content == DATA

    @modes.MODES
    def test_an_empty_image(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        tmp_path: pathlib.Path,
        read: modes.Read,
    ) -> None:
        """Glance has images of no bytes, they can be downloaded too."""
        image_id = running_cloud.upload('empty', b'')
        assert read(connect('stream'), image_id, tmp_path / 'image') == b''


class TestDamaged:
    """What happens when the store has lost something."""

    @pytest.mark.parametrize('position', DAMAGES)
    @modes.MODES
    def test_flipped_byte_is_found(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        own_image_id: str,
        tmp_path: pathlib.Path,
        read: modes.Read,
        position: int,
    ) -> None:
        """One bit makes the difference, wherever it is."""
        with running_cloud.stored_file(own_image_id).open('r+b') as stored:
            stored.seek(position)
            stored.write(bytes([DATA[position] ^ 1]))
        with pytest.raises(
            openstack_image_stream.ChecksumMismatchError
        ) as caught:
            read(connect('stream'), own_image_id, tmp_path / 'image')
        assert caught.value.algorithm == 'sha512'
        assert caught.value.expected == hashlib.sha512(DATA).hexdigest()
        assert os.listdir(tmp_path) == []

    @modes.MODES
    def test_truncated_store_is_found(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        own_image_id: str,
        tmp_path: pathlib.Path,
        read: modes.Read,
    ) -> None:
        """A store that has less than the image's size gives no image."""
        with running_cloud.stored_file(own_image_id).open('r+b') as stored:
            stored.truncate(4 * MIB)
        with pytest.raises(openstack_image_stream.IncompleteDownloadError):
            read(_hasty(connect), own_image_id, tmp_path / 'image')
        assert not (tmp_path / 'image').exists()

    def test_existing_file_survives(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        own_image_id: str,
        tmp_path: pathlib.Path,
    ) -> None:
        """What was under the final name stays until there is better."""
        output = tmp_path / 'image'
        output.write_bytes(b'former image')
        with running_cloud.stored_file(own_image_id).open('r+b') as stored:
            stored.write(bytes([DATA[0] ^ 1]))
        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            connect('stream').image.download_image(own_image_id, output=output)
        assert output.read_bytes() == b'former image'


class TestHashes:
    """What Glance announces decides, and how."""

    def test_wrong_multihash(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        own_image_id: str,
    ) -> None:
        """The multihash decides, also where the MD5 is right."""
        running_cloud.set_image_hash(own_image_id, os_hash_value='0' * 128)
        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            connect('stream').image.download_image(own_image_id)

    def test_md5_alone_is_enough(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        own_image_id: str,
    ) -> None:
        """An image from before the multihash is proved by its MD5."""
        running_cloud.set_image_hash(
            own_image_id, os_hash_algo=None, os_hash_value=None
        )
        conn = connect('stream')
        assert conn.image.download_image(own_image_id).content == DATA
        running_cloud.set_image_hash(own_image_id, checksum='0' * 32)
        with pytest.raises(
            openstack_image_stream.ChecksumMismatchError
        ) as caught:
            conn.image.download_image(own_image_id)
        assert caught.value.algorithm == 'md5'

    def test_unknown_algorithm(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        own_image_id: str,
    ) -> None:
        """It is refused, unless MD5 is chosen to stand in."""
        running_cloud.set_image_hash(own_image_id, os_hash_algo='sha4096')
        conn = connect('stream')
        with pytest.raises(openstack_image_stream.UnusableHashError):
            conn.image.download_image(own_image_id)
        response = conn.image.download_image(
            own_image_id, allow_md5_fallback=True
        )
        assert response.content == DATA

    def test_no_hash_at_all(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        own_image_id: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """There is one warning, and the length is checked all the same."""
        running_cloud.set_image_hash(
            own_image_id, checksum=None, os_hash_algo=None, os_hash_value=None
        )
        conn = _hasty(connect)
        with caplog.at_level(logging.WARNING, 'openstack.image_stream'):
            assert conn.image.download_image(own_image_id).content == DATA
        assert [record.levelname for record in caplog.records] == ['WARNING']
        with running_cloud.stored_file(own_image_id).open('r+b') as stored:
            stored.truncate(4 * MIB)
        with pytest.raises(openstack_image_stream.IncompleteDownloadError):
            conn.image.download_image(own_image_id)


class TestStatus:
    """What Glance responds when there is nothing to download."""

    @modes.MODES
    def test_queued_image(
        self,
        connect: conftest.Connect,
        tmp_path: pathlib.Path,
        read: modes.Read,
    ) -> None:
        """An image without data is named as such, with its status."""
        conn = connect('stream')
        image = conn.image.create_image(
            'queued',
            disk_format='raw',
            container_format='bare',
            allow_duplicates=True,
        )
        with pytest.raises(
            openstack_image_stream.ImageDataMissingError
        ) as caught:
            read(conn, image.id, tmp_path / 'image')
        assert (caught.value.image_id, caught.value.status) == (
            image.id,
            'queued',
        )
        assert os.listdir(tmp_path) == []

    @modes.MODES
    def test_missing_image(
        self,
        connect: conftest.Connect,
        tmp_path: pathlib.Path,
        read: modes.Read,
    ) -> None:
        """An image that does not exist is not found."""
        with pytest.raises(sdk_exceptions.NotFoundException):
            read(connect('stream'), 'no-such-image', tmp_path / 'image')
        assert os.listdir(tmp_path) == []

    @modes.MODES
    def test_deactivated_image(
        self,
        connect: conftest.Connect,
        own_image_id: str,
        tmp_path: pathlib.Path,
        read: modes.Read,
    ) -> None:
        """A deactivated image is forbidden to its owner."""
        connect('admin').image.deactivate_image(own_image_id)
        with pytest.raises(sdk_exceptions.ForbiddenException):
            read(connect('stream'), own_image_id, tmp_path / 'image')
        assert os.listdir(tmp_path) == []

    def test_lost_data(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        own_image_id: str,
        tmp_path: pathlib.Path,
    ) -> None:
        """An image whose data the store has lost is an error."""
        running_cloud.stored_file(own_image_id).unlink()
        with pytest.raises(sdk_exceptions.SDKException):
            _hasty(connect).image.download_image(
                own_image_id, output=tmp_path / 'image'
            )
        assert os.listdir(tmp_path) == []
