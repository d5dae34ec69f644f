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

"""The checks, with images in a real Glance, by the example of the guide."""

import collections.abc
import hashlib
import pathlib
import subprocess
import sys
from typing import Any

from openstack import connection
import pytest

from examples.image import check
import openstack_image_stream
from tests.faults.catalogue import verdicts
from tests.functional import conftest
from tests.servers import cloud
from tests import signing

#: Uploads an image; returns its ID.
Upload = collections.abc.Callable[..., str]

GOOD = verdicts.image_like('qcow2')[: 1024 * 1024]
OTHER = GOOD[:-1] + bytes([GOOD[-1] ^ 1])
UNSAFE = verdicts.image_like('qcow2-backing')[: 1024 * 1024]


@pytest.fixture
def conn(connect: conftest.Connect) -> connection.Connection:
    """A connection with the plugin."""
    return connect('stream')


@pytest.fixture
def upload(running_cloud: cloud.Cloud, conn: connection.Connection) -> Upload:
    """Upload images."""

    def make(data: bytes, **properties: Any) -> str:
        image_id = running_cloud.upload('checked', data, disk_format='qcow2')
        if properties:
            # Glance would verify a signature that it is given before.
            conn.image.update_image(image_id, **properties)
        return image_id

    return make


class TestDigest:
    """The digest that a distributor published."""

    def sums(self, directory: pathlib.Path, data: bytes) -> pathlib.Path:
        """Make the file of a distributor."""
        path = directory / 'SHA256SUMS'
        path.write_text(f'{hashlib.sha256(data).hexdigest()} *image.qcow2\n')
        return path

    def test_right(
        self,
        conn: connection.Connection,
        upload: Upload,
        tmp_path: pathlib.Path,
    ) -> None:
        """The image arrives."""
        output = tmp_path / 'image.qcow2'
        check.download_published(
            conn, upload(GOOD), output, self.sums(tmp_path, GOOD)
        )
        assert output.read_bytes() == GOOD

    def test_wrong(
        self,
        conn: connection.Connection,
        upload: Upload,
        tmp_path: pathlib.Path,
    ) -> None:
        """An image that the cloud has otherwise does not."""
        output = tmp_path / 'image.qcow2'
        with pytest.raises(
            openstack_image_stream.ChecksumMismatchError,
            match='sha256 mismatch with expected_digest',
        ):
            check.download_published(
                conn, upload(OTHER), output, self.sums(tmp_path, GOOD)
            )
        assert not output.exists()

    @pytest.mark.parametrize('good', [True, False])
    def test_as_a_program(
        self,
        running_cloud: cloud.Cloud,
        upload: Upload,
        tmp_path: pathlib.Path,
        good: bool,
    ) -> None:
        """The example says what is wrong in a line."""
        done = subprocess.run(
            [
                sys.executable,
                check.__file__,
                upload(GOOD if good else OTHER),
                'image.qcow2',
                self.sums(tmp_path, GOOD),
            ],
            cwd=tmp_path,
            env=running_cloud.environment('stream'),
            capture_output=True,
            text=True,
        )
        assert done.returncode == (0 if good else 1), done.stderr
        assert ('sha256 mismatch' in done.stderr) == (not good)
        assert 'Traceback' not in done.stderr


class TestFormat:
    """What the content is."""

    def test_safe(
        self,
        conn: connection.Connection,
        upload: Upload,
        tmp_path: pathlib.Path,
    ) -> None:
        """An image of qemu-img arrives."""
        output = tmp_path / 'image'
        check.download_safe(conn, upload(GOOD), output)
        assert output.read_bytes() == GOOD

    def test_unsafe(
        self,
        running_cloud: cloud.Cloud,
        conn: connection.Connection,
        upload: Upload,
        tmp_path: pathlib.Path,
    ) -> None:
        """One with a backing file does not."""
        image_id = upload(GOOD)
        # Glance does not take one, so that it has to change in its store.
        running_cloud.stored_file(image_id).write_bytes(UNSAFE)
        with pytest.raises(openstack_image_stream.UnsafeImageError) as caught:
            check.download_safe(conn, image_id, tmp_path / 'image')
        assert caught.value.announced == 'qcow2'
        assert list(caught.value.failures) == ['backing_file']
        assert list(tmp_path.iterdir()) == []


class TestSignature:
    """Who signed."""

    def properties(self, data: bytes) -> dict[str, Any]:
        """Sign data."""
        key = signing.private_key('RSA-PSS')
        return signing.properties(
            signing.sign(key, data, 'SHA-256'), 'RSA-PSS', 'SHA-256'
        )

    @pytest.mark.parametrize('signed', [GOOD, OTHER], ids=['right', 'wrong'])
    def test_signature(
        self,
        conn: connection.Connection,
        upload: Upload,
        tmp_path: pathlib.Path,
        signed: bytes,
    ) -> None:
        """The image arrives if it is what was signed."""
        signer = tmp_path / 'signer.pem'
        signer.write_bytes(
            signing.pem(signing.private_key('RSA-PSS').public_key())
        )
        output = tmp_path / 'image'
        image_id = upload(GOOD, **self.properties(signed))
        if signed is GOOD:
            check.download_signed(conn, image_id, output, signer)
            assert output.read_bytes() == GOOD
        else:
            with pytest.raises(openstack_image_stream.SignatureError):
                check.download_signed(conn, image_id, output, signer)
            assert not output.exists()
