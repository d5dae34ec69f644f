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

"""Changes of what a response says: its body, and its headers."""

from collections.abc import Mapping
import dataclasses
import functools
import gzip
from typing import Any

from openstack_image_stream import exceptions
from tests.faults.catalogue import changes
from tests.servers import responses


@dataclasses.dataclass(frozen=True)
class IgnoreRanges(changes.Change):
    """The whole image is sent in response to a range request."""

    fails = False
    refuses = True

    def __call__(
        self, response: responses.Response, context: changes.Context
    ) -> responses.Response:
        if response.status != 206:
            return response
        whole = Headers({'Content-Range': None})(response, context)
        return dataclasses.replace(whole, status=200, body=context.data)


@dataclasses.dataclass(frozen=True)
class Flip(changes.Change):
    """A bit of the body is flipped.

    :param at: In which byte.
    """

    at: float | None = None
    errors = (exceptions.ChecksumMismatchError,)
    fails = False
    corrupts = True

    def __call__(
        self, response: responses.Response, context: changes.Context
    ) -> responses.Response:
        if not response.body:
            return response
        body = bytearray(response.body)
        body[changes.position(self.at, response, context)] ^= 0x10
        return dataclasses.replace(response, body=bytes(body))


@dataclasses.dataclass(frozen=True)
class OtherImage(changes.Change):
    """The body has the bytes of another image."""

    errors = (exceptions.ChecksumMismatchError,)
    fails = False
    corrupts = True

    def __call__(
        self, response: responses.Response, context: changes.Context
    ) -> responses.Response:
        start = context.data.index(response.body[:64])
        stop = start + len(response.body)
        return dataclasses.replace(response, body=context.other[start:stop])


@dataclasses.dataclass(frozen=True)
class Resize(changes.Change):
    """The body is shorter or longer than it should be.

    :param by: Bytes more, negative for fewer.
    :param with_: What is different besides.
    """

    by: int
    with_: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    errors = (exceptions.ImageChangedError,)
    needs_size = True

    def __call__(
        self, response: responses.Response, context: changes.Context
    ) -> responses.Response:
        body = response.body
        body = body + b'+' * self.by if self.by > 0 else body[: self.by]
        return dataclasses.replace(response, body=body, **self.with_)


@dataclasses.dataclass(frozen=True)
class Announce(changes.Change):
    """Another length is announced than the body has.

    :param difference: Bytes more.
    """

    difference: int

    def __call__(
        self, response: responses.Response, context: changes.Context
    ) -> responses.Response:
        framing = len(response.body) + self.difference
        return dataclasses.replace(response, framing=framing)


@dataclasses.dataclass(frozen=True)
class Body(changes.Change):
    """The body is something else.

    :param body: What.
    """

    body: bytes
    errors = (
        exceptions.UnexpectedResponseError,
        exceptions.IncompleteDownloadError,
    )

    def __call__(
        self, response: responses.Response, context: changes.Context
    ) -> responses.Response:
        return dataclasses.replace(response, body=self.body)


@dataclasses.dataclass(frozen=True)
class Headers(changes.Change):
    """Headers have other values.

    :param values: The values by the names; ``None`` to leave one out, a
        function to make it of the present one.
    """

    values: Mapping[str, Any]

    def __call__(
        self, response: responses.Response, context: changes.Context
    ) -> responses.Response:
        headers: dict[str, Any] = dict(response.headers)
        for name, value in self.values.items():
            headers[name] = value(headers[name]) if callable(value) else value
        given = {name: text for name, text in headers.items() if text}
        return dataclasses.replace(response, headers=given)


@dataclasses.dataclass(frozen=True)
class Compress(changes.Change):
    """The body is compressed, as by an intermediary.

    :param with_: What is different besides.
    """

    with_: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __call__(
        self, response: responses.Response, context: changes.Context
    ) -> responses.Response:
        return dataclasses.replace(
            Headers({'Content-Encoding': 'gzip'})(response, context),
            body=_compressed(response.body),
            **self.with_,
        )


@functools.lru_cache(maxsize=4)
def _compressed(data: bytes) -> bytes:
    return gzip.compress(data, 1)
