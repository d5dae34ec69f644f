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
"""Freezer's backup of an image to a local directory, unchanged.

Freezer makes its connection from a session of its own, which no configuration
of a cloud reaches, so the plugin is installed for the process. One of its
threads reads the stream and another one writes the file.
"""

from collections.abc import Callable, Iterator
import dataclasses
import io
import itertools
import pathlib

from freezer.common import config
from freezer.engine.glance import glance
from freezer.exceptions import engine as freezer_exceptions
from freezer.storage import local
from keystoneauth1 import exceptions as ksa_exceptions
from oslo_config import cfg
import pytest
import requests
import yaml

import openstack_image_stream
from tests.programs import conftest
from tests.servers import cloud
from tests.servers import fault_proxy

DATA = conftest.DATA
MIB = conftest.MIB

SIDES = pytest.mark.parametrize('plugin', [False, True], ids=['sdk', 'plugin'])

# Freezer raises in its threads what it has put into the queue of its errors.
pytestmark = pytest.mark.filterwarnings(
    'ignore::pytest.PytestUnhandledThreadExceptionWarning'
)


@dataclasses.dataclass
class Freezer:
    """Freezer, and where it stores backups.

    :param engine: What makes backups of images.
    :param directory: The storage.
    """

    engine: glance.GlanceEngine
    directory: pathlib.Path

    def stream(self, image_id: str) -> Iterator[bytes]:
        """Download, as Freezer's engines for images and volumes do."""
        image = self.engine.glance.get_image(image_id)
        chunks: Iterator[bytes] = self.engine.client.download_image(image)
        return chunks

    def backup(self, image_id: str) -> bytes:
        """Make a backup.

        :returns: The content of the backup.
        :raises: Freezer's error when it does not call it complete.
        """
        self.engine.backup(
            backup_resource=image_id,
            hostname_backup_name='host_image',
            incremental=False,
            max_level=0,
            always_level=0,
            restart_always_level=0,
        )
        [stored] = self.directory.glob('data/glance/**/data')
        # Freezer restores what has both; without the second it is not listed.
        assert list(self.directory.glob('metadata/glance/**/metadata'))
        return stored.read_bytes()


Connect = Callable[..., Freezer]


@pytest.fixture
def connect(
    running_cloud: cloud.Cloud,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> Iterator[Connect]:
    """What makes Freezer's engine, by its own configuration."""
    clouds = yaml.safe_load(running_cloud.clouds_yaml.read_text())
    for name, value in clouds['clouds']['plain']['auth'].items():
        monkeypatch.setenv(f'OS_{name.upper()}', value)
    # It may be that of another program of these tests.
    cfg.CONF.reset()
    config.config(args=[])

    def connected(plugin: bool, endpoint: str | None = None) -> Freezer:
        if plugin:
            openstack_image_stream.install()
        storage = local.LocalStorage(
            storage_path=str(tmp_path), max_segment_size=MIB
        )
        engine = glance.GlanceEngine(storage=storage, max_segment_size=MIB)
        ours = isinstance(engine.glance, openstack_image_stream.ImageProxy)
        assert ours == plugin
        if endpoint is not None:
            engine.glance.endpoint_override = endpoint
        return Freezer(engine, tmp_path)

    yield connected
    cfg.CONF.reset()


@SIDES
class TestReachable:
    """Nothing goes wrong."""

    def test_backup(
        self, connect: Connect, image_id: str, plugin: bool
    ) -> None:
        """The backup has the image."""
        assert connect(plugin).backup(image_id) == DATA


@SIDES
class TestUnreachable:
    """Nothing listens where the Image service was."""

    def test_backup(
        self,
        connect: Connect,
        running_cloud: cloud.Cloud,
        image_id: str,
        plugin: bool,
    ) -> None:
        """There is no backup."""
        with fault_proxy.FaultProxy(running_cloud.image_url) as proxy:
            freezer = connect(plugin, proxy.url)
        with pytest.raises(freezer_exceptions.EngineException):
            freezer.backup(image_id)

    def test_download(
        self,
        connect: Connect,
        running_cloud: cloud.Cloud,
        image_id: str,
        plugin: bool,
    ) -> None:
        """The download raises the same class of errors."""
        with fault_proxy.FaultProxy(running_cloud.image_url) as proxy:
            freezer = connect(plugin, proxy.url)
            image = freezer.engine.glance.get_image(image_id)
        with pytest.raises(ksa_exceptions.ConnectFailure):
            freezer.engine.client.download_image(image)


class TestNoData:
    """The image was never uploaded."""

    def test_upstream(self, connect: Connect, empty_id: str) -> None:
        """Freezer stores a backup of nothing, and is content."""
        assert connect(False).backup(empty_id) == b''

    def test_plugin(
        self,
        connect: Connect,
        empty_id: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Freezer fails, and its log says why."""
        with pytest.raises(freezer_exceptions.EngineException):
            connect(True).backup(empty_id)
        assert 'queued' in caplog.text


class TestForbidden:
    """The image is deactivated."""

    def test_upstream(self, connect: Connect, forbidden_id: str) -> None:
        """Freezer stores the text of the error as the image."""
        assert b'403' in connect(False).backup(forbidden_id)

    def test_plugin(
        self,
        connect: Connect,
        forbidden_id: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Freezer fails, and its log says why."""
        with pytest.raises(freezer_exceptions.EngineException):
            connect(True).backup(forbidden_id)
        assert '403 Forbidden' in caplog.text


class TestDamaged:
    """A bit of the image is flipped."""

    def test_upstream(self, connect: Connect, damaged_id: str) -> None:
        """Freezer stores a bad backup, and is content."""
        stored = connect(False).backup(damaged_id)
        assert len(stored) == len(DATA)
        assert stored != DATA

    def test_plugin(
        self,
        connect: Connect,
        damaged_id: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Freezer fails, and its log says why."""
        with pytest.raises(freezer_exceptions.EngineException):
            connect(True).backup(damaged_id)
        assert 'sha512 mismatch' in caplog.text


class TestCutOnce:
    """A connection is lost in the middle."""

    @pytest.fixture
    def url(self, running_cloud: cloud.Cloud) -> Iterator[str]:
        """Where the first connection is cut."""
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=[2 * MIB]
        ) as proxy:
            yield proxy.url
            assert proxy.broken == 1

    def test_upstream(self, connect: Connect, image_id: str, url: str) -> None:
        """Freezer fails."""
        with pytest.raises(freezer_exceptions.EngineException):
            connect(False, url).backup(image_id)

    def test_plugin(self, connect: Connect, image_id: str, url: str) -> None:
        """The download is resumed, and Freezer notices nothing."""
        assert connect(True, url).backup(image_id) == DATA


@SIDES
class TestCutForGood:
    """Connections are lost, and no other brings a byte."""

    @pytest.fixture
    def url(self, running_cloud: cloud.Cloud) -> Iterator[str]:
        """Where each connection is cut."""
        cuts = itertools.chain([2 * MIB], itertools.repeat(0))
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=cuts
        ) as proxy:
            yield proxy.url

    def test_backup(
        self, connect: Connect, image_id: str, url: str, plugin: bool
    ) -> None:
        """There is no backup."""
        with pytest.raises(freezer_exceptions.EngineException):
            connect(plugin, url).backup(image_id)

    def test_stream(
        self, connect: Connect, image_id: str, url: str, plugin: bool
    ) -> None:
        """The stream raises the same class of errors."""
        output = io.BytesIO()
        with pytest.raises(requests.RequestException):
            output.writelines(connect(plugin, url).stream(image_id))
        assert len(output.getvalue()) < len(DATA)
