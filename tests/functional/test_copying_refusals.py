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

"""Copies that a real Glance refuses by its quota and its policies."""

import collections.abc
import os

from openstack import exceptions as sdk_exceptions
import pytest
import requests

import openstack_image_stream
from tests import conftest as tests_conftest
from tests.functional import conftest
from tests.functional import destinations
from tests import processes
from tests.servers import cloud
from tests.servers import upload_proxy

MIB = 1024 * 1024

#: Bytes that all images of a project may have together.
QUOTA = 16 * MIB

DATA = os.urandom(9 * MIB + 17)

#: Names of images that may not be given data, and not be deleted.
NO_DATA = 'no-data'
KEPT = 'kept'

STORES = pytest.mark.parametrize('stores', [None, ['second']])


@pytest.fixture(scope='module')
def strict_cloud(
    kept_directory: tests_conftest.KeptDirectory,
) -> collections.abc.Iterator[cloud.Cloud]:
    """A cloud with a quota, and with policies that look at names."""
    with cloud.Cloud.start(
        kept_directory('strict'),
        storage_quota=QUOTA,
        policies={
            'upload_image': f"not '{NO_DATA}':%(name)s",
            # The one that is asked where data are staged.
            'modify_image': f"not '{NO_DATA}':%(name)s",
            'delete_image': f"not '{KEPT}':%(name)s",
        },
    ) as running:
        yield running


@pytest.fixture
def strict(
    strict_cloud: cloud.Cloud,
) -> collections.abc.Iterator[destinations.Destination]:
    """The same, and what a test connected to it."""
    made = destinations.Destination(strict_cloud)
    yield made
    made.close()


@pytest.fixture
def unchanged(
    strict: destinations.Destination,
) -> collections.abc.Iterator[None]:
    """Checks that a test leaves no image and no file there."""
    ids, stored = strict.ids(), strict.stored()
    yield
    assert strict.ids() == ids
    assert strict.stored() == stored


@pytest.fixture(scope='module')
def image_id(running_cloud: cloud.Cloud) -> str:
    """The image that is copied."""
    return running_cloud.upload('copied', DATA)


@pytest.fixture
def most_of_quota(
    strict: destinations.Destination,
) -> collections.abc.Iterator[str]:
    """An image that leaves too little of the quota for another one."""
    made = strict.running.upload('first', DATA)
    yield made
    assert strict.content(made) == DATA
    strict.running.delete(made)


@pytest.mark.usefixtures('unchanged', 'most_of_quota')
def test_quota(
    connect: conftest.Connect,
    strict: destinations.Destination,
    image_id: str,
) -> None:
    """The upload is refused, and is not repeated."""
    with upload_proxy.UploadProxy(strict.running.image_url) as uploads:
        with pytest.raises(sdk_exceptions.HttpException) as info:
            connect('stream').image.copy_image(
                image_id, to=strict.behind(uploads)
            )

        assert uploads.uploads == 1
    assert info.value.status_code == 413


@pytest.mark.usefixtures('unchanged', 'most_of_quota')
def test_quota_at_import(
    connect: conftest.Connect,
    strict: destinations.Destination,
    image_id: str,
) -> None:
    """Glance takes the data, and fails to import them."""
    with pytest.raises(openstack_image_stream.CopyFailedError) as info:
        connect('stream').image.copy_image(
            image_id, to=strict.connect(), stores=['second']
        )

    assert 'not stored in second' in str(info.value)
    assert not info.value.left_behind


@STORES
@pytest.mark.usefixtures('unchanged')
def test_no_data(
    connect: conftest.Connect,
    strict: destinations.Destination,
    image_id: str,
    stores: list[str] | None,
) -> None:
    """A policy that refuses the upload is what is raised, at once."""
    with upload_proxy.UploadProxy(strict.running.image_url) as uploads:
        with pytest.raises(sdk_exceptions.ForbiddenException):
            connect('stream').image.copy_image(
                image_id,
                to=strict.behind(uploads),
                name=NO_DATA,
                stores=stores,
            )

        assert uploads.uploads == 1


def test_no_deletion(
    running_cloud: cloud.Cloud,
    connect: conftest.Connect,
    strict: destinations.Destination,
) -> None:
    """What cannot be deleted is not active, and the error says its ID."""
    damaged = running_cloud.upload('damaged', DATA)
    with running_cloud.stored_file(damaged).open('r+b') as stored:
        stored.write(bytes([DATA[0] ^ 1]))

    with pytest.raises(openstack_image_stream.CopyFailedError) as info:
        connect('stream').image.copy_image(
            damaged, to=strict.connect(), name=KEPT
        )

    cause = info.value.__cause__
    assert isinstance(cause, openstack_image_stream.ChecksumMismatchError)
    assert info.value.left_behind
    left = strict.connect().image.get_image(info.value.image_id)
    assert left.status == 'queued'
    assert left.size is None


def test_unknown_to_each_other(
    running_cloud: cloud.Cloud,
    connect: conftest.Connect,
    strict: destinations.Destination,
) -> None:
    """The Keystone of either cloud does not know tokens of the other."""
    for running, token in (
        (running_cloud, strict.connect().authorize()),
        (strict.running, connect('plain').authorize()),
    ):
        response = requests.get(
            f'{running.image_url}/v2/images',
            headers={'X-Auth-Token': token},
            timeout=processes.DEADLINE,
        )
        assert response.status_code == 401
