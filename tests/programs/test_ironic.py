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
"""Ironic's own client of the Image service, unchanged, with the plugin.

It makes its connection from a session, which no configuration of a cloud
reaches, and handles errors by the classes that upstream raises. Each case is
run with upstream, with the plugin in that connection, and with the plugin in
all connections of the process, which is how Ironic gets it.
"""

from collections.abc import Callable, Iterator
import dataclasses
import hashlib
import io
import itertools
import pathlib
from typing import Any

from ironic.common import context as ironic_context
from ironic.common import exception as ironic_exceptions
from ironic.common import image_service
from ironic.conf import CONF
from keystoneauth1 import session as ksa_session
import openstack
from openstack import config as sdk_config
from openstack import exceptions as sdk_exceptions
import pytest
import requests
import yaml

import openstack_image_stream
from tests import processes
from tests.programs import conftest
from tests.servers import cloud
from tests.servers import fault_proxy

DATA = conftest.DATA
MIB = conftest.MIB

#: How often Ironic retries a failed connection.
RETRIES = 1

SIDES = pytest.mark.parametrize('side', ['sdk', 'load', 'install'])
PLUGIN = pytest.mark.parametrize('side', ['load', 'install'])


@dataclasses.dataclass
class Service:
    """Ironic's client, and what it did.

    :param client: The client.
    :param calls: Its calls of ``download_image``.
    """

    client: image_service.GlanceImageService
    calls: list[str]

    def download(self, image_id: str, output: io.BytesIO) -> None:
        """Download as Ironic does, to a file that it has opened."""
        self.client.download(image_id, data=output)


Connect = Callable[..., Service]


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """Configure Ironic."""
    CONF([], project='ironic', default_config_files=[])
    CONF.set_override('num_retries', RETRIES, group='glance')
    yield
    CONF.clear_override('num_retries', group='glance')


@pytest.fixture
def connect(running_cloud: cloud.Cloud) -> Connect:
    """What makes Ironic's client, over a connection made as Ironic's are."""
    region = sdk_config.OpenStackConfig(
        config_files=[str(running_cloud.clouds_yaml)],
        secure_files=[],
        load_envvars=False,
    ).get_one(cloud='plain')

    def connected(side: str, endpoint: str | None = None) -> Service:
        if side == 'install':
            openstack_image_stream.install()
        session = ksa_session.Session(auth=region.get_auth())
        conn = openstack.connection.Connection(
            session=session,
            image_endpoint_override=endpoint
            or f'{running_cloud.image_url}/v2',
            image_api_version='2',
        )
        if side == 'load':
            openstack_image_stream.load(conn)
        # As Ironic does, to send the ID of its request along.
        proxy = conn.global_request(None).image
        ours = isinstance(proxy, openstack_image_stream.ImageProxy)
        assert ours == (side != 'sdk')
        # keystoneauth would retry 503, and wait.
        proxy.status_code_retries = 0
        calls: list[str] = []
        original = proxy.download_image

        def download_image(image: str, **kwargs: Any) -> requests.Response:
            calls.append(image)
            return original(image, **kwargs)

        proxy.download_image = download_image
        client = image_service.GlanceImageService(
            client=proxy,
            context=ironic_context.RequestContext(
                auth_token='unused', roles=['admin']
            ),
        )
        return Service(client, calls)

    return connected


@SIDES
class TestReachable:
    """Nothing goes wrong."""

    def test_to_a_file(
        self, connect: Connect, image_id: str, side: str
    ) -> None:
        """The file has the image."""
        output = io.BytesIO()
        connect(side).download(image_id, output)
        assert output.getvalue() == DATA

    def test_into_memory(
        self, connect: Connect, image_id: str, side: str
    ) -> None:
        """So has what is returned without one."""
        assert connect(side).client.download(image_id) == DATA

    def test_with_a_checksum(
        self, connect: Connect, image_id: str, side: str
    ) -> None:
        """Ironic hashes the stream by itself, too."""
        output = io.BytesIO()
        client = connect(side).client
        client.download(
            image_id,
            data=output,
            checksum=hashlib.sha256(DATA).hexdigest(),
            checksum_algo='sha256',
        )
        assert output.getvalue() == DATA
        assert client._transfer_verified_checksum is not None


@SIDES
class TestUnreachable:
    """Nothing listens where the Image service was."""

    @pytest.mark.parametrize('memory', [False, True])
    def test_is_retried(
        self,
        connect: Connect,
        running_cloud: cloud.Cloud,
        image_id: str,
        side: str,
        memory: bool,
    ) -> None:
        """Ironic retries, and raises its own error then."""
        with fault_proxy.FaultProxy(running_cloud.image_url) as proxy:
            service = connect(side, proxy.url)
            assert service.client.show(image_id)['id'] == image_id
        data = None if memory else io.BytesIO()
        with pytest.raises(ironic_exceptions.GlanceConnectionFailed):
            service.client.download(image_id, data=data)
        assert len(service.calls) == RETRIES + 1


class TestNoData:
    """The image was never uploaded."""

    def test_upstream(self, connect: Connect, empty_id: str) -> None:
        """Ironic finds no bytes in the response."""
        with pytest.raises(ironic_exceptions.ImageDownloadFailed):
            connect('sdk').download(empty_id, io.BytesIO())

    @PLUGIN
    def test_plugin(self, connect: Connect, empty_id: str, side: str) -> None:
        """Ironic translates the error: it is a NotFoundException."""
        with pytest.raises(ironic_exceptions.ImageNotFound):
            connect(side).download(empty_id, io.BytesIO())


