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

"""Tests of the metadata: what a server may say, and how much of it."""

import json
import logging
from typing import Any

import fixtures
from keystoneauth1 import adapter
from openstack import exceptions as sdk_exceptions

from openstack_image_stream._common import retry
from openstack_image_stream._sdk import image_info
from openstack_image_stream._sdk import sending
from openstack_image_stream._transfer import coordination
from openstack_image_stream import exceptions
from openstack_image_stream import image
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base

DATA = base.some_bytes(10_000)


class MetadataTestCase(base.GlanceTestCase):
    """A test with an image."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA)
        self.conn = self.connect(self.glance)
        self.assertIsNotNone(self.conn.image)
        self.glance.requests.clear()

    def download(self) -> bytes:
        """Download by the ID alone."""
        content: bytes = self.conn.image.download_image(
            scripted.IMAGE_ID
        ).content
        return content

    def assert_refused(self, words: str) -> None:
        """Check that the data are not asked for."""
        error = self.assertRaises(exceptions.ImageStreamError, self.download)
        self.assertIn(words, str(error))
        self.assertEqual(1, len(self.glance.requests))

    def say(self, body: bytes, **changes: Any) -> None:
        """Have the next request for the metadata answered so."""
        self.glance.metadata_responses.append(
            responses.Response(
                headers={'Content-Type': 'application/json'},
                body=body,
                **changes,
            )
        )


class TestDocument(MetadataTestCase):
    """What is no description of the image."""

    @base.for_each(
        {
            'empty': b'',
            'no_json': b'<html>Please log in</html>',
            'list': b'[]',
            'number': b'1',
            'null': b'null',
            'object_without_id': b'{"status": "active"}',
            'not_utf8': b'{"id": "\xff"}',
            'deep': b'[' * 100_000,
            'size_without_end': b'{"id": "%s", "size": Infinity}'
            % scripted.IMAGE_ID.encode(),
            'number_too_large': b'{"id": "%s", "min_disk": 1e999}'
            % scripted.IMAGE_ID.encode(),
        }
    )
    def test_is_refused(self, body: bytes) -> None:
        """It is said to be none, by an error of ours."""
        self.say(body)
        self.assertRaises(exceptions.ImageStreamError, self.download)
        self.assertEqual(1, len(self.glance.requests))

    def test_of_another_image(self) -> None:
        """A description of another image is not taken for this one's."""
        self.say(json.dumps({**self.glance.metadata, 'id': 'other'}).encode())
        self.assert_refused("describes image 'other'")

    @base.for_each(
        {
            'true': True,
            'negative': -1,
            'fraction': 0.5,
            'none': None,
        }
    )
    def test_size_that_is_none(self, size: object) -> None:
        """What is no size is no reason to refuse the image."""
        self.glance.metadata['size'] = size
        self.assert_same(DATA, self.download())

    @base.for_each({'text': 'x', 'list': [], 'object': {}})
    def test_size_of_another_type(self, size: object) -> None:
        """What an SDK cannot make a number of is refused at the worst."""
        self.glance.metadata['size'] = size
        try:
            self.assert_same(DATA, self.download())
        except exceptions.ImageStreamError as exc:
            self.assertIn('does not describe', str(exc))

    def test_stale_resource(self) -> None:
        """What was known before does not stand in for an answer."""
        image = self.conn.image.get_image(scripted.IMAGE_ID)
        self.say(b'Please log in')
        self.assertRaises(
            exceptions.ImageStreamError,
            self.conn.image.download_image,
            image,
        )


class TestLength(MetadataTestCase):
    """How much of a description is taken."""

    def test_too_long(self) -> None:
        """What is longer than any description fills no memory."""
        self.patch(image_info, '_LONGEST', 2_000)
        self.say(b'{"name": "' + b'x' * 2_000_000)
        self.assert_refused('longer than 2000 bytes')
        self.assert_nothing_open(self.glance, self.conn)

    def test_long(self) -> None:
        """One with many properties is taken."""
        self.glance.metadata['property'] = 'x' * 8_000_000
        self.assert_same(DATA, self.download())

    @base.for_each(
        {
            'cut': {'cut_after': 10},
            'chunked': {'cut_after': 10, 'framing': 'chunked'},
            'reset': {'cut_after': 0, 'reset': True},
        }
    )
    def test_cut(self, how: dict[str, Any]) -> None:
        """One that breaks off is asked for again."""
        self.say(json.dumps(self.glance.metadata).encode(), **how)
        self.assert_same(DATA, self.download())

    def test_logged(self) -> None:
        """keystoneauth may have read it already, for its log."""
        self.useFixture(
            fixtures.FakeLogger('keystoneauth', level=logging.DEBUG)
        )
        self.assert_same(DATA, self.download())


class TestAdapters(MetadataTestCase):
    """What the metadata may be asked through."""

    def setUp(self) -> None:
        super().setUp()
        self.image = image.Image.new(id=scripted.IMAGE_ID)
        self.adapter = adapter.Adapter(
            self.conn.session, endpoint_override=f'{self.glance.url}/v2'
        )

    def fetch(self) -> image_info.ImageInfo:
        """Ask through an adapter of keystoneauth, which knows no SDK."""
        return image_info.fetch(
            self.image,
            sending.sender_for(self.adapter).adapter(60),
            retry.RetryPolicy(retries=1),
            coordination.Coordinator('id'),
            validate=True,
        )

    def test_plain(self) -> None:
        """One request tells all."""
        self.assertEqual(len(DATA), self.fetch().size)
        self.assertEqual(1, len(self.glance.requests))

    def test_status(self) -> None:
        """An error status is the SDK's error, not keystoneauth's."""
        self.glance.metadata_responses.append(responses.Response(status=404))
        self.assertRaises(sdk_exceptions.NotFoundException, self.fetch)

    def test_busy(self) -> None:
        """What another attempt may cure is tried again, when it is said."""
        self.glance.metadata_responses.append(
            responses.Response(status=503, headers={'Retry-After': '7'})
        )
        self.assertEqual(len(DATA), self.fetch().size)
        self.assertGreaterEqual(self.waits[0], 7)

    @base.for_each({'connection': True, 'nothing': False})
    def test_no_adapter(self, is_connection: bool) -> None:
        """Another object is refused, and the error says what to give."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            self.image.download,
            self.conn if is_connection else None,
        )
        self.assertIn('conn.image', str(error))
        self.assertEqual([], self.glance.requests)
