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

"""Tests of what the configuration of a cloud says about downloads."""

from typing import Any

import fixtures
import openstack

from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream import _settings
from openstack_image_stream import exceptions
from tests.servers import scripted
from tests.unit import base


class TestReading(base.TestCase):
    """From keys and values to options."""

    @base.for_each(
        {
            'number': ({'image_stream_connections': 4}, {'connections': 4}),
            'text': ({'image_stream_connections': '4'}, {'connections': 4}),
            'flag': ({'image_stream_resume': False}, {'resume': False}),
            'word': ({'image_stream_resume': ' No '}, {'resume': False}),
            'other_word': ({'image_stream_sparse': 'on'}, {'sparse': True}),
            'progress': ({'image_stream_progress': '1'}, {'progress': True}),
            'bandwidth': (
                {'image_stream_max_bandwidth': '1048576'},
                {'max_bandwidth': 1048576},
            ),
            'bandwidth_in_mebibytes': (
                {'image_stream_max_bandwidth': '10M'},
                {'max_bandwidth': 10 * 1024 * 1024},
            ),
            'low_speed_in_kibibytes': (
                {'image_stream_low_speed_limit': ' 2k '},
                {'low_speed_limit': 2048},
            ),
            'low_speed': (
                {
                    'image_stream_low_speed_limit': '1000',
                    'image_stream_low_speed_time': '7.5',
                },
                {'low_speed_limit': 1000, 'low_speed_time': 7.5},
            ),
            'deadline': ({'image_stream_deadline': 600}, {'deadline': 600}),
            'nothing': ({'image_stream_retries': None}, {}),
            'others': ({'image_api_version': '2', 'verify': False}, {}),
            'api_timeout': ({'api_timeout': '7.5'}, {'timeout': 7.5}),
        }
    )
    def test_read(self, case: Any) -> None:
        """Numbers and flags may be texts, as in the environment they are."""
        config, options = case
        self.assertEqual(options, _settings.from_cloud(config, 'home'))

    @base.for_each(
        {
            'zero': ('connections', 0),
            'negative': ('retries', '-1'),
            'fraction': ('connections', '1.5'),
            'word': ('connections', 'many'),
            'flag_for_a_number': ('connections', True),
            'number_for_a_flag': ('resume', 2),
            'word_for_a_flag': ('resume', 'perhaps'),
            'function': ('progress', print),
            'list': ('sparse', [True]),
            'bandwidth': ('max_bandwidth', '10X'),
            'negative_bandwidth': ('max_bandwidth', '-10M'),
            'little_text_bandwidth': ('max_bandwidth', '0K'),
            'little_bandwidth': ('max_bandwidth', 100),
            'deadline': ('deadline', '0'),
        }
    )
    def test_bad_value(self, case: Any) -> None:
        """The error names the setting, the cloud, and what is allowed."""
        name, value = case
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            _settings.from_cloud,
            {f'image_stream_{name}': value},
            'home',
        )
        for word in (f'image_stream_{name}', "'home'", 'must be', repr(value)):
            self.assertIn(word, str(error))

    @base.for_each({'zero': 0, 'nan': 'nan', 'endless': 'inf', 'word': 'x'})
    def test_bad_timeout(self, value: Any) -> None:
        """It is named as it stands in the configuration."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            _settings.from_cloud,
            {'api_timeout': value},
            'home',
        )
        self.assertIn('api_timeout', str(error))

    def test_unknown(self) -> None:
        """A setting that does not exist is answered by those that do."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            _settings.from_cloud,
            {'image_stream_conections': 4},
            'home',
        )
        self.assertIn('image_stream_conections', str(error))
        self.assertIn('image_stream_connections', str(error))


