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

"""Tests of reading an image at any position, without a server."""

import io
import os
import threading
import tracemalloc
from typing import Any

import hypothesis
from hypothesis import strategies
import requests

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._output import image_file
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import random_access
from openstack_image_stream import exceptions
from tests import processes
from tests.unit import base
from tests.unit import memory_fetcher

BLOCK = 10
DATA = base.some_bytes(1_005)

BROKEN = retry.RetriableError('no connection')

#: Lines of all lengths.
LINES = bytes(b'abc\n'[byte % 4] for byte in base.some_bytes(300))

#: Faults of one request that a retry cures.
_faults = strategies.one_of(
    strategies.just(memory_fetcher.Response()),
    strategies.just(memory_fetcher.Response(error=BROKEN)),
    strategies.integers(0, 60).map(
        lambda count: memory_fetcher.Response(breaks_after=count)
    ),
    strategies.integers(0, 60).map(
        lambda count: memory_fetcher.Response(ends_after=count)
    ),
)

_amounts = strategies.integers(0, 350)
_positions = strategies.integers(-40, 340)

#: What a program does with a file: a method and its arguments.
_actions = strategies.one_of(
    strategies.tuples(
        strategies.just('seek'), _positions, strategies.sampled_from([0, 1, 2])
    ),
    strategies.tuples(
        strategies.sampled_from(
            ['read', 'readinto', 'readline', 'readlines', 'read1', 'peek']
        ),
        _amounts,
    ),
    strategies.tuples(
        strategies.sampled_from(['read', 'readline', 'tell', 'read1'])
    ),
)


class ReadAheadTest(base.TestCase):
    """How many blocks a request is for."""

    def counts(self, *calls: tuple[int, int, int], most: int = 8) -> list[int]:
        """Return the counts for calls with index, needed and missing."""
        read_ahead = random_access.ReadAhead(most)
        return [
            read_ahead.count(index, needed=needed, missing=missing)
            for index, needed, missing in calls
        ]

    def test_doubles_while_consecutive(self) -> None:
        """Each request that begins where the last ended is twice as long."""
        calls = [(index, 1, 99) for index in (0, 1, 3, 7, 15, 23)]
        self.assertEqual([1, 2, 4, 8, 8, 8], self.counts(*calls))

    def test_one_after_a_jump(self) -> None:
        """Anywhere else it is one block, also right before."""
        calls = [(index, 1, 99) for index in (0, 1, 9, 8, 10)]
        self.assertEqual([1, 2, 1, 1, 1], self.counts(*calls))

    def test_what_is_needed_for_sure(self) -> None:
        """A long read is one request, up to the limit."""
        self.assertEqual([5], self.counts((7, 5, 99)))
        self.assertEqual([8], self.counts((7, 50, 99)))

    def test_what_is_there(self) -> None:
        """Neither the end nor a block that is there is requested again."""
        self.assertEqual([3], self.counts((7, 5, 3)))
        self.assertEqual(
            [1, 2, 3, 8],
            self.counts((0, 1, 9), (1, 1, 9), (3, 1, 3), (6, 1, 9)),
        )


class BlockCacheTest(base.TestCase):
    """Which blocks are kept."""

    def test_the_last_used(self) -> None:
        """What was not used for longest goes first."""
        cache = random_access.BlockCache(3)
        for index in range(3):
            cache.make_room()
            cache.put(index, b'block')
        cache.get(0)
        cache.make_room()
        cache.put(3, b'block')

        self.assertEqual([0, 2, 3], [i for i in range(9) if i in cache])
        self.assertIsNone(cache.get(1))

    def test_never_more(self) -> None:
        """The number has a limit."""
        cache = random_access.BlockCache(3)
        for index in range(9):
            cache.make_room()
            cache.put(index, b'block')
            self.assertLessEqual(len(cache), 3)


class TestCase(base.TestCase):
    """Tests with an image in memory."""

    def access(
        self,
        fetcher: Any,
        *,
        retries: int = 20,
        block_size: int = BLOCK,
    ) -> random_access.RandomAccess:
        """Return a reader of an image, opened."""
        self.coordinator = coordination.Coordinator('id')
        access = random_access.RandomAccess(
            fetcher,
            retry.RetryPolicy(retries=retries, wait=self._wait),
            self.coordinator,
            block_size=block_size,
        )
        self.addCleanup(access.close)
        access.open()
        return access

    def fetcher(
        self, *script: memory_fetcher.Response, data: bytes = DATA
    ) -> memory_fetcher.MemoryFetcher:
        """Return a fetcher for an image."""
        return memory_fetcher.MemoryFetcher(data, script, size=len(data))


