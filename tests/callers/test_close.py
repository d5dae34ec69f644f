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

"""Responses that are closed while they are read."""

import contextlib
import gc
import os
import signal
import threading
import time
from typing import Any

import pytest

from tests.callers import actions
from tests.callers import observed
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import images
from tests import ways

MIB = 1024 * 1024

#: What the plugin is doing at the time, by how the image is served. A cut is
#: at another byte than a part's end.
_STATES: dict[str, dict[str, Any]] = {
    'receiving': {'always': {'throttle': [256 * 1024, 0.1]}},
    'silent': {'always': {'silent_after': 4 * MIB}},
    'later_parts_silent': {'beyond': {'silent_after': MIB}},
    'waiting_to_retry': {
        'changes': [{'cut_after': 4 * MIB + 1}],
        'always': {'status': 503, 'headers': {'Retry-After': '30'}},
    },
    'reconnecting': {
        'changes': [{'cut_after': 4 * MIB + 1}],
        'always': {'silent_after': -1},
    },
}

_CONNECTIONS = (1, 3, 'auto')

each_number = pytest.mark.parametrize('connections', _CONNECTIONS)
each_state = pytest.mark.parametrize(
    ('connections', 'state'),
    [
        (connections, state)
        for connections in _CONNECTIONS
        for state in _STATES
        # There may be no later parts.
        if connections == 3 or state != 'later_parts_silent'
    ],
)


class Closing:
    """A response of which something was read, ready to be closed.

    A context manager, which sees that nothing is left.

    :param remote: The service.
    :param state: What the plugin shall be doing.
    :param connections: Option of the download.
    :param options: Further options.
    """

    def __init__(
        self,
        remote: control.Remote,
        state: str,
        connections: int | str,
        **options: Any,
    ) -> None:
        self._remote = remote
        self._state = state
        self._options = {
            'timeout': actions.SILENCE,
            'connections': connections,
            **options,
        }
        self.image_id = images.new_id()
        self.log = observed.Log()
        self.response: Any = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> 'Closing':
        self._before = resources.now()
        self._remote.show(
            self.image_id,
            seed=1,
            size=images.LARGE,
            **_STATES[self._state],
        )
        conn = self._stack.enter_context(actions.connected(self._remote))
        self._stack.enter_context(self.log.attached())
        self.response = conn.image.download_image(
            self.image_id, stream=True, **self._options
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.response = None
        self._stack.close()
        if exc_info[0] is None:
            actions.assert_nothing_left(self._before)

    def wait(self, reader: actions.Reader) -> None:
        """Wait until the plugin does what it shall be doing.

        :param reader: Who reads the response.
        """
        if self._state in ('waiting_to_retry', 'reconnecting'):
            processes.wait_for(self.log.warned.is_set, 'there was no retry')
            several = self._options['connections'] == 3
            self._remote.wait_until_asked(self.image_id, 4 if several else 2)
            self._settle()
        elif reader.how == 'iter_content':
            processes.wait_for(lambda: reader.count >= MIB, 'nothing was read')

    def _settle(self) -> None:
        # Each connection that is to be tried again says so.
        seen = -1
        while seen != len(self.log.lines):
            seen = len(self.log.lines)
            time.sleep(0.3)

    def check(self, error: BaseException | None, logged: list[str]) -> None:
        """See that the reader was told, and nothing was tried again.

        :param error: What the reader got.
        :param logged: What told of a retry before.
        """
        actions.assert_closed(error)
        assert self.log.retries() == logged, 'a retry after the close'


def _close_elsewhere(
    remote: control.Remote,
    state: str,
    connections: int | str,
    how: str = 'iter_content',
    times: int = 1,
) -> None:
    with Closing(remote, state, connections) as closing:
        reader = actions.Reader(closing.response, how)
        reader.start()
        closing.wait(reader)
        logged = closing.log.retries()
        closers = [
            threading.Thread(target=closing.response.close, daemon=True)
            for _ in range(times)
        ]
        for closer in closers:
            closer.start()
        error = reader.result()
        for closer in closers:
            closer.join(actions.AT_ONCE)
            assert not closer.is_alive(), 'close() still waits'
        closing.check(error, logged)


class TestClosedByAnotherThread:
    """``close()`` while another thread reads."""

    @each_state
    def test_reader_is_told_at_once(
        self,
        remote: control.Remote,
        connections: int | str,
        state: str,
    ) -> None:
        """The reader gets an error that says so, whatever it waits for."""
        processes.run_function(_close_elsewhere, remote, state, connections)

    @pytest.mark.parametrize('how', sorted(ways.READS))
    @pytest.mark.parametrize(
        'connections', [1, pytest.param(3, marks=pytest.mark.every)]
    )
    def test_however_it_reads(
        self, remote: control.Remote, connections: int, how: str
    ) -> None:
        """It is the same for each way to read."""
        processes.run_function(
            _close_elsewhere, remote, 'silent', connections, how
        )

    @each_number
    def test_several_at_a_time(
        self, remote: control.Remote, connections: int | str
    ) -> None:
        """Threads may close the same response at the same time."""
        processes.run_function(
            _close_elsewhere, remote, 'receiving', connections, times=8
        )


def _close_and_read_on(
    remote: control.Remote, connections: int | str, how: str
) -> None:
    with Closing(remote, 'receiving', connections) as closing:
        chunks = actions.read(closing.response, how)
        if how not in ('content', 'readall'):
            next(iter(chunks))
        closing.response.close()
        closing.response.close()
        error = None
        try:
            for _ in chunks:
                pass
        except Exception as exc:
            error = exc.with_traceback(None)
        del chunks
        if how != 'content':
            # That of requests does not look at the body again.
            actions.assert_closed(error)


class TestReadAfterClose:
    """A read that begins when the response is closed already."""

    @pytest.mark.parametrize('how', ['iter_content', 'read', 'readinto'])
    @each_number
    def test_says_that_it_is_closed(
        self,
        remote: control.Remote,
        connections: int | str,
        how: str,
    ) -> None:
        """It raises what a read that was under way raises."""
        processes.run_function(_close_and_read_on, remote, connections, how)


def _close_in_progress(remote: control.Remote, connections: int | str) -> None:
    responses: list[Any] = []

    def progress(seen: Any) -> None:
        if responses and seen.done > 2 * MIB:
            responses.pop().close()

    with Closing(
        remote, 'receiving', connections, progress=progress
    ) as closing:
        responses.append(closing.response)
        reader = actions.Reader(closing.response)
        # In this thread, as most do.
        reader.run()
        closing.check(reader.error, [])


def _close_in_handler(
    remote: control.Remote, state: str, connections: int | str
) -> None:
    with Closing(remote, state, connections) as closing:
        closed_at = 0.0

        def handler(*_: object) -> None:
            nonlocal closed_at
            closed_at = time.monotonic()
            closing.response.close()

        signal.signal(signal.SIGUSR2, handler)
        reader = actions.Reader(closing.response)

        def strike() -> None:
            with contextlib.suppress(AssertionError):
                closing.wait(reader)
            os.kill(os.getpid(), signal.SIGUSR2)

        striker = threading.Thread(target=strike)
        striker.start()
        reader.run()
        took = time.monotonic() - closed_at
        striker.join()
        closing.check(reader.error, closing.log.retries())
        assert took < actions.AT_ONCE, f'told after {took:.1f} s'
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)


