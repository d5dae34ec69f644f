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

"""Processes that fork while something is downloaded."""

from collections.abc import Callable
import gc
import io
import os
import pathlib
import signal
import threading
import time
from typing import Any

from openstack import exceptions as sdk_exceptions
import pytest

from openstack_image_stream import exceptions
from tests.callers import actions
from tests.callers import forking_program
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import images

MIB = 1024 * 1024

_CONNECTIONS = (1, 3, 'auto')

each_mode = pytest.mark.parametrize('mode', actions.MODES)
each_number = pytest.mark.parametrize('connections', _CONNECTIONS)


def _exit() -> None:
    # As an interpreter does at its end.
    import atexit

    atexit._run_exitfuncs()


def _fork_meanwhile(
    remote: control.Remote,
    mode: str,
    connections: int | str,
    act: str,
    children: int = 1,
) -> None:
    image_id, other = images.new_id(), images.new_id()
    remote.show(
        image_id, seed=1, size=images.LARGE, always={'hold_after': 2 * MIB}
    )
    remote.show(other, seed=2, size=images.LARGE)
    before = resources.now()
    with (
        actions.temporary() as directory,
        actions.connected(remote) as conn,
    ):
        thread = actions.Downloader(
            conn,
            image_id,
            mode,
            directory,
            connections=connections,
            timeout=actions.SILENCE,
        )
        thread.start()
        remote.wait_until_asked(image_id, 3 if connections == 3 else 1)

        def download() -> None:
            target = io.BytesIO()
            conn.image.download_image(
                other, output=target, connections=connections
            )
            assert target.getvalue() == images.data(2, images.LARGE)

        does: dict[str, Callable[[], object]] = {
            'exit': lambda: None,
            'atexit': _exit,
            'collect': gc.collect,
            'download': download,
        }
        for _ in range(children):
            processes.Child(does[act]).wait()
        remote.release(image_id)
        assert thread.result() == images.data(1, images.LARGE)
        actions.assert_asked_once(remote.asked(image_id))
        del thread
    actions.assert_nothing_left(before)


class TestForkedWhileDownloading:
    """A child is forked while another thread of its parent downloads."""

    @each_mode
    @pytest.mark.parametrize(
        'connections',
        [
            pytest.param(1, marks=pytest.mark.every),
            3,
            pytest.param('auto', marks=pytest.mark.every),
        ],
    )
    @pytest.mark.parametrize(
        'act',
        [
            pytest.param('exit', marks=pytest.mark.every),
            'atexit',
            pytest.param('collect', marks=pytest.mark.every),
            pytest.param('download', marks=pytest.mark.every),
        ],
    )
    def test_parent_is_not_disturbed(
        self,
        remote: control.Remote,
        mode: str,
        connections: int | str,
        act: str,
    ) -> None:
        """Its download ends well, without another request."""
        processes.run_function(_fork_meanwhile, remote, mode, connections, act)

    @pytest.mark.parametrize(
        'act', ['collect', pytest.param('download', marks=pytest.mark.every)]
    )
    def test_many_children(self, remote: control.Remote, act: str) -> None:
        """The same holds for many children."""
        processes.run_function(
            _fork_meanwhile, remote, 'path', 3, act, children=20
        )


class TestExit:
    """A whole program, whose child runs to the end of an interpreter."""

    @pytest.mark.parametrize(
        'mode',
        [
            'stream',
            pytest.param('memory', marks=pytest.mark.every),
            'path',
            pytest.param('file', marks=pytest.mark.every),
        ],
    )
    @pytest.mark.parametrize(
        'connections', [pytest.param(1, marks=pytest.mark.every), 3]
    )
    def test_child_leaves_by_the_usual_way(
        self,
        remote: control.Remote,
        mode: str,
        connections: int,
        tmp_path: pathlib.Path,
    ) -> None:
        """Neither the parent nor the child is disturbed."""
        image_id = images.new_id()
        remote.show(
            image_id, seed=1, size=images.LARGE, always={'hold_after': 2 * MIB}
        )
        with processes.Program(
            '-m',
            forking_program.__name__,
            remote.url,
            image_id,
            mode,
            connections,
            tmp_path,
        ) as program:
            status, output, errors = program.end()
        assert status == 0, errors
        assert output.split() == ['child', 'parent']
        actions.assert_asked_once(remote.asked(image_id))


