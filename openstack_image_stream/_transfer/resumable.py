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
import io
import time
from typing import TypeVar

import requests

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream._common import token_bucket
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import interfaces
from openstack_image_stream._transfer import limited_body
from openstack_image_stream import exceptions

#: Seconds after which what was received is handed on, though it is less than
#: was asked for. What is not handed on is lost when the download ends early.
_SOON = 0.5

#: Bytes that are read at a time where they are discarded.
_DISCARDED = 1024 * 1024

_T = TypeVar('_T')

#: Makes one attempt to get a body.
_Opener = Callable[[], interfaces.Body]


class ResumableStream:
    """Some consecutive bytes of an image.

    Reconnects where it must, at the byte that comes next. The caller calls
    :meth:`close`, in the thread that reads.

    :param fetcher: Requests the bytes.
    :param byte_range: Which bytes.
    :param policy: When to try again.
    :param coordinator: Owns the download; its end ends every wait.
    :param aside: Whether reconnecting is done in a thread of its own,
        so that the thread that reads can be woken up meanwhile.
    :param bucket: Limits the rate, if it is given.
    """

    def __init__(
        self,
        fetcher: interfaces.Fetcher,
        byte_range: byte_ranges.ByteRange,
        *,
        policy: retry.RetryPolicy,
        coordinator: coordination.Coordinator,
        aside: bool = False,
        bucket: token_bucket.TokenBucket | None = None,
    ) -> None:
        self._fetcher = fetcher
        #: The bytes it has from the first to the last.
        self.byte_range = byte_range
        self._retries = retry.Retries(policy)
        self._parent = coordinator
        self._coordinator = coordinator.child()
        self._aside = aside
        self._bucket = bucket
        self._connection = fetcher.connection()
        self._coordinator.on_end(self._connection.abort)
        self._body: interfaces.Body | None = None
        # What is wrong with a connection that still had something to give.
        self._broken: retry.RetriableError | None = None
        #: Position in the image of the next byte.
        self.position = byte_range.start

    @property
    def connected(self) -> bool:
        """Whether the server has responded."""
        return self._body is not None

    @property
    def connecting(self) -> bool:
        """Whether it waits for what cannot be interrupted."""
        return self._connection.connecting

    def end_at(self, stop: int) -> None:
        """Have it end before the end of the image.

        What its connection sends beyond that is not read.

        :param stop: Position in the image behind its last byte.
        """
        self.byte_range = byte_ranges.ByteRange(self.position, stop)

    def open(self) -> requests.Response:
        """Connect.

        Where there is a deadline it ends the wait for a response, too.

        :returns: The response that is being read.
        :raises: as :meth:`read`.
        """
        if self._parent.deadline is None:
            self._retrying(self.open_once)
        else:
            self._retrying(self._open_aside)
        return self._connected().take_response()

    def open_once(self) -> 'ResumableStream':
        """Connect, in one attempt.

        :returns: This.
        :raises: :exc:`.RetriableError` when the attempt failed, and as
            :meth:`read`.
        """
        self._check()
        self._body = self._connect()
        return self

    def _open_aside(self) -> None:
        self._check()
        self._body = self._elsewhere(self._connect, aside=True)

    def read(self, size: int) -> bytes:
        """Read the next bytes.

        :param size: How many at the most, positive.
        :returns: The bytes, fewer than asked for at the end, where they come
            slowly or where a connection broke, ``b''`` at the end.
        :raises: :exc:`.RetriableError` when there is no retry left,
            :exc:`.Ended` when the download ended, :exc:`.RangesRefused` when
            the stream has an end and the store serves no ranges, and what no
            retry can cure, as :meth:`.Connection.open` does.
        """
        return self._retrying(functools.partial(self._read_once, size))

    def _read_once(self, size: int) -> bytes:
        if self._broken is not None:
            raise self._broken
        if self._body is None and self._missing(size) == 0:
            return b''
        return self._receive(self._connected(), size)

    def _retrying(self, attempt: Callable[[], _T]) -> _T:
        return self._retries.run(
            attempt,
            waiter=self._coordinator,
            image_id=self._fetcher.image_id,
            failed=self._failed,
        )

    def _failed(self, failure: retry.RetriableError) -> str:
        self._broken = None
        self._drop()
        if self._coordinator.ended:
            # A connection that was broken because of the end is no reason to
            # speak of a retry.
            retry.drop_frames(failure)
            raise coordination.Ended
        return f'connection lost at byte {self.position}'

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
        self._connection.forget()

    @property
    def _end(self) -> int | None:
        return (
            self._fetcher.size
            if self.byte_range.stop is None
            else self.byte_range.stop
        )

    def _missing(self, size: int) -> int:
        if self._end is None:
            return size
        return min(size, self._end - self.position)

    def _check(self) -> None:
        if self._coordinator.ended:
            raise coordination.Ended

    def _connected(self) -> interfaces.Body:
        if self._body is None:
            self._check()
            self._body = self._elsewhere(self._connect, aside=self._aside)
            # Only that to the first request is of use to a caller.
            self._body.take_response()
        return self._body

    def _elsewhere(self, connect: _Opener, *, aside: bool) -> interfaces.Body:
        if aside:
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

    def _connect(self) -> interfaces.Body:
        wanted = byte_ranges.ByteRange(self.position, self.byte_range.stop)
        # Where each stream is a part, none of them may fetch the whole.
        part = wanted.stop is not None
        try:
            body = self._connection.open(wanted)
        except byte_ranges.RangesRefused:
            if part:
                raise
            body = self._connection.open(wanted)
        if self._bucket is not None:
            body = limited_body.LimitedBody(
                body, self._bucket, self._coordinator
            )
        try:
            if part and not self._fetcher.ranged:
                raise byte_ranges.RangesRefused
            self._discard(body, self.position - body.start)
        except BaseException:
            body.close()
            raise
        return body

    def _discard(self, body: interfaces.Body, amount: int) -> None:
        while amount > 0:
            self._check()
            chunk = body.read(min(amount, _DISCARDED))
            if not chunk:
                raise retry.RetriableError('the server ended the data early')
            amount -= len(chunk)

    def _receive(self, body: interfaces.Body, size: int) -> bytes:
        size = self._missing(size)
        if size == 0:
            self._expect_nothing(body)
            return b''
        chunk = b''
        # Chunks that were joined would all be held until then, and malloc()
        # gives so much back to the system each time.
        joined: io.BytesIO | None = None
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
                if missing == size:
                    raise
                # What arrived counts, and is not requested again.
                retry.drop_frames(exc)
                self._broken = exc
                break
            if not chunk:
                break
            missing -= len(chunk)
            if joined is not None or missing:
                joined = joined or _room_for(size)
                joined.write(chunk)
                chunk = b''
            if missing and time.monotonic() - began > _SOON:
                break
        if missing < size:
            self._retries.progress(size - missing)
        self.position += size - missing
        if joined is None:
            return chunk
        joined.truncate()
        return joined.getvalue()

    def _expect_nothing(self, body: interfaces.Body) -> None:
        # Only a response with the whole image can be caught with more than
        # that. To look for it behind a part might be to wait for nothing.
        if self.byte_range.stop is not None or body.ranged:
            return
        try:
            surplus = body.read(1)
        except retry.RetriableError:
            return
        if surplus:
            raise exceptions.ImageChangedError(
                f'image {self._fetcher.image_id}: size mismatch: expected '
                f'{self._fetcher.size} bytes, the server sends more',
                expected=self._fetcher.size,
                actual=self.position + len(surplus),
            )


def _room_for(size: int) -> io.BytesIO:
    """Return a file in memory that need not grow."""
    room = io.BytesIO()
    room.seek(size - 1)
    room.write(b'\0')
    room.seek(0)
    return room