class TestForbidden:
    """The image is deactivated."""

    def test_upstream(self, connect: Connect, forbidden_id: str) -> None:
        """Upstream checks no status: the file has the text of the error."""
        output = io.BytesIO()
        connect('sdk').download(forbidden_id, output)
        assert b'403' in output.getvalue()

    @PLUGIN
    def test_plugin(
        self, connect: Connect, forbidden_id: str, side: str
    ) -> None:
        """Ironic translates the error, and the file is empty."""
        output = io.BytesIO()
        with pytest.raises(ironic_exceptions.ImageNotAuthorized):
            connect(side).download(forbidden_id, output)
        assert output.getvalue() == b''


class TestDamaged:
    """A bit of the image is flipped, and Ironic was given no checksum."""

    def test_upstream(self, connect: Connect, damaged_id: str) -> None:
        """Ironic has a bad image and does not know."""
        output = io.BytesIO()
        connect('sdk').download(damaged_id, output)
        assert len(output.getvalue()) == len(DATA)
        assert output.getvalue() != DATA

    @PLUGIN
    def test_plugin(
        self, connect: Connect, damaged_id: str, side: str
    ) -> None:
        """The end of the image is withheld, and the error reaches Ironic."""
        output = io.BytesIO()
        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            connect(side).download(damaged_id, output)
        assert len(output.getvalue()) < len(DATA)


class TestCutOnce:
    """A connection is lost in the middle."""

    def test_upstream(
        self, connect: Connect, running_cloud: cloud.Cloud, image_id: str
    ) -> None:
        """Ironic's file has half an image."""
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=[2 * MIB]
        ) as proxy:
            output = io.BytesIO()
            with pytest.raises(requests.RequestException):
                connect('sdk', proxy.url).download(image_id, output)
            assert 0 < len(output.getvalue()) < len(DATA)

    @PLUGIN
    def test_plugin(
        self,
        connect: Connect,
        running_cloud: cloud.Cloud,
        image_id: str,
        side: str,
    ) -> None:
        """The download is resumed, and Ironic notices nothing."""
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=[2 * MIB]
        ) as proxy:
            output = io.BytesIO()
            connect(side, proxy.url).download(image_id, output)
            assert output.getvalue() == DATA
            assert proxy.broken == 1


@SIDES
class TestCutForGood:
    """Connections are lost, and no other brings a byte."""

    def test_streamed(
        self,
        connect: Connect,
        running_cloud: cloud.Cloud,
        image_id: str,
        side: str,
    ) -> None:
        """What is raised is what a reader of a stream catches."""
        cuts = itertools.chain([2 * MIB], itertools.repeat(0))
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=cuts
        ) as proxy:
            output = io.BytesIO()
            with pytest.raises(requests.RequestException) as caught:
                connect(side, proxy.url).download(image_id, output)
            assert len(output.getvalue()) < len(DATA)
            ours = isinstance(caught.value, sdk_exceptions.SDKException)
            assert ours == (side != 'sdk')

    def test_into_memory(
        self,
        connect: Connect,
        running_cloud: cloud.Cloud,
        image_id: str,
        side: str,
    ) -> None:
        """In memory it is a request that failed, which Ironic retries."""
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=itertools.repeat(0)
        ) as proxy:
            service = connect(side, proxy.url)
            with pytest.raises(ironic_exceptions.GlanceConnectionFailed):
                service.client.download(image_id)
            assert len(service.calls) == RETRIES + 1


class TestProgram:
    """A program that makes Ironic's connection by Ironic's configuration."""

    @pytest.fixture
    def words(
        self, running_cloud: cloud.Cloud, image_id: str, tmp_path: pathlib.Path
    ) -> Iterator[list[str]]:
        """The program and its arguments; its first connection is cut."""
        plain = yaml.safe_load(running_cloud.clouds_yaml.read_text())
        settings = plain['clouds']['plain']['auth']
        with fault_proxy.FaultProxy(
            running_cloud.image_url, cuts=[2 * MIB]
        ) as proxy:
            lines = [f'{name} = {value}' for name, value in settings.items()]
            lines.append(f'endpoint_override = {proxy.url}')
            path = tmp_path / 'ironic.conf'
            path.write_text(
                '\n'.join(['[glance]', 'auth_type = password', *lines])
            )
            yield [
                'tests.programs.ironic_program',
                str(path),
                image_id,
                str(tmp_path / 'image'),
            ]

    def test_upstream(self, words: list[str]) -> None:
        """Upstream leaves half an image."""
        with processes.Program('-m', *words) as program:
            status, _, errors = program.end()
        assert (status, 'ChunkedEncodingError' in errors) == (1, True), errors
        assert pathlib.Path(words[-1]).read_bytes() != DATA

    def test_run(self, words: list[str]) -> None:
        """With ``run`` the same program has the whole image."""
        run = ['-m', 'openstack_image_stream', 'run', '--', '-m']
        with processes.Program(*run, *words) as program:
            status, _, errors = program.end()
        assert status == 0, errors
        assert pathlib.Path(words[-1]).read_bytes() == DATA
