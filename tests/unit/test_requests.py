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

"""The contract of single requests: what is asked, and how."""

import hashlib
from typing import Any

from requests_mock.contrib import fixture

from tests.unit import base
from tests.unit import fake_cloud

DATA = base.some_bytes(10_000)
ID = '0b8c6a6e-5bd7-4f1c-9d6a-6c1fb3a4a0d1'
IMAGE_URL = f'{fake_cloud.GLANCE_URL}/v2/images/{ID}'
FILE_URL = f'{IMAGE_URL}/file'

#: Ways to download, all of which ask for the same.
CALLS: dict[str, Any] = {
    'in_memory': {},
    'streamed': {'stream': True},
    'to_path': {'output': 'a path'},
    'unverified': {'validate_checksum': False},
    'chunked': {'stream': True, 'chunk_size': 1},
}


class RequestsTestCase(base.TestCase):
    """A test that looks at the requests, one by one."""

    def setUp(self) -> None:
        super().setUp()
        self.mocker = self.useFixture(fixture.Fixture())
        fake_cloud.register(self.mocker)
        self.mocker.get(
            IMAGE_URL,
            json={
                'id': ID,
                'name': 'mocked',
                'status': 'active',
                'size': len(DATA),
                'checksum': hashlib.md5(DATA).hexdigest(),
                'os_hash_algo': 'sha512',
                'os_hash_value': hashlib.sha512(DATA).hexdigest(),
            },
        )
        self.mocker.get(FILE_URL, content=DATA)
        self.conn = fake_cloud.connect()
        self.addCleanup(self.conn.close)
        # Logging in and finding the service is the SDK's concern.
        self.assertIsNotNone(self.conn.image)
        self.seen = len(self.mocker.request_history)

    def made(self) -> list[Any]:
        """Return the requests since the last time."""
        made = self.mocker.request_history[self.seen :]
        self.seen += len(made)
        return made

    def download(self, **options: Any) -> list[Any]:
        """Download, return the requests that were made."""
        if 'output' in options:
            options['output'] = self.path()
        response = self.conn.image.download_image(ID, **options)
        content = self.content() if 'output' in options else response.content
        self.assert_same(DATA, content)
        return self.made()


class TestRequests(RequestsTestCase):
    """The requests of a download."""

    @base.for_each(CALLS)
    def test_two(self, options: dict[str, Any]) -> None:
        """One GET of the image, one GET of its file, in this order."""
        self.assertEqual(
            [('GET', IMAGE_URL), ('GET', FILE_URL)],
            [(r.method, r.url) for r in self.download(**options)],
        )

    @base.for_each(CALLS)
    def test_body_is_not_loaded(self, options: dict[str, Any]) -> None:
        """requests is told to leave the body on the network."""
        _, data = self.download(**options)
        self.assertTrue(data.stream)

    @base.for_each(CALLS)
    def test_headers(self, options: dict[str, Any]) -> None:
        """The data are asked for as they are, and all of them."""
        metadata, data = self.download(**options)
        self.assertEqual('identity', data.headers['Accept-Encoding'])
        self.assertNotIn('Range', data.headers)
        self.assertEqual('first-token', data.headers['X-Auth-Token'])
        # The document may well be compressed.
        self.assertNotEqual(
            'identity', metadata.headers.get('Accept-Encoding')
        )

    def test_no_body(self) -> None:
        """Nothing is sent along."""
        for request in self.download():
            self.assertIsNone(request.body)

    def test_once_more(self) -> None:
        """A second download asks for all of it again."""
        self.download()
        self.assertEqual(2, len(self.download()))


class TestStorePreferences(RequestsTestCase):
    """Which store of several to read from."""

    @base.for_each(
        {
            'list': (['fast', 'near'], '?prefer=fast,near'),
            'tuple': (('fast', 'near'), '?prefer=fast,near'),
            'one': (['fast'], '?prefer=fast'),
            'empty': ([], ''),
            'none': (None, ''),
        }
    )
    def test_in_the_query(self, case: tuple[Any, str]) -> None:
        """They are sent best first, with the request for data alone."""
        preferences, query = case
        metadata, data = self.download(store_preferences=preferences)
        self.assertEqual(IMAGE_URL, metadata.url)
        self.assertEqual(FILE_URL + query, data.url)


class TestAuthentication(RequestsTestCase):
    """Tokens run out."""

    def test_between_the_requests(self) -> None:
        """keystoneauth logs in again, and the download continues."""
        self.mocker.get(FILE_URL, [{'status_code': 401}, {'content': DATA}])
        requests = self.download()
        self.assertEqual(
            [
                ('GET', IMAGE_URL, 'first-token'),
                ('GET', FILE_URL, 'first-token'),
                ('POST', f'{fake_cloud.AUTH_URL}/auth/tokens', None),
                ('GET', FILE_URL, 'second-token'),
            ],
            [
                (r.method, r.url, r.headers.get('X-Auth-Token'))
                for r in requests
            ],
        )

    def test_is_not_logged(self) -> None:
        """No line of ours holds a token, at any level."""
        self.mocker.get(
            IMAGE_URL, json={'id': ID, 'name': 'mocked', 'status': 'active'}
        )
        with self.assertLogs('openstack.image_stream', 'DEBUG') as logged:
            _, data = self.download()
        self.assertEqual('first-token', data.headers['X-Auth-Token'])
        # One of the request, one of what cannot be verified.
        self.assertEqual(2, len(logged.output))
        self.assertNotIn('first-token', '\n'.join(logged.output))


class TestImageId(RequestsTestCase):
    """What stands for the image in the URL."""

    def test_of_our_image(self) -> None:
        """An image object takes no other requests than its ID."""
        found = self.conn.image.get_image(ID)
        self.made()
        self.conn.image.download_image(found)
        self.assertEqual(
            [('GET', IMAGE_URL), ('GET', FILE_URL)],
            [(r.method, r.url) for r in self.made()],
        )
