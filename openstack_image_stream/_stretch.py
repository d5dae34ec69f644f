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

"""A stretch of an image, read in order, whatever the connection does."""

import logging
import threading

from openstack import _log
import requests

from openstack_image_stream import _body
from openstack_image_stream import _ranges
from openstack_image_stream import _remote
from openstack_image_stream import _retry
from openstack_image_stream import exceptions

_LOG: logging.Logger = _log.setup_logging('openstack.image_stream')


class Cancelled(Exception):
    """The download was given up while something was being waited for."""


class Stretch:
    """Some consecutive bytes of an image.

    Reconnects where it must, at the byte that comes next. Whoever makes one
    calls :meth:`close`.

    :param remote: The image on the server.
    :param span: Which bytes.
    :param policy: When to try again.
    :param cancelled: Ends every wait when it is set.
    """

    def __init__(
        self,
        remote: _remote.Remote,
        span: _ranges.Span,
        *,
        policy: _retry.Policy,
        cancelled: threading.Event,
    ) -> None:
        self._remote = remote
        #: The bytes it has from the first to the last.
        self.span = span
        self._policy = policy
        self._patience = _retry.Patience(policy)
        self._cancelled = cancelled
        self._body: _body.Body | None = None
        # What is wrong with a connection that still had something to give.
        self._broken: _retry.Interrupted | None = None
        #: Position in the image of the next byte.
        self.position = span.start

    def end_at(self, stop: int) -> None:
        """Have it end before the end of the image.

        What its connection sends beyond that is not read.

        :param stop: Position in the image behind its last byte.
        """
        self.span = _ranges.Span(self.position, stop)

    def use(self, body: _body.Body) -> None:
        """Take over a connection that somebody made.

        :param body: What it sends, from the first byte of the stretch on.
        """
        self._body = body

    def open(self) -> requests.Response:
        """Connect, if it is not connected.

        :returns: The answer that is being read.
        :raises: as :meth:`read`.
        """
        while True:
            try:
                return self._connected().response
            except _retry.Interrupted as exc:
                self._wait(exc)

    def read(self, size: int) -> bytes:
        """Read the next bytes.

        :param size: How many at the most, positive.
        :returns: The bytes, fewer than asked for at the end or where a
            connection broke, ``b''`` at the end.
        :raises: :exc:`~openstack_image_stream._retry.Interrupted` when
            patience is at its end, :exc:`Cancelled` when it was cancelled,
            :exc:`~openstack_image_stream._remote.RangesRefused` when the
            stretch has an end and the store serves no ranges, and what no
            other attempt could cure, as :meth:`Remote.open
            <openstack_image_stream._remote.Remote.open>` does.
        """
        while True:
            try:
                if self._broken is not None:
                    raise self._broken
                if self._body is None and self._missing(size) == 0:
                    return b''
                return self._receive(self._connected(), size)
            except _retry.Interrupted as exc:
                self._wait(exc)

    def close(self) -> None:
        """Let go of the connection. May be called more than once."""
        body, self._body = self._body, None
        if body is not None:
            body.close()

    @property
    def _end(self) -> int | None:
        return self._remote.size if self.span.stop is None else self.span.stop

    def _missing(self, size: int) -> int:
        if self._end is None:
            return size
        return min(size, self._end - self.position)

    def _connected(self) -> _body.Body:
        if self._body is not None:
            return self._body
        if self._cancelled.is_set():
            raise Cancelled
        span = _ranges.Span(self.position, self.span.stop)
        # Where each stretch is a part, none of them may fetch the whole.
        part = span.stop is not None
        try:
            body = self._remote.open(span)
        except _remote.RangesRefused:
            if part:
                raise
            body = self._remote.open(span)
        try:
            if part and not self._remote.ranged:
                raise _remote.RangesRefused
            self._discard(body, self.position - body.start)
        except BaseException:
            body.close()
            raise
        self._body = body
        return body

    def _discard(self, body: _body.Body, amount: int) -> None:
        while amount > 0:
            if self._cancelled.is_set():
                raise Cancelled
            piece = body.read(amount)
            if not piece:
                raise _retry.Interrupted('the server ended the data early')
            amount -= len(piece)

    def _receive(self, body: _body.Body, size: int) -> bytes:
        size = self._missing(size)
        if size == 0:
            self._expect_nothing(body)
            return b''
        pieces: list[bytes] = []
        missing = size
        while missing > 0:
            try:
                piece = body.read(missing)
                if not piece and self._end is not None:
                    raise _retry.Interrupted('the server ended the data early')
            except _retry.Interrupted as exc:
                if not pieces:
                    raise
                # What arrived counts, and is not asked for again.
                self._broken = exc
                break
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        if pieces:
            self._patience.progress()
        self.position += size - missing
        return pieces[0] if len(pieces) == 1 else b''.join(pieces)

    def _expect_nothing(self, body: _body.Body) -> None:
        # Only an answer with the whole image can be caught with more than
        # that. To look for it behind a part might be to wait for nothing.
        if self.span.stop is not None or body.ranged:
            return
        try:
            surplus = body.read(1)
        except _retry.Interrupted:
            return
        if surplus:
            raise exceptions.ImageChangedError(
                f'image {self._remote.image_id} has {self._remote.size} '
                'bytes, but the server sends more',
                expected=self._remote.size,
                actual=self.position + len(surplus),
            )

    def _wait(self, failure: _retry.Interrupted) -> None:
        self._broken = None
        self.close()
        delay = self._patience.delay(failure)
        if delay is None:
            raise failure
        _LOG.warning(
            'image %s: interrupted at byte %s (%s), trying again in %.1f s, '
            'attempt %s',
            self._remote.image_id,
            self.position,
            failure,
            delay,
            self._patience,
        )
        if self._policy.wait(self._cancelled, delay):
            raise Cancelled
