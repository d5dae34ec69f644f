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

"""What callers do to an image that is open as a file."""

import contextlib
import gc
import signal
import threading
from typing import Any
from unittest import mock
import weakref

import pytest
import urllib3.util.connection

from openstack_image_stream import exceptions
from tests.callers import actions
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import images

MIB = 1024 * 1024

#: What the plugin is doing while the second block is read.
_STATES: dict[str, dict[str, Any]] = {
    'receiving': {'beyond': {'throttle': [64 * 1024, 0.1]}},
    'silent': {'beyond': {'silent_after': MIB // 2}},
    'no_response': {'beyond': {'silent_after': -1}},
    'closing': {'always': {'framing': 'close'}},
    'lost': {'beyond': {'cut_after': 100}},
    'waiting_to_retry': {
        'beyond': {'status': 503, 'headers': {'Retry-After': '30'}}
    },
}

each_state = pytest.mark.parametrize(
    'state', [name for name in _STATES if name not in ('closing', 'lost')]
)


def _show(remote: control.Remote, state: str | None = None) -> str:
    """Have an image; returns its ID."""
    image_id = images.new_id()
    script = _STATES[state] if state else {}
    remote.show(image_id, seed=1, size=images.LARGE, **script)
    return image_id


class _Reading(threading.Thread):
    """Reads a file behind its first block."""

    def __init__(self, file: Any) -> None:
        super().__init__(daemon=True, name='reader')
        self._file = file
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._file.seek(20 * MIB)
            self._file.read(4)
            self._file.read()
        except BaseException as exc:
            self.error = exc.with_traceback(None)
        self._file = None


def _close(remote: control.Remote, state: str) -> None:
    image_id = _show(remote, state)
    before = resources.now()
    with actions.connected(remote) as conn:
        file = conn.image.open_image(
            image_id, verified=False, timeout=actions.SILENCE
        )
        thread = _Reading(file)
        thread.start()
        remote.wait_until_asked(image_id, 2)
        file.close()
        thread.join(actions.AT_ONCE)
        assert not thread.is_alive(), 'the reader still waits'
        # It may not have begun to wait.
        assert isinstance(thread.error, ValueError), repr(thread.error)
        assert file.closed
        del file, thread
        actions.assert_nothing_left_but(before, 1)
    actions.assert_nothing_left(before)


def _close_in_handler(remote: control.Remote, state: str) -> None:
    image_id = _show(remote, state)
    with actions.connected(remote) as conn:
        file = conn.image.open_image(
            image_id, verified=False, timeout=actions.SILENCE
        )
        file.seek(20 * MIB)

        def kick() -> None:
            remote.wait_until_asked(image_id, 2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

        signal.signal(signal.SIGUSR1, lambda *_: file.close())
        thread = threading.Thread(target=kick)
        thread.start()
        with pytest.raises(exceptions.DownloadClosedError):
            file.read()
        thread.join()
        assert file.closed


def _forget(remote: control.Remote, how: str) -> None:
    image_id = _show(remote, 'lost' if how == 'failed' else None)
    gc.collect()
    gc.disable()
    before = resources.now()
    with actions.connected(remote) as conn:
        file = conn.image.open_image(
            image_id, verified=how == 'verified', retries=0
        )
        file.seek(20 * MIB)
        if how == 'failed':
            # What is raised refers to the frames that read.
            with contextlib.suppress(exceptions.InterruptedDownloadError):
                file.read()
                raise AssertionError('nothing was raised')
        else:
            file.read(5)
        raw = weakref.ref(file.raw)
        del file
        assert raw() is None
        actions.assert_nothing_left_but(before, 1)
    actions.assert_nothing_left(before)


def _close_while_connecting(remote: control.Remote) -> None:
    image_id = _show(remote, 'closing')
    arrived, leave = threading.Event(), threading.Event()

    def connect(*args: Any, **kwargs: Any) -> Any:
        # A name that is looked up cannot be interrupted.
        arrived.set()
        leave.wait()
        raise OSError('no connection')

    with actions.connected(remote) as conn:
        file = conn.image.open_image(
            image_id, verified=False, timeout=actions.SILENCE
        )
        with mock.patch.object(
            urllib3.util.connection, 'create_connection', connect
        ):
            thread = _Reading(file)
            thread.start()
            assert arrived.wait(actions.AT_ONCE)
            file.close()
            thread.join(actions.AT_ONCE)
            assert not thread.is_alive(), 'the reader still waits'
            leave.set()
        assert isinstance(thread.error, exceptions.DownloadClosedError)


class TestClose:
    """A file is closed while another thread reads, or this one."""

    @each_state
    def test_by_another_thread(
        self, remote: control.Remote, state: str
    ) -> None:
        """The reader ends within a second, and nothing is left."""
        processes.run_function(_close, remote, state)

    def test_while_it_connects(self, remote: control.Remote) -> None:
        """The reader ends, also where nothing can be shut down."""
        processes.run_function(_close_while_connecting, remote)

    @each_state
    def test_by_a_signal_handler(
        self, remote: control.Remote, state: str
    ) -> None:
        """The read that was interrupted raises."""
        processes.run_function(_close_in_handler, remote, state)


class TestForgotten:
    """A file is dropped, and the collector does not run."""

    @pytest.mark.parametrize('how', ['verified', 'unverified', 'failed'])
    def test_leaves_nothing(self, remote: control.Remote, how: str) -> None:
        """Descriptors, sockets and threads go with the last name."""
        processes.run_function(_forget, remote, how)


def _interrupt(remote: control.Remote) -> None:
    image_id = _show(remote, 'receiving')
    before = resources.now()
    with actions.connected(remote) as conn:
        file = conn.image.open_image(image_id, verified=False)
        file.seek(20 * MIB)

        def kick() -> None:
            remote.wait_until_asked(image_id, 2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        thread = threading.Thread(target=kick)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            file.read()
        thread.join()
        with pytest.raises(exceptions.ReadError, match='seek to'):
            file.read(1)
        file.seek(5)
        assert file.read(9) == images.data(1, images.LARGE)[5:14]
        file.close()
        del file
        actions.assert_nothing_left_but(before, 1)


class TestInterrupted:
    """Ctrl-C while a file is read."""

    def test_can_be_read_later(self, remote: control.Remote) -> None:
        """The read ends at once, the next one needs a seek()."""
        processes.run_function(_interrupt, remote)


def _fork(remote: control.Remote) -> None:
    image_id = _show(remote)
    with (
        actions.connected(remote) as conn,
        conn.image.open_image(image_id, verified=False) as file,
    ):

        def child() -> None:
            with pytest.raises(exceptions.ReadError, match='forked child'):
                file.read(9)
            file.close()
            with conn.image.open_image(image_id, verified=False) as other:
                assert other.read(9) == images.data(1, images.LARGE)[:9]

        processes.Child(child).wait()
        assert file.read() == images.data(1, images.LARGE)
    actions.assert_asked_once(
        [each for each in remote.asked(image_id) if each != 'bytes=0-1048575']
    )


class TestForked:
    """A child is forked while a file is open."""

    def test_opens_the_image_itself(self, remote: control.Remote) -> None:
        """It cannot read its parent's, which is not disturbed."""
        processes.run_function(_fork, remote)


def _read_at(remote: control.Remote) -> None:
    image_id = _show(remote)
    data = images.data(1, images.LARGE)
    errors: list[BaseException] = []
    with (
        actions.connected(remote) as conn,
        conn.image.open_image(
            image_id, verified=False, block_size=64 * 1024
        ) as file,
    ):

        def read() -> None:
            try:
                for _ in range(300):
                    assert file.read(999) in data
                    file.seek(0)
            except BaseException as exc:
                errors.append(exc)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors, errors


class TestThreads:
    """Several threads read one file."""

    def test_each_read_is_of_the_image(self, remote: control.Remote) -> None:
        """They share the position, and nothing is mixed."""
        processes.run_function(_read_at, remote)
