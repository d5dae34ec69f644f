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

"""The ways to download an image: the plugin's, and those of others.

Each is a function that runs in a process of its own, and that writes the
image to a path or raises what a user would see.
"""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
import io
import os
import pathlib
import time
from typing import Any

import openstack

#: Bytes at a time of whoever reads a stream.
_CHUNK = 1024 * 1024

#: Seconds that a slow reader pauses for.
PAUSE = 5.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where an image is, for every kind of client.

    :param clouds_yaml: Describes the clouds ``plain`` and ``stream``, the
        latter with the plugin.
    :param glance: Arguments of python-glanceclient's program.
    :param image_id: The image.
    """

    clouds_yaml: str
    glance: tuple[str, ...]
    image_id: str


class ProgramFailed(Exception):
    """A program ended with another status than 0."""


Way = Callable[[Place, pathlib.Path, Mapping[str, Any]], None]


def _connect(place: Place, cloud: str) -> Any:
    # For programs, too, which are called in this process.
    os.environ['OS_CLIENT_CONFIG_FILE'] = place.clouds_yaml
    return openstack.connect(cloud=cloud)


def _write(path: pathlib.Path, content: bytes) -> None:
    # Only what a caller was given as good gets the name.
    path.write_bytes(content)


def _slowly(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield next(pieces)
    time.sleep(PAUSE)
    yield from pieces


def plugin_path(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Download to a path."""
    conn = _connect(place, 'stream')
    conn.image.download_image(place.image_id, output=path, **options)


def plugin_path_of_four(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Download to a path over four connections."""
    plugin_path(place, path, {**options, 'connections': 4})


def plugin_stream(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Read piece by piece."""
    conn = _connect(place, 'stream')
    response = conn.image.download_image(
        place.image_id, stream=True, **options
    )
    with response:
        _write(path, b''.join(response.iter_content(_CHUNK)))


def plugin_slow_stream(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Read piece by piece, and pause after the first."""
    conn = _connect(place, 'stream')
    response = conn.image.download_image(
        place.image_id, stream=True, **options
    )
    with response:
        _write(path, b''.join(_slowly(response.iter_content(_CHUNK))))


def plugin_memory(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Take the content."""
    conn = _connect(place, 'stream')
    response = conn.image.download_image(place.image_id, **options)
    _write(path, response.content)


def plugin_file(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Have it written to a file object."""
    conn = _connect(place, 'stream')
    file = io.BytesIO()
    conn.image.download_image(place.image_id, output=file, **options)
    _write(path, file.getvalue())


def sdk_path(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Upstream, to a path."""
    conn = _connect(place, 'plain')
    conn.image.download_image(place.image_id, output=str(path))


def sdk_stream(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Upstream, piece by piece."""
    conn = _connect(place, 'plain')
    response = conn.image.download_image(place.image_id, stream=True)
    with response, path.open('wb') as file:
        for piece in response.iter_content(_CHUNK):
            file.write(piece)


def sdk_slow_stream(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Upstream, piece by piece, with a pause after the first."""
    conn = _connect(place, 'plain')
    response = conn.image.download_image(place.image_id, stream=True)
    with response, path.open('wb') as file:
        for piece in _slowly(response.iter_content(_CHUNK)):
            file.write(piece)


def glanceclient(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """python-glanceclient's program."""
    # Only who compares has it.
    from glanceclient import shell

    try:
        shell.OpenStackImagesShell().main(
            [
                *place.glance,
                # Whoever names no version asks for a list of them first.
                '--os-image-api-version',
                '2',
                'image-download',
                '--file',
                str(path),
                place.image_id,
            ]
        )
    except SystemExit as exc:
        _check_status(exc.code)


def openstackclient(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """python-openstackclient's program, without the plugin."""
    from openstackclient import shell

    os.environ['OS_CLIENT_CONFIG_FILE'] = place.clouds_yaml
    os.environ['OS_CLOUD'] = 'plain'
    _check_status(
        shell.OpenStackShell().run(
            ['image', 'save', '--file', str(path), place.image_id]
        )
    )


def _check_status(status: object) -> None:
    if status not in (0, None):
        raise ProgramFailed(f'status {status}')


#: The plugin's ways, by the word in the name of a test.
PLUGIN: dict[str, Way] = {
    'path': plugin_path,
    'connections': plugin_path_of_four,
    'stream': plugin_stream,
    'memory': plugin_memory,
    'file': plugin_file,
}

#: What others do, by the head of their column.
PEERS: dict[str, Way] = {
    'openstacksdk, output=path': sdk_path,
    'openstacksdk, stream=True': sdk_stream,
    'glance image-download': glanceclient,
    'openstack image save': openstackclient,
}
