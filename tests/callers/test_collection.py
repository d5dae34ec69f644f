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

"""Garbage collections at bad moments: in any thread, under any lock."""

from collections.abc import Iterator
import gc
import logging
import random
import sys
import threading
from typing import Any

import pytest

from tests.callers import actions
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import images

MIB = 1024 * 1024

#: Calls after which a collection is forced, on average, and how often.
_CALLS, _MOST = 40, 400

#: What is called while locks are held: the package, and what it is made of.
_WHERE = (
    'openstack_image_stream',
    'threading.py',
    'queue.py',
    'weakref.py',
    'logging/__init__.py',
    'urllib3',
    'concurrent/futures',
)

each_number = pytest.mark.parametrize(
    'connections',
    [
        pytest.param(1, marks=pytest.mark.every),
        3,
        pytest.param('auto', marks=pytest.mark.every),
    ],
)


class Victims:
    """Responses that only the collector can find, to be found by it.

    :param conn: The connection.
    :param image_id: The image.
    :param connections: Option of the downloads.
    """

    def __init__(self, conn: Any, image_id: str, connections: Any) -> None:
        self._conn = conn
        self._image_id = image_id
        self._connections = connections
        self._kept: list[list[Any]] = []

    def prepare(self, count: int) -> None:
        """Open and begin to read some responses.

        :param count: How many.
        """
        for _ in range(count):
            response = self._conn.image.download_image(
                self._image_id,
                stream=True,
                connections=self._connections,
                timeout=actions.SILENCE,
            )
            response.raw.read(100_000)
            box: list[Any] = [response]
            # A cycle, as a program may have one around it.
            box.append(box)
            self._kept.append(box)

    def drop(self) -> None:
        """Forget one of them, which the next collection finds."""
        if self._kept:
            self._kept.pop()