def _use_in_child(
    remote: control.Remote,
    connections: int | str,
    act: str,
    amount: int,
) -> None:
    image_id = images.new_id()
    remote.show(
        image_id, seed=1, size=images.LARGE, always={'hold_after': 3 * MIB}
    )
    before = resources.now()
    with actions.connected(remote) as conn:
        responses = [
            conn.image.download_image(
                image_id,
                stream=True,
                connections=connections,
                timeout=actions.SILENCE,
            )
        ]
        start = responses[0].raw.read(amount)

        def read() -> None:
            began = time.monotonic()
            with pytest.raises(exceptions.ImageStreamError):
                for _ in responses[0].iter_content(MIB):
                    pass
            took = time.monotonic() - began
            assert took < actions.AT_ONCE, f'it took {took:.1f} s'

        def forget() -> None:
            responses.clear()
            gc.collect()

        does: dict[str, Callable[[], object]] = {
            'read': read,
            'close': lambda: responses[0].close(),
            'forget': forget,
        }
        processes.Child(does[act]).wait()
        remote.release(image_id)
        rest = b''.join(responses[0].iter_content(MIB))
        assert start + rest == images.data(1, images.LARGE)
        actions.assert_asked_once(remote.asked(image_id))
        responses.clear()
    actions.assert_nothing_left(before)


class TestResponseOfTheParent:
    """A child uses a response that its parent has opened."""

    @each_number
    @pytest.mark.parametrize('act', ['read', 'close', 'forget'])
    @pytest.mark.parametrize(
        'amount', [pytest.param(0, marks=pytest.mark.every), 2 * MIB]
    )
    def test_is_the_parents_alone(
        self,
        remote: control.Remote,
        connections: int | str,
        act: str,
        amount: int,
    ) -> None:
        """A read fails at once; no use of it disturbs the parent."""
        processes.run_function(_use_in_child, remote, connections, act, amount)


def _resume_with_child(remote: control.Remote, connections: int) -> None:
    image_id = images.new_id()
    script: dict[str, Any] = {'seed': 1, 'size': images.LARGE}
    # What came before the cut is the first part, and more.
    remote.show(
        image_id,
        **script,
        changes=[
            {'hold_after': 6 * MIB},
            {'hold_after': 6 * MIB},
            {'hold_after': 6 * MIB},
        ]
        if connections == 3
        else [{'hold_after': 12 * MIB, 'cut_after': 18 * MIB}],
        always={'status': 403},
    )
    with (
        actions.temporary() as directory,
        actions.connected(remote) as conn,
    ):
        thread = actions.Downloader(
            conn, image_id, 'path', directory, connections=connections
        )
        thread.start()
        partial = os.path.join(directory, f'image.{image_id}.part')
        processes.wait_for(
            lambda: os.path.exists(partial), 'there is no partial file'
        )
        child = processes.Child(signal.pause)
        try:
            remote.release(image_id)
            with pytest.raises(sdk_exceptions.SDKException):
                thread.result()
            kept = os.path.getsize(partial)
            assert kept, 'nothing was kept'
            remote.show(image_id, **script)
            content = actions.download(
                conn, image_id, 'path', directory, connections=connections
            )
            assert content == images.data(1, images.LARGE)
            first = remote.asked(image_id)[0]
            assert first.startswith(f'bytes={kept}-'), first
            assert os.listdir(directory) == ['image']
        finally:
            child.kill()


class TestPartialFile:
    """A child that lives on while its parent downloads again."""

    @pytest.mark.parametrize('connections', [1, 3])
    def test_is_resumed(
        self, remote: control.Remote, connections: int
    ) -> None:
        """The lock of a failed download does not live on in the child."""
        processes.run_function(_resume_with_child, remote, connections)


def _fork_all_the_time(
    remote: control.Remote, mode: str, connections: int
) -> None:
    image_id = images.new_id()
    remote.show(
        image_id,
        seed=1,
        size=images.LARGE,
        always={'throttle': [256 * 1024, 0.01]},
    )
    over = threading.Event()

    with (
        actions.temporary() as directory,
        actions.connected(remote) as conn,
    ):
        thread = actions.Downloader(
            conn, image_id, mode, directory, connections=connections
        )
        thread.start()
        while not over.is_set():
            processes.Child(gc.collect).wait()
            if not thread.is_alive():
                over.set()
        assert thread.result() == images.data(1, images.LARGE)
    actions.assert_asked_once(remote.asked(image_id))


class TestForkedAtAnyMoment:
    """Children are forked one after the other, all the time."""

    @pytest.mark.parametrize('mode', ['stream', 'path'])
    @pytest.mark.parametrize('connections', [1, 3])
    def test_parent_is_not_disturbed(
        self, remote: control.Remote, mode: str, connections: int
    ) -> None:
        """Whatever the threads are doing, the download ends well."""
        processes.run_function(_fork_all_the_time, remote, mode, connections)
