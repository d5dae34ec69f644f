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
"""A real cloud, and retries that do not wait."""

from collections.abc import Iterator
import functools
from typing import Any

import pytest

from openstack_image_stream._common import retry
from tests.servers import cloud


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