class RandomAccessTest(TestCase):
    """Blocks are requested when they are read."""

    def test_the_first_block_comes_with_opening(self) -> None:
        """One request is made, and reading there makes none."""
        fetcher = self.fetcher()
        access = self.access(fetcher)

        self.assertEqual(DATA[3:9], bytes(access.read(3, 6)))
        self.assertEqual([byte_ranges.ByteRange(0, 10)], fetcher.requested)

    def test_reads_up_to_the_end_of_the_block(self) -> None:
        """What is returned is in one block, the last one is shorter."""
        access = self.access(self.fetcher())

        self.assertEqual(DATA[8:10], bytes(access.read(8, 6)))
        self.assertEqual(DATA[1_004:], bytes(access.read(1_004, 6)))
        self.assertEqual(b'', bytes(access.read(1_005, 6)))
        self.assertEqual(b'', bytes(access.read(9_999, 6)))

    def test_what_was_read_is_kept(self) -> None:
        """The same block is not requested twice."""
        fetcher = self.fetcher()
        access = self.access(fetcher)
        for position in (500, 0, 505, 3, 501):
            access.read(position, 2)

        self.assertEqual(
            [byte_ranges.ByteRange(0, 10), byte_ranges.ByteRange(500, 510)],
            fetcher.requested,
        )

    def test_reads_ahead(self) -> None:
        """Consecutive reads make fewer requests, for each byte once."""
        fetcher = self.fetcher()
        access = self.access(fetcher)
        for position in range(len(DATA)):
            access.read(position, 1)

        stops = [10, 30, 70, 150, *range(230, 1_005, 80), 1_005]
        starts = [0, *stops[:-1]]
        self.assertEqual(
            [
                byte_ranges.ByteRange(*each)
                for each in zip(starts, stops, strict=True)
            ],
            fetcher.requested,
        )

    def test_does_not_request_what_is_there(self) -> None:
        """Reading ahead ends at a block that is kept."""
        fetcher = self.fetcher()
        access = self.access(fetcher)
        access.read(40, 1)
        access.read(10, 90, needed=90)

        self.assertEqual(byte_ranges.ByteRange(10, 40), fetcher.requested[-1])

    def test_lets_go_of_bodies(self) -> None:
        """No response is held between two reads, also after an error."""
        for script in ([], [memory_fetcher.Response(breaks_after=3)]):
            fetcher = self.fetcher(memory_fetcher.Response(), *script)
            access = self.access(fetcher, retries=0)
            try:
                access.read(500, 1)
            except exceptions.IncompleteDownloadError:
                self.assertTrue(script)
            self.assertEqual(0, fetcher.open_bodies)

    def test_resumes(self) -> None:
        """A lost connection is resumed at the next byte."""
        fetcher = self.fetcher(
            memory_fetcher.Response(), memory_fetcher.Response(breaks_after=4)
        )
        access = self.access(fetcher)

        self.assertEqual(DATA[500:510], bytes(access.read(500, 99, needed=99)))
        self.assertEqual(
            [
                byte_ranges.ByteRange(500, 580),
                byte_ranges.ByteRange(504, 580),
            ],
            fetcher.requested[1:],
        )

    def test_no_retry_left(self) -> None:
        """The error says which bytes are missing; the next read retries."""
        fetcher = self.fetcher(
            memory_fetcher.Response(), memory_fetcher.Response(ends_after=4)
        )
        access = self.access(fetcher, retries=0)

        error = self.assertRaises(
            exceptions.InterruptedDownloadError, access.read, 500, 1
        )
        self.assertEqual((4, 10), (error.received, error.expected))
        self.assertIn('bytes 500 to 509: 4 of 10 bytes received', str(error))
        self.assertEqual(DATA[500:510], bytes(access.read(500, 10)))

    def test_what_an_error_has_to_say(self) -> None:
        """A status that stays is raised as such."""
        error = exceptions.ImageChangedError('longer')
        broken = retry.RetriableError('status', error=error)
        fetcher = self.fetcher(
            memory_fetcher.Response(), memory_fetcher.Response(error=broken)
        )
        access = self.access(fetcher, retries=0)

        self.assertIs(
            error, self.assertRaises(type(error), access.read, 500, 1)
        )

    def test_refused_ranges(self) -> None:
        """Opening fails, by one request."""
        fetcher = self.fetcher(memory_fetcher.Response(refuses_ranges=True))

        error = self.assertRaises(
            exceptions.RangeNotSupportedError, self.access, fetcher
        )
        self.assertEqual('id', error.image_id)
        self.assertEqual(1, len(fetcher.requested))

    def test_empty(self) -> None:
        """An image without bytes is read without a request."""
        fetcher = self.fetcher(data=b'')
        self.assertEqual(b'', bytes(self.access(fetcher).read(0, 1)))
        self.assertEqual([], fetcher.requested)

    def test_closed_while_a_server_is_silent(self) -> None:
        """A thread that waits gets the error about a closed download."""
        fetcher = self.fetcher(
            memory_fetcher.Response(), memory_fetcher.Response(silent_after=3)
        )
        access = self.access(fetcher)
        errors = []

        def read() -> None:
            try:
                access.read(500, 1)
            except Exception as exc:
                errors.append(exc)

        thread = threading.Thread(target=read)
        thread.start()
        processes.wait_for(lambda: len(fetcher.requested) == 2)
        access.close()
        thread.join()

        self.assertIsInstance(errors[0], exceptions.DownloadClosedError)
        self.assertEqual(0, fetcher.open_bodies)
        self.assertRaises(exceptions.DownloadClosedError, access.read, 0, 1)


