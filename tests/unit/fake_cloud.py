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

"""A cloud of which only the words are there: Keystone and Glance, mocked."""

from collections.abc import Sequence
from typing import Any

from keystoneauth1 import fixture
import openstack
import requests_mock

AUTH_URL = 'https://keystone.example.com/v3'
GLANCE_URL = 'https://glance.example.com'


def register(
    mocker: requests_mock.Mocker,
    tokens: Sequence[str] = ('first-token', 'second-token', 'third-token'),
) -> None:
    """Let Keystone give out these tokens, with Glance in the catalog."""
    catalog = fixture.V3Token()
    catalog.set_project_scope()
    catalog.add_service('image', name='glance').add_standard_endpoints(
        public=GLANCE_URL, region='RegionOne'
    )
    mocker.get(AUTH_URL, json={'version': fixture.V3Discovery(AUTH_URL)})
    mocker.post(
        f'{AUTH_URL}/auth/tokens',
        [
            {'json': catalog, 'headers': {'X-Subject-Token': token}}
            for token in tokens
        ],
    )
    mocker.get(
        GLANCE_URL,
        json={
            'versions': [
                {
                    'id': 'v2.9',
                    'status': 'CURRENT',
                    'links': [{'rel': 'self', 'href': f'{GLANCE_URL}/v2/'}],
                }
            ]
        },
    )


def connect(**kwargs: Any) -> openstack.connection.Connection:
    """Log in, with the plugin unless something else is asked for."""
    return openstack.connect(
        **{
            'load_yaml_config': False,
            'load_envvars': False,
            'auth_type': 'password',
            'auth': {
                'auth_url': AUTH_URL,
                'username': 'me',
                'password': 'secret',
                'project_name': 'mine',
                'user_domain_id': 'default',
                'project_domain_id': 'default',
            },
            'region_name': 'RegionOne',
            'vendor_hook': 'openstack_image_stream:load',
            **kwargs,
        }
    )
