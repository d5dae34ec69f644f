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
"""How os-migrate exports an image, with a cloud of clouds.yaml.

os-migrate is a collection for Ansible, which only Ansible's own index has. Its
module ``export_image_blob`` connects with all keywords of ``connect()``, most
of them ``None``, finds the image, opens the file, and reads the stream in
chunks of 1 MiB. It compares their MD5 with the header ``Content-MD5``, and
removes the file at any error, since it takes a file that exists for one that
is complete. :func:`_export` does so. Where the collection is installed, and
``ANSIBLE_COLLECTIONS_PATH`` says so, the tests run with its own function, too.
"""

from collections.abc import Callable, Iterator
import contextlib
import hashlib
import importlib
import itertools
import os
import pathlib
import sys
from typing import Any, BinaryIO

from keystoneauth1 import exceptions as ksa_exceptions
import openstack
from openstack import exceptions as sdk_exceptions
import pytest
import requests

import openstack_image_stream
from tests.programs import conftest
from tests.servers import cloud
from tests.servers import fault_proxy

DATA = conftest.DATA
MIB = conftest.MIB

#: Clouds of clouds.yaml: one without the hook, and one with it.
SIDES = pytest.mark.parametrize('side', ['plain', 'stream'])


@contextlib.contextmanager
def _removed_after_errors(path: str) -> Iterator[BinaryIO]:
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(pathlib.Path(path).unlink)
        with open(path, 'wb') as output:
            yield output
        cleanup.pop_all()


def _export(conn: Any, image: Any, path: str) -> bool:
    if pathlib.Path(path).exists():
        return False
    with _removed_after_errors(path) as output:
        response = conn.image.download_image(image, stream=True)
        md5 = hashlib.md5(usedforsecurity=False)
        for chunk in response.iter_content(MIB):
            output.write(chunk)
            md5.update(chunk)
        if md5.hexdigest() != response.headers['Content-MD5']:
            raise ValueError('the MD5 is wrong')
    return True


def _exporters() -> dict[str, Callable[[Any, Any, str], bool]]:
    found = {'like-os-migrate': _export}
    paths = os.environ.get('ANSIBLE_COLLECTIONS_PATH', '').split(os.pathsep)
    sys.path.extend(filter(None, paths))
    with contextlib.suppress(ImportError):
        found['os-migrate'] = importlib.import_module(
            'ansible_collections.os_migrate.os_migrate.plugins.module_utils'
            '.image'
        ).export_blob
    return found


EXPORTERS = _exporters()

Export = Callable[..., bytes]


@pytest.fixture(params=EXPORTERS)
def export(
    request: pytest.FixtureRequest,
    running_cloud: cloud.Cloud,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> Iterator[Export]:
    """Export an image; returns what the file has then."""
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(running_cloud.clouds_yaml))
    path = tmp_path / 'image'

    def exported(
        side: str,
        image_id: str,
        endpoint: str | None = None,
        before: Callable[[], object] = lambda: None,
    ) -> bytes:
        unset = ('auth', 'auth_type', 'region_name', 'verify', 'cacert')
        conn = openstack.connect(
            cloud=side,
            interface='public',
            **dict.fromkeys((*unset, 'key', 'cert', 'api_timeout')),
        )
        with conn:
            ours = isinstance(conn.image, openstack_image_stream.ImageProxy)
            assert ours == (side == 'stream')
            if endpoint is not None:
                conn.image.endpoint_override = endpoint
            image = conn.image.find_image(image_id, ignore_missing=False)
            before()
            assert EXPORTERS[request.param](conn, image, str(path))
        return path.read_bytes()

    yield exported
    # A second run would take any file for a complete one.
    assert not path.exists() or path.read_bytes() == DATA


@SIDES
class TestReachable:
    """Nothing goes wrong."""

    def test_export(self, export: Export, image_id: str, side: str) -> None:
        """The file has the image, and the MD5 of the header is right."""
        assert export(side, image_id) == DATA


@SIDES
class TestUnreachable:
    """Nothing listens where the Image service was."""

    def test_export(
        self,
        export: Export,
        running_cloud: cloud.Cloud,
        image_id: str,
        side: str,
    ) -> None:
        """The same class of errors is raised, and there is no file."""
        with (
            fault_proxy.FaultProxy(running_cloud.image_url) as proxy,
            pytest.raises(ksa_exceptions.ConnectFailure),
        ):
            export(side, image_id, proxy.url, before=proxy.close)


class TestNoData:
    """The image was never uploaded."""

    def test_upstream(self, export: Export, empty_id: str) -> None:
        """The error is one of the header that is missing."""
        with pytest.raises(KeyError):
            export('plain', empty_id)

    def test_plugin(self, export: Export, empty_id: str) -> None:
        """The error says that the image has no data."""
        with pytest.raises(openstack_image_stream.ImageDataMissingError):
            export('stream', empty_id)


class TestForbidden:
    """The image is deactivated."""

    def test_upstream(self, export: Export, forbidden_id: str) -> None:
        """The error is one of the header that is missing."""
        with pytest.raises(KeyError):
            export('plain', forbidden_id)

    def test_plugin(self, export: Export, forbidden_id: str) -> None:
        """The error says that it is forbidden."""
        with pytest.raises(sdk_exceptions.ForbiddenException):
            export('stream', forbidden_id)


class TestDamaged:
    """A bit of the image is flipped."""

    def test_upstream(self, export: Export, damaged_id: str) -> None:
        """os-migrate finds it, by the MD5."""
        with pytest.raises(Exception, match=r'MD5|checksum'):
            export('plain', damaged_id)

    def test_plugin(self, export: Export, damaged_id: str) -> None:
        """The plugin finds it, by the SHA-512."""
        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            export('stream', damaged_id)


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

    def test_upstream(self, export: Export, image_id: str, url: str) -> None:
        """It has to start over."""
        with pytest.raises(requests.RequestException):
            export('plain', image_id, url)

    def test_plugin(self, export: Export, image_id: str, url: str) -> None:
        """The download is resumed, and os-migrate notices nothing."""
        assert export('stream', image_id, url) == DATA


@SIDES
class TestCutForGood:
    """Connections are lost, and no other brings a byte."""

    def test_export(
        self,
        export: Export,
        running_cloud: cloud.Cloud,
        image_id: str,
        side: str,
    ) -> None:
        """The same class of errors is raised, and there is no file."""
        cuts = itertools.chain([2 * MIB], itertools.repeat(0))
        with (
            fault_proxy.FaultProxy(
                running_cloud.image_url, cuts=cuts
            ) as proxy,
            pytest.raises(requests.RequestException),
        ):
            export(side, image_id, proxy.url)
