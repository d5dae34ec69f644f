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

"""Metadata of an image that describe none."""

import json
from typing import Any

import hypothesis
from hypothesis import strategies
import pytest

from openstack import exceptions as sdk_exceptions
from tests.fuzz import cloud as _cloud
from tests.fuzz import raw_responses
from tests.fuzz import targets
from tests.fuzz import values
from tests.unit import modes

_ATTRIBUTES = targets.target('attributes of the image')
_DOCUMENTS = targets.target('documents for the image')

#: What takes the place of an attribute that is not there at all.
_ABSENT = object()

#: Attributes that a download looks at, or that the SDK gives another meaning.
_NAMES = [*raw_responses.METADATA, 'self', 'image', 'location', 'properties']

_CHANGES = strategies.dictionaries(
    strategies.sampled_from(_NAMES),
    values.JSON | strategies.just(_ABSENT),
    min_size=1,
    max_size=3,
)

_DOCUMENT = json.dumps(raw_responses.METADATA).encode()

_BODIES = strategies.one_of(
    strategies.binary(max_size=60),
    strategies.text(max_size=30).map(lambda text: text.encode('utf-16')),
    strategies.integers(0, len(_DOCUMENT)).map(lambda end: _DOCUMENT[:end]),
    values.JSON.map(lambda value: json.dumps(value).encode()),
    strategies.sampled_from(
        [
            b'',
            b'\xef\xbb\xbf' + _DOCUMENT,
            _DOCUMENT.replace(b'fuzzed', b'\xff'),
            _DOCUMENT * 2,
            b'{"status": "active", "size": %s}' % values.LONG.encode(),
            b'[' * 100_000,
            b'{"a":' * 100_000,
        ]
    ),
)


class TestAttributes:
    """An image whose attributes are of any type."""

    @hypothesis.given(
        changes=_CHANGES,
        mode=strategies.sampled_from(list(modes.ALL.values())),
        connections=strategies.sampled_from([1, 4]),
    )
    def test_come_to_nothing_bad(
        self,
        cloud: _cloud.Cloud,
        changes: dict[str, Any],
        mode: type[modes.Mode],
        connections: int,
    ) -> None:
        """The image comes all the same, or an error does."""
        metadata = {**raw_responses.METADATA, **changes}
        document = {k: v for k, v in metadata.items() if v is not _ABSENT}
        body = json.dumps(document).encode()
        cloud.glance.script(metadata=raw_responses.document(body))
        with _ATTRIBUTES.example():
            cloud.download(mode, connections=connections)


class TestDocuments:
    """A response that is no image at all."""

    @hypothesis.given(_BODIES)
    def test_are_no_images(self, cloud: _cloud.Cloud, body: bytes) -> None:
        """What describes no image is an error."""
        cloud.glance.script(metadata=raw_responses.document(body))
        with _DOCUMENTS.example():
            cloud.download()

    @hypothesis.given(
        values.mutated(strategies.just('HTTP/1.1 200 OK')),
        values.TEXTS,
    )
    def test_with_an_odd_head(
        self, cloud: _cloud.Cloud, status: str, line: str
    ) -> None:
        """What cannot be read is an error."""
        lines = [
            one.encode('utf-8', 'surrogatepass') for one in (status, line)
        ]
        cloud.glance.script(metadata=raw_responses.head(*lines) + _DOCUMENT)
        with _DOCUMENTS.example():
            cloud.download()


_TOO_MUCH = {
    'list': b'[]',
    'nothing': b'null',
    'text': b'"x"',
    'number': b'5',
    'nested': b'[' * 5000,
    'nan': b'{"status": "active", "size": NaN}',
    'infinity': b'{"status": "active", "size": Infinity}',
}


class TestSmallest:
    """The smallest inputs that were too much once."""

    @pytest.mark.parametrize('word', _TOO_MUCH)
    def test_document(self, cloud: _cloud.Cloud, word: str) -> None:
        """It is an error, not a failure."""
        cloud.glance.script(metadata=raw_responses.document(_TOO_MUCH[word]))
        with pytest.raises(sdk_exceptions.SDKException):
            cloud.download()
