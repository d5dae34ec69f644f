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

"""A second connection that is tried while the first one is read."""

import logging
import time

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream._transfer import concurrency
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import resumable
from openstack_image_stream._transfer import workers

#: Parts that the first connection receives while a second one is tried, at the
#: most, and parts that must be left then for it to be worth it.
_LEAD = 2
_LEAST = 4

_LOG = logging.getLogger('openstack.image_stream')


class AutomaticStream:
    """Reads over one connection, and finds out whether another one pays.

    :param controller: Says when to try one.
    :param single: The connection that there is.
    :param make_part: Makes a stream of a byte range.
    :param coordinator: Owns the download.
    :param part_size: Bytes of a part.
    :param image_id: ID of the image, for the log.
    """

    def __init__(
        self,
        controller: concurrency.ConcurrencyController,
        single: resumable.ResumableStream,
        make_part: workers.StreamFactory,
        coordinator: coordination.Coordinator,
        *,
        part_size: int,
        image_id: str,
    ) -> None:
        self.controller = controller
        self._single = single
        self._make_part = make_part
        self._coordinator = coordinator
        self._part_size = part_size
        self._image_id = image_id
        self._second: _Second | None = None
        #: Whether no further connection is going to be tried.
        self.settled = False
        #: Whether that is since the server refuses byte ranges.
        self.ranges_refused = False
        #: A second connection to continue with, that follows the first one,
        #: which ends where it begins.
        self.second: resumable.ResumableStream | None = None

    def read(self, size: int, total: int | None) -> bytes:
        """Read the next bytes over the first connection.

        :param size: How many at the most, positive.
        :param total: Size of the image in bytes, if that is known.
        :returns: The bytes, ``b''`` at the end.
        :raises: as :meth:`.ResumableStream.read`.
        """
        size = self.controller.chunk_size(size)
        if self._second is not None:
            size = min(size, self._second.start - self._single.position)
        began = time.monotonic()
        chunk = self._single.read(size)
        if self._second is not None:
            self._look_after_second(self._second)
            return chunk
        self.controller.received(len(chunk), time.monotonic() - began)
        if self.controller.connections > 1:
            self._request_second(total)
        return chunk

    def close(self) -> None:
        """Drop a second connection that is not used yet."""
        pending, self._second = self._second, None
        if pending is not None:
            pending.abandon()

    def _request_second(self, total: int | None) -> None:
        """Request a part ahead, while the first connection is read."""
        position = self._single.position
        if total is None or total - position <= _LEAST * self._part_size:
            self.settled = True
            return
        start = position + self.controller.lead(_LEAD * self._part_size)
        byte_range = byte_ranges.ByteRange(start, start + self._part_size)
        try:
            self._second = _Second(
                self._make_part(byte_range, self._coordinator),
                self._coordinator,
            )
        except RuntimeError as exc:
            if signals.find_raised(exc) is not None:
                raise
            # No thread can be started.
            self.settled = True

    def _look_after_second(self, pending: '_Second') -> None:
        """Use the second connection once the server has responded."""
        if not pending.task.done:
            # Where a server does not respond to it, as one of a single
            # process, the first one does not wait for it.
            if self._single.position == pending.start:
                self.close()
                self.controller.refuse()
            return
        self._second = None
        try:
            stream = pending.task.result()
        except retry.RetriableError as exc:
            retry.drop_frames(exc)
            pending.stream.close()
            self.controller.refuse()
        except coordination.Ended:
            pending.stream.close()
            raise
        except Exception as exc:
            # What is wrong with the whole download shows with the connection
            # that there is.
            pending.stream.close()
            _LOG.debug(
                'image %s: no second connection (%s)', self._image_id, exc
            )
            retry.drop_frames(exc)
            self.settled = True
            self.ranges_refused = isinstance(exc, byte_ranges.RangesRefused)
        else:
            self.controller.responded()
            self._single.end_at(pending.start)
            self.second = stream


class _Second:
    """A second connection that the server has not responded to yet."""

    def __init__(
        self,
        stream: resumable.ResumableStream,
        coordinator: coordination.Coordinator,
    ) -> None:
        self.start = stream.byte_range.start
        self.stream = stream
        self.task = coordination.Task(coordinator, stream.open_once)

    def abandon(self) -> None:
        self.stream.abort()
        self.task.abandon()
        self.stream.close()