class Collections:
    """Forces collections in whatever thread calls something.

    A context manager, for threads that are started within it, too.

    :param victims: One of them is dropped before each.
    :param seed: For the moments.
    """

    def __init__(self, victims: Victims, seed: int) -> None:
        self._victims = victims
        self._dice = random.Random(seed)
        self._left = _MOST
        self._busy = threading.local()

    def __enter__(self) -> None:
        threading.setprofile(self._look)
        sys.setprofile(self._look)

    def __exit__(self, *exc_info: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _look(self, frame: Any, event: str, arg: object) -> None:
        if self._left <= 0 or getattr(self._busy, 'now', False):
            return
        name = frame.f_code.co_filename
        if not any(part in name for part in _WHERE):
            return
        if self._dice.random() * _CALLS > 1:
            return
        self._left -= 1
        self._busy.now = True
        try:
            if self._left % 20 == 0:
                self._victims.drop()
            gc.collect()
        finally:
            self._busy.now = False


def _collect_in_any_thread(
    remote: control.Remote,
    mode: str,
    connections: int | str,
    seed: int,
) -> None:
    image_id, victim_id = images.new_id(), images.new_id()
    remote.show(image_id, seed=1, size=images.LARGE)
    remote.show(
        victim_id,
        seed=2,
        size=images.LARGE,
        always={'throttle': [256 * 1024, 0.01]},
    )
    gc.collect()
    gc.freeze()
    before = resources.now()
    with actions.temporary() as directory, actions.connected(remote) as conn:
        victims = Victims(conn, victim_id, connections)
        victims.prepare(_MOST // 20)
        with Collections(victims, seed):
            content = actions.download(
                conn, image_id, mode, directory, connections=connections
            )
        assert content == images.data(1, images.LARGE)
        del victims
        gc.collect()
    actions.assert_nothing_left(before)


class TestCollectedInAnyThread:
    """Forgotten responses are found by a collection in any thread."""

    @pytest.mark.parametrize(
        'mode',
        [
            'stream',
            pytest.param('memory', marks=pytest.mark.every),
            'path',
            pytest.param('file', marks=pytest.mark.every),
        ],
    )
    @each_number
    def test_no_deadlock(
        self,
        remote: control.Remote,
        mode: str,
        connections: int | str,
        every: bool,
    ) -> None:
        """Other downloads end well, whatever locks their threads hold."""
        for seed in range(4 if every else 1):
            processes.run_function(
                _collect_in_any_thread, remote, mode, connections, seed
            )


class _CollectingHandler(logging.Handler):
    def __init__(self, victims: Victims) -> None:
        super().__init__(logging.DEBUG)
        self._victims = victims
        self._left = 30

    def emit(self, record: logging.LogRecord) -> None:
        if self._left:
            self._left -= 1
            self._victims.drop()
            gc.collect()


def _collect_while_logging(
    remote: control.Remote, connections: int | str
) -> None:
    image_id, victim_id = images.new_id(), images.new_id()
    cuts = [{'cut_after': 3 * MIB}, {}, {'cut_after': 2 * MIB}] * 3
    remote.show(image_id, seed=1, size=images.LARGE, changes=cuts)
    remote.show(
        victim_id,
        seed=2,
        size=images.LARGE,
        always={'cut_after': 600_000},
    )
    gc.collect()
    gc.freeze()
    gc.disable()
    before = resources.now()
    logger = logging.getLogger('openstack')
    logger.setLevel(logging.DEBUG)
    with actions.temporary() as directory, actions.connected(remote) as conn:
        victims = Victims(conn, victim_id, connections)
        victims.prepare(10)
        handler = _CollectingHandler(victims)
        logger.addHandler(handler)
        content = actions.download(
            conn, image_id, 'path', directory, connections=connections
        )
        assert content == images.data(1, images.LARGE)
        logger.removeHandler(handler)
        del victims, handler
        gc.collect()
    actions.assert_nothing_left(before)


def _locks() -> Iterator[tuple[str, Any]]:
    handler = logging.getLogger('openstack').handlers[0]
    assert handler.lock is not None
    yield 'handler', handler.lock
    yield 'module', logging._lock  # type: ignore[attr-defined]


def _collect_under_lock(
    remote: control.Remote, connections: int | str, which: str
) -> None:
    victim_id = images.new_id()
    # Each of its threads has something to log all the time.
    remote.show(
        victim_id,
        seed=2,
        size=images.LARGE,
        always={'cut_after': 300_000},
    )
    gc.collect()
    gc.freeze()
    gc.disable()
    before = resources.now()
    logger = logging.getLogger('openstack')
    logger.addHandler(logging.NullHandler())
    taking = logging.StreamHandler(open('/dev/null', 'w'))  # noqa: SIM115
    logger.handlers.insert(0, taking)
    logger.setLevel(logging.DEBUG)
    with actions.connected(remote) as conn:
        victims = Victims(conn, victim_id, connections)
        for _ in range(10):
            victims.prepare(1)
            with dict(_locks())[which]:
                victims.drop()
                gc.collect()
    taking.stream.close()
    logger.handlers.clear()
    actions.assert_nothing_left(before)


class TestCollectedUnderALock:
    """Forgotten responses are found by a collection under a lock."""

    @each_number
    def test_in_a_handler_of_the_log(
        self, remote: control.Remote, connections: int | str
    ) -> None:
        """A logging handler that causes a collection does no harm."""
        processes.run_function(_collect_while_logging, remote, connections)

    @pytest.mark.parametrize('which', ['handler', 'module'])
    @each_number
    def test_under_locks_of_logging(
        self,
        remote: control.Remote,
        connections: int | str,
        which: str,
    ) -> None:
        """It waits for no thread that may wait for the same lock."""
        processes.run_function(_collect_under_lock, remote, connections, which)


def _collect_all_the_time(
    remote: control.Remote, mode: str, connections: int | str
) -> None:
    image_id = images.new_id()
    remote.show(image_id, seed=1, size=images.LARGE)
    gc.collect()
    gc.freeze()
    before = resources.now()
    gc.set_threshold(1, 1, 1)
    with actions.temporary() as directory, actions.connected(remote) as conn:
        for _ in range(5):
            content = actions.download(
                conn, image_id, mode, directory, connections=connections
            )
            assert content == images.data(1, images.LARGE)
    gc.set_threshold(700, 10, 10)
    actions.assert_nothing_left(before)


class TestCollectedAllTheTime:
    """The collector runs at nearly every allocation."""

    @pytest.mark.parametrize('mode', actions.MODES)
    @pytest.mark.parametrize(
        'connections', [pytest.param(1, marks=pytest.mark.every), 3]
    )
    def test_does_no_harm(
        self, remote: control.Remote, mode: str, connections: int
    ) -> None:
        """Every download ends well."""
        processes.run_function(
            _collect_all_the_time, remote, mode, connections
        )
