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

"""What a caller does: connect, download in each mode, read in each way."""

from collections.abc import Callable, Iterator
import contextlib
import io
import os
import threading
import time
from typing import Any

import openstack

from tests.callers import service
from tests.soak import client

MIB = 1024 * 1024

#: The modes of a download.
MODES = ('stream', 'memory', 'path', 'file')

#: Seconds within which something that happens at once has happened, on a
#: machine that is busy.
AT_ONCE = 5.0

#: Seconds that a client waits for a silent server. Nothing may take as long
#: that is to happen at once.
SILENCE = 60.0


def connect(remote: service.Remote, **settings: Any) -> Any:
    """Connect to a service, with the plugin.

    :param remote: Its remote control.
    :param settings: Settings of the cloud.
    :returns: A connection; its caller closes it with :func:`connected`'s end,
        or with :func:`tests.soak.client.close`.
    """
    url = remote.url
    if remote.certificate:
        settings = {'cacert': remote.certificate, **settings}
    return openstack.connect(
        **{
            'load_yaml_config': False,
            'load_envvars': False,
            'auth_type': 'none',
            'auth': {'endpoint': url},
            'image_endpoint_override': f'{url}/v2',
            'image_api_version': '2',
            'vendor_hook': 'openstack_image_stream:load',
            **settings,
        }
    )


@contextlib.contextmanager
def connected(remote: service.Remote, **settings: Any) -> Iterator[Any]:
    """Connect for some time; afterwards nothing waits in its pools.

    :param remote: The remote control of the service.
    :param settings: Settings of the cloud.
    """
    conn = connect(remote, **settings)
    try:
        yield conn
    finally:
        client.close(conn)
        client.forget()


def download(
    conn: Any, image_id: str, mode: str, directory: str, **options: Any
) -> bytes:
    """Download an image whole.

    :param conn: The connection.
    :param image_id: ID of the image.
    :param mode: One of :data:`MODES`.
    :param directory: Where a file may be.
    :param options: Options of the download.
    :returns: The bytes of the image.
    """
    if mode == 'stream':
        response = conn.image.download_image(image_id, stream=True, **options)
        with response:
            return b''.join(response.iter_content(MIB))
    if mode == 'memory':
        content: bytes = conn.image.download_image(image_id, **options).content
        return content
    if mode == 'path':
        path = os.path.join(directory, 'image')
        conn.image.download_image(image_id, output=path, **options)
        with open(path, 'rb') as file:
            return file.read()
    target = io.BytesIO()
    conn.image.download_image(image_id, output=target, **options)
    return target.getvalue()


def until(condition: Callable[[], object], words: str) -> None:
    """Wait for a condition, and fail when it does not come true.

    :param condition: The condition.
    :param words: What to say when it fails.
    """
    end = time.monotonic() + AT_ONCE * 2
    while not condition():
        assert time.monotonic() < end, words
        time.sleep(0.005)


class Reader(threading.Thread):
    """Reads a response to its end.

    :param response: The response.
    :param how: One of :data:`READS`.
    """

    def __init__(self, response: Any, how: str = 'iter_content') -> None:
        super().__init__(daemon=True, name='reader')
        self._response: Any = response
        self._how = how
        self.pieces: list[bytes] = []
        self.error: BaseException | None = None
        #: Bytes that were read.
        self.count = 0
        self.ended_at: float | None = None

    def run(self) -> None:
        """Read, and note how it ends."""
        try:
            for piece in READS[self._how](self._response):
                self.pieces.append(piece)
                self.count += len(piece)
        except BaseException as exc:
            self.error = exc
        self.ended_at = time.monotonic()
        self._response = None


def _read(response: Any) -> Iterator[bytes]:
    while piece := response.raw.read(MIB):
        yield piece


def _read_into(response: Any) -> Iterator[bytes]:
    buffer = bytearray(300_000)
    while count := response.raw.readinto(buffer):
        yield bytes(buffer[:count])


#: The ways to read a response.
READS: dict[str, Callable[[Any], Any]] = {
    'iter_content': lambda response: response.iter_content(MIB),
    'iter': iter,
    'read': _read,
    'readinto': _read_into,
    'content': lambda response: [response.content],
    'readall': lambda response: [response.raw.read()],
}
