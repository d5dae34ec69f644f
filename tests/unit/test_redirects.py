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

"""Tests of redirects, on real sockets."""

from typing import Any
from unittest import mock

import requests

from openstack_image_stream._http import redirects
from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base
from tests.unit import modes

DATA = base.some_bytes(10_000)
FILE = f'/v2/images/{scripted.IMAGE_ID}/file'
ELSEWHERE = '/v2/images/elsewhere/file'


def redirect(location: str, status: int = 302) -> responses.Response:
    """Return an answer that names another address."""
    return responses.Response(status=status, headers={'Location': location})


class RedirectTestCase(base.GlanceTestCase):
    """A test with a Glance, another host, and a token."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA)
        self.other = self.serve(DATA)
        self.conn = self.connect(
            self.glance,
            auth_type='v3password',
            auth={
                'auth_url': f'{self.glance.url}/v3',
                'username': 'me',
                'password': 'secret',
                'user_domain_id': 'default',
            },
        )

    def paths(self) -> list[str]:
        """Return what Glance was asked for the data."""
        return [
            request.path
            for request in self.glance.requests
            if request.path.endswith('/file')
        ]


class TestSameHost(RedirectTestCase):
    """Redirects that stay where the token belongs."""

    @base.for_each(
        modes.times({str(s): s for s in (301, 302, 303, 305, 307, 308)})
    )
    def test_followed(self, case: Any) -> None:
        """They lead to the image."""
        kind, status = case
        self.glance.data_responses.append(
            redirect(f'{self.glance.url}{ELSEWHERE}', status)
        )
        mode = kind(self.directory)
        self.assert_same(DATA, mode.download(self.conn))
        self.assertEqual([FILE, ELSEWHERE], self.paths())
        self.assertEqual(
            scripted.TOKEN, self.glance.requests[-1].headers['x-auth-token']
        )

    def test_relative(self) -> None:
        """An address may be relative to the one that was asked for."""
        self.glance.data_responses.append(redirect('../elsewhere/file'))
        response = self.conn.image.download_image(scripted.IMAGE_ID)
        self.assert_same(DATA, response.content)
        self.assertEqual([FILE, ELSEWHERE], self.paths())

    def test_of_the_metadata(self) -> None:
        """The metadata may be elsewhere, too, and are asked for as such."""
        self.glance.metadata_responses.append(redirect('elsewhere?a=b'))
        response = self.conn.image.download_image(scripted.IMAGE_ID)
        self.assert_same(DATA, response.content)
        self.assertIn(
            '/v2/images/elsewhere?a=b',
            [request.path for request in self.glance.requests],
        )

    def test_in_a_circle(self) -> None:
        """They come to an end, also when the server does not want that."""
        self.glance.repeat_last = True
        self.glance.data_responses.append(redirect(FILE))
        error = self.assertRaises(
            exceptions.ImageStreamError,
            self.conn.image.download_image,
            scripted.IMAGE_ID,
        )
        self.assertIn('sent more than 5', str(error))
        self.assertEqual(6, len(self.paths()))


class TestOtherHost(RedirectTestCase):
    """Redirects that would carry the token away."""

    def assert_refused(self, download: Any, *args: Any) -> None:
        """Check that it fails, and that nobody else was asked."""
        error = self.assertRaises(exceptions.ImageStreamError, download, *args)
        self.assertIn('redirect', str(error))
        self.assertIn(self.glance.url, str(error))
        self.assertEqual([], self.other.requests)

    @base.for_each(modes.ALL)
    def test_of_the_data(self, kind: type[modes.Mode]) -> None:
        """The data are not fetched from there."""
        self.glance.data_responses.append(redirect(self.other.url + FILE))
        mode = kind(self.directory)
        self.assert_refused(mode.download, self.conn)
        self.assertEqual(b'', mode.held())
        self.assert_nothing_open(self.glance, self.conn)

    def test_of_a_resumed_range(self) -> None:
        """Not in the middle either."""
        self.glance.data_responses.extend(
            [
                self.glance.honest(cut_after=5_000),
                redirect(self.other.url + FILE),
            ]
        )
        self.assert_refused(self.conn.image.download_image, scripted.IMAGE_ID)

    @base.for_each(
        {
            'get': lambda image: image.get_image(scripted.IMAGE_ID),
            'find': lambda image: image.find_image(scripted.IMAGE_ID),
            'download': lambda image: image.download_image(scripted.IMAGE_ID),
        }
    )
    def test_of_the_metadata(self, ask: Any) -> None:
        """Nor the metadata, whoever asks for them."""
        self.assertIsNotNone(self.conn.image)
        self.glance.metadata_responses.append(
            redirect(f'{self.other.url}/v2/images/{scripted.IMAGE_ID}')
        )
        self.assert_refused(ask, self.conn.image)

    @base.for_each(
        {
            'other_scheme': 'https://127.0.0.1:{port}/file',
            'other_name': 'http://localhost:{port}/file',
            'no_scheme': '//example.invalid/file',
            'user_info': 'http://127.0.0.1:{port}@example.invalid/file',
            'other_protocol': 'file:///etc/passwd',
        }
    )
    def test_looks_alike(self, location: str) -> None:
        """An address that only resembles ours is another one."""
        port = self.glance.url.rpartition(':')[2]
        self.glance.data_responses.append(redirect(location.format(port=port)))
        self.assert_refused(self.conn.image.download_image, scripted.IMAGE_ID)

    @base.for_each(
        {
            'bracket': 'http://[::1/file',
            'port': 'http://127.0.0.1:99999999/file',
            'no_utf8': 'http://h\xff/file',
        }
    )
    def test_no_address(self, location: str) -> None:
        """A malformed address is no reason for a traceback."""
        self.glance.data_responses.append(redirect(location))
        error = self.assertRaises(
            exceptions.ImageStreamError,
            self.conn.image.download_image,
            scripted.IMAGE_ID,
        )
        self.assertIn('redirect', str(error))

    @base.for_each(
        {
            'malformed': 'http://me:secret@[::1/file',
            'elsewhere': 'http://me:secret@example.invalid/file',
        }
    )
    def test_password(self, location: str) -> None:
        """No error shows a password that stands in a URL."""
        port = self.glance.url.rpartition(':')[2]
        conn = self.connect(
            self.glance,
            image_endpoint_override=f'http://me:secret@127.0.0.1:{port}/v2',
        )
        self.glance.data_responses.append(redirect(location))
        error = self.assertRaises(
            exceptions.ImageStreamError,
            conn.image.download_image,
            scripted.IMAGE_ID,
        )
        self.assertIn('redirect', str(error))
        self.assertNotIn('secret', str(error))

    def test_asked_for(self) -> None:
        """Who says what to do with redirects has it done."""
        self.glance.metadata_responses.append(redirect(self.other.url))
        response = self.conn.image.get('/images', redirect=False)
        self.assertEqual(302, response.status_code)


class TestFollow(base.TestCase):
    """What is passed on."""

    def _response(self, **headers: str) -> requests.Response:
        response = requests.Response()
        response.status_code = 200
        response.headers.update(headers)
        return response

    def test_other_errors(self) -> None:
        """A ValueError of a request is not called a bad redirect."""
        failure = ValueError('broken')
        error = self.assertRaises(
            ValueError,
            redirects.follow,
            mock.Mock(side_effect=failure),
            '/images',
            'GET',
        )
        self.assertIs(failure, error)

    def test_positional(self) -> None:
        """Whatever parameters upstream's request() has by position."""
        request = mock.Mock(return_value=self._response())
        redirects.follow(request, '/images', 'GET', 'No image', True)
        self.assertEqual(
            ('/images', 'GET', 'No image', True), request.call_args.args
        )


