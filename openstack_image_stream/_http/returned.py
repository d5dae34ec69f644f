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

"""Responses as callers get them."""

import io
from typing import Any

import requests


def complete_headers(
    response: requests.Response, *, size: int | None, checksum: object
) -> None:
    """Let a response speak of the whole image, where it began with a part.

    :param response: The response of the server.
    :param size: Size of the image in bytes, ``None`` if it is unknown.
    :param checksum: MD5 checksum of the image, if it has one. Callers verify
        a stream by it themselves, and upstream sees to it that it is there.
    """
    if response.status_code == 206:
        response.status_code = 200
        response.reason = 'OK'
        response.headers.pop('Content-Range', None)
        if size is not None:
            response.headers['Content-Length'] = str(size)
    if checksum:
        response.headers.setdefault('Content-MD5', str(checksum))


def not_modified(url: str, checksum: object) -> requests.Response:
    """Return what stands for the data that a caller has already.

    :param url: Of the data.
    :param checksum: MD5 checksum of the image, if it has one.
    :returns: A response without a body, which no server has sent: 304 (RFC
        9110, section 15.4.5).
    """
    response = requests.Response()
    response.status_code = 304
    response.reason = 'Not Modified'
    response.url = url
    response.raw = io.BytesIO()
    complete_headers(response, size=None, checksum=checksum)
    return response


class WrittenResponse(requests.Response):
    """A response whose body was written to an output."""

    #: What became of the body, for a message.
    where = 'written to the output'

    @property
    def content(self) -> bytes:
        raise RuntimeError(self._advice())

    def iter_content(self, *args: Any, **kwargs: Any) -> Any:
        raise requests.exceptions.StreamConsumedError(self._advice())

    def _advice(self) -> str:
        return (
            f'the image was {self.where}, and its content is not in memory: '
            'read it from there, or download it without output'
        )


def consume(response: requests.Response, where: str) -> requests.Response:
    """Mark the body of a response as read, where it was not read through it.

    :param response: The response.
    :param where: What became of the body, for a message.
    :returns: The same response.
    """
    raw, response.raw = response.raw, io.BytesIO()
    for _ in response.iter_content():
        pass
    response.raw = raw
    if type(response) is requests.Response:
        response.__class__ = WrittenResponse
        response.where = where  # type: ignore[attr-defined]
    return response