class TestClosedByTheReadingThread:
    """``close()`` from within a read."""

    @each_number
    def test_in_a_progress_function(
        self, remote: control.Remote, connections: int | str
    ) -> None:
        """The read ends with the error that says so."""
        processes.run_function(_close_in_progress, remote, connections)

    @each_state
    def test_in_a_signal_handler(
        self,
        remote: control.Remote,
        connections: int | str,
        state: str,
    ) -> None:
        """The read that the signal interrupted ends with that error."""
        processes.run_function(_close_in_handler, remote, state, connections)


class _Closer:
    def __init__(self, response: Any) -> None:
        self._response = response
        self._itself = self

    def __del__(self) -> None:
        self._response.close()


def _close_in_finalizer(
    remote: control.Remote, state: str, connections: int | str
) -> None:
    gc.disable()
    with Closing(remote, state, connections) as closing:
        reader = actions.Reader(closing.response)
        reader.start()
        closing.wait(reader)
        _Closer(closing.response)
        gc.collect()
        actions.assert_closed(reader.result())


class TestClosedByAFinalizer:
    """``close()`` in the finalizer of an object of the caller's."""

    @pytest.mark.parametrize('state', ['receiving', 'silent'])
    @each_number
    def test_reader_is_told_at_once(
        self,
        remote: control.Remote,
        connections: int | str,
        state: str,
    ) -> None:
        """The reader gets the error that says so."""
        processes.run_function(_close_in_finalizer, remote, state, connections)
