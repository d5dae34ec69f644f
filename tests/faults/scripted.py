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

"""Where a scripted Glance is."""

import pathlib

import yaml

from tests.faults import ways
from tests.unit import fake_glance


def place(
    glance: fake_glance.FakeGlance, directory: pathlib.Path
) -> ways.Place:
    """Describe it to every kind of client.

    :param glance: The Glance.
    :param directory: Where the description may be.
    """
    cloud = {
        'auth_type': 'v3password',
        'auth': {
            'auth_url': f'{glance.url}/v3',
            'username': 'me',
            'password': 'secret',
            'user_domain_id': 'default',
        },
        'image_endpoint_override': f'{glance.url}/v2',
        'image_api_version': '2',
    }
    hook = {'vendor_hook': 'openstack_image_stream:load'}
    path = directory / 'clouds.yaml'
    path.write_text(
        yaml.safe_dump({'clouds': {'plain': cloud, 'stream': cloud | hook}})
    )
    token = ('--os-auth-token', fake_glance.TOKEN)
    return ways.Place(
        clouds_yaml=str(path),
        glance=('--os-image-url', glance.url, *token),
        image_id=fake_glance.IMAGE_ID,
    )
