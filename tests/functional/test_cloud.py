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

"""The test cloud is what the other functional tests take it for."""

from concurrent import futures
import hashlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import typing
import urllib.parse

from keystoneauth1 import exceptions
import pytest
import requests

from tests.functional import conftest
from tests import processes
from tests.servers import cloud
from tests.servers.cloud import installation

_REPOSITORY = pathlib.Path(__file__).parents[2]


class Zeros:
    """A file that is all zeros and nowhere."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size

    def __len__(self) -> int:
        return self._size

    def read(self, size: int) -> bytes:
        """Return the next zeros."""
        chunk = bytes(min(size, self._left))
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        """Nothing to do."""


def processes_of(directory: pathlib.Path) -> list[str]:
    """Return the command lines that name something in the directory."""
    found = []
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        try:
            line = path.read_bytes().replace(b'\0', b' ').decode()
        except OSError:  # it has just ended
            continue
        if f'{directory}/' in line:
            found.append(line)
    return found


def is_open(url: str) -> bool:
    """Tell whether anybody listens at the port of a URL."""
    address = urllib.parse.urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((address.hostname, address.port)) == 0


class TestUpload:
    """Cloud.upload makes real images."""

    @pytest.mark.parametrize('size', [0, 1, 3_000_000])
    def test_bytes_become_an_active_image(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        size: int,
    ) -> None:
        """Glance lists the image with the size and digest of the data."""
        data = os.urandom(size)

        image_id = running_cloud.upload('bytes', data, min_disk=3)

        images = {image.id: image for image in connect('plain').image.images()}
        image = images[image_id]
        assert (image.name, image.status) == ('bytes', 'active')
        assert (image.size, image.min_disk) == (size, 3)
        assert image.hash_algo == 'sha512'
        assert image.hash_value == hashlib.sha512(data).hexdigest()
        assert running_cloud.stored_file(image_id).read_bytes() == data

    def test_a_path_is_read(
        self, running_cloud: cloud.Cloud, tmp_path: pathlib.Path
    ) -> None:
        """The bytes of the file are the image."""
        path = tmp_path / 'image.raw'
        path.write_bytes(os.urandom(100_000))

        image_id = running_cloud.upload('path', path)

        stored = running_cloud.stored_file(image_id)
        assert stored.read_bytes() == path.read_bytes()

    def test_a_factory_makes_large_images_cheap(
        self, running_cloud: cloud.Cloud
    ) -> None:
        """The file that it opens needs no more than read and a length."""
        size = 64 * 1024 * 1024

        image_id = running_cloud.upload('zeros', lambda: Zeros(size))

        assert running_cloud.stored_file(image_id).stat().st_size == size

    @pytest.mark.parametrize('chunked', [False, True])
    def test_the_sdk_uploads_as_well(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        tmp_path: pathlib.Path,
        chunked: bool,
    ) -> None:
        """With a length from a file, in large chunks from a generator."""
        data = os.urandom(20_000_000)
        source: dict[str, typing.Any]
        if chunked:
            half = len(data) // 2
            source = {'data': (part for part in (data[:half], data[half:]))}
        else:
            path = tmp_path / 'image.raw'
            path.write_bytes(data)
            source = {'filename': str(path)}
        image = connect('plain').image

        made = image.create_image(
            'sdk', disk_format='raw', container_format='bare', **source
        )

        assert image.get_image(made.id).status == 'active'
        assert running_cloud.stored_file(made.id).read_bytes() == data

    def test_uploads_run_side_by_side(
        self, running_cloud: cloud.Cloud
    ) -> None:
        """SQLite does not turn any of them away."""
        with futures.ThreadPoolExecutor(8) as pool:
            image_ids = list(
                pool.map(
                    lambda number: running_cloud.upload(f'{number}', b'data'),
                    range(24),
                )
            )

        assert len(set(image_ids)) == 24


class TestServices:
    """Keystone and Glance are real and behave so."""

    def test_a_wrong_password_is_refused(
        self, connect: conftest.Connect
    ) -> None:
        """Keystone responds with 401."""
        connection = connect('plain', auth={'password': 'guessed'})

        with pytest.raises(exceptions.Unauthorized):
            connection.session.get_token()

    def test_a_wrong_token_is_refused(
        self, running_cloud: cloud.Cloud, connect: conftest.Connect
    ) -> None:
        """Glance asks Keystone before it responds."""
        url = f'{running_cloud.image_url}/v2/images'
        token = connect('plain').authorize()

        good = requests.get(url, headers={'X-Auth-Token': token}, timeout=60)
        bad = requests.get(
            url, headers={'X-Auth-Token': token[:-4] + 'AAAA'}, timeout=60
        )

        assert (good.status_code, bad.status_code) == (200, 401)

    def test_the_administrator_sees_what_the_user_does_not(
        self, connect: conftest.Connect
    ) -> None:
        """The clouds of clouds.yaml are different accounts."""
        user, admin = connect('plain'), connect('admin')

        assert 'admin' in [user.name for user in admin.identity.users()]
        with pytest.raises(Exception, match='403'):
            list(user.identity.users())

    def test_six_downloads_run_at_once(
        self, running_cloud: cloud.Cloud, connect: conftest.Connect
    ) -> None:
        """All have begun before the first is read."""
        image_id = running_cloud.upload('six', lambda: Zeros(32 * 1024 * 1024))
        with requests.Session() as session:
            session.headers['X-Auth-Token'] = connect('plain').authorize()
            responses = [
                session.get(
                    f'{running_cloud.image_url}/v2/images/{image_id}/file',
                    stream=True,
                    timeout=60,
                )
                for _ in range(6)
            ]
            assert [len(response.content) for response in responses] == (
                [32 * 1024 * 1024] * 6
            )


class TestSetImageHash:
    """Cloud.set_image_hash makes Glance announce what is not so."""

    def test_the_change_shows(
        self, running_cloud: cloud.Cloud, connect: conftest.Connect
    ) -> None:
        """What was given has changed, what was not has stayed."""
        image_id = running_cloud.upload('described wrongly', b'data')
        image = connect('plain').image
        before = image.get_image(image_id)

        running_cloud.set_image_hash(
            image_id, checksum=None, os_hash_algo='sha0', size=5
        )

        after = image.get_image(image_id)
        assert (after.checksum, after.hash_algo, after.size) == (
            None,
            'sha0',
            5,
        )
        assert after.hash_value == before.hash_value

    def test_other_columns_are_refused(
        self, running_cloud: cloud.Cloud
    ) -> None:
        """A misspelt column does not pass for a change."""
        image_id = running_cloud.upload('left alone', b'data')

        with pytest.raises(TypeError, match='hash_value'):
            running_cloud.set_image_hash(image_id, hash_value='')

    def test_an_unknown_image_is_an_error(
        self, running_cloud: cloud.Cloud
    ) -> None:
        """A wrong id does not pass for a change."""
        with pytest.raises(LookupError, match='nowhere'):
            running_cloud.set_image_hash('nowhere', size=1)


class TestEnvironment:
    """Cloud.environment selects the cloud and nothing else."""

    def test_other_variables_are_gone(
        self, running_cloud: cloud.Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No OS_* variable of the developer's is handed on."""
        monkeypatch.setenv('OS_AUTH_URL', 'http://elsewhere.invalid')

        environment = running_cloud.environment('stream')

        assert {
            name: value
            for name, value in environment.items()
            if name.startswith('OS_')
        } == {
            'OS_CLIENT_CONFIG_FILE': str(running_cloud.clouds_yaml),
            'OS_CLOUD': 'stream',
        }
        assert environment['PATH'] == os.environ['PATH']


