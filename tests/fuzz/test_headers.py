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

"""Responses with odd heads and bodies, from a socket into a download."""

import dataclasses
import gzip
from typing import Any

import hypothesis
from hypothesis import strategies
import pytest

from openstack import exceptions as sdk_exceptions
from openstack_image_stream import exceptions
from tests.fuzz import cloud as _cloud
from tests.fuzz import raw_responses
from tests.fuzz import targets
from tests.fuzz import values
from tests.unit import modes

_DATA = targets.target('responses with data')
_ERRORS = targets.target('responses with an error')

_RANGES = strategies.builds(
    'bytes {}-{}/{}'.format,
    strategies.integers(0, 3000),
    strategies.integers(0, 3000),
    strategies.sampled_from(['3000', '2999', '3001', '*']),
)

#: The headers that a download looks at, and what their values look like.
_VALUES: dict[bytes, strategies.SearchStrategy[str]] = {
    b'Content-Range': _RANGES,
    b'Content-Length': strategies.integers(0, 4000).map(str),
    b'Content-MD5': strategies.binary(max_size=16).map(bytes.hex),
    b'Content-Encoding': strategies.sampled_from(
        ['identity', 'gzip', 'deflate', 'br', 'zstd', 'gzip, gzip', 'x']
    ),
    b'Content-Type': strategies.sampled_from(
        [
            'application/json',
            'text/html; charset=latin-1',
            'text/html; charset=idna',
        ]
    ),
    b'Transfer-Encoding': strategies.sampled_from(['chunked', 'gzip']),
    b'Retry-After': strategies.integers(0).map(str),
    b'Location': strategies.sampled_from(
        ['/v2/images/x/file', 'http://127.0.0.1:1/', 'http://[::1/', '//', '']
    ),
    b'Set-Cookie': strategies.just('a=b; Max-Age=1'),
    b'Connection': strategies.sampled_from(['keep-alive', 'close']),
}


def _encoded(text: str) -> bytes:
    return text.encode('utf-8', 'surrogatepass')


_LINES = strategies.one_of(
    *(
        strategies.tuples(
            strategies.just(name), values.near(valid).map(_encoded)
        )
        for name, valid in _VALUES.items()
    ),
    strategies.tuples(values.TEXTS.map(_encoded), values.TEXTS.map(_encoded)),
).map(b': '.join)

#: Lines that continue the one before, or are too many.
_MORE_LINES = strategies.one_of(
    strategies.just([]),
    strategies.binary(max_size=20).map(lambda line: [b' ' + line]),
    strategies.sampled_from([[b'X: y'] * 200, [b'X: ' + b'y' * 70_000]]),
)

_STATUS_LINES = strategies.one_of(
    strategies.sampled_from(
        [200, 204, 206, 302, 308, 400, 401, 404, 416, 503]
    ).map(lambda status: b'HTTP/1.1 %d Odd' % status),
    values.mutated(strategies.just('HTTP/1.1 200 OK')).map(_encoded),
    strategies.binary(max_size=30),
)

_CHUNKS = strategies.lists(
    strategies.one_of(
        strategies.binary(min_size=1, max_size=99).map(
            lambda data: b'%x\r\n%s\r\n' % (len(data), data)
        ),
        strategies.tuples(
            values.near(
                strategies.sampled_from(['5', 'b;a=b', 'ffffffffff'])
            ).map(_encoded),
            strategies.binary(max_size=10),
        ).map(b'\r\n'.join),
    ),
    max_size=4,
).map(b''.join)

_BODIES = strategies.one_of(
    strategies.binary(max_size=60),
    _CHUNKS,
    strategies.sampled_from(
        [
            b'%x\r\n%s\r\n0\r\n\r\n' % (3000, raw_responses.DATA),
            gzip.compress(raw_responses.DATA),
            raw_responses.DATA + b'more',
            b'{"error": {"message": 5}}',
            b'[' * 5000,
        ]
    ),
)


