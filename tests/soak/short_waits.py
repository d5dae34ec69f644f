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

"""Shorter waits between the attempts of a download, and their number."""

import functools
import itertools

from openstack_image_stream._common import retry
from openstack_image_stream._transfer import concurrency
from openstack_image_stream._transfer import coordination

#: Seconds. The shortest one is what a server that is absent for a moment is
#: outlived with.
_SHORTEST, _LONGEST = 0.01, 0.05

_waits = itertools.count()


def _wait(coordinator: coordination.Coordinator, seconds: float) -> bool:
    next(_waits)
    return coordinator.wait(min(max(seconds / 20, _SHORTEST), _LONGEST))


def outlived(seconds: float) -> int:
    """Return how many attempts it takes to outlive an absence.

    :param seconds: How long it is; a busy machine may make it longer.
    """
    return int(20 * seconds / _SHORTEST)


def install() -> None:
    """Shorten the waits of all further downloads of this process."""
    retry.RetryPolicy = functools.partial(  # type: ignore[misc,assignment]
        retry.RetryPolicy, wait=_wait
    )
    # Images this small are over before a further connection could be tried.
    concurrency._SETTLING = concurrency._TRIAL = concurrency._HOLD = 0.0


class Waits:
    """How often downloads waited since the last look."""

    def __init__(self) -> None:
        self._seen = 0

    def new(self) -> int:
        """Return how often since the last call."""
        # To look at a counter is to move it, for which there is one step to
        # take off; a lock would be one more thing that a wait can hang at.
        now = next(_waits) - self._seen
        self._seen += now + 1
        return now
