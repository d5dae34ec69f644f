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

"""Machines that have no more threads, and threads that die."""

from collections.abc import Callable
import hashlib
import threading
from typing import Any

import pytest

from openstack_image_stream import exceptions
from tests.callers import actions
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import images

MIB = 1024 * 1024

each_mode = pytest.mark.parametrize('mode', actions.MODES)
each_number = pytest.mark.parametrize(
    'connections', [1, 3, pytest.param('auto', marks=pytest.mark.every)]
)


def _with_few_threads(
    remote: control.Remote,
    mode: str,
    connections: int | str,
    few: int,
) -> None:
    image_id = images.new_id()
    # Slow enough for 'auto' to want more.
    slow: dict[str, Any] = {}
    if connections == 'auto':
        slow = {'throttle': [256 * 1024, 0.01]}
    remote.show(image_id, seed=1, size=images.LARGE, always=slow)
    before = resources.now()
    with actions.temporary() as directory, actions.connected(remote) as conn:
        start = threading.Thread.start
        left = few

        def start_or_fail(thread: threading.Thread) -> None:
            nonlocal left
            if left == 0:
                raise RuntimeError("can't start new thread")
            left -= 1
            start(thread)

        threading.Thread.start = start_or_fail  # type: ignore[method-assign]
        content = None
        try:
            content = actions.download(
                conn, image_id, mode, directory, connections=connections
            )
        except exceptions.ImageStreamError:
            pass
        finally:
            threading.Thread.start = start  # type: ignore[method-assign]
        if content is not None:
            assert content == images.data(1, images.LARGE)
    actions.assert_nothing_left(before)


class TestFewThreads:
    """No thread can be started, or only a few."""

    @each_mode
    @each_number
    @pytest.mark.parametrize(
        'few',
        [
            0,
            pytest.param(1, marks=pytest.mark.every),
            pytest.param(2, marks=pytest.mark.every),
        ],
    )
    def test_ends(
        self,
        remote: control.Remote,
        mode: str,
        connections: int | str,
        few: int,
    ) -> None:
        """It goes well, or there is an error of ours; nothing hangs."""
        processes.run_function(
            _with_few_threads, remote, mode, connections, few
        )


class _DyingHash:
    def __init__(self, found: Any, error: BaseException) -> None:
        self._found = found
        self._error = error
        self._left = 12 * MIB

    def update(self, data: Any) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise self._error
        self._found.update(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)


def _with_dying_hash(
    remote: control.Remote,
    mode: str,
    connections: int | str,
    error: type[BaseException],
) -> None:
    image_id = images.new_id()
    remote.show(image_id, seed=1, size=images.LARGE)
    before = resources.now()

    def dying(make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: _DyingHash(
            make(*args, **kwargs), error('in a hash')
        )

    for name in ('new', 'sha512', 'md5'):
        setattr(hashlib, name, dying(getattr(hashlib, name)))
    with actions.temporary() as directory:
        with actions.connected(remote) as conn:
            expected: Any = (error, exceptions.ImageStreamError)
            with pytest.raises(expected) as caught:
                actions.download(
                    conn, image_id, mode, directory, connections=connections
                )
            assert not isinstance(
                caught.value, exceptions.ChecksumMismatchError
            )
            del caught
        actions.assert_nothing_left(before, directory)


class TestDyingHash:
    """The computing of the hash fails."""

    @each_mode
    @each_number
    @pytest.mark.parametrize(
        'error',
        [
            MemoryError,
            pytest.param(RuntimeError, marks=pytest.mark.every),
            pytest.param(SystemExit, marks=pytest.mark.every),
        ],
    )
    def test_ends_with_an_error(
        self,
        remote: control.Remote,
        mode: str,
        connections: int | str,
        error: type[BaseException],
    ) -> None:
        """It is never taken for a good image, nor a bad one; it ends."""
        processes.run_function(
            _with_dying_hash, remote, mode, connections, error
        )
