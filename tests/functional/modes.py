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

"""The ways to download that the contract knows, to test them alike."""

import collections.abc
import contextlib
import functools
import os
import pathlib
import typing

import pytest

from tests import ways


def _read(
    kind: type[ways.Way],
    conn: typing.Any,
    image_id: str,
    path: pathlib.Path,
    **options: typing.Any,
) -> bytes:
    """Download, return the bytes; a file at the path is all that is there."""
    with contextlib.closing(kind(path.parent)) as way:
        content = way.download(conn, image_id, **options)
    if kind is ways.Path:
        assert way.path == str(path)
        assert os.listdir(path.parent) == [path.name]
    return content


#: Downloads an image with a connection, to a path where it needs one.
Read = collections.abc.Callable[..., bytes]

#: To a path.
read_path: Read = functools.partial(_read, ways.Path)

#: Makes a test for each.
MODES = pytest.mark.parametrize(
    'read',
    [
        pytest.param(functools.partial(_read, kind), id=name)
        for name, kind in ways.MODES.items()
    ],
)
