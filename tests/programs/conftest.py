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
"""A real cloud, the images that programs download, and quick retries."""

from collections.abc import Iterator
import functools
import os
from typing import Any

import pytest

import openstack_image_stream
from openstack_image_stream._common import retry
from tests.servers import cloud

MIB = 1024 * 1024

#: What the images have, but for one bit of the damaged one.
DATA = os.urandom(5 * MIB + 17)


@pytest.fixture(scope='session')
def running_cloud() -> Iterator[cloud.Cloud]:
    """A cloud for all tests. Without one they fail."""
    with cloud.Cloud.start() as running:
        yield running


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a retry come at once."""

    def wait(waiter: Any, seconds: float) -> bool:
        return bool(waiter.ended)

    monkeypatch.setattr(
        retry,
        'RetryPolicy',
        functools.partial(retry.RetryPolicy, wait=wait),
    )


@pytest.fixture(autouse=True)
def uninstalled() -> Iterator[None]:
    """Reverse what a test installed."""
    yield
    openstack_image_stream.uninstall()


@pytest.fixture
def image_id(running_cloud: cloud.Cloud) -> str:
    """An image for one test."""
    return running_cloud.upload('program', DATA)


@pytest.fixture
def damaged_id(running_cloud: cloud.Cloud) -> str:
    """One of which a bit is flipped in its store."""
    damaged = running_cloud.upload('damaged', DATA)
    with running_cloud.stored_file(damaged).open('r+b') as stored:
        stored.write(bytes([DATA[0] ^ 1]))
    return damaged


@pytest.fixture
def empty_id(running_cloud: cloud.Cloud) -> str:
    """One that was never uploaded: Glance responds with 204."""
    return running_cloud.upload('empty', None)


@pytest.fixture
def forbidden_id(running_cloud: cloud.Cloud) -> str:
    """One that is deactivated: Glance responds with 403."""
    forbidden = running_cloud.upload('forbidden', DATA)
    running_cloud.deactivate(forbidden)
    return forbidden
