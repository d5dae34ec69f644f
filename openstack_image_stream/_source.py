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

"""Where the bytes of an image come from, in order: one connection or more."""

from collections.abc import Callable
import functools
import logging
import threading
import time

from openstack import _log
import requests

from openstack_image_stream import _pace
from openstack_image_stream import _ranges
from openstack_image_stream import _remote
from openstack_image_stream import _retry
from openstack_image_stream import _stretch
from openstack_image_stream import _transport
from openstack_image_stream import _window
from openstack_image_stream import exceptions

#: Parts that must be left for a second connection to be tried.
_LEAST = 4

_LOG: logging.Logger = _log.setup_logging('openstack.image_stream')


class Source:
    """The bytes of an image, in order, from a position on.

    Whoever makes one calls :meth:`close`.

    :param remote: The image on the server.
    :param policy: When to try again.
    :param start: Position in the image to begin at.
    :param connections: How many ranges to ask for at a time.
    :param pace: Finds that out instead, up to ``connections``, if it is given.
    :param part_size: Bytes of such a range.
    :param transport: The connections that the image is asked for with, if
        they can be broken from another thread.
    """

    def __init__(
        self,
        remote: _remote.Remote,
        policy: _retry.Policy,
        *,
        start: int = 0,
        connections: int = 1,
        pace: _pace.Pace | None = None,
        part_size: int = _window.PART,
        transport: _transport.Transport | None = None,
    ) -> None:
        self._remote = remote
        self._policy = policy
        self._connections = connections
        self._pace = pace
        self._part_size = part_size
        self._transport = transport
        self._cancelled = threading.Event()
        self._window: _window.Window | None = None
        self._stretch = self._make_stretch()(_ranges.Span(start))
        #: Position in the image of the next byte.
        self.position = start

    @property
    def size(self) -> int | None:
        """Size of the image in bytes, ``None`` while nobody knows."""
        return self._remote.size

    def open(self) -> requests.Response:
        """Ask for the image.

        :returns: The answer, its body unread. It belongs to the source, which
            closes it.
        :raises: :exc:`~openstack_image_stream.exceptions.\
IncompleteDownloadError` when there is no answer, and as
            :meth:`Remote.open <openstack_image_stream._remote.Remote.open>`.
        """
        try:
            size = self._remote.size
            # Fewer than two parts have nothing to do side by side.
            if (
                self._connections > 1
                and self._pace is None
                and size is not None
                and size - self.position > self._part_size
            ):
                return self._open_window(size)
            return self._stretch.open()
        except _retry.Interrupted as exc:
            error = self._final(exc)
            raise error from _retry.cause(exc, error)

    def read(self, size: int) -> bytes:
        """Read the next bytes.

        :param size: How many at the most, positive.
        :returns: The bytes, ``b''`` at the end.
        :raises: :exc:`~openstack_image_stream.exceptions.\
IncompleteDownloadError` when the connection fails once too often, and as
            :meth:`Remote.open <openstack_image_stream._remote.Remote.open>`.
        """
        try:
            piece = self._read(size)
        except _retry.Interrupted as exc:
            error = self._final(exc)
            raise error from _retry.cause(exc, error)
        except _stretch.Cancelled:
            raise exceptions.ImageStreamError(
                f'the download of image {self._remote.image_id} was closed'
            ) from None
        self.position += len(piece)
        return piece

    def _read(self, size: int) -> bytes:
        if self._window is not None:
            try:
                piece = self._window.read()
            except _remote.RangesRefused:
                self._log_fallback()
                self._pace = None
                piece = b''
            if piece or self.position == self._remote.size:
                return piece
            self._leave_window()
        if self._pace is None:
            return self._stretch.read(size)
        began = time.monotonic()
        piece = self._stretch.read(self._pace.piece_size(size))
        self._pace.received(len(piece), time.monotonic() - began)
        if self._pace.connections > 1:
            self._try_another(self.position + len(piece))
        return piece

    def _try_another(self, position: int) -> None:
        """Have a second connection beside the one that there is."""
        size = self._remote.size
        if size is None or size - position <= _LEAST * self._part_size:
            self._pace = None
            return
        parts = self._plan(position, size, connections=2)
        mine, other = parts.plan(), parts.plan()
        if self._pace is None or mine is None or other is None:
            return
        try:
            body = self._remote.open(other)
        except _retry.Interrupted:
            self._pace.refuse()
            return
        except Exception as exc:
            # What is wrong with the whole download shows with the connection
            # that there is.
            _LOG.debug(
                'image %s: no second connection (%s)',
                self._remote.image_id,
                exc,
            )
            self._pace = None
            return
        self._stretch.end_at(mine.stop or size)
        second = self._make_stretch()(other)
        second.use(body)
        self._window = self._make_window(
            parts, [self._stretch, second], connections=2
        )

    def close(self) -> None:
        """Let go of every connection and thread.

        May be called more than once.
        """
        self._cancelled.set()
        if self._window is not None:
            self._window.close()
        self._stretch.close()
        if self._transport is not None:
            self._transport.close()

    def _open_window(self, size: int) -> requests.Response:
        parts = self._plan(self.position, size, self._connections)
        first = self._make_stretch()(
            parts.plan() or _ranges.Span(self.position, size)
        )
        try:
            response = first.open()
        except _remote.RangesRefused:
            self._log_fallback()
            return self._stretch.open()
        self._window = self._make_window(
            parts,
            [first],
            # No more than there are parts.
            connections=min(
                self._connections,
                _window.count(size - self.position, self._part_size),
            ),
        )
        return response

    def _plan(
        self, position: int, size: int, connections: int
    ) -> _ranges.Parts:
        return _ranges.Parts(
            position, size, self._part_size, limit=_window.limit(connections)
        )

    def _make_window(
        self,
        parts: _ranges.Parts,
        first: list[_stretch.Stretch],
        connections: int,
    ) -> _window.Window:
        return _window.Window(
            parts,
            first,
            self._make_stretch(),
            connections=connections,
            cancelled=self._cancelled,
            transport=self._transport,
            pace=self._pace,
        )

    def _leave_window(self) -> None:
        """Go on over one connection."""
        if self._window is not None:
            self._window.close()
            self._window = None
        self._cancelled = threading.Event()
        if self._transport is not None:
            self._transport.rearm()
        self._stretch = self._make_stretch()(_ranges.Span(self.position))

    def _log_fallback(self) -> None:
        _LOG.info(
            'image %s: downloading over one connection instead of %s',
            self._remote.image_id,
            self._connections,
        )

    def _make_stretch(self) -> Callable[[_ranges.Span], _stretch.Stretch]:
        # No method of ours: the threads of a window keep it, and would keep
        # a forgotten source alive with it.
        return functools.partial(
            _stretch.Stretch,
            self._remote,
            policy=self._policy,
            cancelled=self._cancelled,
        )

    def _final(self, failure: _retry.Interrupted) -> Exception:
        if failure.error is not None and self.position == 0:
            return failure.error
        total = 'an unknown number of' if self.size is None else self.size
        return exceptions.IncompleteDownloadError(
            f'image {self._remote.image_id} did not arrive whole, '
            f'{self.position} of {total} bytes were received: '
            f'{failure.reason}',
            received=self.position,
            expected=self.size,
            reason=failure.reason,
        )
