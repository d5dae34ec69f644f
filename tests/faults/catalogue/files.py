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

"""Faults in which another program changes a file that is written."""

from collections.abc import Callable
import dataclasses
import os
import pathlib
import random
import shutil

from tests.faults.catalogue import base

#: As long as the image. Made before, as no test waits for it later.
_FOREIGN = random.Random(19).randbytes(len(base.DATA))


def remove(path: pathlib.Path) -> None:
    """Remove it."""
    path.unlink()


def replace(path: pathlib.Path) -> None:
    """Replace it by another file."""
    other = path.with_name('other')
    other.write_bytes(_FOREIGN)
    os.replace(other, path)


def truncate(path: pathlib.Path) -> None:
    """Make it empty."""
    os.truncate(path, 0)


def append(path: pathlib.Path) -> None:
    """Write behind its end."""
    # More than is still going to be written over it.
    with path.open('ab') as file:
        file.write(base.DATA)


def _remove_directory(path: pathlib.Path) -> None:
    shutil.rmtree(path.parent)


def _rename_directory(path: pathlib.Path) -> None:
    path.parent.rename(path.parent.with_name('elsewhere'))


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileChange(base.Fault):
    """What another program does to a file that is written.

    :param act: Does it.
    """

    act: Callable[[pathlib.Path], None]
    promise: str = 'OutputError, the old file stays'


FAULTS = [
    FileChange(
        name='removed',
        title='another program removes the file while it is written',
        act=remove,
    ),
    FileChange(
        name='replaced',
        title='another program replaces the file while it is written',
        act=replace,
    ),
    FileChange(
        name='truncated',
        title='another program truncates the file while it is written',
        act=truncate,
    ),
    FileChange(
        name='appended',
        title='another program appends to the file while it is written',
        act=append,
    ),
    FileChange(
        name='directory-removed',
        title='another program removes the directory during the download',
        act=_remove_directory,
        promise='OutputError',
    ),
    FileChange(
        name='directory-renamed',
        title='another program renames the directory during the download',
        act=_rename_directory,
        promise='OutputError',
    ),
]

#: What is done to the file that is going to be replaced.
ON_FINAL = FileChange(
    name='final',
    title='another program removes, replaces, truncates, extends the old file',
    act=remove,
    promise='the image gets the name in the end',
)
