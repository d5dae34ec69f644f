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
"""Errors of a real Image service."""

import pathlib

from openstack import exceptions as sdk_exceptions
import pytest

from tests.functional import conftest
from tests.servers import cloud


def test_store_preferences(
    running_cloud: cloud.Cloud, connect: conftest.Connect
) -> None:
    """Glance names the store that it does not have; so does the error."""
    image_id = running_cloud.upload('stores', b'image')
    with pytest.raises(sdk_exceptions.BadRequestException) as caught:
        connect('stream').image.download_image(
            image_id, store_preferences=['fast']
        )
    assert 'is not configured' in str(caught.value)


def test_no_data(
    running_cloud: cloud.Cloud,
    connect: conftest.Connect,
    tmp_path: pathlib.Path,
) -> None:
    """An image without data is not found, by 204."""
    image_id = running_cloud.upload('queued', None)
    with pytest.raises(sdk_exceptions.NotFoundException) as caught:
        connect('stream').image.download_image(
            image_id, output=tmp_path / 'image'
        )
    assert caught.value.status_code == 204
    assert caught.value.response.status_code == 204
    assert caught.value.response.content == b''