class TestUse(base.GlanceTestCase):
    """What a download does with them."""

    def setUp(self) -> None:
        super().setUp()
        self.options: list[_config.DownloadOptions] = []
        original = _context.Context.__init__

        def remember(
            download: Any, image: Any, session: Any, options: Any, *rest: Any
        ) -> None:
            self.options.append(options)
            original(download, image, session, options, *rest)

        self.useFixture(
            fixtures.MockPatchObject(_context.Context, '__init__', remember)
        )
        self.glance = self.serve(b'image')

    def used(self, conn: Any, **options: Any) -> _config.DownloadOptions:
        """Download by the proxy; return the options that it had."""
        conn.image.download_image(scripted.IMAGE_ID, **options)
        return self.options[-1]

    def test_of_the_cloud(self) -> None:
        """What the cloud says is the default, for proxy and image alike."""
        conn = self.connect(
            self.glance, image_stream_retries='9', image_stream_resume=False
        )
        used = self.used(conn)
        self.assertEqual((9, False), (used['retries'], used['resume']))
        conn.image.get_image(scripted.IMAGE_ID).download(conn.image)
        self.assertEqual(used, self.options[-1])

    def test_of_the_call(self) -> None:
        """What the call says stands, also where it is the usual default."""
        conn = self.connect(self.glance, image_stream_retries=9)
        self.assertEqual(5, self.used(conn, retries=5)['retries'])

    def test_timeout(self) -> None:
        """The SDK's own timeout is the default of ours."""
        conn = self.connect(self.glance, api_timeout=12)
        self.assertEqual(12, self.used(conn)['timeout'])
        self.assertEqual(3, self.used(conn, timeout=3)['timeout'])

    def test_timeout_of_a_name_like_ours(self) -> None:
        """What would be for all services is refused, by the key as written."""
        self.useFixture(
            fixtures.EnvironmentVariable('OS_IMAGE_STREAM_TIMEOUT', '7')
        )
        self.useFixture(fixtures.EnvironmentVariable('OS_AUTH_TYPE', 'none'))
        conn = openstack.connect(
            cloud='envvars',
            endpoint=self.glance.url,
            image_endpoint_override=f'{self.glance.url}/v2',
            image_api_version='2',
            vendor_hook='openstack_image_stream:load',
        )
        self.addCleanup(conn.close)
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            conn.image.download_image,
            scripted.IMAGE_ID,
        )
        self.assertIn('image_stream_timeout in the config', str(error))
        self.assertIn('use api_timeout', str(error))
        self.assertIn("'envvars'", str(error))

    def test_timeout_of_unknown_name(self) -> None:
        """A keyword is renamed by the SDK; the error has both names."""
        conn = self.connect(self.glance, image_stream_timeout=2_000_000)
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            conn.image.download_image,
            scripted.IMAGE_ID,
        )
        self.assertIn('api_timeout', str(error))
        self.assertIn('image_stream_timeout', str(error))

    def test_of_the_environment(self) -> None:
        """A cloud that is made of OS_* variables has them there."""
        for name, value in {
            'OS_AUTH_TYPE': 'none',
            'OS_ENDPOINT': self.glance.url,
            'OS_IMAGE_ENDPOINT_OVERRIDE': f'{self.glance.url}/v2',
            'OS_IMAGE_API_VERSION': '2',
            'OS_IMAGE_STREAM_RETRIES': '8',
            'OS_IMAGE_STREAM_SPARSE': 'false',
        }.items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        conn = self.connect(
            self.glance,
            load_envvars=True,
            auth_type=None,
            auth=None,
            image_endpoint_override=None,
            image_api_version=None,
        )
        used = self.used(conn)
        self.assertEqual((8, False), (used['retries'], used['sparse']))

    def test_bad_setting(self) -> None:
        """It is refused before any request for the image."""
        conn = self.connect(self.glance, image_stream_retries='none')
        self.assertIsNotNone(conn.image)
        self.glance.requests.clear()
        self.assertRaises(
            exceptions.InvalidArgumentError,
            conn.image.download_image,
            scripted.IMAGE_ID,
        )
        self.assertEqual([], self.glance.requests)
