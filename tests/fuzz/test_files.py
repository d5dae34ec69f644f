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

"""Names of files, and what others put in their place."""

from collections.abc import Callable
import os
import pathlib
import tempfile

import hypothesis
from hypothesis import strategies
import pytest

from openstack_image_stream._output import partial_files
from openstack_image_stream import exceptions
from tests.fuzz import cloud as _cloud
from tests.fuzz import raw_responses
from tests.fuzz import targets
from tests.servers import scripted

_NAMES = targets.target('names of partial files')
_IDS = targets.target('IDs of images')
_OUTPUTS = targets.target('paths of outputs')
_OBSTACLES = targets.target('what is in the place of a file')

#: Errors of the local machine may come of such names.
_LOCAL = (*targets.DOCUMENTED, OSError)

#: Owner of files who is not us.
_OTHER_USER = 54321

_PRECIOUS = b'another user needs this'

#: Every name that a file can have.
_FILE_NAMES = (
    strategies.one_of(
        strategies.binary(min_size=1, max_size=255),
        strategies.sampled_from([1, 200, 254, 255]).map(b'x'.__mul__),
    )
    .map(lambda name: name.replace(b'/', b'_').replace(b'\0', b'_'))
    .filter(lambda name: name not in (b'.', b'..'))
    .map(os.fsdecode)
)

_IMAGE_IDS = strategies.one_of(
    strategies.just(scripted.IMAGE_ID),
    strategies.text(min_size=1),
    strategies.sampled_from(
        [
            '..',
            '../../x',
            '/etc/x',
            'a/b',
            'a\\b',
            '\0',
            '\ud800',
            '%2e%2e%2f',
            '?x',
            '#x',
            ' ',
            '\n',
            'x' * 70_000,
        ]
    ),
)


class TestNames:
    """The name of the partial file."""

    @hypothesis.given(
        target=_FILE_NAMES,
        image_id=_IMAGE_IDS,
        unique=strategies.sampled_from(['', '0123abcd']),
    )
    def test_stay_in_the_directory(
        self, target: str, image_id: str, unique: str
    ) -> None:
        """It can be made, is another one than the target, and no path."""
        with _NAMES.example():
            path = partial_files.name(f'/there/{target}', image_id, unique)
            directory, base = os.path.split(path)
            assert directory == '/there'
            assert 0 < len(os.fsencode(base)) <= 255
            assert '\0' not in base
            assert base != target
            assert base.endswith('part')


class TestIDs:
    """An ID that a caller gives."""

    @hypothesis.given(image_id=_IMAGE_IDS, name=_FILE_NAMES)
    def test_do_not_lead_elsewhere(
        self, cloud: _cloud.Cloud, image_id: str, name: str
    ) -> None:
        """The file has the name that it was given, and nothing else is."""
        cloud.glance.script()
        with tempfile.TemporaryDirectory() as directory:
            output = os.path.join(directory, name)
            try:
                with _IDS.example(_LOCAL):
                    cloud.conn.image.download_image(image_id, output=output)
                    _check_is_image(output)
            finally:
                assert set(os.listdir(directory)) <= {name}


class TestOutputs:
    """A path that a caller gives."""

    @hypothesis.given(
        strategies.one_of(
            strategies.text(),
            _FILE_NAMES,
            strategies.sampled_from(['.', '..', 'x/', 'x/y', 'x' * 256]),
        )
    )
    def test_are_made_or_refused(self, cloud: _cloud.Cloud, name: str) -> None:
        """The image is there, or an error was raised."""
        cloud.glance.script()
        with (
            tempfile.TemporaryDirectory() as directory,
            _OUTPUTS.example(_LOCAL),
        ):
            output = f'{directory}/{name}'
            cloud.conn.image.download_image(scripted.IMAGE_ID, output=output)
            _check_is_image(output)


def _nothing(path: pathlib.Path, precious: pathlib.Path) -> None:
    pass


def _content(data: bytes) -> Callable[[pathlib.Path, pathlib.Path], None]:
    return lambda path, precious: path.write_bytes(data) and None


