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

"""Tests of how the requests of a download are sent."""

from collections.abc import Callable
import gc
import json
from typing import Any
from unittest import mock
import weakref

import fixtures
from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import session as ksa_session
from openstack.config import loader
from openstack import exceptions as sdk_exceptions
import requests

from openstack_image_stream._sdk import sending
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base
from tests.unit import test_requests

DATA = base.some_bytes(100_000)


class TestCallersObjects(base.GlanceTestCase):
    """Nothing of the caller's is changed, closed or multiplied."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA)
        self.conn = self.connect(self.glance)

    def download(self, conn: Any = None, **options: Any) -> bytes:
        """Download the image."""
        image = (conn or self.conn).image
        response = image.download_image(scripted.IMAGE_ID, **options)
        content: bytes = response.content
        return content

    def test_one_session(self) -> None:
        """However many downloads there are, there is one more session."""
        self.download()
        gc.collect()
        before = _sessions()
        for connections in (1, 4, 'auto'):
            for _ in range(20):
                self.download(connections=connections)
        self.assertEqual(before, _sessions())

    def test_sdk_keeps_nothing(self) -> None:
        """What a download makes is gone when it is, though the SDK caches."""
        ours = sending.sender_for(self.conn.image).adapter(60)
        ours.get('/images', skip_cache=True)
        gone = weakref.ref(ours)
        del ours
        gc.collect()
        self.assertIsNone(gone())

    def test_session_is_not_closed(self) -> None:
        """The caller's session of requests outlives the proxy's."""
        original = self.conn.session.session
        with mock.patch.object(original, 'close') as close:
            self.download()
            del self.conn.image.__dict__[sending._ATTRIBUTE]
            gc.collect()
        close.assert_not_called()

    def test_settings_of_the_session(self) -> None:
        """What is changed in the session counts for the next download."""
        first = sending.sender_for(self.conn.image)
        self.assertIs(first, sending.sender_for(self.conn.image))
        self.conn.session.cert = '/certificate'
        second = sending.sender_for(self.conn.image)
        self.assertIsNot(first, second)
        self.assertEqual('/certificate', second.adapter(60).session.cert)

    def test_response_cache(self) -> None:
        """The SDK's cache of responses is neither used nor emptied."""
        cache = {
            'class': 'dogpile.cache.memory',
            'expiration_time': 3600,
            'expiration': {'image.image': 3600},
        }
        path = self.write(
            json.dumps({'cache': cache, 'clouds': {'other': {}}}).encode(),
            'clouds.json',
        )
        self.useFixture(
            fixtures.MockPatchObject(loader, 'CONFIG_FILES', [path])
        )
        conn = self.connect(self.glance, load_yaml_config=True)
        cached = conn.image.get_image(scripted.IMAGE_ID)
        keys = set(conn._api_cache_keys)
        self.assertNotEqual(set(), keys)
        self.assert_same(DATA, self.download(conn))
        self.assertEqual(keys, set(conn._api_cache_keys))
        self.glance.requests.clear()
        self.assertEqual(
            cached.name, conn.image.get_image(scripted.IMAGE_ID).name
        )
        self.assertEqual([], self.glance.requests)

    def test_statistics(self) -> None:
        """The SDK's statistics know of the requests."""
        with mock.patch.object(self.conn.image, '_report_stats') as report:
            self.download()
            self.assertEqual(2, report.call_count)
            self.glance.repeat_last = True
            self.glance.data_responses.append(responses.Response(status=403))
            self.assertRaises(sdk_exceptions.ForbiddenException, self.download)
        self.assertEqual(4, report.call_count)

    def test_plain_adapter(self) -> None:
        """An adapter that is not the SDK's will do."""
        plain = ksa_adapter.Adapter(
            self.conn.session,
            service_type='image',
            endpoint_override=f'{self.glance.url}/v2',
        )
        image = self.conn.image.get_image(scripted.IMAGE_ID)
        self.assert_same(DATA, image.download(plain).content)
        self.glance.data_responses.append(responses.Response(status=404))
        self.assertRaises(
            sdk_exceptions.NotFoundException, image.download, plain
        )


def _sessions() -> int:
    return sum(
        isinstance(found, ksa_session.Session) for found in gc.get_objects()
    )


class TestTokens(test_requests.RequestsTestCase):
    """A token that is refused."""

    def tokens(self, made: list[Any]) -> list[str]:
        """Return what was sent for, and with which token."""
        return [
            r.headers.get('X-Auth-Token', 'login')
            for r in made
            if r.method == 'POST' or r.url == test_requests.FILE_URL
        ]

    def test_refused_for_good(self) -> None:
        """A second token is asked for once, and no third one."""
        self.mocker.get(test_requests.FILE_URL, status_code=401)
        self.assertRaises(
            sdk_exceptions.HttpException,
            self.conn.image.download_image,
            test_requests.ID,
        )
        self.assertEqual(
            ['first-token', 'login', 'second-token'], self.tokens(self.made())
        )

    def send(self, function: Callable[[Any], Any]) -> list[dict[str, Any]]:
        """Send a request whose token another connection has replaced.

        :param function: Sends it, by the adapter that it is given.
        :returns: The keywords of each time that it was sent.
        """
        ours = sending.sender_for(self.conn.image).adapter(60)
        real = ksa_session.Session.request
        calls: list[dict[str, Any]] = []

        def request(session: Any, url: str, method: str, **kwargs: Any) -> Any:
            calls.append(kwargs)
            if len(calls) > 1:
                return real(session, url, method, **kwargs)
            # As if keystoneauth had found nothing to renew.
            response = requests.Response()
            response.status_code = 401
            response.raw = mock.Mock()
            response.request = mock.Mock(headers={'X-Auth-Token': 'old'})
            return response

        with mock.patch.object(ksa_session.Session, 'request', request):
            self.response = function(ours)
        return calls

    def test_replaced_by_another_connection(self) -> None:
        """What was refused because of an old token is requested again."""
        calls = self.send(
            lambda ours: sending.get_file(
                ours, f'images/{test_requests.ID}/file', {}
            )
        )

        self.assertEqual(200, self.response.status_code)
        self.assertEqual(2, len(calls))
        self.assertFalse(calls[1]['allow_reauth'])
        self.assertEqual(['first-token'], self.tokens(self.made()))

    def test_replaced_at_any_request(self) -> None:
        """So is what has no data."""
        calls = self.send(lambda ours: ours.get(f'/images/{test_requests.ID}'))

        self.assertEqual(200, self.response.status_code)
        self.assertEqual(2, len(calls))

    def test_body_that_is_there_once(self) -> None:
        """An upload is not repeated here."""
        calls = self.send(
            lambda ours: ours.put('/images/any/file', allow_reauth=False)
        )

        self.assertEqual(401, self.response.status_code)
        self.assertEqual(1, len(calls))


class TestLogger(base.GlanceTestCase):
    """The logger of keystoneauth, which looks it up under a lock."""

    def test_is_not_looked_up(self) -> None:
        """What a signal handler raises in that would leave it locked."""
        conn = self.connect(self.serve(b'image'))
        conn.image.download_image(scripted.IMAGE_ID)
        with mock.patch('keystoneauth1._utils.get_logger') as look_up:
            conn.image.download_image(scripted.IMAGE_ID)
        look_up.assert_not_called()
