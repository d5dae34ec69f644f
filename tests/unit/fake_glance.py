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

"""A Glance on a real socket, whose every answer is scripted.

It speaks just enough HTTP to lie in ways that no HTTP server library lets one
lie in: bodies that break off, connections that are reset, lengths that are
wrong.
"""

import collections
from collections.abc import Mapping
import contextlib
import dataclasses
import functools
import hashlib
import json
import re
import socket
import struct
import threading
from typing import Any

import openstack

IMAGE_ID = '0b8c6a6e-5bd7-4f1c-9d6a-6c1fb3a4a0d1'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What to answer to one request.

    :param status: HTTP status.
    :param headers: Headers beside those that ``framing`` adds.
    :param body: The bytes to send.
    :param framing: ``length`` announces ``len(body)``, ``chunked`` sends
        chunks, ``close`` announces nothing; a number is announced as it is.
    :param cut_after: Bytes of the body after which the connection ends.
    :param reset: End it with a TCP reset.
    :param hang_up: End it without an answer.
    """

    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b''
    framing: str | int = 'length'
    cut_after: int | None = None
    reset: bool = False
    hang_up: bool = False


@dataclasses.dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class FakeGlance:
    """Serves one image; a context manager.

    :param data: The bytes of the image.
    :param metadata: What differs from the metadata that belong to them; a
        value of ``None`` is sent as such.
    """

    def __init__(self, data: bytes = b'', **metadata: Any) -> None:
        self.data = data
        self.metadata = {
            'id': IMAGE_ID,
            'name': 'scripted',
            'status': 'active',
            'size': len(data),
            'owner': 'me',
            'visibility': 'private',
            **_hashes(data),
            **metadata,
        }
        #: Answers to the next requests for the data; an honest one when
        #: empty.
        self.file_answers: collections.deque[Answer] = collections.deque()
        #: Whether the last of them is given again and again.
        self.stubborn = False
        #: Whether an honest answer to a request for a range is that range.
        self.ranged = True
        #: Where the next honest answers end, in bytes, and whether by a
        #: reset.
        self.cuts: collections.deque[tuple[int, bool]] = collections.deque()
        #: Set while ranges beyond the first may be answered.
        self.may_answer = threading.Event()
        self.may_answer.set()
        #: Bytes after which every honest answer ends.
        self.cut_every: int | None = None
        #: Likewise for the metadata.
        self.metadata_answers: collections.deque[Answer] = collections.deque()
        #: All requests so far.
        self.requests: list[Request] = []
        #: How many connections clients have made so far.
        self.accepted = 0
        self._listener = socket.create_server(('127.0.0.1', 0))
        self._port = self._listener.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._is_over = False
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._left = threading.Condition(self._lock)

    @property
    def url(self) -> str:
        """Where it is."""
        return f'http://127.0.0.1:{self._port}'

    @property
    def open_connections(self) -> int:
        """How many connections clients hold at this moment."""
        with self._lock:
            return len(self._connections)

    def wait_until_left(self) -> bool:
        """Wait until no client holds a connection; tell whether so.

        How long it waits matters only to a test that fails.
        """
        with self._left:
            return self._left.wait_for(lambda: not self._connections, 10)

    def connect(self, **kwargs: Any) -> openstack.connection.Connection:
        """Connect to it, without authentication or configuration files.

        :param kwargs: What shall differ from that.
        """
        return openstack.connect(
            **{
                'load_yaml_config': False,
                'load_envvars': False,
                'auth_type': 'none',
                'auth': {'endpoint': self.url},
                'image_endpoint_override': f'{self.url}/v2',
                'image_api_version': '2',
                **kwargs,
            }
        )

    def honest(self, **changes: Any) -> Answer:
        """Return what Glance would answer to a request for the data."""
        headers = {'Content-Type': 'application/octet-stream'}
        if self.metadata['checksum']:
            headers['Content-MD5'] = self.metadata['checksum']
        return dataclasses.replace(
            Answer(headers=headers, body=self.data), **changes
        )

    def __enter__(self) -> 'FakeGlance':
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.may_answer.set()
        # shutdown() wakes up the thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._is_over = True
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _start(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._is_over:
                    connection.close()
                    return
                self.accepted += 1
                self._connections.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile('rb') as lines:
                while request := _read_request(lines):
                    self.requests.append(request)
                    if not _send(connection, self._answer(request)):
                        return
        except OSError:
            pass  # the client went away
        finally:
            with self._left:
                self._connections.discard(connection)
                self._left.notify_all()

    def _answer(self, request: Request) -> Answer:
        path = request.path.partition('?')[0]
        if path.rstrip('/') in ('', '/v1', '/v2'):
            return json_answer({'versions': self._versions()})
        if re.fullmatch('/v2/images/[^/]+/file', path):
            if request.method == 'PUT':
                return Answer(status=204)
            if self.file_answers:
                return self._next(self.file_answers)
            return self._cut(self._honest_to(request))
        if self.metadata_answers:
            return self._next(self.metadata_answers)
        if path == '/v2/images' and request.method == 'GET':
            return json_answer({'images': [self.metadata]})
        return json_answer(self.metadata)

    def _next(self, answers: collections.deque[Answer]) -> Answer:
        if self.stubborn and len(answers) == 1:
            return answers[0]
        return answers.popleft()

    def _cut(self, answer: Answer) -> Answer:
        after, reset = self.cut_every, False
        if self.cuts and answer.status < 400:
            after, reset = self.cuts.popleft()
        if after is None or after >= len(answer.body):
            return answer
        return dataclasses.replace(answer, cut_after=after, reset=reset)

    def _honest_to(self, request: Request) -> Answer:
        wanted = re.fullmatch(
            r'bytes=(\d+)-(\d*)', request.headers.get('range', '')
        )
        if not wanted:
            return self.honest()
        if not self.ranged:
            # What Glance says for Ceph RBD, Swift, S3 and others.
            return Answer(status=400)
        start, size = int(wanted[1]), len(self.data)
        if start > 0:
            self.may_answer.wait(30)
        stop = min(int(wanted[2]) + 1, size) if wanted[2] else size
        if start >= size:
            return Answer(
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
def _hashes(data: bytes) -> dict[str, str]:
    # Most tests are about the same few images.
    return {
        'checksum': hashlib.md5(data).hexdigest(),
        'os_hash_algo': 'sha512',
        'os_hash_value': hashlib.sha512(data).hexdigest(),
    }


def json_answer(content: Any, **changes: Any) -> Answer:
    """Return an answer with a JSON document as its body."""
    return Answer(
        headers={'Content-Type': 'application/json'},
        body=json.dumps(content).encode(),
        **changes,
    )


def _read_request(lines: Any) -> Request | None:
    start = lines.readline().decode()
    if not start.strip():
        return None
    method, path, _ = start.split(' ', 2)
    headers = {}
    while line := lines.readline().decode().strip():
        name, _, value = line.partition(':')
        headers[name.strip().lower()] = value.strip()
    body = lines.read(int(headers.get('content-length', 0)))
    return Request(method, path, headers, body)


def _send(connection: socket.socket, answer: Answer) -> bool:
    """Send an answer; tell whether the connection goes on."""
    if answer.hang_up:
        return False
    headers = dict(answer.headers)
    if answer.framing == 'length':
        headers['Content-Length'] = str(len(answer.body))
    elif answer.framing == 'chunked':
        headers['Transfer-Encoding'] = 'chunked'
    elif answer.framing == 'close':
        headers['Connection'] = 'close'
    else:
        headers['Content-Length'] = str(answer.framing)
    lines = [f'HTTP/1.1 {answer.status} Scripted']
    lines += [f'{name}: {value}' for name, value in headers.items()]
    head = '\r\n'.join([*lines, '', '']).encode('latin-1')
    if answer.status == 204:
        connection.sendall(head)
        return True
    body = answer.body[: answer.cut_after]
    if answer.framing == 'chunked':
        body = b'%x\r\n%s\r\n' % (len(body), body) if body else b''
        if answer.cut_after is None:
            body += b'0\r\n\r\n'
    connection.sendall(head + body)
    if answer.reset:
        # Closing with a linger time of zero sends RST instead of FIN.
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
        )
        return False
    return answer.cut_after is None and answer.framing != 'close'
