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

"""A Glance on a real socket whose every response is scripted.

It speaks just enough HTTP to break the protocol in ways that no HTTP server
library allows: bodies that break off, connections that are reset, lengths
that are wrong, bytes that are no HTTP at all.
"""

import collections
from collections.abc import Callable
import contextlib
import dataclasses
import functools
import hashlib
import re
import threading
from typing import Any, TypeVar

from keystoneauth1 import fixture
import openstack
from openstack import proxy

from tests.servers import responses
from tests.servers import server

_Item = TypeVar('_Item')

IMAGE_ID = '0b8c6a6e-5bd7-4f1c-9d6a-6c1fb3a4a0d1'

#: The token that it gives to every client that logs in, in place of Keystone.
TOKEN = 'the-token'

#: Settings of a cloud that loads the plugin.
PLUGIN = {'vendor_hook': 'openstack_image_stream:load'}


class ScriptedGlance(server.ScriptedServer):
    """Serves one image; a context manager.

    :param data: The bytes of the image.
    :param certificate: Path of a certificate and its key, to speak TLS.
    :param metadata: What differs from the metadata that belong to the data; a
        value of ``None`` is sent as such.
    """

    def __init__(
        self,
        data: bytes = b'',
        *,
        certificate: str | None = None,
        **metadata: Any,
    ) -> None:
        self.data = data
        self.metadata = {
            'id': IMAGE_ID,
            'name': 'scripted',
            'status': 'active',
            'size': len(data),
            'owner': 'me',
            'visibility': 'private',
            **hashes(data),
            **metadata,
        }
        #: Responses to the next requests for the data; an honest one when
        #: empty.
        self.data_responses: collections.deque[responses.Response] = (
            collections.deque()
        )
        #: Likewise for the metadata.
        self.metadata_responses: collections.deque[responses.Response] = (
            collections.deque()
        )
        #: Whether the last of them is given again and again, and the last of
        #: the spoilers used so.
        self.repeat_last = False
        #: Whether range requests are served, or refused with 400.
        self.ranged = True
        #: What becomes of the next honest responses to requests for the data.
        self.changes: collections.deque[
            Callable[[responses.Response], responses.Response]
        ] = collections.deque()
        #: Where the next honest responses end, in bytes, and whether by a
        #: reset.
        self.cuts: collections.deque[tuple[int, bool]] = collections.deque()
        #: Bytes after which every honest response ends.
        self.cut_every: int | None = None
        #: Responses of a key manager at the same address, by UUID. The last
        #: of them is given again and again.
        self.secrets: dict[str, list[responses.Response]] = {}
        #: Set while responses to range requests beyond the first may be sent.
        self.may_respond = threading.Event()
        self.may_respond.set()
        super().__init__(certificate)

    def connect(self, **settings: Any) -> openstack.connection.Connection:
        """Connect to it as :func:`connect` does."""
        return connect(self.url, **settings)

    def honest(self, **changes: Any) -> responses.Response:
        """Return the response of Glance to a request for the data."""
        headers = {'Content-Type': responses.BINARY}
        if self.metadata['checksum']:
            headers['Content-MD5'] = self.metadata['checksum']
        return dataclasses.replace(
            responses.Response(headers=headers, body=self.data), **changes
        )

    def __enter__(self) -> 'ScriptedGlance':
        super().__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.may_respond.set()
        super().__exit__(*exc_info)

    def _respond(self, request: responses.Request) -> responses.Response:
        path = request.path.partition('?')[0]
        if path.rstrip('/') in ('', '/versions', '/v1', '/v2'):
            return responses.json_response({'versions': self._versions()})
        if path.endswith('/auth/tokens'):
            return responses.json_response(
                fixture.V3Token(), status=201, extra={'X-Subject-Token': TOKEN}
            )
        if re.fullmatch('/v2/images/[^/]+/file', path):
            if request.method == 'PUT':
                return responses.Response(status=204)
            if request.method == 'HEAD':
                return self.honest()
            if self.data_responses:
                return self._next(self.data_responses)
            return self._change(self._cut(self._honest_to(request)))
        if secret := re.fullmatch('/v1/secrets/([^/]+)/payload', path):
            found = self.secrets.get(
                secret[1], [responses.Response(status=404)]
            )
            return found.pop(0) if len(found) > 1 else found[0]
        if self.metadata_responses:
            return self._next(self.metadata_responses)
        if path == '/v2/images' and request.method == 'GET':
            return responses.json_response({'images': [self.metadata]})
        return responses.json_response(self.metadata)

    def _next(self, queue: collections.deque[_Item]) -> _Item:
        with self._lock:
            if self.repeat_last and len(queue) == 1:
                return queue[0]
            return queue.popleft()

    def _change(self, response: responses.Response) -> responses.Response:
        try:
            change = self._next(self.changes)
        except IndexError:
            return response
        return change(response)

    def _cut(self, response: responses.Response) -> responses.Response:
        after, reset = self.cut_every, False
        if self.cuts and response.status < 400:
            after, reset = self.cuts.popleft()
        if after is None or after >= len(response.body):
            return response
        return dataclasses.replace(response, cut_after=after, reset=reset)

    def _honest_to(self, request: responses.Request) -> responses.Response:
        wanted = re.fullmatch(
            r'bytes=(\d+)-(\d*)', request.headers.get('range', '')
        )
        if not wanted:
            return self.honest()
        if not self.ranged:
            # What Glance says for Ceph RBD, Swift, S3 and others.
            return responses.Response(status=400)
        start, size = int(wanted[1]), len(self.data)
        if start > 0:
            self.may_respond.wait(30)
        stop = min(int(wanted[2]) + 1, size) if wanted[2] else size
        if start >= size:
            return responses.Response(
                status=416, headers={'Content-Range': f'bytes */{size}'}
            )
        whole = self.honest()
        return dataclasses.replace(
            whole,
            status=206,
            headers={
                **whole.headers,
                'Content-Range': f'bytes {start}-{stop - 1}/{size}',
            },
            body=self.data[start:stop],
        )

    def _versions(self) -> list[dict[str, Any]]:
        return [
            {
                'id': version,
                'status': status,
                'links': [{'rel': 'self', 'href': f'{self.url}/{path}/'}],
            }
            for version, status, path in (
                ('v2.9', 'CURRENT', 'v2'),
                ('v1.1', 'DEPRECATED', 'v1'),
            )
        ]