class TestInstallation:
    """What goes wrong while Keystone and Glance are installed is told."""

    def test_a_failing_pip_shows_its_last_lines(
        self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The error names what could not be installed."""
        requirements = tmp_path / 'requirements.txt'
        requirements.write_text('./nothing-here\n')
        monkeypatch.setattr(installation, '_REQUIREMENTS', requirements)
        monkeypatch.setenv(
            'OPENSTACK_IMAGE_STREAM_CLOUD_VENV', str(tmp_path / 'venv')
        )

        with pytest.raises(cloud.CloudError, match='nothing-here'):
            cloud.Cloud.start(tmp_path / 'cloud')

    def test_other_directories_are_not_replaced(
        self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A slip in the variable does not cost a home directory."""
        home = tmp_path / 'home'
        home.mkdir()
        (home / 'precious').touch()
        monkeypatch.setenv('OPENSTACK_IMAGE_STREAM_CLOUD_VENV', str(home))

        with pytest.raises(cloud.CloudError, match='not a virtual'):
            cloud.Cloud.start(tmp_path / 'cloud')

        assert (home / 'precious').exists()


class TestEnd:
    """Nothing is left behind, however it ends."""

    def test_stop_takes_everything_down(self, tmp_path: pathlib.Path) -> None:
        """Tokens expire on time; then processes and ports are gone."""
        directory = tmp_path / 'cloud'
        running = cloud.Cloud.start(directory, token_expiration=5)
        try:
            assert len(processes_of(directory)) > 2
            urls = [running.image_url, running.identity_url]
            assert all(map(is_open, urls))
            self._see_a_token_expire(running)
        finally:
            running.stop()

        assert processes_of(directory) == []
        assert not any(map(is_open, urls))
        assert running.clouds_yaml.exists()
        running.stop()

    def _see_a_token_expire(self, running: cloud.Cloud) -> None:
        environment = running.environment('plain')
        token = subprocess.check_output(
            [
                sys.executable,
                '-c',
                'import openstack; print(openstack.connect().authorize())',
            ],
            env=environment,
            text=True,
        ).strip()

        def status() -> int:
            return requests.get(
                f'{running.image_url}/v2/images',
                headers={'X-Auth-Token': token},
                timeout=60,
            ).status_code

        assert status() == 200
        processes.wait_for(lambda: status() == 401)

    @pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGKILL])
    def test_a_signal_takes_everything_down(
        self, tmp_path: pathlib.Path, number: signal.Signals
    ) -> None:
        """After Ctrl-C, or worse, no uwsgi is left."""
        with subprocess.Popen(
            [sys.executable, '-m', 'tests.servers.cloud'],
            cwd=_REPOSITORY,
            env={**os.environ, 'TMPDIR': str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as harness:
            try:
                assert harness.stdout is not None
                for line in harness.stdout:
                    if 'Ctrl-C' in line:
                        break
                assert len(processes_of(tmp_path)) > 2
            finally:
                # To the whole group, as a terminal does.
                os.killpg(harness.pid, number)

        processes.wait_for(lambda: not processes_of(tmp_path))
        # Whom SIGKILL ends has no time to tidy up files.
        if number == signal.SIGINT:
            assert harness.returncode == 0
            assert list(tmp_path.iterdir()) == []

    def test_an_interrupted_start_leaves_nothing(
        self, tmp_path: pathlib.Path
    ) -> None:
        """SIGTERM while the tables are made is no different."""
        with subprocess.Popen(
            [sys.executable, '-m', 'tests.servers.cloud'],
            cwd=_REPOSITORY,
            env={**os.environ, 'TMPDIR': str(tmp_path)},
            start_new_session=True,
        ) as harness:
            try:
                processes.wait_for(lambda: processes_of(tmp_path))
            finally:
                os.killpg(harness.pid, signal.SIGTERM)

        assert harness.returncode == 0
        assert processes_of(tmp_path) == []
        assert list(tmp_path.iterdir()) == []
