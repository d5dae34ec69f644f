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

"""Requests and responses as the scripted servers read and send them."""

from collections.abc import Iterable, Mapping
import dataclasses
import json
import threading
from typing import Any

#: The type of responses with the data of an image.
BINARY = 'application/octet-stream'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Response:
    """How to respond to one request.

    :param status: HTTP status.
    :param headers: Headers beside those that ``framing`` adds.
    :param body: The bytes to send.
    :param framing: ``length`` announces ``len(body)``, ``chunked`` sends
        chunks, ``close`` announces nothing; a number is announced as it is.
    :param raw: What is sent instead of all of these, well-formed or not, at
        once or chunk by chunk, before the connection is closed.
    :param cut_after: Bytes of the body after which the connection ends.
    :param reset: End it with a TCP reset.
    :param hang_up: End it without a response.
    :param silent_after: Bytes of the body after which nothing more is sent,
        while the connection stays open; -1 for no response at all.
    :param throttle: Bytes of the body to send at a time, and the seconds to
        wait after them; everything at once by default.
    :param hold_after: Bytes of the body after which the rest waits until
        ``released`` is set.
    :param released: See there.
    :param workers: Taken while it is sent, where a server sends only so many
        responses at a time.
    :param absent: Seconds during which nothing listens at the port once this
        is sent and the connection closed, nor while it is sent.
    :param client_timeout: Seconds to wait for a client that does not read, or
        that makes no further request, before the connection is closed; with
        ``reset``, by a reset.
    """

    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b''
    framing: str | int = 'length'
    raw: bytes | Iterable[bytes] | None = None
    cut_after: int | None = None
    reset: bool = False
    hang_up: bool = False
    silent_after: int | None = None
    throttle: tuple[int, float] | None = None
    hold_after: int | None = None
    released: threading.Event | None = None
    workers: threading.Semaphore | None = None
    absent: float | None = None
    client_timeout: float | None = None

    def framed(self) -> tuple[bytes, bytes]:
        """Return what goes over the wire: the head, and the body."""
        headers = dict(self.headers)
        if self.framing == 'length':
            headers['Content-Length'] = str(len(self.body))
        elif self.framing == 'chunked':
            headers['Transfer-Encoding'] = 'chunked'
        elif self.framing == 'close':
            headers['Connection'] = 'close'
        else:
            headers['Content-Length'] = str(self.framing)
        if self.absent is not None:
            headers['Connection'] = 'close'
        lines = [f'HTTP/1.1 {self.status} Scripted']
        lines += [f'{name}: {value}' for name, value in headers.items()]
        head = '\r\n'.join([*lines, '', '']).encode('latin-1')
        if self.status == 204:
            return head, b''
        body = self.body[: self.cut_after]
        if self.silent_after is not None:
            body = body[: self.silent_after]
        if self.framing == 'chunked':
            body = b'%x\r\n%s\r\n' % (len(body), body) if body else b''
            if self.cut_after is None and self.silent_after is None:
                body += b'0\r\n\r\n'
        return head, body


@dataclasses.dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_for_data(self) -> bool:
        """Whether it asks for the data of an image."""
        return self.path.partition('?')[0].endswith('/file')


def json_response(
    content: Any, *, extra: Mapping[str, str] | None = None, **changes: Any
) -> Response:
    """Return a response with a JSON document as its body."""
    return Response(
        headers={'Content-Type': 'application/json', **(extra or {})},
        body=json.dumps(content).encode(),
        **changes,
    )


def read_head(lines: Any) -> Request | None:
    """Read a request without its body.

    :param lines: The connection as a binary file.
    :returns: The request, ``None`` where the connection ended.
    """
    start = lines.readline().decode('latin-1')
    if not start.strip():
        return None
    method, path, _ = start.split(' ', 2)
    headers = {}
    while line := lines.readline().decode('latin-1').strip():
        name, _, value = line.partition(':')
        headers[name.strip().lower()] = value.strip()
    return Request(method, path, headers, b'')


def read_request(lines: Any) -> Request | None:
    """Read a request.

    :param lines: The connection as a binary file.
    :returns: The request, ``None`` where the connection ended.
    """
    request = read_head(lines)
    if request is None:
        return None
    body = lines.read(int(request.headers.get('content-length', 0)))
    return dataclasses.replace(request, body=body)
