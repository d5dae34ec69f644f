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
import io
import os
import pathlib
import typing

import pytest


def read_stream(
    conn: typing.Any, image_id: str, path: pathlib.Path, **options: typing.Any
) -> bytes:
    """Read a stream piece by piece."""
    with conn.image.download_image(
        image_id, stream=True, **options
    ) as response:
        return b''.join(response.iter_content(100_000))


def read_memory(
    conn: typing.Any, image_id: str, path: pathlib.Path, **options: typing.Any
) -> bytes:
    """Take the content."""
    return conn.image.download_image(image_id, **options).content


def read_path(
    conn: typing.Any, image_id: str, path: pathlib.Path, **options: typing.Any
) -> bytes:
    """Read the file at a path, which is all that is there."""
    conn.image.download_image(image_id, output=path, **options)
    assert os.listdir(path.parent) == [path.name]
    return path.read_bytes()


def read_file(
    conn: typing.Any, image_id: str, path: pathlib.Path, **options: typing.Any
) -> bytes:
    """Take what was written to a file object."""
    file = io.BytesIO()
    conn.image.download_image(image_id, output=file, **options)
    return file.getvalue()


#: Downloads an image with a connection, to a path where it needs one.
Read = collections.abc.Callable[..., bytes]

#: Makes a test for each.
MODES = pytest.mark.parametrize(
    'read',
    [
        pytest.param(read_stream, id='stream'),
        pytest.param(read_memory, id='memory'),
        pytest.param(read_path, id='path'),
        pytest.param(read_file, id='file'),
    ],
)
