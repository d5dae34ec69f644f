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

"""The examples of the documentation do what it says they do."""

import collections.abc
import gzip
import io
import os
import pathlib
import subprocess
import sys
import tracemalloc
import uuid
import zipfile

from openstack import connection
import pytest

from examples.image import copy_between_clouds
from examples.image import create
from examples.image import delete
from examples.image import download
from examples.image import list as list_example
from examples.image import read_part
from examples.image import verify_file
import openstack_image_stream
from tests.functional import conftest
from tests.servers import cloud
from tests.servers import images

_EXAMPLES = pathlib.Path(create.__file__).parent

#: Runs an example; returns what it prints.
Run = collections.abc.Callable[..., str]

MIB = 1024 * 1024

# Several chunks, and one that is not full.
DATA = os.urandom(3 * MIB + 5)


@pytest.fixture
def name() -> str:
    """A name that no other image has."""
    return f'example-{uuid.uuid4()}'


@pytest.fixture
def image_id(running_cloud: cloud.Cloud, name: str) -> str:
    """The ID of an image of that name."""
    return running_cloud.upload(name, DATA)


@pytest.fixture
def damaged(running_cloud: cloud.Cloud, image_id: str) -> str:
    """The ID of that image, after its store has lost a bit of it."""
    with running_cloud.stored_file(image_id).open('r+b') as stored:
        stored.seek(MIB)
        stored.write(bytes([DATA[MIB] ^ 1]))
    return image_id


def ids(conn: connection.Connection, name: str) -> list[str]:
    """Return the IDs of the images of a name."""
    return [image.id for image in conn.image.images(name=name)]


class TestCreateListDelete:
    """What surrounds the downloads in the guide."""

    def test_create_uploads_the_file(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        name: str,
    ) -> None:
        """The image has the bytes of the file."""
        image = create.upload_image(connect('stream'), name, create.__file__)

        stored = running_cloud.stored_file(image.id)
        assert (
            stored.read_bytes() == pathlib.Path(create.__file__).read_bytes()
        )

    def test_create_uploads_a_file_once(
        self, connect: conftest.Connect, name: str
    ) -> None:
        """The second run finds the image of the first one."""
        conn = connect('stream')

        images = [
            create.upload_image(conn, name, create.__file__) for _ in range(2)
        ]

        assert ids(conn, name) == [images[0].id] == [images[1].id]

    def test_list_prints_a_line_for_each(
        self,
        connect: conftest.Connect,
        capsys: pytest.CaptureFixture[str],
        image_id: str,
        name: str,
    ) -> None:
        """An image's line has its ID, status, size and name."""
        list_example.list_images(connect('stream'))

        line = f'{image_id} active {len(DATA)} {name}'
        assert line in capsys.readouterr().out.splitlines()

    def test_delete_deletes(
        self, connect: conftest.Connect, image_id: str, name: str
    ) -> None:
        """The image cannot be found any longer."""
        conn = connect('stream')

        delete.delete_image(conn, name)

        assert conn.image.find_image(image_id) is None


@pytest.mark.usefixtures('image_id')
class TestDownload:
    """Each way to download gives the image."""

    def test_stream(
        self, connect: conftest.Connect, name: str, tmp_path: pathlib.Path
    ) -> None:
        """The compressed file unpacks to the image, and is alone."""
        output = tmp_path / 'image.gz'

        download.download_image_stream(connect('stream'), name, output)

        assert gzip.decompress(output.read_bytes()) == DATA
        assert list(tmp_path.iterdir()) == [output]

    def test_stream_checked_by_hand(
        self, connect: conftest.Connect, name: str, tmp_path: pathlib.Path
    ) -> None:
        """The file is the image, and is alone."""
        output = tmp_path / 'image'

        download.download_image_stream_checked_by_hand(
            connect('stream'), name, output
        )

        assert output.read_bytes() == DATA
        assert list(tmp_path.iterdir()) == [output]

    def test_memory(self, connect: conftest.Connect, name: str) -> None:
        """The bytes that are returned are the image's."""
        assert download.download_image(connect('stream'), name) == DATA

    def test_path(
        self, connect: conftest.Connect, name: str, tmp_path: pathlib.Path
    ) -> None:
        """The file at the path is the image, and is alone."""
        output = tmp_path / 'image'

        download.download_image_to_path(connect('stream'), name, output)

        assert output.read_bytes() == DATA
        assert list(tmp_path.iterdir()) == [output]

    def test_file(
        self, connect: conftest.Connect, name: str, tmp_path: pathlib.Path
    ) -> None:
        """The image is written where the open file stands."""
        path = tmp_path / 'image'
        with path.open('wb') as file:
            file.write(b'before')
            download.download_image_to_file(connect('stream'), name, file)
            file.write(b'after')

        assert path.read_bytes() == b'before' + DATA + b'after'