@functools.lru_cache(maxsize=32)
def hashes(data: bytes) -> dict[str, str]:
    """Return what Glance says of the hashes of an image.

    :param data: The bytes of the image.
    """
    # Most tests are about the same few images.
    return {
        'checksum': hashlib.md5(data).hexdigest(),
        'os_hash_algo': 'sha512',
        'os_hash_value': hashlib.sha512(data).hexdigest(),
    }


def close(conn: Any) -> None:
    """Close a connection and what waits in its pools.

    What the package has let go of is closed with them, and nothing else.

    :param conn: The connection.
    """
    with contextlib.closing(conn):
        for adapter in conn.session.session.adapters.values():
            pools = adapter.poolmanager.pools
            # A response that is held holds its pool, so it would not
            # be enough to forget them.
            for key in list(pools.keys()):
                pools[key].close()
            adapter.close()


def forget_connections() -> None:
    """Forget the connections that the SDK remembers.

    A cache of its class keeps some hundred of them alive, which would look
    like a leak.
    """
    proxy.Proxy._extract_name.cache_clear()


def connect(url: str, **settings: Any) -> openstack.connection.Connection:
    """Connect to a Glance without authentication or configuration files.

    :param url: Where it is.
    :param settings: What differs from that; ``None`` leaves a setting out.
    """
    settings = {
        'load_yaml_config': False,
        'load_envvars': False,
        'auth_type': 'none',
        'auth': {'endpoint': url},
        'image_endpoint_override': f'{url}/v2',
        'image_api_version': '2',
        **settings,
    }
    return openstack.connect(
        **{key: value for key, value in settings.items() if value is not None}
    )
