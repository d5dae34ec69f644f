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

"""Tests of texts of a service in errors and in the log."""

import logging
from typing import Any

import fixtures
from openstack import exceptions as sdk_exceptions

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._http import fetching
from openstack_image_stream._sdk import image_info
from openstack_image_stream._sdk import sending
from openstack_image_stream._transfer import coordination
from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base

#: Clears a screen, and begins a line of a log.
HOSTILE = 'x\x1b[2J\ny'
DATA = b'image'

#: Responses to a request for the data that end in an error.
RESPONSES: dict[str, dict[str, Any]] = {
    'no_data': {'status': 204},
    'text': {'status': 404, 'body': HOSTILE.encode()},
    'html': {
        'status': 403,
        'headers': {'Content-Type': 'text/html'},
        'body': b'<b>\x1b[2J</b>',
    },
    'json': {
        'status': 400,
        'headers': {'Content-Type': 'application/json'},
        'body': b'{"error": {"message": "\\u001b[2J\\n"}}',
    },
    'busy': {
        'status': 503,
        'headers': {'Content-Type': 'application/json'},
        'body': b'{"error": {"message": "\\u001b[2J\\n"}}',
    },
    'length': {'body': b'images'},
    'type': {
        'headers': {'Content-Type': 'text/html; \x1b[2J'},
        'framing': 'chunked',
    },
}


class TestForeignTexts(base.GlanceTestCase):
    """What a terminal would take for a command never gets there."""

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(
            fixtures.FakeLogger('openstack.image_stream', level=logging.DEBUG)
        )
        self.glance = self.serve(DATA, id=HOSTILE, status=HOSTILE)
        self.conn = self.connect(self.glance)
        self.image = next(iter(self.conn.image.images()))
        self.assertEqual(HOSTILE, self.image.id)

    def assert_harmless(self, error: BaseException | None) -> None:
        """Check an error, what it was caused by, and the log."""
        self.assertIsNotNone(error)
        for text in (str(error), *self.log.output.splitlines()):
            self.assertTrue(text.isprintable(), repr(text))

    @base.for_each(RESPONSES)
    def test_data(self, response: dict[str, Any]) -> None:
        """Where the request for the data fails."""
        self.glance.repeat_last = True
        self.glance.data_responses.append(self.glance.honest(**response))
        session = self.conn.image
        fetcher = fetching.Fetcher(
            lambda headers: session.get(
                f'/images/{scripted.IMAGE_ID}/file',
                headers=dict(headers),
                stream=True,
            ),
            image_id=HOSTILE,
            image_status=HOSTILE,
            size=len(DATA),
            reopenings=1,
        )
        try:
            fetcher.open(byte_ranges.ByteRange(0))
        except retry.RetriableError as exc:
            self.assert_harmless(exc)
            if exc.error is not None:
                self.assert_harmless(exc.error)
        except (
            sdk_exceptions.SDKException,
            exceptions.ImageStreamError,
        ) as exc:
            self.assert_harmless(exc)
        else:
            self.fail('nothing was raised')

    @base.for_each(
        {
            **RESPONSES,
            'other_image': {'body': b'{"id": "\\u001b[2J"}'},
            'no_json': {'body': b'\x1b[2J'},
        }
    )
    def test_metadata(self, response: dict[str, Any]) -> None:
        """Where the request for the metadata fails."""
        self.glance.repeat_last = True
        self.glance.metadata_responses.append(
            responses.Response(**{'body': DATA, **response})
        )
        error = self.assertRaises(
            (sdk_exceptions.SDKException, exceptions.ImageStreamError),
            image_info.fetch,
            self.image,
            sending.sender_for(self.conn.image).adapter(60),
            retry.RetryPolicy(retries=1),
            coordination.Coordinator('id'),
            validate=True,
        )
        self.assert_harmless(error)

    def test_hash(self) -> None:
        """Where the hash is another one."""
        self.glance.metadata['checksum'] = HOSTILE
        error = self.assertRaises(
            exceptions.ImageChangedError,
            image_info.fetch,
            self.image,
            sending.sender_for(self.conn.image).adapter(60),
            retry.RetryPolicy(retries=1),
            coordination.Coordinator('id'),
            validate=True,
        )
        self.assert_harmless(error)

    def test_password(self) -> None:
        """An error of a status does not show what stands in the URL."""
        port = self.glance.url.rpartition(':')[2]
        conn = self.connect(
            self.glance,
            image_endpoint_override=f'http://me:secret@127.0.0.1:{port}/v2',
        )
        self.glance.metadata_responses.append(responses.Response(status=404))
        error = self.assertRaises(
            sdk_exceptions.NotFoundException,
            image_info.fetch,
            self.image,
            sending.sender_for(conn.image).adapter(60),
            retry.RetryPolicy(retries=1),
            coordination.Coordinator('id'),
            validate=True,
        )
        self.assertIn(f'//127.0.0.1:{port}/v2/images/', str(error))
        self.assertNotIn('secret', str(error))

    def test_password_without_a_response(self) -> None:
        """Nor does one of a connection."""
        conn = self.connect(self.glance)
        conn.image.endpoint_override = 'http://me:secret@127.0.0.1:9/v2'
        error = self.assertRaises(
            exceptions.ImageStreamError,
            image_info.fetch,
            self.image,
            sending.sender_for(conn.image).adapter(60),
            retry.RetryPolicy(retries=1),
            coordination.Coordinator('id'),
            validate=True,
        )
        self.assertIn('Connection refused (127.0.0.1:9)', str(error))
        self.assertNotIn('secret', str(error))
