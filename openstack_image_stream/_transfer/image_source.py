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

"""The bytes of an image in order, over one connection or several."""

from collections.abc import Callable, Iterator
import functools
import logging

import requests

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream._common import token_bucket
from openstack_image_stream._transfer import automatic
from openstack_image_stream._transfer import concurrency
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import deadlines
from openstack_image_stream._transfer import interfaces
from openstack_image_stream._transfer import parallel
from openstack_image_stream._transfer import resumable

#: Parts for each connection up to which a download begins with all of them: it
#: would be over before one connection has shown whether others are of use.
_BRIEF = 8

_LOG = logging.getLogger('openstack.image_stream')


class ImageSource:
    """The bytes of an image, in order, from a position on.

    The caller calls :meth:`close`.

    :param fetcher: Requests the bytes; closed with the source.
    :param policy: When to retry.
    :param coordinator: Owns the download.
    :param start: Position in the image to begin at.
    :param connections: How many byte ranges to request at a time, at the most.
        As many are used as make the download faster.
    :param from_one: Whether to begin with one in any case, and to try others
        one after the other. Else a download of few parts begins with all of
        them, and another one tries all at once.
    :param part_size: Bytes of such a range.
    :param bucket: Limits the rate of all connections together, if it is
        given.
    """

    def __init__(
        self,
        fetcher: interfaces.Fetcher,
        policy: retry.RetryPolicy,
        coordinator: coordination.Coordinator,
        *,
        start: int = 0,
        connections: int = 1,
        from_one: bool = False,
        part_size: int = parallel.PART,
        bucket: token_bucket.TokenBucket | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._policy = policy
        self._coordinator = coordinator
        self._connections = connections
        self._from_one = from_one
        self._controller: concurrency.ConcurrencyController | None = None
        if connections > 1:
            most = _BRIEF * connections * part_size
            size = fetcher.size
            brief = size is None or size - start <= most
            self._controller = concurrency.ConcurrencyController(
                connections,
                start=connections if brief and not from_one else 1,
                at_once=not from_one,
                # Not to refer to this object.
                limited=lambda: bucket is not None and bucket.empty,
            )
        self._part_size = part_size
        self._bucket = bucket
        # No method of ours: the workers keep it, and would keep a forgotten
        # source alive with it.
        self._make_part = functools.partial(
            _make_part, fetcher, policy, bucket
        )
        self._parallel: parallel.ParallelReader | None = None
        self._automatic: automatic.AutomaticStream | None = None
        self._single = self._make_single(start)
        #: Position in the image of the next byte.
        self.position = start
        self._note_position()

    @property
    def size(self) -> int | None:
        """Size of the image in bytes, ``None`` while it is unknown."""
        return self._fetcher.size

    def open(self) -> requests.Response:
        """Request the image.

        :returns: The response, its body unread. The source closes that.
        :raises: :exc:`~openstack_image_stream.exceptions.\
IncompleteDownloadError` when there is no response, what ended the download
            when it ended meanwhile, and as :meth:`.Connection.open`.
        """
        try:
            size = self._fetcher.size
            # Fewer than two parts have nothing to do at the same time.
            if (
                self._controller is not None
                and self._controller.connections > 1
                and size is not None
                and size - self.position > self._part_size
            ):
                return self._open_parallel(size)
            return self._single.open()
        except retry.RetriableError as exc:
            self._coordinator.check(deadlines.NO_RESPONSE)
            error = self._final(exc, exc.kind)
            raise error from retry.cause(exc, error)
        except Exception:
            self._coordinator.check(deadlines.NO_RESPONSE)
            raise

    def read(self, size: int) -> bytes:
        """Read the next bytes.

        :param size: How many at the most, positive.
        :returns: The bytes, ``b''`` at the end.
        :raises: :exc:`~openstack_image_stream.exceptions.\
IncompleteDownloadError` when the connection fails once too often, what ended
            the download when it ended meanwhile, and as
            :meth:`.Connection.open`.
        """
        try:
            chunk = self._read(size)
        except retry.RetriableError as exc:
            self._coordinator.check()
            error = self._final(exc)
            raise error from retry.cause(exc, error)
        except coordination.Ended:
            chunk = b''
        except Exception:
            # What a broken connection looks like is of no interest where it
            # was broken on purpose.
            self._coordinator.check()
            raise
        self._coordinator.check()
        self.position += len(chunk)
        self._note_position()
        return chunk

    def _note_position(self) -> None:
        deadline = self._coordinator.deadline
        if deadline is not None:
            deadline.received = self.position
            deadline.expected = self.size

    def ready(self) -> Iterator[tuple[int, bytes]]:
        """Yield what has arrived and was not read, where that is contiguous.

        :returns: Chunks with their positions in the image, in order.
        """
        if self._parallel is not None:
            yield from self._parallel.ready()

    def _read(self, size: int) -> bytes:
        if self._parallel is not None:
            try:
                chunk = self._parallel.read()
            except byte_ranges.RangesRefused:
                self._log_fallback()
                self._controller = None
                chunk = b''
            if chunk or self.position == self._fetcher.size:
                return chunk
            self._leave_parallel()
        if self._controller is None:
            return self._single.read(size)
        return self._read_automatic(self._controller, size)

    def _read_automatic(
        self, controller: concurrency.ConcurrencyController, size: int
    ) -> bytes:
        if self._automatic is None:
            self._automatic = automatic.AutomaticStream(
                controller,
                self._single,
                self._make_part,
                self._coordinator,
                part_size=self._part_size,
                image_id=self._fetcher.image_id,
            )
            controller.joined()
        chunk = self._automatic.read(size, self._fetcher.size)
        second = self._automatic.second
        if self._automatic.settled:
            self._controller = None
            if self._automatic.ranges_refused and not self._from_one:
                self._log_fallback()
        elif second is not None:
            self._automatic = None
            self._start_parallel(
                self.position + len(chunk),
                [self._single, second],
                controller.connections,
            )
        return chunk

    def close(self) -> None:
        """Let go of every connection and thread.

        For the thread that reads; the coordinator is to have ended. May be
        called more than once.
        """
        if self._automatic is not None:
            self._automatic.close()
        if self._parallel is not None:
            self._parallel.close()
        self._single.close()
        self._fetcher.close()

    def _open_parallel(self, size: int) -> requests.Response:
        stop = min(self.position + self._part_size, size)
        first = self._make_part(
            byte_ranges.ByteRange(self.position, stop), self._coordinator
        )
        try:
            response = first.open()
        except byte_ranges.RangesRefused:
            first.close()
            self._log_fallback()
            self._controller = None
            return self._single.open()
        # No more connections than there are parts.
        parts = parallel.count(size - self.position, self._part_size)
        self._start_parallel(
            self.position, [first], min(self._connections, parts)
        )
        return response

    def _start_parallel(
        self,
        position: int,
        first: list[resumable.ResumableStream],
        connections: int,
    ) -> None:
        try:
            self._parallel = parallel.ParallelReader(
                position,
                self._fetcher.size or 0,
                first,
                self._make_part,
                connections=connections,
                coordinator=self._coordinator,
                controller=self._controller,
                part_size=self._part_size,
            )
        except RuntimeError as exc:
            if signals.find_raised(exc) is not None:
                raise
            _LOG.info(
                'image %s: falling back to one connection (%s)',
                self._fetcher.image_id,
                exc,
            )
            for stream in first:
                stream.close()
            self._controller = None
            self._single = self._make_single(position)

    def _leave_parallel(self) -> None:
        """Continue over one connection."""
        if self._parallel is not None:
            self._parallel.close()
            self._parallel = None
        self._single = self._make_single(self.position)

    def _log_fallback(self) -> None:
        _LOG.info(
            'image %s: falling back to one connection instead of %s',
            self._fetcher.image_id,
            self._connections,
        )

    def _make_single(self, start: int) -> resumable.ResumableStream:
        return resumable.ResumableStream(
            self._fetcher,
            byte_ranges.ByteRange(start),
            policy=self._policy,
            coordinator=self._coordinator,
            aside=True,
            bucket=self._bucket,
        )

    def _final(
        self,
        failure: retry.RetriableError,
        kind: Callable[..., Exception] | None = None,
    ) -> Exception:
        if failure.error is not None and self.position == 0:
            return failure.error
        return deadlines.incomplete(
            kind or deadlines.INTERRUPTED,
            failure.reason,
            image_id=self._fetcher.image_id,
            received=self.position,
            expected=self.size,
        )


def _make_part(
    fetcher: interfaces.Fetcher,
    policy: retry.RetryPolicy,
    bucket: token_bucket.TokenBucket | None,
    byte_range: byte_ranges.ByteRange,
    coordinator: coordination.Coordinator,
) -> resumable.ResumableStream:
    return resumable.ResumableStream(
        fetcher,
        byte_range,
        policy=policy,
        coordinator=coordinator,
        bucket=bucket,
    )
