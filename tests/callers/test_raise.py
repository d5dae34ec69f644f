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

"""Exceptions that signal handlers raise into a download."""

from collections.abc import Callable
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

MIB = 1024 * 1024


class Limit(Exception):
    """A time limit that a caller has of its own."""


class HardLimit(BaseException):
    """A time limit that is not to be caught."""


_RAISED: dict[str, type[BaseException]] = {
    'TimeoutError': TimeoutError,
    'OSError': OSError,
    'ValueError': ValueError,
    'KeyboardInterrupt': KeyboardInterrupt,
    'Limit': Limit,
    'HardLimit': HardLimit,
}

#: What the plugin waits for when the exception comes, by how the image is
#: served, and after how many requests for data.
_STATES: dict[str, tuple[dict[str, Any], int]] = {
    'first_response': ({'always': {'silent_after': -1}}, 1),
    'data': ({'always': {'silent_after': 4 * MIB}}, 1),
    'backoff': (
        {
            'changes': [{'cut_after': 4 * MIB + 1}],
            'always': {'status': 503, 'headers': {'Retry-After': '30'}},
        },
        2,
    ),
    'next_response': (
        {
            'changes': [{'cut_after': 4 * MIB + 1}],
            'always': {'silent_after': -1},
        },
        2,
    ),
}


def _raise_into(
    remote: control.Remote,
    mode: str,
    connections: int | str,
    state: str,
    raised_name: str,
) -> None:
    script, requests = _STATES[state]
    image_id = images.new_id()
    remote.show(image_id, seed=1, size=images.LARGE, **script)
    if connections == 3 and state != 'first_response':
        requests += 2
    raiser = observed.Raiser(_RAISED[raised_name])
    signal.signal(signal.SIGALRM, raiser)
    log = observed.Log()

    def strike() -> None:
        remote.wait_until_asked(image_id, requests)
        if state in ('backoff', 'next_response'):
            processes.wait_for(log.warned.is_set, 'there was no retry')
        # Until it waits again. Where it does not, the exception comes a
        # little early, and the test holds as well.
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGALRM)

    with actions.temporary() as directory, log.attached():
        before = resources.now()
        with actions.connected(remote) as conn:
            conn.image  # noqa: B018 - discovery is not the package's
            striker = threading.Thread(target=strike)
            striker.start()
            found: BaseException | None = None
            try:
                actions.download(
                    conn,
                    image_id,
                    mode,
                    directory,
                    connections=connections,
                    timeout=actions.SILENCE,
                )
            except BaseException as exc:
                found = exc
            ended = time.monotonic()
            striker.join()
            logged = log.retries()
            assert raiser.is_behind(found), repr(found)
            assert ended - raiser.at < actions.AT_ONCE
            found = None
            raiser.forget()
            assert all('signal handler' not in line for line in logged), logged
            names = os.listdir(directory)
            assert 'image' not in names, names
        actions.assert_nothing_left(before, directory)


class TestRaisedWhileWaiting:
    """A signal handler raises an exception while the download waits."""

    @pytest.mark.parametrize('state', _STATES)
    @pytest.mark.parametrize(
        ('mode', 'connections', 'raised'),
        [
            pytest.param(
                mode,
                connections,
                raised,
                marks=()
                if (mode, connections, raised)
                in (
                    ('stream', 1, 'TimeoutError'),
                    ('stream', 3, 'Limit'),
                    ('path', 1, 'KeyboardInterrupt'),
                    ('path', 3, 'TimeoutError'),
                    ('memory', 3, 'ValueError'),
                    ('file', 1, 'OSError'),
                )
                else pytest.mark.every,
            )
            for mode in actions.MODES
            for connections in (1, 3, 'auto')
            for raised in _RAISED
        ],
    )
    def test_arrives_as_it_is(
        self,
        remote: control.Remote,
        mode: str,
        connections: int | str,
        state: str,
        raised: str,
    ) -> None:
        """It ends the download at once; nothing is tried again or left."""
        processes.run_function(
            _raise_into, remote, mode, connections, state, raised
        )