class _Zeros:
    """A fetcher and a body of zeros, made when they are read."""

    image_id = 'id'
    ranged = True
    connecting = False
    start = 0

    def __init__(self, size: int) -> None:
        self.size: int | None = size

    def connection(self) -> '_Zeros':
        return self

    def open(self, byte_range: byte_ranges.ByteRange) -> '_Zeros':
        self.start = byte_range.start
        return self

    def read(self, size: int) -> bytes:
        # As little as a slow connection brings.
        return bytes(min(size, 256 * 1024))

    def take_response(self) -> requests.Response:
        return requests.Response()

    def close(self) -> None:
        pass

    abort = forget = close


class MemoryTest(TestCase):
    """Memory has a limit, however much is read."""

    def test_bounded(self) -> None:
        """It is the one that the documentation names."""
        mib = 1024 * 1024
        file = image_file.buffered(
            self.access(_Zeros(200 * mib), block_size=mib), mib
        )
        target = bytearray(5 * mib)

        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(2):
                while file.readinto(target):
                    pass
                file.seek(0)
            now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        self.assertLess(peak - before, 18 * mib + 64 * 1024)
        # It is a cache, after all.
        self.assertGreater(now - before, 15 * mib)


class FileTest(TestCase):
    """An image file is used as one of the standard library."""

    def open(
        self,
        *script: memory_fetcher.Response,
        data: bytes = DATA,
        block_size: int = BLOCK,
        retries: int = 20,
    ) -> io.BufferedReader:
        """Return an image as a file."""
        access = self.access(
            self.fetcher(*script, data=data),
            block_size=block_size,
            retries=retries,
        )
        file = image_file.buffered(access, block_size)
        self.addCleanup(file.close)
        return file

    @base.EXAMPLES
    @hypothesis.given(
        actions=strategies.lists(_actions, max_size=30),
        script=strategies.lists(_faults, max_size=20),
        size=strategies.integers(0, len(LINES)),
        block_size=strategies.integers(1, 60),
    )
    def test_as_a_local_file(
        self,
        actions: list[tuple[Any, ...]],
        script: list[memory_fetcher.Response],
        size: int,
        block_size: int,
    ) -> None:
        """Whatever is called, what comes is what a local file gives."""
        data = LINES[:size]
        path = self.write(data)
        with (
            open(path, 'rb') as local,
            self.open(*script, data=data, block_size=block_size) as file,
        ):
            for name, *arguments in actions:
                act = getattr(self, f'_{name}', None)
                if act is not None:
                    act(file, local, *arguments)
                    continue
                self.assertEqual(
                    _outcome(getattr(local, name), arguments),
                    _outcome(getattr(file, name), arguments),
                    (name, arguments),
                )
            self.assertEqual(local.tell(), file.tell())
            self.assertEqual(local.read(), file.read())

    @base.EXAMPLES
    @hypothesis.given(
        places=strategies.lists(
            strategies.tuples(strategies.integers(0, 299), _amounts),
            max_size=30,
        ),
        script=strategies.lists(_faults, max_size=30),
        block_size=strategies.integers(1, 60),
    )
    def test_after_errors(
        self,
        places: list[tuple[int, int]],
        script: list[memory_fetcher.Response],
        block_size: int,
    ) -> None:
        """Whatever fails, a read after seek() is right."""
        first = memory_fetcher.Response()
        with self.open(
            first, *script, data=LINES, block_size=block_size, retries=0
        ) as file:
            for position, amount in places:
                file.seek(position)
                try:
                    chunk = file.read(amount)
                except exceptions.InterruptedDownloadError:
                    self.assertRaises(exceptions.ReadError, file.read, 1)
                else:
                    self.assertEqual(LINES[position:][:amount], chunk)

    def _readinto(self, file: Any, local: Any, amount: int) -> None:
        targets = bytearray(amount), bytearray(amount)
        self.assertEqual(local.readinto(targets[0]), file.readinto(targets[1]))
        self.assertEqual(*targets)

    def _read1(self, file: Any, local: Any, amount: int = -1) -> None:
        # How many bytes come is up to the file.
        chunk = file.read1(amount)
        self.assertEqual(local.read(len(chunk)), chunk)
        if not chunk and amount:
            self.assertEqual(b'', local.read(1))

    def _peek(self, file: Any, local: Any, amount: int = 0) -> None:
        chunk = file.peek(amount)
        position = local.tell()
        self.assertEqual(local.read(len(chunk)), chunk)
        if not chunk:
            self.assertEqual(b'', local.read(1))
        local.seek(position)

    def test_what_it_is(self) -> None:
        """It can be read and positioned, and nothing else."""
        file = self.open()
        self.assertIsInstance(file, io.BufferedReader)
        self.assertEqual('rb', file.mode)
        self.assertTrue(file.readable())
        self.assertTrue(file.seekable())
        self.assertFalse(file.writable())
        self.assertFalse(file.isatty())
        for name, *arguments in (
            ('write', b'x'),
            ('truncate',),
            ('fileno',),
        ):
            self.assertRaises(
                io.UnsupportedOperation, getattr(file, name), *arguments
            )

    @base.for_each({'end': (-1_006, 2), 'start': (-1, 0), 'current': (-1, 1)})
    def test_before_the_beginning(self, where: tuple[int, int]) -> None:
        """The error is that of a local file."""
        file = self.open()
        with open(self.write(DATA), 'rb') as local:
            expected = _outcome(local.seek, where)
        self.assertEqual(expected, _outcome(file.seek, where))
        self.assertIn('OSError', str(expected))

    def test_closed(self) -> None:
        """Every use of a closed file is a ValueError, closing it is none."""
        file = self.open()
        raw = file.raw
        file.close()
        file.close()
        self.assertTrue(file.closed)
        for function in (file.read, file.tell, file.peek, raw.tell, raw.read):
            self.assertRaises(ValueError, function)
        self.assertRaises(ValueError, file.seek, 0)
        self.assertRaises(ValueError, raw.seek, 0)
        self.assertTrue(self.coordinator.ended)

    def test_forgotten(self) -> None:
        """It is closed with its last name, without the collector."""
        access = self.access(self.fetcher())
        file = image_file.buffered(access, BLOCK)
        file.read(100)
        self.assertFalse(self.coordinator.ended)
        del file
        self.assertTrue(self.coordinator.ended)

    def test_a_failed_read_loses_nothing(self) -> None:
        """What was read before the error is not left out of the next read."""
        file = self.open(
            memory_fetcher.Response(),
            memory_fetcher.Response(ends_after=33),
            retries=0,
        )
        self.assertRaises(exceptions.InterruptedDownloadError, file.read, 500)
        error = self.assertRaises(exceptions.ReadError, file.read, 1)
        self.assertIn('failed at byte', str(error))
        self.assertIn('seek to the position', str(error))
        file.seek(0)
        self.assert_same(DATA, file.read())

    def test_a_forked_child(self) -> None:
        """A child gets an error, and closing its copy does no harm."""
        file = self.open()
        child = os.fork()
        if not child:
            status = 1
            try:
                file.read(1)
            except exceptions.ReadError as exc:
                file.close()
                status = 'forked child' not in str(exc)
            finally:
                os._exit(status)
        self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        self.assert_same(DATA, file.read())


def _outcome(function: Any, arguments: Any) -> Any:
    """Return what a call returns, or the error."""
    try:
        return function(*arguments)
    except Exception as exc:
        return type(exc).__name__, getattr(exc, 'errno', None)