@dataclasses.dataclass(frozen=True)
class Odd:
    """What differs from the response that Glance would give.

    :param status: Status line.
    :param lines: Lines of headers.
    :param instead: Whether they replace the headers of the same name.
    :param body: The body.
    """

    status: bytes | None
    lines: list[bytes]
    instead: bool
    body: bytes | None

    def response(self, part: raw_responses.Part) -> bytes:
        """Return the response.

        :param part: What was asked for.
        """
        names = {line.partition(b':')[0] for line in self.lines}
        lines = [
            b'%s: %s' % (name, value)
            for name, value in raw_responses.honest_lines(part).items()
            if not self.instead or name not in names
        ]
        status = self.status or raw_responses.honest_status(part)
        body = part.body if self.body is None else self.body
        return raw_responses.head(status, *lines, *self.lines) + body


_ODD = strategies.builds(
    Odd,
    status=strategies.none() | _STATUS_LINES,
    lines=strategies.builds(
        list.__add__, strategies.lists(_LINES, max_size=3), _MORE_LINES
    ),
    instead=strategies.booleans(),
    body=strategies.none() | _BODIES,
)

_ERROR = strategies.builds(
    Odd,
    status=strategies.sampled_from(
        [b'HTTP/1.1 %d Odd' % status for status in (302, 400, 404, 500, 503)]
    ),
    lines=strategies.lists(_LINES, max_size=3),
    instead=strategies.just(True),
    body=_BODIES,
)

_MODES = strategies.sampled_from(list(modes.ALL.values()))
_CONNECTIONS = strategies.sampled_from([1, 4])


class TestData:
    """Whatever comes as the data, it is the image or an error."""

    @hypothesis.given(
        odd=_ODD,
        mode=_MODES,
        connections=_CONNECTIONS,
        times=strategies.sampled_from([1, 2, 20]),
    )
    def test_is_the_image_or_an_error(
        self,
        cloud: _cloud.Cloud,
        odd: Odd,
        mode: type[modes.Mode],
        connections: int,
        times: int,
    ) -> None:
        """A few responses are odd, or more than there are retries."""
        cloud.glance.script(data=odd.response, times=times)
        with _DATA.example():
            cloud.download(mode, connections=connections)


class TestErrors:
    """Whatever a response with an error holds, it becomes an error of ours."""

    @hypothesis.given(odd=_ERROR, connections=_CONNECTIONS)
    def test_of_the_data(
        self, cloud: _cloud.Cloud, odd: Odd, connections: int
    ) -> None:
        """The data are refused."""
        cloud.glance.script(data=odd.response, times=1)
        with _ERRORS.example():
            cloud.download(connections=connections)

    @hypothesis.given(odd=_ERROR)
    def test_of_the_metadata(self, cloud: _cloud.Cloud, odd: Odd) -> None:
        """The metadata are refused."""
        nothing = raw_responses.Part(0, 0, ranged=False)
        cloud.glance.script(metadata=odd.response(nothing))
        with _ERRORS.example():
            cloud.download()


_LOCATIONS = {
    'brackets': b'http://[::1',
    'bytes': b'\xff\xfe',
    'label': b'http://%s/' % (b'a' * 70),
}

_CHARSETS = {
    'of_its_own': b'idna',
    'undefined': b'undefined',
    'null': b'a\0b',
}


class TestSmallest:
    """The smallest inputs that were too much once."""

    @pytest.mark.parametrize('word', _LOCATIONS)
    def test_location(self, cloud: _cloud.Cloud, word: str) -> None:
        """A redirection to nowhere is an error."""
        _fail(cloud, b'HTTP/1.1 302 Odd', b'Location: ' + _LOCATIONS[word])

    @pytest.mark.parametrize('word', _CHARSETS)
    def test_charset(self, cloud: _cloud.Cloud, word: str) -> None:
        """An error in an unknown language is an error."""
        line = b'Content-Type: text/html; charset=' + _CHARSETS[word]
        _fail(cloud, b'HTTP/1.1 404 Odd', line, body=b'x')

    def test_negative_chunk(self, cloud: _cloud.Cloud) -> None:
        """A chunk of less than nothing is an error."""
        line = b'Transfer-Encoding: chunked'
        _fail(cloud, b'HTTP/1.1 200 OK', line, body=b'-5\r\nabc\r\n')


def _fail(cloud: _cloud.Cloud, *head: Any, body: bytes = b'') -> None:
    cloud.glance.script(data=lambda part: raw_responses.head(*head) + body)
    kinds = (sdk_exceptions.SDKException, exceptions.ImageStreamError)
    with pytest.raises(kinds):
        cloud.download()
