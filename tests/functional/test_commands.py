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

"""Commands for openstackclient, as programs, with a real cloud."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess

import pytest
import yaml

from tests.faults.catalogue import verdicts
from tests.functional import conftest
from tests.functional import openstack_program
from tests import processes
from tests.servers import cloud
from tests.servers import fault_proxy

MIB = 1024 * 1024
DATA = os.urandom(9 * MIB + 17)
DIGEST = hashlib.sha256(DATA).hexdigest()

run = openstack_program.run


def flip(running_cloud: cloud.Cloud, image_id: str) -> None:
    """Damage the data of an image, in the store of the cloud."""
    with running_cloud.stored_file(image_id).open('r+b') as stored:
        stored.seek(5 * MIB)
        byte = stored.read(1)
        stored.seek(5 * MIB)
        stored.write(bytes([byte[0] ^ 1]))


def clouds_with(
    running_cloud: cloud.Cloud, tmp_path: pathlib.Path, **settings: object
) -> pathlib.Path:
    """Write a clouds.yaml with further settings for the cloud ``plain``."""
    clouds = yaml.safe_load(running_cloud.clouds_yaml.read_text())
    clouds['clouds']['plain'].update(settings)
    path = tmp_path / 'clouds.yaml'
    path.write_text(yaml.safe_dump(clouds))
    return path


@pytest.fixture
def image_id(upload: conftest.Upload) -> str:
    """An image for one test."""
    return upload('commands', DATA)


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> pathlib.Path:
    """An empty directory to run in."""
    made = tmp_path / 'here'
    made.mkdir()
    return made


class TestFetch:
    """openstack image fetch."""

    def test_to_a_path(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
    ) -> None:
        """The file is the image, and nothing is written beside it."""
        (directory / 'f').write_text('before')
        done = run(running_cloud, 'fetch', image_id, 'f', directory=directory)
        assert (done.returncode, done.stdout, done.stderr) == (0, b'', b'')
        assert (directory / 'f').read_bytes() == DATA
        assert os.listdir(directory) == ['f']

    def test_without_a_path(
        self, running_cloud: cloud.Cloud, directory: pathlib.Path
    ) -> None:
        """The file is named after the image, once; its name is printed."""
        name = f'named-{directory.parent.name}'
        running_cloud.upload(name, DATA)
        done = run(running_cloud, 'fetch', name, directory=directory)
        assert (done.returncode, done.stderr) == (0, b'')
        assert done.stdout.decode() == f'{name}.raw\n'
        assert (directory / f'{name}.raw').read_bytes() == DATA

        (directory / f'{name}.raw').write_text('mine')
        done = run(running_cloud, 'fetch', name, directory=directory)
        assert (done.returncode, done.stdout) == (1, b'')
        assert b'exists already' in done.stderr
        assert (directory / f'{name}.raw').read_text() == 'mine'

    def test_a_name_that_is_a_path(
        self, running_cloud: cloud.Cloud, directory: pathlib.Path
    ) -> None:
        """The ID is the name of the file where the name is not safe."""
        image_id = running_cloud.upload('../escaped', b'data')
        done = run(running_cloud, 'fetch', image_id, directory=directory)
        assert done.returncode == 0
        assert os.listdir(directory) == [f'{image_id}.raw']
        assert os.listdir(directory.parent) == ['here']

    def test_to_standard_output(
        self, running_cloud: cloud.Cloud, image_id: str
    ) -> None:
        """The bytes of the image, and nothing else."""
        done = run(running_cloud, 'fetch', image_id, '-')
        assert (done.returncode, done.stderr) == (0, b'')
        assert hashlib.sha256(done.stdout).hexdigest() == DIGEST

    def test_to_a_reader_that_stops(
        self, running_cloud: cloud.Cloud, image_id: str
    ) -> None:
        """The reader has what it wanted, and the status is not 0."""
        with subprocess.Popen(
            openstack_program.command('fetch', image_id, '-'),
            env=running_cloud.environment('plain'),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as program:
            assert program.stdout is not None
            assert program.stderr is not None
            assert program.stdout.read(10) == DATA[:10]
            program.stdout.close()
            errors = program.stderr.read()
        assert program.returncode != 0
        assert b'Traceback' not in errors

    def test_not_to_a_terminal(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
    ) -> None:
        """The status is that of a command that cannot work."""
        status, shown = openstack_program.run_on_terminal(
            running_cloud, 'fetch', image_id, '-', directory=directory
        )
        assert (status, len(shown.splitlines())) == (2, 1)
        assert 'not written to a terminal' in shown

    def test_damaged(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
    ) -> None:
        """Status 3, one line, and no file."""
        flip(running_cloud, image_id)
        done = run(running_cloud, 'fetch', image_id, 'f', directory=directory)
        assert done.returncode == 3
        assert b'sha512 mismatch' in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert os.listdir(directory) == []

    def test_incomplete(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
    ) -> None:
        """Status 4, and the same command resumes."""
        stored = running_cloud.stored_file(image_id)
        os.truncate(stored, 5 * MIB)
        words = ('fetch', '--retries', '0', image_id, 'f')
        done = run(running_cloud, *words, directory=directory)
        assert done.returncode == 4
        assert done.stderr.splitlines()[-1].endswith(
            b'start the same download again to resume it'
        )
        (partial,) = os.listdir(directory)
        assert partial.endswith('.part')
        # What it has is not requested again: it would be different.
        stored.write_bytes(bytes(4 * MIB) + DATA[4 * MIB :])
        assert (directory / partial).stat().st_size >= 4 * MIB
        done = run(running_cloud, *words, directory=directory)
        assert (done.returncode, done.stderr) == (0, b'')
        assert (directory / 'f').read_bytes() == DATA

    def test_an_unknown_image(
        self, running_cloud: cloud.Cloud, directory: pathlib.Path
    ) -> None:
        """The error and the status are openstackclient's."""
        done = run(running_cloud, 'fetch', 'absent', directory=directory)
        assert done.returncode == 1
        assert b'absent' in done.stderr
        assert os.listdir(directory) == []

    @pytest.mark.parametrize(
        'words',
        [
            ('--connections', '0'),
            ('--retries', 'many'),
            ('--timeout', '0'),
            ('--expected-digest', 'md5:00'),
            ('--validate-checksum', 'perhaps'),
            ('--check-format=floppy',),
            ('--check-format', 'absent'),
            ('--signed-by', '/nowhere.pem'),
            ('--chunky',),
        ],
        ids=' '.join,
    )
    def test_bad_options(
        self, running_cloud: cloud.Cloud, image_id: str, words: tuple[str, ...]
    ) -> None:
        """Status 2, and no file."""
        done = run(running_cloud, 'fetch', *words, image_id, '/nowhere/f')
        assert done.returncode == 2
        assert words[0].partition('=')[0].strip('-').replace(
            '-', '_'
        ) in done.stderr.decode().replace('-', '_')

    def test_options(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
    ) -> None:
        """What is given takes effect."""
        words = ('fetch', image_id, 'f', '--connections', 'auto')
        done = run(
            running_cloud,
            *words,
            *('--expected-digest', f'sha256:{DIGEST}', '--check-format'),
            *('--no-sparse', '--no-resume', '--timeout', '30.5'),
            directory=directory,
        )
        assert (done.returncode, done.stderr) == (0, b'')
        assert (directory / 'f').read_bytes() == DATA
        for wrong, status in (
            (('--expected-digest', f'sha256:{"0" * 64}'), 3),
            (('--check-format=qcow2',), 3),
            (('--validate-checksum', 'required'), 0),
        ):
            done = run(running_cloud, *words, *wrong, directory=directory)
            assert (wrong, done.returncode) == (wrong, status)
        os.unlink(running_cloud.stored_file(image_id))
        done = run(
            running_cloud, *words, '--skip-current', directory=directory
        )
        assert (done.returncode, done.stderr) == (0, b'')

    def test_settings_of_the_cloud(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
        tmp_path: pathlib.Path,
    ) -> None:
        """They are the defaults, and the command line wins."""
        clouds = clouds_with(
            running_cloud, tmp_path, image_stream_check_format=['qcow2']
        )
        files = {'OS_CLIENT_CONFIG_FILE': str(clouds)}
        environment = {**running_cloud.environment('plain'), **files}
        statuses = [
            subprocess.run(
                openstack_program.command('fetch', image_id, 'f', *words),
                env=environment,
                cwd=directory,
                capture_output=True,
                check=False,
            ).returncode
            for words in ((), ('--check-format=raw',))
        ]
        assert statuses == [3, 0]