class TestProxyRequest(RedirectTestCase):
    """Requests of a caller's own through the proxy."""

    def test_positional(self) -> None:
        """The third parameter is an error message, as upstream."""
        for conn in (self.conn, self.connect(self.glance, vendor_hook=None)):
            response = conn.image.request('/images', 'GET', 'No images')
            self.assertEqual(200, response.status_code)

    @base.for_each({'function': False, 'list': True})
    def test_hooks(self, is_list: bool) -> None:
        """Hooks of the caller are called, also for redirects."""
        seen: list[Any] = []

        def hook(response: requests.Response, *args: Any, **kw: Any) -> None:
            seen.append(
                (response.status_code, response.headers.get('Location'))
            )

        self.assertIsNotNone(self.conn.image)
        self.glance.metadata_responses.append(redirect('/v2/images'))
        response = self.conn.image.request(
            '/images', 'GET', hooks={'response': [hook] if is_list else hook}
        )
        self.assertEqual(200, response.status_code)
        self.assertEqual([(302, '/v2/images'), (200, None)], seen)

    def test_no_address(self) -> None:
        """A redirect without an address is returned as it is."""
        self.assertIsNotNone(self.conn.image)
        self.glance.metadata_responses.append(responses.Response(status=302))
        response = self.conn.image.request('/images', 'GET')
        self.assertEqual(302, response.status_code)
