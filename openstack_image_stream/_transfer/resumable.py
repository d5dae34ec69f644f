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

"""Consecutive bytes of an image, read in order, whatever a connection does."""

from collections.abc import Callable
import functools
import logging
import time

from openstack import _log
import requests

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream._http import connection_pools
from openstack_image_stream._http import fetching
from openstack_image_stream._http import response_body
from openstack_image_stream._transfer import coordination
from openstack_image_stream import exceptions

#: Seconds after which what was received is handed on, though it is less than
#: was asked for. What is not handed on is lost when the download ends early.
_SOON = 0.5

#: Bytes that are read at a time where they are not wanted.
_DISCARDED = 1024 * 1024

_LOG: logging.Logger = _log.setup_logging('openstack.image_stream')

#: Makes one attempt to get a body.
Opener = Callable[[], response_body.Body]


class ResumableStream:
    """Some consecutive bytes of an image.

    Reconnects where it must, at the byte that comes next. Whoever makes one
    calls :meth:`close`, in the thread that reads.

    :param remote: The image on the server.
    :param span: Which bytes.
    :param policy: When to try again.
    :param coordinator: Owns the download; its end ends every wait.
    :param aside: Whether connections are made anew in a thread of their own,
        so that the thread that reads can be woken up meanwhile.
    """

    def __init__(
        self,
        remote: fetching.Fetcher,
        span: byte_ranges.ByteRange,
        *,
        policy: retry.RetryPolicy,
        coordinator: coordination.Coordinator,
        aside: bool = False,
    ) -> None:
        self._remote = remote
        #: The bytes it has from the first to the last.
        self.span = span
        self._policy = policy
        self._patience = retry.Retries(policy)
        self._parent = coordinator
        self._coordinator = coordinator.child()
        self._aside = aside
        self._sockets = connection_pools.Sockets()
        self._coordinator.on_end(self._sockets.abort)
        self._body: response_body.Body | None = None
        # What is wrong with a connection that still had something to give.
        self._broken: retry.RetriableError | None = None
        #: Position in the image of the next byte.
        self.position = span.start

    @property
    def connected(self) -> bool:
        """Whether the server has responded."""
        return self._body is not None

    @property
    def connecting(self) -> bool:
        """Whether it waits for what cannot be interrupted."""
        return self._sockets.connecting

    def end_at(self, stop: int) -> None:
        """Have it end before the end of the image.

        What its connection sends beyond that is not read.

        :param stop: Position in the image behind its last byte.
        """
        self.span = byte_ranges.ByteRange(self.position, stop)

    def open(self) -> requests.Response:
        """Connect.

        :returns: The response that is being read.
        :raises: as :meth:`read`.
        """
        while True:
            try:
                self._body = body = self._sockets.call(self._connect)
                return body.take_response()
            except retry.RetriableError as exc:
                self._wait(exc)

    def open_once(self) -> 'ResumableStream':
        """Connect, in one attempt.

        :returns: This.
        :raises: :exc:`.RetriableError` when the
            attempt failed, and as :meth:`read`.
        """
        self._body = self._sockets.call(self._connect)
        return self

    def read(self, size: int) -> bytes:
        """Read the next bytes.

        :param size: How many at the most, positive.
        :returns: The bytes, fewer than asked for at the end, where they come
            slowly or where a connection broke, ``b''`` at the end.
        :raises: :exc:`.RetriableError` when there
            shall be no further retry,
            :exc:`.Ended` when the
            download ended,
            :exc:`.RangesRefused` when the
            stream has an end and the store serves no ranges, and what no
            other attempt could cure, as :meth:`Fetcher.open
            <.Fetcher.open>` does.
        """
        while True:
            try:
                if self._broken is not None:
                    raise self._broken
                if self._body is None and self._missing(size) == 0:
                    return b''
                return self._receive(self._connected(), size)
            except retry.RetriableError as exc:
                self._wait(exc)

    def abort(self) -> None:
        """Break the connection, from any thread, without waiting.

        The thread that reads gets
        :exc:`.Ended`.
        """
        self._coordinator.finish()

    def close(self) -> None:
        """Let go of the connection. May be called more than once."""
        self._parent.release(self._coordinator)
        self._broken = None
        self._drop()

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()
        self._sockets.forget()

    @property
    def _end(self) -> int | None:
        return self._remote.size if self.span.stop is None else self.span.stop

    def _missing(self, size: int) -> int:
        if self._end is None:
            return size
        return min(size, self._end - self.position)

    def _check(self) -> None:
        if self._coordinator.ended:
            raise coordination.Ended

    def _connected(self) -> response_body.Body:
        if self._body is None:
            self._check()
            connect = functools.partial(self._sockets.call, self._connect)
            self._body = self._elsewhere(connect)
            # Only that to the first request is of use to a caller.
            self._body.take_response()
        return self._body

    def _elsewhere(self, connect: Opener) -> response_body.Body:
        if self._aside:
            try:
                task = coordination.Task(self._coordinator, connect)
            except RuntimeError as exc:
                if signals.find_raised(exc) is not None:
                    raise
                # There are too many threads. The connection counts for more
                # than who can be woken up.
                self._aside = False
            else:
                return task.result()
        return connect()

    def _connect(self) -> response_body.Body:
        span = byte_ranges.ByteRange(self.position, self.span.stop)
        # Where each stream is a part, none of them may fetch the whole.
        part = span.stop is not None
        try:
            body = self._remote.open(span)
        except fetching.RangesRefused:
            if part:
                raise
            body = self._remote.open(span)
        try:
            if part and not self._remote.ranged:
                raise fetching.RangesRefused
            self._discard(body, self.position - body.start)
        except BaseException:
            body.close()
            raise
        return body

    def _discard(self, body: response_body.Body, amount: int) -> None:
        while amount > 0:
            self._check()
            chunk = body.read(min(amount, _DISCARDED))
            if not chunk:
                raise retry.RetriableError('the server ended the data early')
            amount -= len(chunk)

    def _receive(self, body: response_body.Body, size: int) -> bytes:
        size = self._missing(size)
        if size == 0:
            self._expect_nothing(body)
            return b''
        chunks: list[bytes] = []
        missing = size
        began = time.monotonic()
        while missing > 0:
            try:
                chunk = body.read(missing)
                if not chunk and self._end is not None:
                    raise retry.RetriableError(
                        'the server ended the data early'
                    )
            except retry.RetriableError as exc:
                if not chunks:
                    raise
                # What arrived counts, and is not requested again.
                retry.drop_frames(exc)
                self._broken = exc
                break
            if not chunk:
                break
            chunks.append(chunk)
            missing -= len(chunk)
            if missing and time.monotonic() - began > _SOON:
                break
        if chunks:
            self._patience.progress(size - missing)
        self.position += size - missing
        return chunks[0] if len(chunks) == 1 else b''.join(chunks)

    def _expect_nothing(self, body: response_body.Body) -> None:
        # Only a response with the whole image can be caught with more than
        # that. To look for it behind a part might be to wait for nothing.
        if self.span.stop is not None or body.ranged:
            return
        try:
            surplus = body.read(1)
        except retry.RetriableError:
            return
        if surplus:
            raise exceptions.ImageChangedError(
                f'image {self._remote.image_id} has {self._remote.size} '
                'bytes, but the server sends more',
                expected=self._remote.size,
                actual=self.position + len(surplus),
            )

    def _wait(self, failure: retry.RetriableError) -> None:
        self._broken = None
        self._drop()
        if self._coordinator.ended:
            # A connection that was broken because of the end is no reason to
            # speak of a retry.
            retry.drop_frames(failure)
            raise coordination.Ended
        delay = self._patience.delay(failure)
        if delay is None:
            raise failure
        _LOG.warning(
            'image %s: connection lost at byte %s (%s); retrying in %.1f s '
            '(retry %s)',
            self._remote.image_id,
            self.position,
            failure,
            delay,
            self._patience,
        )
        if self._policy.wait(self._coordinator, delay):
            raise coordination.Ended
