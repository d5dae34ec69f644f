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

"""A program of eventlet or gevent that downloads; prints what is wrong."""

import contextlib
import itertools
import sys
import threading
import time
from typing import Any

from tests.callers import green_threads

MIB = 1024 * 1024

#: Modes and numbers of connections.
_ALL = list(
    itertools.product(('stream', 'memory', 'path', 'file'), (1, 3, 'auto'))
)

#: Some of them.
_SOME = [
    ('stream', 1),
    ('stream', 3),
    ('memory', 'auto'),
    ('path', 3),
    ('file', 1),
]


class Program:
    """Downloads in every mode.

    :param remote: The service.
    """

    def __init__(self, remote: Any) -> None:
        from tests.callers import actions
        from tests import processes
        from tests import resources
        from tests.servers import images

        self._remote = remote
        self._actions, self._processes = actions, processes
        self._resources = resources
        self._images = images
        #: Seconds of a download that the server slows down.
        self._slowly = {'throttle': [MIB, 0.01]}

    def download(self, mode: str, connections: Any, **script: Any) -> bytes:
        """Download an image.

        :param mode: The mode.
        :param connections: Option of the download.
        :param script: How it is served.
        """
        image_id = self._images.new_id()
        self._remote.show(image_id, seed=1, size=self._images.LARGE, **script)
        with (
            self._actions.temporary() as directory,
            self._actions.connected(self._remote) as conn,
        ):
            content: bytes = self._actions.download(
                conn,
                image_id,
                mode,
                directory,
                connections=connections,
                timeout=self._actions.SILENCE,
            )
            return content

    def is_right(self, content: bytes) -> bool:
        """Tell whether the bytes are those of the image."""
        return content == self._images.data(1, self._images.LARGE)

    def whole(self, mode: str, connections: Any) -> str | None:
        """Download it whole."""
        if not self.is_right(self.download(mode, connections)):
            return 'the bytes are wrong'
        return None

    def mismatch(self, mode: str, connections: Any) -> str | None:
        """Download an image that is not what it is said to be."""
        from openstack_image_stream import exceptions

        metadata = {'os_hash_value': '0' * 128}
        try:
            self.download(mode, connections, metadata=metadata)
        except exceptions.ChecksumMismatchError:
            return None
        return 'the mismatch was not found'

    def limit(self, mode: str, connections: Any) -> str | None:
        """Have a time limit end it."""
        limit = green_threads.time_limit(0.4)
        try:
            with limit:
                self.download(
                    mode, connections, always={'silent_after': 3 * MIB}
                )
        except BaseException as exc:
            if exc is not limit:
                raise
            exc.__traceback__ = exc.__context__ = None
            return None
        return 'the time limit did not arrive'

    def ticks(self, mode: str, connections: Any) -> str | None:
        """Have another green thread run meanwhile."""
        count = 0
        over = False

        def tick() -> None:
            nonlocal count
            while not over:
                time.sleep(0.01)
                count += 1

        thread = threading.Thread(target=tick)
        thread.start()
        try:
            content = self.download(mode, connections, always=self._slowly)
            seen = count
        finally:
            over = True
            thread.join()
        if not self.is_right(content):
            return 'the bytes are wrong'
        return None if seen > 5 else f'the other thread ran {seen} times'

    def close(self, mode: str, connections: Any) -> str | None:
        """Close it in another green thread."""
        if mode != 'stream':
            return None
        image_id = self._images.new_id()
        self._remote.show(
            image_id,
            seed=1,
            size=self._images.LARGE,
            always={'silent_after': 3 * MIB},
        )
        with self._actions.connected(self._remote) as conn:
            response = conn.image.download_image(
                image_id,
                stream=True,
                connections=connections,
                timeout=self._actions.SILENCE,
            )
            reader = self._actions.Reader(response)
            reader.start()
            self._processes.wait_for(lambda: reader.count >= MIB, 'not read')
            response.close()
            self._actions.assert_closed(reader.result())
        return None

    def run(self, what: str, how: list[Any]) -> None:
        """Do one thing in several modes, and print what is wrong.

        :param what: Name of a method.
        :param how: The modes and numbers of connections.
        """
        # What is made once is there by then.
        with contextlib.suppress(Exception):
            self.download('memory', 3)
        for mode, connections in how:
            before = self._resources.now()
            greenlets = green_threads.count()
            try:
                words = getattr(self, what)(mode, connections)
            except BaseException as exc:
                import traceback

                words = ''.join(traceback.format_exception(exc))
            if words:
                print(f'{mode}, {connections}: {words}')
            left: Any = self._resources.left(before)
            if left or green_threads.wait_for(greenlets) > greenlets:
                alive = green_threads.count()
                print(f'{mode}, {connections}: left {left}, {alive}')


def main(
    library: str, what: str, how: str, url: str, certificate: str
) -> None:
    """Run.

    :param library: ``eventlet`` or ``gevent``.
    :param what: Name of a method of :class:`Program`.
    :param how: ``all`` for every mode, or ``some``.
    :param url: Where the service is.
    :param certificate: Its certificate, where it speaks TLS.
    """
    green_threads.patch(library)
    import faulthandler

    from tests.servers import control
    from tests import uncaught

    faulthandler.dump_traceback_later(100, exit=True)
    uncaught.FOUND.listen()
    Program(control.Remote(url, certificate or None)).run(
        what, _ALL if how == 'all' else _SOME
    )
    for text in uncaught.FOUND.texts:
        print(f'raised where nothing can catch it:\n{text}')
    print('ended')
    sys.stdout.flush()


if __name__ == '__main__':
    main(*sys.argv[1:])
