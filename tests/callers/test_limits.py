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

"""Downloads with limits of rate and time, and what callers do to them."""

from collections.abc import Callable
import gc
import os
import signal
import threading
import time
from typing import Any

import pytest

from openstack_image_stream import exceptions
from tests.callers import actions
from tests.callers import observed
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import images

MIB = 1024 * 1024

#: Seconds that a download at this rate would take: a minute.
_SLOWLY = {'max_bandwidth': images.LARGE // 60}

#: Alone, and with each that watches it.
_OPTIONS: dict[str, dict[str, Any]] = {
    'bandwidth': _SLOWLY,
    'low_speed': {**_SLOWLY, 'low_speed_limit': 1},
    'deadline': {**_SLOWLY, 'deadline': 60},
}

each_number = pytest.mark.parametrize(
    'connections', [1, 3, pytest.param('auto', marks=pytest.mark.every)]
)
each_option = pytest.mark.parametrize(
    'option',
    [
        pytest.param(
            option, marks=[] if option == 'deadline' else pytest.mark.every
        )
        for option in _OPTIONS
    ],
)


class Limited:
    """A response whose rate is limited; a context manager.

    It sees that nothing is left.

    :param remote: The service.
    :param options: Options of the download.
    """

    def __init__(self, remote: control.Remote, **options: Any) -> None:
        self._remote = remote
        self._options = {'timeout': actions.SILENCE, **options}
        self.log = observed.Log()
        self.response: Any = None

    def __enter__(self) -> 'Limited':
        image_id = images.new_id()
        self._remote.show(image_id, seed=1, size=images.LARGE)
        self._before = resources.now()
        self._connected = actions.connected(self._remote)
        conn = self._connected.__enter__()
        self.response = conn.image.download_image(
            image_id, stream=True, **self._options
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.response = None
        if exc_info[0] is None:
            # Before the pools of the connection are closed.
            actions.assert_nothing_left_but(self._before, 1)
        self._connected.__exit__(None, None, None)
        if exc_info[0] is None:
            actions.assert_nothing_left(self._before)


def _close_elsewhere(
    remote: control.Remote, connections: int | str, option: str
) -> None:
    with Limited(
        remote, connections=connections, **_OPTIONS[option]
    ) as limited:
        reader = actions.Reader(limited.response)
        reader.start()
        processes.wait_for(lambda: reader.count > 0, 'nothing was read')
        limited.response.close()
        actions.assert_closed(reader.result())


def _close_in_progress(
    remote: control.Remote, connections: int | str, option: str
) -> None:
    responses: list[Any] = []

    def progress(seen: Any) -> None:
        if responses and seen.done > MIB:
            responses.pop().close()

    with Limited(
        remote,
        connections=connections,
        progress=progress,
        **_OPTIONS[option],
    ) as limited:
        responses.append(limited.response)
        reader = actions.Reader(limited.response)
        reader.run()
        actions.assert_closed(reader.error)


def _strike(
    remote: control.Remote,
    connections: int | str,
    option: str,
    handler: Callable[[Any], None],
) -> BaseException | None:
    with Limited(
        remote, connections=connections, **_OPTIONS[option]
    ) as limited:
        struck_at = 0.0

        def handle(*_: object) -> None:
            nonlocal struck_at
            struck_at = time.monotonic()
            handler(limited.response)

        previous = signal.signal(signal.SIGUSR2, handle)
        reader = actions.Reader(limited.response)
        striker = threading.Thread(
            target=lambda: (
                processes.wait_for(lambda: reader.count > 0, 'nothing read'),
                os.kill(os.getpid(), signal.SIGUSR2),
            )
        )
        striker.start()
        reader.run()
        took = time.monotonic() - struck_at
        striker.join()
        signal.signal(signal.SIGUSR2, previous)
        assert took < actions.AT_ONCE, f'told after {took:.1f} s'
        limited.response.close()
    return reader.error


def _close_in_handler(
    remote: control.Remote, connections: int | str, option: str
) -> None:
    actions.assert_closed(
        _strike(remote, connections, option, lambda response: response.close())
    )


def _interrupt(
    remote: control.Remote, connections: int | str, option: str
) -> None:
    def raise_it(response: Any) -> None:
        raise KeyboardInterrupt

    error = _strike(remote, connections, option, raise_it)
    assert isinstance(error, KeyboardInterrupt), repr(error)


def _forget(
    remote: control.Remote, connections: int | str, option: str
) -> None:
    gc.collect()
    gc.disable()
    with Limited(
        remote, connections=connections, **_OPTIONS[option]
    ) as limited:
        limited.response.raw.read(MIB // 2)
        limited.response = None


def _fork(remote: control.Remote, connections: int | str, option: str) -> None:
    with Limited(
        remote, connections=connections, **_OPTIONS[option]
    ) as limited:
        reader = actions.Reader(limited.response)
        reader.start()
        processes.wait_for(lambda: reader.count > 0, 'nothing was read')
        # It neither waits for the limits of its parent, nor ends them.
        processes.Child(limited.response.close).wait()
        seen = reader.count
        processes.wait_for(lambda: reader.count > seen, 'nothing more came')
        limited.response.close()
        actions.assert_closed(reader.result())


_CALLERS = {
    'closes_elsewhere': _close_elsewhere,
    'closes_in_progress': _close_in_progress,
    'closes_in_handler': _close_in_handler,
    'interrupts': _interrupt,
    'forgets': _forget,
    'forks': _fork,
}


class TestLimited:
    """A download that waits for its limit most of the time."""

    @pytest.mark.parametrize('caller', _CALLERS)
    @each_option
    @each_number
    def test_ends_at_once(
        self,
        remote: control.Remote,
        connections: int | str,
        option: str,
        caller: str,
    ) -> None:
        """Whoever ends it does not wait for the limit, and leaves nothing."""
        processes.run_function(_CALLERS[caller], remote, connections, option)


def _expire(
    remote: control.Remote, connections: int | str, script: dict[str, Any]
) -> None:
    image_id = images.new_id()
    remote.show(image_id, seed=1, size=images.LARGE, **script)
    before = resources.now()
    log = observed.Log()
    with actions.connected(remote) as conn, log.attached():
        began = time.monotonic()
        response = conn.image.download_image(
            image_id,
            stream=True,
            connections=connections,
            timeout=actions.SILENCE,
            deadline=2,
        )
        reader = actions.Reader(response)
        reader.run()
        took = time.monotonic() - began
        response = None
    error = reader.error
    assert isinstance(error, exceptions.InterruptedDownloadError), repr(error)
    assert error.reason == 'the deadline of 2 s has passed', error
    assert took < 2 + actions.AT_ONCE, f'{took:.1f} s'
    actions.assert_nothing_left(before)


_SCRIPTS: dict[str, dict[str, Any]] = {
    'receiving': {'always': {'throttle': [64 * 1024, 0.1]}},
    'silent': {'always': {'silent_after': 4 * MIB}},
    'waiting_to_retry': {
        'changes': [{'cut_after': 4 * MIB + 1}],
        'always': {'status': 503, 'headers': {'Retry-After': '30'}},
    },
    'reconnecting': {
        'changes': [{'cut_after': 4 * MIB + 1}],
        'always': {'silent_after': -1},
    },
}


class TestDeadline:
    """A download whose deadline passes."""

    @pytest.mark.parametrize('state', _SCRIPTS)
    @each_number
    def test_ends_whatever_it_waits_for(
        self, remote: control.Remote, connections: int | str, state: str
    ) -> None:
        """The reader is told why, and nothing is left."""
        processes.run_function(_expire, remote, connections, _SCRIPTS[state])
