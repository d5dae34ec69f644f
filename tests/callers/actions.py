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

"""What a caller does: connect, download in each mode, read in each way."""

from collections.abc import Iterator, Sequence
import contextlib
import itertools
import re
import shutil
import tempfile
import threading
from typing import Any

from openstack_image_stream import exceptions
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import scripted
from tests import ways

MIB = 1024 * 1024

#: The modes of a download.
MODES = tuple(ways.MODES)

#: Seconds within which something that happens at once has happened, on a
#: machine that is busy.
AT_ONCE = 5.0

#: Seconds that a client waits for a silent server. Nothing may take as long
#: that is to happen at once.
SILENCE = 60.0


def connect(remote: control.Remote, **settings: Any) -> Any:
    """Connect to a service, with the plugin.

    :param remote: Its remote control.
    :param settings: Settings of the cloud; ``None`` leaves one out.
    :returns: A connection; its caller closes it with :func:`connected`'s end,
        or with its own :meth:`close`.
    """
    if remote.certificate:
        settings = {'cacert': remote.certificate, **settings}
    return scripted.connect(remote.url, **{**scripted.PLUGIN, **settings})


@contextlib.contextmanager
def connected(remote: control.Remote, **settings: Any) -> Iterator[Any]:
    """Connect for some time; afterwards nothing waits in its pools.

    :param remote: The remote control of the service.
    :param settings: Settings of the cloud.
    """
    conn = connect(remote, **settings)
    try:
        yield conn
    finally:
        with contextlib.closing(conn):
            _close_pools(conn)
        scripted.forget_connections()


def _close_pools(conn: Any) -> None:
    # Not by their own methods: an exception of a signal handler may have
    # left the lock of such a queue locked, which is Python's own weakness.
    adapter: Any
    for adapter in conn.session.session.adapters.values():
        pools = adapter.poolmanager.pools
        for key in list(pools.keys()):
            queue = pools[key].pool
            for connection in list(queue.queue) if queue else []:
                if connection is not None:
                    connection.close()


def download(
    conn: Any, image_id: str, mode: str, directory: str, **options: Any
) -> bytes:
    """Download an image whole.

    :param conn: The connection.
    :param image_id: ID of the image.
    :param mode: One of :data:`MODES`.
    :param directory: Where a file may be.
    :param options: Options of the download.
    :returns: The bytes of the image.
    """
    way = ways.MODES[mode](directory, MIB)
    with contextlib.closing(way):
        return way.download(conn, image_id, **options)


@contextlib.contextmanager
def temporary() -> Iterator[str]:
    """Make a directory for some time; a context manager."""
    # Those of tempfile are removed at exit, also at that of a forked child.
    directory = tempfile.mkdtemp(prefix='callers-')
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


class Reader(threading.Thread):
    """Reads a response to its end.

    :param response: The response.
    :param how: One of :data:`tests.ways.READS`.
    """

    def __init__(self, response: Any, how: str = 'iter_content') -> None:
        super().__init__(daemon=True, name='reader')
        self._response: Any = response
        #: How it reads.
        self.how = how
        self.error: BaseException | None = None
        #: Bytes that were read.
        self.count = 0

    def run(self) -> None:
        """Read, and note how it ends."""
        try:
            for chunk in read(self._response, self.how):
                self.count += len(chunk)
        except BaseException as exc:
            # Its traceback holds what was being read.
            self.error = exc.with_traceback(None)
        self._response = None

    def result(self) -> BaseException | None:
        """Wait for the end, which has to come at once.

        :returns: The error that it ended in.
        """
        self.join(AT_ONCE)
        assert not self.is_alive(), 'the reader still waits'
        return self.error


class Downloader(threading.Thread):
    """Downloads an image whole; takes what :func:`download` takes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(daemon=True, name='downloader')
        self._call: tuple[Any, Any] | None = args, kwargs
        self.content: bytes | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Download, and note how it ends."""
        assert self._call is not None
        args, kwargs = self._call
        self._call = None
        try:
            self.content = download(*args, **kwargs)
        except BaseException as exc:
            self.error = exc.with_traceback(None)

    def result(self) -> bytes:
        """Wait for the end, and return the bytes of the image."""
        self.join(SILENCE / 2)
        assert not self.is_alive(), 'the download does not end'
        if self.error is not None:
            raise self.error
        assert self.content is not None
        return self.content


def assert_nothing_left(
    before: resources.Resources, *directories: str
) -> None:
    """Fail if a download has left anything.

    :param before: What was held before.
    :param directories: Where no file may be locked.
    """
    found = resources.left(before, directories)
    assert not found, f'something is left: {found}'


def assert_closed(error: BaseException | None) -> None:
    """Fail if an error is not the one about a download that was closed.

    :param error: The error.
    """
    assert isinstance(error, exceptions.ImageStreamError), repr(error)
    assert not isinstance(error, exceptions.ChecksumMismatchError), error
    assert 'closed' in str(error), error


def read(response: Any, how: str) -> Any:
    """Read a response to its end, and yield its bytes.

    :param response: The response.
    :param how: One of :data:`tests.ways.READS`.
    """
    return ways.READS[how](response, MIB)


def assert_nothing_left_but(before: resources.Resources, sockets: int) -> None:
    """Fail if a download has left more than idle connections.

    :param before: What was held before.
    :param sockets: How many the pools of the caller's session may keep.
    """
    found: dict[str, list[str]] = {}

    def let_go() -> bool:
        nonlocal found
        found = resources.left(before, wait=0)
        if len(found.get('sockets', ())) <= sockets:
            found.pop('sockets', None)
        return not found

    with contextlib.suppress(AssertionError):
        processes.wait_for(let_go, '')
    assert not found, f'something is left: {found}'


def asked_twice(asked: Sequence[str]) -> bool:
    """Tell whether any byte of an image was asked for twice.

    :param asked: The ranges that were asked for, ``''`` for the whole.
    """
    spans = []
    for number, text in enumerate(asked):
        found = re.fullmatch(r'bytes=(\d+)-(\d*)', text)
        if found is None and number:
            return True
        # What begins with the whole may leave its end to other connections.
        if found is not None:
            spans.append((int(found[1]), int(found[2] or 2**63)))
    spans.sort()
    return any(
        start <= stop for (_, stop), (start, _) in itertools.pairwise(spans)
    )


def assert_asked_once(asked: Sequence[str]) -> None:
    """Fail if any byte of an image was asked for twice.

    :param asked: The ranges that were asked for.
    """
    assert asked
    assert not asked_twice(asked), f'asked for again: {asked}'
