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
from collections.abc import Callable, Mapping
import contextlib
import dataclasses
import functools
import hashlib
import json
import re
import socket
import struct
import threading
from typing import Any, TypeVar

from keystoneauth1 import fixture
import openstack

#: Bytes that are sent at a time.
_CHUNK = 256 * 1024

_BINARY = 'application/octet-stream'

_Item = TypeVar('_Item')

IMAGE_ID = '0b8c6a6e-5bd7-4f1c-9d6a-6c1fb3a4a0d1'

#: What it gives to whoever logs in, as if it were Keystone, too.
TOKEN = 'the-token'


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
    :param silent_after: Bytes of the body after which nothing comes any more,
        while the connection stands; -1 for no answer at all.
    :param pace: Bytes of the body to send at a time, and the seconds to wait
        after them; everything at once by default.
    :param absent: Seconds during which nobody listens at the port once this
        is answered and the connection closed, nor while it is answered.
    :param patience: Seconds to wait for a client that does not read, or that
        asks for nothing more, before the connection is closed; with
        ``reset``, by a reset.
    """

    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b''
    framing: str | int = 'length'
    cut_after: int | None = None
    reset: bool = False
    hang_up: bool = False
    silent_after: int | None = None
    pace: tuple[int, float] | None = None
    absent: float | None = None
    patience: float | None = None


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
        #: Whether the last of them is given again and again, and the last of
        #: the spoilers used so.
        self.stubborn = False
        #: Whether an honest answer to a request for a range is that range.
        self.ranged = True
        #: What becomes of the next honest answers to requests for the data.
        self.spoilers: collections.deque[Callable[[Answer], Answer]] = (
            collections.deque()
        )
        #: Bytes of data that were sent so far.
        self.sent = 0
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
        self._over = threading.Event()
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
        headers = {'Content-Type': _BINARY}
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
        self._over.set()
        with self._lock:
            # shutdown() wakes up the thread that waits in accept().
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
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
                if self._over.is_set():
                    connection.close()
                    return
                self.accepted += 1
                self._connections.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        answer = None
        try:
            with connection, connection.makefile('rb') as lines:
                while request := _read_request(lines):
                    self.requests.append(request)
                    answer = self._answer(request)
                    if answer.absent is not None:
                        # Before the client knows that it has to come again.
                        self._stop_listening()
                    if not self._send(connection, answer):
                        break
            if answer and answer.absent is not None:
                self._be_absent(answer.absent)
        except OSError:
            pass  # the client went away
        finally:
            with self._left:
                self._connections.discard(connection)
                self._left.notify_all()

    def _answer(self, request: Request) -> Answer:
        path = request.path.partition('?')[0]
        if path.rstrip('/') in ('', '/versions', '/v1', '/v2'):
            return json_answer({'versions': self._versions()})
        if path.endswith('/auth/tokens'):
            return json_answer(
                fixture.V3Token(), status=201, extra={'X-Subject-Token': TOKEN}
            )
        if re.fullmatch('/v2/images/[^/]+/file', path):
            if request.method == 'PUT':
                return Answer(status=204)
            if self.file_answers:
                return self._next(self.file_answers)
            return self._spoil(self._cut(self._honest_to(request)))
        if self.metadata_answers:
            return self._next(self.metadata_answers)
        if path == '/v2/images' and request.method == 'GET':
            return json_answer({'images': [self.metadata]})
        return json_answer(self.metadata)

    def _next(self, answers: collections.deque[_Item]) -> _Item:
        with self._lock:
            if self.stubborn and len(answers) == 1:
                return answers[0]
            return answers.popleft()

    def _spoil(self, answer: Answer) -> Answer:
        try:
            spoiler = self._next(self.spoilers)
        except IndexError:
            return answer
        return spoiler(answer)

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

    def _stop_listening(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            # Only this makes the kernel refuse connections.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _be_absent(self, seconds: float) -> None:
        self._over.wait(seconds)
        with self._lock:
            if not self._over.is_set():
                self._listener = socket.create_server(
                    ('127.0.0.1', self._port)
                )
                self._start(self._accept)

    def _send(self, connection: socket.socket, answer: Answer) -> bool:
        """Send an answer; tell whether the connection goes on."""
        if answer.hang_up:
            return False
        if answer.silent_after is not None and answer.silent_after < 0:
            return self._keep_silent(connection)
        head, body = _framed(answer)
        amount, seconds = answer.pace or (_CHUNK, 0.0)
        connection.settimeout(answer.patience)
        if answer.reset:
            # Closing with a linger time of zero sends RST instead of FIN.
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
            )
        # The first of it in one packet, as servers do.
        connection.sendall(head + body[:amount])
        for start in range(amount, len(body), amount):
            if seconds and self._over.wait(seconds):
                return False
            connection.sendall(body[start : start + amount])
            self._count(answer, len(body[start : start + amount]))
        self._count(answer, len(body[:amount]))
        if answer.silent_after is not None:
            return self._keep_silent(connection)
        if answer.framing == 'close' or answer.absent is not None:
            return False
        return answer.cut_after is None and not answer.reset

    def _count(self, answer: Answer, amount: int) -> None:
        if answer.headers.get('Content-Type') == _BINARY:
            with self._lock:
                self.sent += amount

    def _keep_silent(self, connection: socket.socket) -> bool:
        # Until the client goes, or the test is over.
        with contextlib.suppress(OSError):
            connection.recv(1)
        return False

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


def json_answer(
    content: Any, *, extra: Mapping[str, str] | None = None, **changes: Any
) -> Answer:
    """Return an answer with a JSON document as its body."""
    return Answer(
        headers={'Content-Type': 'application/json', **(extra or {})},
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


def _framed(answer: Answer) -> tuple[bytes, bytes]:
    """Return what goes over the wire: the head, and the body."""
    headers = dict(answer.headers)
    if answer.framing == 'length':
        headers['Content-Length'] = str(len(answer.body))
    elif answer.framing == 'chunked':
        headers['Transfer-Encoding'] = 'chunked'
    elif answer.framing == 'close':
        headers['Connection'] = 'close'
    else:
        headers['Content-Length'] = str(answer.framing)
    if answer.absent is not None:
        headers['Connection'] = 'close'
    lines = [f'HTTP/1.1 {answer.status} Scripted']
    lines += [f'{name}: {value}' for name, value in headers.items()]
    head = '\r\n'.join([*lines, '', '']).encode('latin-1')
    if answer.status == 204:
        return head, b''
    body = answer.body[: answer.cut_after]
    if answer.silent_after is not None:
        body = body[: answer.silent_after]
    if answer.framing == 'chunked':
        body = b'%x\r\n%s\r\n' % (len(body), body) if body else b''
        if answer.cut_after is None and answer.silent_after is None:
            body += b'0\r\n\r\n'
    return head, body
