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

"""A Glance that images are uploaded to, and that misbehaves on demand.

It keeps what it is sent, and has the statuses that Glance has: ``queued``,
``saving``, ``active``, and ``uploading`` for what is staged. An upload that
breaks off is noticed after a while, and to delete an image in that moment
fails and leaves it behind, as it does in Glance.
"""

import collections
import collections.abc
import contextlib
import dataclasses
import hashlib
import json
import socket
import struct
import threading
from typing import Any

from keystoneauth1 import fixture

from tests.servers import responses
from tests.servers import scripted
from tests.servers import server

_CHUNK = 64 * 1024

#: By this property the task of an import holds an image.
_TASK = 'os_glance_import_task'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one upload.

    :param after: Bytes of the data that are read before that, all of them if
        it is ``None``.
    :param status: Status to respond with then; the connection is closed
        without a response if there is none.
    :param reset: Close it with a reset.
    :param keeps: Whether the data are kept all the same, if they are whole.
    :param late: The data are kept only when the next upload comes, which is
        refused with 409.
    :param silent: Neither respond nor close, until the client does.
    """

    after: int | None = None
    status: int | None = None
    reset: bool = False
    keeps: bool = False
    late: bool = False
    silent: bool = False


class UploadGlance(server.ScriptedServer):
    """Takes images; a context manager.

    :param algorithm: Of the multihash of its images; none if it is empty.
    """

    def __init__(self, algorithm: str = 'sha512') -> None:
        #: Images by their IDs, as they are described.
        self.images: dict[str, dict[str, Any]] = {}
        #: Data by the IDs of the images.
        self.data: dict[str, bytes] = {}
        #: IDs of all images that were active at any time.
        self.activated: list[str] = []
        #: What goes wrong with the next uploads.
        self.faults: collections.deque[Fault] = collections.deque()
        #: Statuses with which the next requests of a method fail. ``None`` is
        #: one that succeeds, 0 one that has its effect and no response.
        self.statuses: dict[str, collections.deque[int | None]] = (
            collections.defaultdict(collections.deque)
        )
        #: Looks at an image during which an upload that broke off is still
        #: ``saving``, and deletions that fail with 500 after that.
        self.slow_looks = 0
        self.bad_deletions = 0
        #: Whether it stores a wrong byte, or one too few.
        self.damages = False
        self.shortens = False
        #: Looks at an image during which the task of its import still holds
        #: it, so that changes of it are lost.
        self.slow_imports = 0
        #: Stores that an import fails for.
        self.bad_stores: list[str] = []
        #: Methods and paths of all requests, without ``/v2/images``.
        self.log: list[str] = []
        self.algorithm = algorithm
        #: Called with the ID and the bytes of an upload that have come.
        self.on_data: Any = None
        self._late: dict[str, bytes] = {}
        self._looks: dict[str, int] = {}
        self._taking = 0
        self._mutex = threading.RLock()
        self._idle = threading.Condition(self._mutex)
        super().__init__()

    def wait_for_end(self) -> bool:
        """Wait until no upload is being taken; tell whether that came."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._taking, 10)

    def connect(self, **settings: Any) -> Any:
        """Connect to it, without the plugin."""
        return scripted.connect(self.url, **settings)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile('rb') as lines:
                while request := responses.read_head(lines):
                    if not self._serve_one(connection, lines, request):
                        break
        except OSError:
            pass  # the client went away
        finally:
            with self._left:
                self._connections.discard(connection)
                self._left.notify_all()

    def _serve_one(
        self, connection: socket.socket, lines: Any, request: Any
    ) -> bool:
        path = request.path.partition('?')[0]
        name = path.removeprefix('/v2/images').replace('/v2', '')
        with self._mutex:
            self.log.append(f'{request.method} {name}')
            self.requests.append(request)
        if request.method == 'PUT':
            with self._counted():
                return self._take(connection, lines, request, name)
        body = lines.read(int(request.headers.get('content-length', 0)))
        with self._mutex:
            status = self._scripted_status(request.method)
            if status:
                response = responses.Response(status=status)
            else:
                response = self._respond(
                    dataclasses.replace(request, body=body)
                )
        if status == 0:
            return False
        connection.sendall(b''.join(response.framed()))
        return True

    @contextlib.contextmanager
    def _counted(self) -> collections.abc.Iterator[None]:
        with self._idle:
            self._taking += 1
        try:
            yield
        finally:
            with self._idle:
                self._taking -= 1
                self._idle.notify_all()

    def _scripted_status(self, method: str) -> int | None:
        queue = self.statuses[method]
        return queue.popleft() if queue else None

    def _respond(self, request: responses.Request) -> responses.Response:
        path = request.path.partition('?')[0]
        if path.endswith('/auth/tokens'):
            token = {'X-Subject-Token': scripted.TOKEN}
            return responses.json_response(
                fixture.V3Token(), status=201, extra=token
            )
        if path.rstrip('/') in ('', '/v2'):
            link = {'rel': 'self', 'href': f'{self.url}/v2/'}
            version = {'id': 'v2.9', 'status': 'CURRENT', 'links': [link]}
            return responses.json_response({'versions': [version]})
        name = path.removeprefix('/v2/images').strip('/')
        if not name:
            if request.method == 'POST':
                return self._create(json.loads(request.body))
            active = [
                image
                for image in self.images.values()
                if image['status'] == 'active'
            ]
            return responses.json_response({'images': active[:1]})
        image_id, _, action = name.partition('/')
        image = self.images.get(image_id)
        if image is None:
            return responses.Response(status=404)
        if action == 'import':
            return self._import(image, json.loads(request.body))
        if request.method == 'DELETE':
            return self._delete(image)
        if request.method == 'PATCH' and image.get(_TASK):
            pass
        elif request.method == 'PATCH':
            for change in json.loads(request.body):
                image[change['path'].strip('/')] = change['value']
        else:
            self._notice(image)
        return responses.json_response(image)

    def _create(self, document: dict[str, Any]) -> responses.Response:
        image_id = document['id']
        if image_id in self.images:
            return responses.Response(status=409)
        self.images[image_id] = {
            'status': 'queued',
            'size': None,
            'checksum': None,
            'os_hash_algo': None,
            'os_hash_value': None,
            'protected': False,
            **document,
        }
        return responses.json_response(self.images[image_id], status=201)

    def _delete(self, image: dict[str, Any]) -> responses.Response:
        if image['protected']:
            return responses.Response(status=403)
        if image['status'] == 'saving' or self.bad_deletions > 0:
            # Glance's own race: the image stays, and is queued again.
            self.bad_deletions -= 1
            image['status'] = 'queued'
            return responses.Response(status=500)
        del self.images[image['id']]
        return responses.Response(status=204)

    def _notice(self, image: dict[str, Any]) -> None:
        if image.get(_TASK):
            image[_TASK] -= 1
        if image['id'] in self._looks:
            self._looks[image['id']] -= 1
            if self._looks[image['id']] < 0:
                del self._looks[image['id']]
                image['status'] = 'queued'

    def _take(
        self, connection: socket.socket, lines: Any, request: Any, name: str
    ) -> bool:
        _, image_id, action = name.split('/')
        with self._mutex:
            fault = self.faults.popleft() if self.faults else None
            image = self.images.get(image_id)
            status = self._scripted_status('PUT')
            if image is not None and image_id in self._late:
                self._finish(image, action, self._late.pop(image_id), True)
            if not status and (image is None or image['status'] != 'queued'):
                status = 409 if image else 404
            if status or image is None:
                return self._refuse(connection, status or 404)
            image['status'] = 'uploading' if action == 'stage' else 'saving'
        whole = int(request.headers['content-length'])
        limit = whole if fault is None or fault.after is None else fault.after
        data = b''
        with contextlib.suppress(OSError):
            while len(data) < limit:
                chunk = lines.read1(min(_CHUNK, limit - len(data)))
                if not chunk:
                    break
                data += chunk
                if self.on_data is not None:
                    self.on_data(image_id, len(data))
        complete = len(data) == whole
        if fault is not None and fault.late:
            self._late[image_id] = data
        if fault is not None and fault.silent:
            self._finish(image, action, data, complete and fault.keeps)
            return self._keep_silent(connection)
        self._finish(
            image, action, data, complete and (fault is None or fault.keeps)
        )
        return self._conclude(connection, fault, complete)

    def _conclude(
        self, connection: socket.socket, fault: Fault | None, complete: bool
    ) -> bool:
        if fault is None:
            if complete:
                connection.sendall(b'HTTP/1.1 204 No Content\r\n\r\n')
            return complete
        if fault.status is not None:
            self._refuse(connection, fault.status)
        if fault.reset:
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
            )
        return False

    def _refuse(self, connection: socket.socket, status: int) -> bool:
        response = responses.Response(
            status=status, headers={'Connection': 'close'}
        )
        connection.sendall(b''.join(response.framed()))
        return False

    def _finish(
        self, image: dict[str, Any], action: str, data: bytes, kept: bool
    ) -> None:
        with self._mutex:
            if self.images.get(image['id']) is not image:
                return
            if not kept:
                if self.slow_looks:
                    self._looks[image['id']] = self.slow_looks
                else:
                    image['status'] = 'queued'
                return
            if self.damages:
                data = bytes([data[0] ^ 1]) + data[1:]
            if self.shortens:
                data = data[:-1]
            self.data[image['id']] = data
            image['size'] = len(data)
            if action != 'stage':
                self._activate(image)

    def _activate(self, image: dict[str, Any]) -> None:
        data = self.data[image['id']]
        image['checksum'] = hashlib.md5(data).hexdigest()
        if self.algorithm:
            image['os_hash_algo'] = self.algorithm
            image['os_hash_value'] = hashlib.new(
                self.algorithm, data
            ).hexdigest()
        image['status'] = 'active'
        self.activated.append(image['id'])

    def _import(
        self, image: dict[str, Any], wanted: dict[str, Any]
    ) -> responses.Response:
        if image['status'] != 'uploading':
            return responses.Response(status=409)
        if self.bad_stores:
            image['os_glance_failed_import'] = ','.join(self.bad_stores)
        else:
            image['stores'] = ','.join(wanted['stores'])
            image[_TASK] = self.slow_imports
            self._activate(image)
        return responses.Response(status=202)
