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

"""Services that serve little at a time, and what is left of a download."""

import os
import signal
import threading
import time

from openstack import exceptions as sdk_exceptions
import pytest

from openstack_image_stream import exceptions
from tests.callers import actions
from tests import processes
from tests.servers import control
from tests.servers import images

MIB = 1024 * 1024

#: How a download of some three seconds is sent.
_SLOWLY = {'throttle': [256 * 1024, 0.02]}


def _download_one_at_a_time(remote: control.Remote, mode: str) -> None:
    image_id = images.new_id()
    remote.show(image_id, seed=1, size=images.LARGE, always=_SLOWLY, workers=1)
    began = time.monotonic()
    with actions.temporary() as directory, actions.connected(remote) as conn:
        content = actions.download(
            conn,
            image_id,
            mode,
            directory,
            connections='auto',
            timeout=actions.SILENCE / 2,
        )
    assert content == images.data(1, images.LARGE)
    took = time.monotonic() - began
    # A busy machine may take several times what it is paced for.
    assert took < actions.SILENCE / 3, f'it took {took:.1f} s'


class TestOneAtATime:
    """A service with one worker leaves a second request without a response."""

    @pytest.mark.parametrize(
        'mode',
        [
            pytest.param('stream', marks=pytest.mark.every),
            pytest.param('memory', marks=pytest.mark.every),
            'path',
            pytest.param('file', marks=pytest.mark.every),
        ],
    )
    def test_auto_does_not_stand_still(
        self, remote: control.Remote, mode: str
    ) -> None:
        """The first connection keeps receiving while another one waits."""
        processes.run_function(_download_one_at_a_time, remote, mode)


def _end_early(remote: control.Remote) -> None:
    """End a download of which 8 + 8 + 4 MiB have come from the start."""
    image_id = images.new_id()
    remote.show(
        image_id,
        seed=1,
        size=images.LARGE,
        # Of the third part half, and of the others nothing.
        parts={
            '0': {},
            str(8 * MIB): {},
            str(16 * MIB): {'hold_after': 4 * MIB},
        },
        beyond={'silent_after': -1},
    )

    def handler(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, handler)
    with actions.temporary() as directory, actions.connected(remote) as conn:
        partial = os.path.join(directory, f'image.{image_id}.part')
        conn.image  # noqa: B018 - discovery is not the package's

        def strike() -> None:
            remote.wait_until_asked(image_id, 4)
            # What arrives has to be written; that is what is looked at.
            until = time.monotonic() + actions.AT_ONCE
            while time.monotonic() < until and (
                not os.path.exists(partial)
                or os.path.getsize(partial) < 19 * MIB
            ):
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGALRM)

        striker = threading.Thread(target=strike)
        striker.start()
        with pytest.raises(KeyboardInterrupt):
            actions.download(
                conn,
                image_id,
                'path',
                directory,
                connections=4,
                timeout=actions.SILENCE,
            )
        striker.join()
        kept = os.path.getsize(partial)
        with open(partial, 'rb') as file:
            content = file.read()
        assert content == images.data(1, images.LARGE)[:kept]
        assert kept >= 18 * MIB, f'{kept / MIB:.1f} MiB were kept of 20'


def _fail_early(remote: control.Remote) -> None:
    """Have the second part fail for good while the first one is complete."""
    image_id = images.new_id()
    remote.show(
        image_id,
        seed=1,
        size=images.LARGE,
        parts={
            '0': {},
            str(8 * MIB): {'cut_after': 4 * MIB},
            str(12 * MIB): {'status': 403},
        },
        # A later part that fails sooner would end it before all has come.
        beyond={'silent_after': -1},
    )
    with actions.temporary() as directory, actions.connected(remote) as conn:
        partial = os.path.join(directory, f'image.{image_id}.part')
        thread = actions.Downloader(
            conn, image_id, 'path', directory, connections=2, retries=2
        )
        thread.start()
        with pytest.raises(sdk_exceptions.SDKException) as caught:
            thread.result()
        assert not isinstance(caught.value, exceptions.ChecksumMismatchError)
        kept = os.path.getsize(partial)
        assert kept >= 11 * MIB, f'{kept / MIB:.1f} MiB were kept of 12'


class TestEndsEarly:
    """A download over several connections ends before its time."""

    def test_what_has_come_is_kept(self, remote: control.Remote) -> None:
        """All from the start on is in the partial file, to a fraction."""
        processes.run_function(_end_early, remote)

    def test_failure_keeps_what_has_come(self, remote: control.Remote) -> None:
        """The same holds where a part cannot be had."""
        processes.run_function(_fail_early, remote)


def _watch_front(remote: control.Remote) -> None:
    image_id = images.new_id()
    remote.show(
        image_id, seed=1, size=images.LARGE, always={'hold_after': 6 * MIB}
    )
    with actions.temporary() as directory, actions.connected(remote) as conn:
        partial = os.path.join(directory, f'image.{image_id}.part')
        thread = actions.Downloader(
            conn, image_id, 'path', directory, connections=4
        )
        thread.start()
        processes.wait_for(
            lambda: (
                os.path.exists(partial) and os.path.getsize(partial) >= 5 * MIB
            ),
            'the front of the image is not written as it arrives',
        )
        remote.release(image_id)
        assert thread.result() == images.data(1, images.LARGE)


class TestFront:
    """Several connections, none of which has a whole part yet."""

    def test_is_written_as_it_arrives(self, remote: control.Remote) -> None:
        """A killed process loses little of what has arrived."""
        processes.run_function(_watch_front, remote)
