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

"""Responses that nothing refers to any more, and what they hold."""

import contextlib
import gc
from typing import Any

import pytest

from tests.callers import actions
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import images

MIB = 1024 * 1024

_SCRIPTS: dict[str, dict[str, Any]] = {
    'receiving': {'always': {'throttle': [256 * 1024, 0.05]}},
    'silent': {'always': {'silent_after': 4 * MIB}},
    'later_parts_silent': {'beyond': {'silent_after': MIB}},
    'resumed': {
        'changes': [{'cut_after': MIB + 1}],
        'always': {'throttle': [256 * 1024, 0.05]},
    },
    'begun_again': {
        'ranged': False,
        'changes': [{'cut_after': MIB + 1}] * 2,
        'always': {'throttle': [256 * 1024, 0.05]},
    },
    'retrying': {
        'changes': [{'cut_after': 4 * MIB + 1}],
        'beyond': {'status': 503, 'headers': {'Retry-After': '30'}},
    },
}


def _forget(
    remote: control.Remote,
    script: dict[str, Any],
    connections: int | str,
    amount: int,
    how: str,
) -> None:
    image_id = images.new_id()
    remote.show(image_id, seed=1, size=images.LARGE, **script)
    gc.collect()
    gc.disable()
    before = resources.now()
    with actions.connected(remote) as conn:
        response = conn.image.download_image(
            image_id,
            stream=True,
            connections=connections,
            timeout=actions.SILENCE,
        )
        chunks = None
        if how == 'read' and amount:
            response.raw.read(amount)
        elif how == 'iterated':
            chunks = response.iter_content(MIB)
            for _ in range(amount // MIB):
                next(chunks)
        elif how == 'raised':
            with contextlib.suppress(KeyError):
                _fail(response)
        del response, chunks
        # Before the pools of the connection are closed.
        actions.assert_nothing_left_but(before, 1)
    actions.assert_nothing_left(before)


def _fail(response: Any) -> None:
    for _ in response.iter_content(MIB):
        raise KeyError


class TestForgotten:
    """A response is dropped, and the collector does not run."""

    @pytest.mark.parametrize('state', _SCRIPTS)
    @pytest.mark.parametrize('connections', [1, 3, 'auto'])
    def test_leaves_nothing(
        self,
        remote: control.Remote,
        connections: int | str,
        state: str,
    ) -> None:
        """Sockets and threads go with the last name, also stalled ones."""
        processes.run_function(
            _forget, remote, _SCRIPTS[state], connections, 2 * MIB, 'read'
        )

    @pytest.mark.parametrize('connections', [1, 3, 'auto'])
    def test_unread(
        self, remote: control.Remote, connections: int | str
    ) -> None:
        """The same holds when nothing was read."""
        processes.run_function(_forget, remote, {}, connections, 0, 'read')

    @pytest.mark.parametrize('how', ['iterated', 'raised'])
    @pytest.mark.parametrize('connections', [1, 3])
    def test_in_the_middle_of_a_loop(
        self, remote: control.Remote, connections: int, how: str
    ) -> None:
        """The same holds for one that was iterated over."""
        script = _SCRIPTS['receiving']
        processes.run_function(
            _forget, remote, script, connections, 2 * MIB, how
        )
