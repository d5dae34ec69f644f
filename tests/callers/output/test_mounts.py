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

"""Files that the system lets nobody rename over, as the system has them.

Each is tried in a child, which mounts for itself alone or becomes another
user.
"""

import os
import pathlib

import pytest

from openstack_image_stream import _config
from openstack_image_stream._output import choice
from openstack_image_stream import exceptions
from tests.faults import machine
from tests import processes

ID = '0b8c6a6e-5bd7-4f1c-9d6a-6c1fb3a4a0d1'
DATA = bytes(range(256)) * 40
OLD = b'what was there before'
_OTHER, _THIRD = 54_321, 54_322


def save(path: pathlib.Path) -> None:
    """Write an image."""
    with choice.sink_for(
        path, ID, _config.checked(resume=True, sparse=True)
    ) as sink:
        sink.write(DATA)
        sink.commit()


def check_refused(path: pathlib.Path, reason: str) -> None:
    """Check that a file is refused, and filled once it is empty."""
    with pytest.raises(exceptions.InvalidArgumentError, match=reason):
        save(path)
    assert path.read_bytes() == OLD
    assert [path.name] == os.listdir(path.parent)
    os.truncate(path, 0)
    save(path)
    assert path.read_bytes() == DATA


@pytest.fixture
def place(tmp_path: pathlib.Path) -> pathlib.Path:
    """A file with content, in a directory of its own."""
    tmp_path.chmod(0o755)
    directory = tmp_path / 'place'
    directory.mkdir()
    path = directory / 'image'
    path.write_bytes(OLD)
    return path


def test_mounted(place: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A file that is mounted by itself, as containers have them."""
    source = tmp_path / 'source'
    source.write_bytes(OLD)

    def act() -> None:
        machine.leave_file_systems()
        machine.bind(source, place)
        check_refused(place, 'bind mount')

    processes.Child(act).wait()
    assert source.read_bytes() == DATA
    assert place.read_bytes() == OLD


def test_mounted_directory(
    place: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """In a directory that is mounted, everything is as elsewhere."""
    source = tmp_path / 'source'
    source.mkdir()

    def act() -> None:
        machine.leave_file_systems()
        machine.bind(source, place.parent)
        place.write_bytes(OLD)
        save(place)

    processes.Child(act).wait()
    assert (source / 'image').read_bytes() == DATA


@pytest.mark.parametrize(
    ('owner', 'allowed'), [(_OTHER, True), (_THIRD, False)]
)
def test_sticky_directory(
    place: pathlib.Path, owner: int, allowed: bool
) -> None:
    """In a directory such as /tmp only one's own files can be replaced."""
    assert os.geteuid() == 0, 'needs root, to become other users'
    place.parent.chmod(0o1777)
    place.chmod(0o666)
    os.chown(place, owner, owner)
    for parent in place.parents[1:]:
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(0o755)

    def act() -> None:
        os.setgroups([])
        os.setgid(_OTHER)
        os.setuid(_OTHER)
        if allowed:
            save(place)
            assert place.read_bytes() == DATA
        else:
            check_refused(place, 'sticky bit')

    processes.Child(act).wait()
