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

"""The plugin and other clients, each for a process of its own.

Each is a function that writes the image to a path, or raises what a user
would see.
"""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
import functools
import os
import pathlib
import time
from typing import Any

import openstack
import yaml

from tests.servers import scripted
from tests import ways

#: Bytes that are read of a stream at a time.
_CHUNK = 1024 * 1024


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


def place_of(
    glance: scripted.ScriptedGlance, directory: pathlib.Path
) -> Place:
    """Describe a scripted Glance to every kind of client.

    :param glance: The Glance.
    :param directory: Where the description may be.
    """
    cloud = {
        'auth_type': 'v3password',
        'auth': {
            'auth_url': f'{glance.url}/v3',
            'username': 'me',
            'password': 'secret',
            'user_domain_id': 'default',
        },
        'image_endpoint_override': f'{glance.url}/v2',
        'image_api_version': '2',
    }
    hook = {'vendor_hook': 'openstack_image_stream:load'}
    path = directory / 'clouds.yaml'
    path.write_text(
        yaml.safe_dump({'clouds': {'plain': cloud, 'stream': cloud | hook}})
    )
    token = ('--os-auth-token', scripted.TOKEN)
    return Place(
        clouds_yaml=str(path),
        glance=('--os-image-url', glance.url, *token),
        image_id=scripted.IMAGE_ID,
    )


class ProgramFailed(Exception):
    """A program ended with another status than 0."""


Client = Callable[[Place, pathlib.Path, Mapping[str, Any]], None]


def _connect(place: Place, cloud: str) -> Any:
    # For programs, too, which are called in this process.
    os.environ['OS_CLIENT_CONFIG_FILE'] = place.clouds_yaml
    return openstack.connect(cloud=cloud)


@dataclasses.dataclass(frozen=True)
class Plugin:
    """The plugin.

    :param way: One of :data:`tests.ways.MODES`.
    :param options: Options of the download, beside those of the test.
    """

    way: str
    options: tuple[tuple[str, Any], ...] = ()

    def __call__(
        self, place: Place, path: pathlib.Path, options: Mapping[str, Any]
    ) -> None:
        """Download to a path, or write what was given as good there."""
        conn = _connect(place, 'stream')
        call = functools.partial(
            conn.image.download_image,
            place.image_id,
            **{**options, **dict(self.options)},
        )
        if self.way == 'path':
            call(output=path)
            return
        way = ways.MODES[self.way](path.parent, _CHUNK)
        with contextlib.closing(way):
            way.take(call)
            path.write_bytes(way.content())


@dataclasses.dataclass(frozen=True)
class SlowStream:
    """A stream whose reader pauses after the first chunk.

    :param cloud: ``stream`` for the plugin, ``plain`` for openstacksdk.
    :param pause: Seconds of the pause.
    """

    cloud: str
    pause: float

    def __call__(
        self, place: Place, path: pathlib.Path, options: Mapping[str, Any]
    ) -> None:
        """Read, and write what came."""
        image = _connect(place, self.cloud).image
        options = options if self.cloud == 'stream' else {}
        with image.download_image(
            place.image_id, stream=True, **options
        ) as response:
            chunks = self._paused(response.iter_content(_CHUNK))
            if self.cloud == 'stream':
                # Only what a caller was given as good gets the name.
                path.write_bytes(b''.join(chunks))
                return
            with path.open('wb') as file:
                for chunk in chunks:
                    file.write(chunk)

    def _paused(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield next(chunks)
        time.sleep(self.pause)
        yield from chunks


def sdk_path(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Upstream, to a path."""
    conn = _connect(place, 'plain')
    conn.image.download_image(place.image_id, output=str(path))


def sdk_stream(
    place: Place, path: pathlib.Path, options: Mapping[str, Any]
) -> None:
    """Upstream, chunk by chunk."""
    conn = _connect(place, 'plain')
    response = conn.image.download_image(place.image_id, stream=True)
    with response, path.open('wb') as file:
        for chunk in response.iter_content(_CHUNK):
            file.write(chunk)


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
                # Without a version it requests a list of them first.
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


#: The plugin, by the word in the name of a test.
PLUGIN: dict[str, Client] = {
    'path': Plugin('path'),
    'connections': Plugin('path', (('connections', 4),)),
    'stream': Plugin('stream'),
    'memory': Plugin('memory'),
    'file': Plugin('file'),
}

#: What others do, by the head of their column.
PEERS: dict[str, Client] = {
    'openstacksdk, output=path': sdk_path,
    'openstacksdk, stream=True': sdk_stream,
    'glance image-download': glanceclient,
    'openstack image save': openstackclient,
}
