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

"""Calls that the end of a download interrupts."""

from collections.abc import Callable
from typing import Generic, TypeVar

from openstack_image_stream._common import signals
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import deadlines

_T = TypeVar('_T')


class _Returned(Generic[_T]):
    """What a function returned, with nothing to close."""

    def __init__(self, value: _T) -> None:
        self.value = value

    def close(self) -> None:
        pass


def call(
    function: Callable[[], _T],
    coordinator: coordination.Coordinator,
    abort: coordination.Waker,
) -> _T:
    """Call a function that requests something, and leave it at the deadline.

    :param function: What to call, in a thread of its own.
    :param coordinator: Owns the download.
    :param abort: Breaks the connections that the function uses.
    :returns: What the function returned.
    :raises: what the function raised, and
        :exc:`~openstack_image_stream.exceptions.ConnectionTimeoutError` at
        the deadline.
    """
    try:
        task = coordination.Task(coordinator, lambda: _Returned(function()))
    except RuntimeError as exc:
        if signals.find_raised(exc) is not None:
            raise
        return function()
    with coordinator.waking(abort):
        try:
            return task.result().value
        except Exception:
            coordinator.check(deadlines.NO_RESPONSE)
            raise