@pytest.mark.usefixtures('damaged')
class TestDamage:
    """No example makes a bad image look like a good one."""

    def test_stream(
        self, connect: conftest.Connect, name: str, tmp_path: pathlib.Path
    ) -> None:
        """The plugin raises, and there is no file of the final name."""
        output = tmp_path / 'image.gz'

        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            download.download_image_stream(connect('stream'), name, output)

        assert not output.exists()

    def test_stream_checked_by_hand(
        self, connect: conftest.Connect, name: str, tmp_path: pathlib.Path
    ) -> None:
        """The example raises, and there is no file at all."""
        with pytest.raises(ValueError, match='damaged'):
            download.download_image_stream_checked_by_hand(
                connect('stream'), name, tmp_path / 'image'
            )

        assert list(tmp_path.iterdir()) == []

    def test_copy(
        self, connect: conftest.Connect, damaged: str, name: str
    ) -> None:
        """The plugin raises, and the copy that was begun is deleted."""
        target = connect('plain')

        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            copy_between_clouds.copy_image(
                connect('stream'), target, name, f'copy of {name}'
            )

        assert ids(target, name) == [damaged]
        assert ids(target, f'copy of {name}') == []


class TestReadPart:
    """What is in an image is told without downloading it."""

    _ARCHIVE = io.BytesIO()
    with zipfile.ZipFile(_ARCHIVE, 'w') as _file:
        _file.writestr('a', bytes(MIB))
        _file.writestr('b', b'')

    @pytest.mark.parametrize(
        ('data', 'function', 'expected'),
        [
            (images.disk('qcow2'), read_part.read_qcow2_size, 1 << 20),
            (
                images.disk('gpt'),
                read_part.read_partitions,
                [(34, 200, '')],
            ),
            (_ARCHIVE.getvalue(), read_part.list_zip, ['a', 'b']),
        ],
        ids=['qcow2', 'gpt', 'zip'],
    )
    def test_of(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        name: str,
        data: bytes,
        function: collections.abc.Callable[..., object],
        expected: object,
    ) -> None:
        """Each function knows its format."""
        running_cloud.upload(name, data)
        assert function(connect('stream'), name) == expected

    @pytest.mark.parametrize(
        'function',
        [
            read_part.read_qcow2_size,
            read_part.read_partitions,
            read_part.list_zip,
        ],
    )
    @pytest.mark.usefixtures('image_id')
    def test_of_another_format(
        self,
        connect: conftest.Connect,
        name: str,
        function: collections.abc.Callable[..., object],
    ) -> None:
        """It says so where the image has another."""
        with pytest.raises((ValueError, zipfile.BadZipFile)):
            function(connect('stream'), name)


class TestCopy:
    """An image gets to another cloud."""

    def test_copies(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
        name: str,
    ) -> None:
        """There is another image with the same bytes and of the same kind."""
        new_name = f'copy of {name}'

        copy = copy_between_clouds.copy_image(
            connect('stream'), connect('plain'), name, new_name
        )

        assert copy.id != image_id
        assert (copy.name, copy.status) == (new_name, 'active')
        assert (copy.disk_format, copy.container_format) == ('raw', 'bare')
        assert running_cloud.stored_file(copy.id).read_bytes() == DATA

    @pytest.mark.usefixtures('image_id')
    def test_copies_once(self, connect: conftest.Connect, name: str) -> None:
        """The second run finds the copy of the first one."""
        source, target = connect('stream'), connect('plain')
        new_name = f'copy of {name}'

        copies = [
            copy_between_clouds.copy_image(source, target, name, new_name)
            for _ in range(2)
        ]

        assert ids(target, new_name) == [copies[0].id] == [copies[1].id]

    def test_has_the_name_of_the_image(
        self, connect: conftest.Connect, image_id: str, name: str
    ) -> None:
        """Without another name, an image of that name is looked for."""
        copy = copy_between_clouds.copy_image(
            connect('stream'), connect('plain'), name
        )

        assert (copy.id, copy.name) == (image_id, name)

    def test_memory_is_constant(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        name: str,
    ) -> None:
        """A copy holds a few chunks of the image at a time, not all of it."""
        running_cloud.upload(name, bytes(64 * MIB))
        source, target = connect('stream'), connect('plain')

        tracemalloc.start()
        try:
            copy_between_clouds.copy_image(source, target, name, 'copy')
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert peak < 16 * MIB