class TestProgress:
    """The bar of openstack image fetch."""

    def test_on_a_terminal(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
    ) -> None:
        """It is drawn unless it is not wanted."""
        bars = []
        for words in (
            ('fetch', image_id, 'f'),
            ('fetch', image_id, 'g', '--no-progress'),
            ('fetch', image_id, 'h', '--quiet'),
        ):
            status, shown = openstack_program.run_on_terminal(
                running_cloud, *words, directory=directory
            )
            assert status == 0
            bars.append('100%' in shown)
        assert bars == [True, False, False]

    def test_setting_of_the_cloud(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
        tmp_path: pathlib.Path,
    ) -> None:
        """A cloud without a bar has none."""
        clouds = clouds_with(
            running_cloud, tmp_path, image_stream_progress=False
        )
        status, shown = openstack_program.run_on_terminal(
            running_cloud,
            'fetch',
            image_id,
            'f',
            directory=directory,
            environment={'OS_CLIENT_CONFIG_FILE': str(clouds)},
        )
        assert (status, shown) == (0, '')


class TestVerify:
    """openstack image verify."""

    def test_verdicts(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
    ) -> None:
        """Status 0 for the image, 3 for anything else."""
        (directory / 'good').write_bytes(DATA)
        (directory / 'bad').write_bytes(DATA[:-1] + b'\0\0'[-1:])
        (directory / 'short').write_bytes(DATA[:-1])
        seen = []
        for name in ('good', 'bad', 'short', 'absent'):
            done = run(
                running_cloud, 'verify', image_id, name, directory=directory
            )
            seen.append((done.returncode, done.stdout.decode()))
            assert len(done.stderr.splitlines()) == (name != 'good')
        assert seen == [(0, 'good: OK\n'), (3, ''), (3, ''), (1, '')]

    def test_an_expected_digest(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
    ) -> None:
        """Another one is a file that is not the image."""
        (directory / 'f').write_bytes(DATA)
        statuses = [
            run(
                running_cloud,
                *('--quiet', 'verify', image_id, 'f'),
                *('--expected-digest', f'sha256:{digest}'),
                directory=directory,
            ).returncode
            for digest in (DIGEST, '0' * 64)
        ]
        assert statuses == [0, 3]

    def test_no_hash(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
    ) -> None:
        """An image that nothing can verify is no good one."""
        running_cloud.set_image_hash(
            image_id, checksum=None, os_hash_algo=None, os_hash_value=None
        )
        (directory / 'f').write_bytes(DATA)
        done = run(running_cloud, 'verify', image_id, 'f', directory=directory)
        assert (done.returncode, done.stdout) == (3, b'')