def _of_another_user(path: pathlib.Path, precious: pathlib.Path) -> None:
    path.write_bytes(b'x')
    if os.geteuid() == 0:
        os.chown(path, _OTHER_USER, _OTHER_USER)


def _locked(path: pathlib.Path, precious: pathlib.Path) -> None:
    path.write_bytes(b'x')
    path.chmod(0)


_KINDS: dict[str, Callable[[pathlib.Path, pathlib.Path], None]] = {
    'nothing': _nothing,
    'empty': _content(b''),
    'half': _content(raw_responses.DATA[:1500]),
    'whole': _content(raw_responses.DATA),
    'longer': _content(raw_responses.DATA * 2),
    'garbage': _content(b'x' * 1500),
    'garbage of the right length': _content(b'x' * 3000),
    'directory': lambda path, precious: path.mkdir(),
    'FIFO': lambda path, precious: os.mkfifo(path),
    'link': lambda path, precious: path.symlink_to(precious),
    'link to nothing': lambda path, precious: path.symlink_to('/nowhere/x'),
    'link to itself': lambda path, precious: path.symlink_to(path),
    'hard link': lambda path, precious: os.link(precious, path),
    'another user': _of_another_user,
    'locked': _locked,
}

_KIND = strategies.sampled_from(sorted(_KINDS))


class TestObstacles:
    """What a partial file, or what calls itself one, can do."""

    @hypothesis.given(
        name=_FILE_NAMES,
        kind=_KIND,
        resume=strategies.booleans(),
        sparse=strategies.booleans(),
        connections=strategies.sampled_from([1, 4]),
        works=strategies.booleans(),
    )
    def test_do_no_harm(
        self,
        cloud: _cloud.Cloud,
        name: str,
        kind: str,
        resume: bool,
        sparse: bool,
        connections: int,
        works: bool,
    ) -> None:
        """The image is right, and nobody's file is touched."""
        cloud.glance.script(
            data=raw_responses.honest if works else lambda part: b'nonsense'
        )
        with tempfile.TemporaryDirectory() as directory:
            precious = pathlib.Path(directory, '_precious')
            precious.write_bytes(_PRECIOUS)
            output = pathlib.Path(directory, name)
            hypothesis.assume(output != precious)
            partial = pathlib.Path(
                partial_files.name(str(output), scripted.IMAGE_ID)
            )
            _KINDS[kind](partial, precious)
            before = set(os.listdir(directory))
            with _OBSTACLES.example(_LOCAL):
                try:
                    cloud.conn.image.download_image(
                        scripted.IMAGE_ID,
                        output=output,
                        resume=resume,
                        sparse=sparse,
                        connections=connections,
                        retries=2,
                    )
                    _check_is_image(output)
                finally:
                    assert precious.read_bytes() == _PRECIOUS
                    expected = before | ({name} if works else set())
                    # A partial file is taken up.
                    left = set(os.listdir(directory))
                    assert left | {partial.name} == expected | {partial.name}


class TestSmallest:
    """The smallest inputs that were too much once."""

    def test_surrogate(self, cloud: _cloud.Cloud) -> None:
        """What no path can have is refused before any request."""
        cloud.glance.script()
        with pytest.raises(exceptions.InvalidArgumentError):
            cloud.conn.image.download_image(
                scripted.IMAGE_ID, output='/tmp/\ud800'
            )
        assert cloud.glance.asked == 0

    @pytest.mark.parametrize('number', ['9' * 5000, '\u0661'])
    def test_descriptor(self, cloud: _cloud.Cloud, number: str) -> None:
        """What is no descriptor is an error of the system's."""
        cloud.glance.script()
        with pytest.raises((OSError, exceptions.InvalidArgumentError)):
            cloud.conn.image.download_image(
                scripted.IMAGE_ID, output=f'/dev/fd/{number}'
            )


def _check_is_image(path: str | pathlib.Path) -> None:
    with open(path, 'rb') as file:
        assert file.read() == raw_responses.DATA
