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

"""What the functional tests share: one real cloud, and ways into it."""

import collections.abc
import contextlib
import typing

from keystoneauth1 import exceptions
import openstack.config
import openstack.connection
import pytest

from tests import conftest
from tests.servers import cloud

Connect = collections.abc.Callable[..., openstack.connection.Connection]

#: Makes an image; returns its ID.
Upload = collections.abc.Callable[..., str]


@pytest.fixture(scope='session')
def running_cloud(
    kept_directory: conftest.KeptDirectory,
) -> collections.abc.Iterator[cloud.Cloud]:
    """A cloud for all tests. Without one they fail, they don't skip."""
    with cloud.Cloud.start(kept_directory('functional')) as running:
        yield running


@pytest.fixture
def upload(running_cloud: cloud.Cloud) -> collections.abc.Iterator[Upload]:
    """A function that makes an image, which is deleted after the test.

    It is called as :meth:`.Cloud.upload`.
    """
    made: list[str] = []

    def make(*args: typing.Any, **properties: typing.Any) -> str:
        made.append(running_cloud.upload(*args, **properties))
        return made[-1]

    yield make
    for image_id in made:
        # Some are deleted by their tests.
        with contextlib.suppress(exceptions.http.NotFound):
            running_cloud.delete(image_id)


@pytest.fixture
def no_images(running_cloud: cloud.Cloud, connect: Connect) -> None:
    """Delete what earlier tests have left, for those that list all images."""
    # The list is complete before: a page begins after an image that is there.
    for image in list(connect('plain').image.images()):
        with contextlib.suppress(exceptions.http.HttpError):
            running_cloud.delete(image.id)


@pytest.fixture
def connect(running_cloud: cloud.Cloud) -> collections.abc.Iterator[Connect]:
    """A function that connects to a cloud of clouds.yaml by its name.

    Further keywords override what the file says. Neither the environment
    nor the files of the user who runs the tests are read.
    """
    config = openstack.config.OpenStackConfig(
        config_files=[str(running_cloud.clouds_yaml)],
        secure_files=[],
        load_envvars=False,
    )

    with contextlib.ExitStack() as connections:

        def connection_to(
            name: str, **options: typing.Any
        ) -> openstack.connection.Connection:
            connection = openstack.connection.Connection(
                config=config.get_one(cloud=name, **options)
            )
            connections.callback(connection.close)
            return connection

        yield connection_to