class TestInspect:
    """openstack image inspect."""

    def test_shown(self, running_cloud: cloud.Cloud, image_id: str) -> None:
        """What was found, in the formats of openstackclient."""
        done = run(running_cloud, 'inspect', image_id, '-f', 'json')
        assert (done.returncode, done.stderr) == (0, b'')
        found = json.loads(done.stdout)
        assert found.pop('bytes_read') < MIB
        assert found == {
            'id': image_id,
            'name': 'commands',
            'disk_format': 'raw',
            'detected': ['raw'],
            'virtual_size': len(DATA),
            'failures': {},
        }
        done = run(running_cloud, 'inspect', image_id)
        assert b'disk_format' in done.stdout

    def test_the_whole(
        self, running_cloud: cloud.Cloud, image_id: str
    ) -> None:
        """Damage beyond the beginning is seen with --whole alone."""
        flip(running_cloud, image_id)
        statuses = [
            run(running_cloud, 'inspect', image_id, *words).returncode
            for words in ((), ('--whole',))
        ]
        assert statuses == [0, 3]

    def test_unsafe(
        self, running_cloud: cloud.Cloud, upload: conftest.Upload
    ) -> None:
        """A backing file is shown, and is status 3."""
        image_id = upload(
            'unsafe', verdicts.image_like('qcow2'), disk_format='qcow2'
        )
        # Glance does not take one, so that it has to change in its store.
        running_cloud.stored_file(image_id).write_bytes(
            verdicts.image_like('qcow2-backing')
        )
        done = run(running_cloud, 'inspect', image_id, '-f', 'json')
        found = json.loads(done.stdout)
        assert (found['detected'], done.returncode) == (['qcow2'], 3)
        assert list(found['failures']) == ['backing_file']


class TestHelp:
    """What openstackclient knows of the commands."""

    @pytest.mark.parametrize('name', ['fetch', 'inspect', 'verify'])
    def test_help(self, running_cloud: cloud.Cloud, name: str) -> None:
        """--help has two examples and the exit statuses."""
        shown = run(running_cloud, name, '--help').stdout.decode()
        assert f'Examples:\n\n  openstack image {name} ' in shown
        assert shown.count(f'\n  openstack image {name} ') == 2
        assert '\nExit status: 0 ' in shown

    def test_save_is_not_ours(self, running_cloud: cloud.Cloud) -> None:
        """The commands of openstackclient stay as they are."""
        shown = run(running_cloud, 'save', '--help').stdout.decode()
        assert 'openstack-image-stream' not in shown


class TestInterrupted:
    """Ctrl-C while an image is downloaded."""

    def test_fetch(
        self,
        running_cloud: cloud.Cloud,
        image_id: str,
        directory: pathlib.Path,
        tmp_path: pathlib.Path,
    ) -> None:
        """No traceback; what arrived is kept, and the command resumes."""
        with fault_proxy.FaultProxy(
            running_cloud.image_url, hold_after=8 * MIB + MIB // 2
        ) as proxy:
            clouds = clouds_with(
                running_cloud,
                tmp_path,
                image_endpoint_override=proxy.url.removesuffix('/v2'),
            )
            environment = {
                **running_cloud.environment('plain'),
                'OS_CLIENT_CONFIG_FILE': str(clouds),
            }
            with subprocess.Popen(
                openstack_program.command('fetch', image_id, 'f'),
                env=environment,
                cwd=directory,
                stderr=subprocess.PIPE,
                preexec_fn=processes.take_interrupts,
            ) as program:
                assert program.stderr is not None
                processes.wait_for(
                    lambda: any(
                        path.stat().st_size >= 4 * MIB
                        for path in directory.iterdir()
                    )
                )
                program.send_signal(signal.SIGINT)
                errors = program.stderr.read().decode()
        assert program.returncode == 130
        assert 'Traceback' not in errors
        (partial,) = os.listdir(directory)
        assert partial.endswith('.part')
        done = run(running_cloud, 'fetch', image_id, 'f', directory=directory)
        assert done.returncode == 0
        assert (directory / 'f').read_bytes() == DATA