class TestVerify:
    """A file is compared with an image."""

    @pytest.mark.usefixtures('image_id')
    def test_right_and_wrong_files(
        self,
        connect: conftest.Connect,
        name: str,
        tmp_path: pathlib.Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """What is wrong with a file is printed."""
        conn, path = connect('stream'), tmp_path / 'image'
        path.write_bytes(DATA)
        assert verify_file.verify_file(conn, name, path)
        assert not capsys.readouterr().out

        path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
        assert not verify_file.verify_file(conn, name, path)
        assert 'sha512 mismatch' in capsys.readouterr().out

    @pytest.mark.usefixtures('image_id')
    def test_updates_once(
        self, connect: conftest.Connect, name: str, tmp_path: pathlib.Path
    ) -> None:
        """The second time there is nothing to download."""
        conn, path = connect('stream'), tmp_path / 'image'
        path.write_bytes(b'old')

        assert verify_file.update_file(conn, name, path)
        assert path.read_bytes() == DATA
        assert not verify_file.update_file(conn, name, path)


class TestCommandLine:
    """The examples are programs, too, for the cloud of OS_CLOUD."""

    @pytest.fixture
    def run(self, running_cloud: cloud.Cloud, tmp_path: pathlib.Path) -> Run:
        """Run an example in an empty directory; returns what it prints."""

        def command(script: str, *arguments: str, status: int = 0) -> str:
            done = subprocess.run(
                [sys.executable, _EXAMPLES / script, *arguments],
                cwd=tmp_path,
                env=running_cloud.environment('stream'),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if status else None,
                text=True,
            )
            assert done.returncode == status
            return done.stdout or done.stderr

        return command

    def test_they_run_twice_one_after_the_other(
        self, run: Run, name: str, tmp_path: pathlib.Path
    ) -> None:
        """What one uploads the next lists, downloads and deletes."""
        expected = pathlib.Path(create.__file__).read_bytes()
        output = tmp_path / f'{name}.raw'

        first = run('create.py', name)
        assert run('create.py', name) == first
        image_id = first.split()[-2].rstrip(',')
        assert [
            line.split()[0]
            for line in run('list.py').splitlines()
            if line.endswith(name)
        ] == [image_id]
        for _ in range(2):
            assert run('download.py', name).splitlines() == [
                f'wrote {output}',
                f'wrote {output}.gz',
            ]
            assert output.read_bytes() == expected
        assert image_id in run('delete.py', name)
        assert run('delete.py', name) == f'there is no image {name}\n'
        assert name not in run('list.py')

    def test_file_and_output_are_arguments(
        self, run: Run, name: str, tmp_path: pathlib.Path
    ) -> None:
        """A file of the caller's is uploaded, and downloaded to another."""
        (tmp_path / 'data').write_bytes(DATA)

        run('create.py', name, 'data')
        run('download.py', name, 'copy')

        assert (tmp_path / 'copy').read_bytes() == DATA

    def test_verify_file(
        self, run: Run, name: str, tmp_path: pathlib.Path
    ) -> None:
        """The exit status and the output have the verdict."""
        (tmp_path / 'data').write_bytes(DATA)
        run('create.py', name, 'data')

        printed = run('verify_file.py', name, 'data')
        assert printed == f'data is the image {name}\n'
        printed = run('verify_file.py', name, 'data', '--update')
        assert printed == 'data was current\n'
        (tmp_path / 'data').write_bytes(DATA[:-1])
        # Nothing goes to standard error, so that the output is returned.
        assert 'size mismatch' in run('verify_file.py', name, 'data', status=1)
        printed = run('verify_file.py', name, 'data', '--update')
        assert printed == 'data was updated\n'
        assert (tmp_path / 'data').read_bytes() == DATA

    def test_copy_takes_the_other_cloud(
        self, running_cloud: cloud.Cloud, run: Run, name: str
    ) -> None:
        """The copy's ID is printed, and the copy has the image's bytes."""
        expected = pathlib.Path(create.__file__).read_bytes()

        run('create.py', name)
        arguments = ('copy_between_clouds.py', name, 'plain', f'copy-{name}')
        printed = run(*arguments)

        assert run(*arguments) == printed
        copy_id = printed.split()[-2].rstrip(',')
        assert running_cloud.stored_file(copy_id).read_bytes() == expected

    @pytest.mark.parametrize(
        ('script', 'missing'),
        [
            ('create.py', 'image'),
            ('download.py', 'image'),
            ('delete.py', 'image'),
            ('read_part.py', 'image'),
            ('verify_file.py', 'image, path'),
            ('copy_between_clouds.py', 'image, cloud'),
        ],
    )
    def test_without_an_argument(
        self, run: Run, script: str, missing: str
    ) -> None:
        """The usage is printed, and the arguments that are missing."""
        printed = run(script, status=2)

        assert printed.startswith(f'usage: {script} ')
        assert f'arguments are required: {missing}\n' in printed