def _resume_after(
    remote: control.Remote, connections: int, raised_name: str
) -> None:
    image_id = images.new_id()
    remote.show(
        image_id,
        seed=1,
        size=images.LARGE,
        always={'silent_after': 6 * MIB},
    )
    raised = _RAISED[raised_name]()

    def handler(*_: object) -> None:
        raise raised

    signal.signal(signal.SIGALRM, handler)
    with actions.temporary() as directory, actions.connected(remote) as conn:
        partial = os.path.join(directory, f'image.{image_id}.part')
        conn.image  # noqa: B018 - discovery is not the package's

        def strike() -> None:
            remote.wait_until_asked(image_id, connections)
            processes.wait_for(
                lambda: os.path.exists(partial) and os.path.getsize(partial),
                'nothing was written',
            )
            os.kill(os.getpid(), signal.SIGALRM)

        striker = threading.Thread(target=strike)
        striker.start()
        download: Callable[[], bytes] = lambda: actions.download(  # noqa: E731
            conn, image_id, 'path', directory, connections=connections
        )
        with pytest.raises(type(raised)):
            download()
        striker.join()
        kept = os.path.getsize(partial)
        assert kept
        remote.show(image_id, seed=1, size=images.LARGE)
        assert download() == images.data(1, images.LARGE)
        first = remote.asked(image_id)[0]
        assert first.startswith(f'bytes={kept}-'), (kept, first)
        assert os.listdir(directory) == ['image']


class TestAfterwards:
    """The same download is done again, in the same process."""

    @pytest.mark.parametrize('raised', ['TimeoutError', 'KeyboardInterrupt'])
    @pytest.mark.parametrize('connections', [1, 3])
    def test_is_resumed(
        self, remote: control.Remote, connections: int, raised: str
    ) -> None:
        """No lock of the first one is left."""
        processes.run_function(_resume_after, remote, connections, raised)


def _raise_everywhere(
    remote: control.Remote,
    mode: str,
    connections: int,
    seconds: float,
) -> None:
    image_id = images.new_id()
    remote.show(image_id, seed=1, size=9 * MIB)
    whole = images.data(1, 9 * MIB)
    until = time.monotonic() + seconds
    moment, number = 0.0002, 0
    log = observed.Log()
    with actions.temporary() as directory:
        before = resources.now()
        path = os.path.join(directory, 'image')
        while time.monotonic() < until:
            kind = (TimeoutError, Limit, KeyboardInterrupt)[number % 3]
            with actions.connected(remote) as conn, log.attached():
                conn.image  # noqa: B018 - discovery is not the package's
                raiser = observed.Raiser(kind)
                signal.signal(signal.SIGALRM, raiser)
                error = None
                try:
                    try:
                        signal.setitimer(signal.ITIMER_REAL, moment)
                        actions.download(
                            conn,
                            image_id,
                            mode,
                            directory,
                            connections=connections,
                            resume=False,
                        )
                    finally:
                        signal.setitimer(signal.ITIMER_REAL, 0)
                except BaseException as exc:
                    error = exc
                lost = error is None and raiser.may_be_lost(log.lines)
                assert raiser.is_behind(error) or lost, (
                    f'{error!r} instead of {raiser.error!r}, which was '
                    f'raised at\n{raiser.stack}'
                )
                error = None
                raiser.forget()
            if os.path.exists(path):
                with open(path, 'rb') as file:
                    assert file.read() == whole
                os.unlink(path)
            assert os.listdir(directory) == []
            number += 1
            moment = (moment * 1.07) if moment < 0.2 else 0.0002
        actions.assert_nothing_left(before, directory)


class TestRaisedAtAnyMoment:
    """A timer goes off ever later, from the first lines to the last ones."""

    @pytest.mark.parametrize(
        ('mode', 'connections'),
        [
            ('path', 1),
            ('path', 3),
            ('stream', 3),
            pytest.param('stream', 1, marks=pytest.mark.every),
            pytest.param('memory', 1, marks=pytest.mark.every),
            pytest.param('memory', 3, marks=pytest.mark.every),
            pytest.param('file', 1, marks=pytest.mark.every),
            pytest.param('file', 3, marks=pytest.mark.every),
        ],
    )
    def test_arrives_as_it_is(
        self,
        remote: control.Remote,
        mode: str,
        connections: int,
        every: bool,
    ) -> None:
        """It ends the download, and nothing is left."""
        processes.run_function(
            _raise_everywhere, remote, mode, connections, 15 if every else 3
        )
