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

"""Bytes of an image at any position, by range requests.

No connection is held between two requests, so that a file that is open for
hours holds a few blocks of memory and nothing of the service.
"""

import collections

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._common import token_bucket
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import interfaces
from openstack_image_stream._transfer import resumable
from openstack_image_stream import exceptions

#: Blocks that are kept. One more exists while it is received, in chunks and
#: joined.
CACHED = 16

#: Blocks that one request reads at the most. Half of the cache, so that a
#: long sequential read leaves something of what was read before.
READ_AHEAD = 8


class ReadAhead:
    """Decides how many blocks the next request is for. No I/O.

    :param most: How many at the most.
    """

    def __init__(self, most: int = READ_AHEAD) -> None:
        self._most = most
        self._count = 0
        # Index of the block behind the last request.
        self._next = -1

    def count(self, index: int, *, needed: int, missing: int) -> int:
        """Return how many blocks to request.

        It doubles from one request to the next as long as each begins where
        the one before ended, and is one block otherwise.

        :param index: The first of them.
        :param needed: How many the caller reads for sure.
        :param missing: How many from the first one on are not there yet.
        """
        doubled = 2 * self._count if index == self._next else 1
        self._count = min(self._most, max(doubled, needed))
        count = min(self._count, missing)
        self._next = index + count
        return count


class BlockCache:
    """The blocks that were used last.

    :param most: How many.
    """

    def __init__(self, most: int = CACHED) -> None:
        self._most = most
        self._blocks: collections.OrderedDict[int, bytes] = (
            collections.OrderedDict()
        )

    def __len__(self) -> int:
        return len(self._blocks)

    def __contains__(self, index: int) -> bool:
        return index in self._blocks

    def get(self, index: int) -> bytes | None:
        """Return a block if it is there, which counts as use."""
        block = self._blocks.get(index)
        if block is not None:
            self._blocks.move_to_end(index)
        return block

    def make_room(self) -> None:
        """Drop what was not used for longest, so that one more fits."""
        while len(self._blocks) >= self._most:
            self._blocks.popitem(last=False)

    def put(self, index: int, block: bytes) -> None:
        """Keep a block."""
        self._blocks[index] = block
        self._blocks.move_to_end(index)


class RandomAccess:
    """Reads an image block by block, each by a range request.

    For one thread at a time, but for :meth:`close`.

    :param fetcher: Requests the bytes. It refuses a response that belongs to
        another image than the first one.
    :param policy: When to retry.
    :param coordinator: Owns the file; its end ends every wait.
    :param block_size: Bytes of a block.
    :param bucket: Limits the rate, if it is given.
    """

    def __init__(
        self,
        fetcher: interfaces.Fetcher,
        policy: retry.RetryPolicy,
        coordinator: coordination.Coordinator,
        *,
        block_size: int,
        bucket: token_bucket.TokenBucket | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._policy = policy
        self._coordinator = coordinator
        self._block_size = block_size
        self._bucket = bucket
        self._cache = BlockCache()
        self._read_ahead = ReadAhead()

    @property
    def size(self) -> int:
        """Size of the image in bytes, after :meth:`open`."""
        return self._fetcher.size or 0

    def open(self) -> None:
        """Request the first block.

        So it is known, before anything is read, whether the store serves
        ranges, and which response the later ones must belong to.

        :raises: as :meth:`read`.
        """
        if self._fetcher.size is None:
            # One byte is enough to be told the size.
            self._fetch(0, byte_ranges.ByteRange(0, 1))
        if self._fetcher.size is None:
            raise self._refused('the service does not say how large it is')
        if self._fetcher.size > 0:
            self._load(0, 1)

    def read(
        self, position: int, amount: int, *, needed: int = 1
    ) -> memoryview:
        """Read some bytes.

        :param position: Of the first one.
        :param amount: How many at the most.
        :param needed: How many the caller will read for sure.
        :returns: The bytes, as many as the block with the first one has;
            empty at the end of the image.
        :raises: :exc:`~openstack_image_stream.exceptions.\
RangeNotSupportedError` when the store serves no ranges,
            :exc:`~openstack_image_stream.exceptions.IncompleteDownloadError`
            when the connection fails once too often, what ended the file if
            it was closed, and as :meth:`.Connection.open`.
        """
        self._coordinator.check()
        if position >= self.size or amount <= 0:
            return memoryview(b'')
        index, offset = divmod(position, self._block_size)
        block = self._cache.get(index)
        if block is None:
            block = self._load(
                index, -(-(offset + needed) // self._block_size)
            )
        return memoryview(block)[offset : offset + amount]

    def close(self) -> None:
        """End every request. Does not wait; may be called in any thread."""
        self._coordinator.close()

    def _load(self, index: int, needed: int) -> bytes:
        """Request a block, and maybe those behind it."""
        last = (self.size - 1) // self._block_size
        missing = next(
            (
                other - index
                for other in range(
                    index + 1, min(index + READ_AHEAD, last + 1)
                )
                if other in self._cache
            ),
            last + 1 - index,
        )
        count = self._read_ahead.count(index, needed=needed, missing=missing)
        start = index * self._block_size
        stop = min(start + count * self._block_size, self.size)
        return self._fetch(index, byte_ranges.ByteRange(start, stop))

    def _fetch(self, index: int, byte_range: byte_ranges.ByteRange) -> bytes:
        """Receive some blocks; return the first of them."""
        stream = resumable.ResumableStream(
            self._fetcher,
            byte_range,
            policy=self._policy,
            coordinator=self._coordinator,
            # So that close() does not wait for a connection to be made.
            aside=True,
            bucket=self._bucket,
        )
        try:
            return self._receive(index, stream)
        except byte_ranges.RangesRefused:
            raise self._refused('its store serves no byte ranges') from None
        except retry.RetriableError as exc:
            self._coordinator.check()
            error = self._final(exc, stream)
            try:
                raise error from retry.cause(exc, error)
            finally:
                # Its traceback refers to this frame.
                del error
        except Exception:
            # What a broken connection looks like is of no interest where it
            # was broken on purpose.
            self._coordinator.check()
            raise
        finally:
            stream.close()

    def _receive(self, index: int, stream: resumable.ResumableStream) -> bytes:
        stop = stream.byte_range.stop or 0
        first = b''
        while stream.position < stop:
            self._cache.make_room()
            missing = min(self._block_size, stop - stream.position)
            chunks = []
            while missing > 0:
                chunks.append(stream.read(missing))
                missing -= len(chunks[-1])
            block = chunks[0] if len(chunks) == 1 else b''.join(chunks)
            self._cache.put(index, block)
            first = first or block
            index += 1
        return first

    def _refused(self, reason: str) -> exceptions.RangeNotSupportedError:
        image_id = self._fetcher.image_id
        return exceptions.RangeNotSupportedError(
            f'image {image_id} cannot be read by ranges: {reason}: open it '
            'with verified=True, which downloads it, or download it',
            image_id=image_id,
        )

    def _final(
        self, failure: retry.RetriableError, stream: resumable.ResumableStream
    ) -> Exception:
        if failure.error is not None:
            return failure.error
        start, stop = stream.byte_range.start, stream.byte_range.stop or 0
        kind = exceptions.InterruptedDownloadError
        if not self._cache and failure.kind is not None:
            # There was no response at all.
            kind = failure.kind  # type: ignore[assignment]
        return kind(
            f'image {self._fetcher.image_id}: cannot read the bytes {start} '
            f'to {stop - 1}: {stream.position - start} of {stop - start} '
            f'bytes received ({failure.reason})',
            received=stream.position - start,
            expected=stop - start,
            reason=failure.reason,
        )
