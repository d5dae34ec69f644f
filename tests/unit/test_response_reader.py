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

"""Tests of what a caller reads a streamed image through."""

import array
import collections
from collections.abc import Iterator
import contextlib
import gc
import io
import shutil
import tracemalloc
from typing import Any
from unittest import mock

import hypothesis
from hypothesis import strategies
import requests
import urllib3

from openstack_image_stream._check import hashes
from openstack_image_stream._http import responses
from openstack_image_stream._http import returned
from openstack_image_stream._output import response_reader
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import verified_stream
from openstack_image_stream import exceptions
from openstack_image_stream import progress
from tests.unit import base
from tests.unit import scripted_source

DATA = base.some_bytes(1_000)
LINES = b'first\nsecond\r\n\nlast'

#: How to read all of a response, each as a caller may do it.
READERS: dict[str, Any] = {
    'content': lambda r: r.content,
    'iter_content_default': lambda r: b''.join(r.iter_content()),
    'iter_content_1': lambda r: b''.join(r.iter_content(1)),
    'iter_content_7': lambda r: b''.join(r.iter_content(7)),
    'iter_content_chunk': lambda r: b''.join(r.iter_content(100)),
    'iter_content_more': lambda r: b''.join(r.iter_content(10_000)),
    'iter_content_none': lambda r: b''.join(r.iter_content(None)),
    'iter_response': lambda r: b''.join(r),
    'raw_read': lambda r: r.raw.read(),
    'raw_read_none': lambda r: r.raw.read(None),
    'raw_read_negative': lambda r: r.raw.read(-1),
    'raw_read_7': lambda r: b''.join(iter(lambda: r.raw.read(7), b'')),
    'raw_read_more': lambda r: r.raw.read(10_000),
    'raw_read_decoded': lambda r: r.raw.read(10_000, decode_content=True),
    'raw_readall': lambda r: r.raw.readall(),
    'raw_stream': lambda r: b''.join(r.raw.stream()),
    'raw_stream_7': lambda r: b''.join(r.raw.stream(7)),
    'raw_stream_none': lambda r: b''.join(r.raw.stream(None)),
    'raw_lines': lambda r: b''.join(r.raw),
    'copyfileobj': lambda r: _copied(r.raw, 64 * 1024),
    'copyfileobj_7': lambda r: _copied(r.raw, 7),
    'copyfileobj_all': lambda r: _copied(r.raw, -1),
    'buffered': lambda r: io.BufferedReader(r.raw).read(),
    'buffered_7': lambda r: b''.join(
        iter(lambda: buffered.read(7), b'')
        if (buffered := io.BufferedReader(r.raw, 30))
        else ()
    ),
    'readinto': lambda r: _read_into(r.raw, 10),
    'readinto_more': lambda r: _read_into(r.raw, 10_000),
}


def _copied(raw: Any, length: int) -> bytes:
    target = io.BytesIO()
    shutil.copyfileobj(raw, target, length)
    return target.getvalue()


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Have nothing collected that is part of a cycle."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _read_into(raw: Any, size: int) -> bytes:
    buffer = bytearray(size)
    chunks = []
    while count := raw.readinto(buffer):
        chunks.append(bytes(buffer[:count]))
    return b''.join(chunks)


class ResponseTestCase(base.TestCase):
    """A test with a response that reads from a scripted source."""

    def response(
        self, script: list[Any], data: bytes = DATA
    ) -> requests.Response:
        """Make a response to a request for an image of these bytes."""
        self.source = scripted_source.ScriptedSource(script)
        self.coordinator = coordination.Coordinator('id')
        stream = verified_stream.VerifiedStream(
            self.source,  # type: ignore[arg-type]
            [hashes.DigestObserver(base.sha512(data), 'id')],
            progress.Meter(None),
            self.coordinator,
            chunk_size=100,
        )
        response = requests.Response()
        response.status_code = 200
        response.raw = urllib3.HTTPResponse(
            body=io.BytesIO(b'never to be seen'),
            headers={'X-From': 'the server'},
            status=200,
            preload_content=False,
        )
        attached = response_reader.attach(response, stream)
        self.assertIs(response, attached)
        return response

    def good(self) -> requests.Response:
        """Make a response to a request for a good image."""
        return self.response(scripted_source.split(DATA, 100))


class TestReading(ResponseTestCase):
    """Every way to read gives the image."""

    @base.for_each(READERS)
    def test_all_bytes(self, read: Any) -> None:
        """All of it arrives, once, and nothing stays open."""
        response = self.good()
        self.assert_same(DATA, read(response))
        self.assertLessEqual(1, self.source.closed)
        self.assertEqual([], base.observer_threads())

    @base.for_each(READERS)
    def test_no_bytes(self, read: Any) -> None:
        """An empty image is read as such."""
        self.assertEqual(b'', read(self.response([], b'')))
        self.assertEqual([], base.observer_threads())

    @base.for_each(READERS)
    def test_mismatch(self, read: Any) -> None:
        """Every way to read notices other bytes."""
        response = self.response(scripted_source.split(DATA[:-1] + b'x', 100))
        self.assertRaises(exceptions.ChecksumMismatchError, read, response)
        self.assertEqual([], base.observer_threads())

    @base.for_each(READERS)
    def test_cut(self, read: Any) -> None:
        """Every way to read notices a broken connection."""
        response = self.response(
            [DATA[:100], exceptions.IncompleteDownloadError('cut')]
        )
        self.assertRaises(exceptions.IncompleteDownloadError, read, response)
        self.assertEqual([], base.observer_threads())

    # A buffer that is dropped closes what it is around.
    @base.for_each(
        {
            word: read
            for word, read in READERS.items()
            if not word.startswith('buffered')
        }
    )
    def test_error_is_raised_again(self, read: Any) -> None:
        """Reading once more after an error is not the end of the image."""
        response = self.response(scripted_source.split(DATA[:-1] + b'x', 100))
        self.assertRaises(exceptions.ChecksumMismatchError, read, response)
        self.assertRaises(
            exceptions.ChecksumMismatchError, response.raw.read, 1
        )
        self.assertRaises(
            exceptions.ChecksumMismatchError,
            next,
            response.iter_content(10),
        )

    @hypothesis.given(
        strategies.integers(1, 60),
        strategies.lists(
            strategies.tuples(
                strategies.sampled_from(['read', 'readinto', 'stream']),
                strategies.integers(0, 100),
            ),
            max_size=20,
        ),
    )
    @base.EXAMPLES
    def test_any_sequence(
        self, chunk_size: int, calls: list[tuple[str, int]]
    ) -> None:
        """However the calls and chunks fall, the bytes are the same."""
        data = DATA[:300]
        raw = self.response(scripted_source.split(data, chunk_size), data).raw
        seen = b''
        for name, size in calls:
            if name == 'read':
                chunk = raw.read(size)
                wanted = size
            elif name == 'readinto':
                buffer = bytearray(size)
                count = raw.readinto(buffer)
                chunk = bytes(buffer[:count])
                wanted = size
            else:
                chunk = next(raw.stream(size + 1), b'')
                wanted = size + 1
            # Short only at the end.
            left = len(data) - len(seen)
            self.assertEqual(min(wanted, left), len(chunk))
            seen += chunk
            self.assertEqual(len(seen), raw.tell())
        self.assertEqual(data, seen + raw.read())


class TestChunks(ResponseTestCase):
    """The sizes of what is handed out."""

    @base.for_each({'one': 1, 'odd': 7, 'chunk': 100, 'more': 333})
    def test_iter_content(self, size: int) -> None:
        """Every chunk has the size that was asked for, but the last."""
        sizes = [len(chunk) for chunk in self.good().iter_content(size)]
        self.assertEqual({size}, set(sizes[:-1]))
        self.assertLess(0, sizes[-1])
        self.assertEqual(1_000, sum(sizes))

    def test_iter_content_as_it_comes(self) -> None:
        """Without a size the chunks of the network come, not copied."""
        chunks = scripted_source.split(DATA, 100)
        response = self.response(chunks)
        for chunk, seen in zip(
            chunks, response.iter_content(None), strict=True
        ):
            self.assertIs(chunk, seen)

    def test_same_size_is_not_copied(self) -> None:
        """Who reads by the size of our chunks gets them as they are."""
        chunks = scripted_source.split(DATA, 100)
        response = self.response(chunks)
        for chunk, seen in zip(
            chunks, response.iter_content(100), strict=True
        ):
            self.assertIs(chunk, seen)

    def test_iter_lines(self) -> None:
        """Lines are cut by requests, over the edges of chunks."""
        response = self.response(scripted_source.split(LINES, 3), LINES)
        self.assertEqual(
            [b'first', b'second', b'', b'last'],
            list(response.iter_lines(chunk_size=5)),
        )

    def test_readline(self) -> None:
        """The raw stream knows lines as every file does."""
        raw = self.response(scripted_source.split(LINES, 3), LINES).raw
        self.assertEqual(b'first\n', raw.readline())
        self.assertEqual([b'second\r\n', b'\n', b'last'], raw.readlines())

    def test_read_nothing(self) -> None:
        """Asking for no bytes neither reads nor ends anything."""
        raw = self.good().raw
        self.assertEqual(b'', raw.read(0))
        self.assertEqual(0, raw.readinto(bytearray()))
        self.assertEqual([], self.source.asked)
        self.assert_same(DATA, raw.read())

    @base.for_each({'read': 'read', 'readinto': 'readinto'})
    def test_types(self, name: str) -> None:
        """Bytes are bytes, also where ours are views."""
        raw = self.good().raw
        if name == 'read':
            for size in (3, 97, 150, None):
                self.assertIs(bytes, type(raw.read(size)))
        else:
            self.assertIs(int, type(raw.readinto(bytearray(10))))


class TestReadinto(ResponseTestCase):
    """Buffers of all kinds."""

    def test_part_of_a_buffer(self) -> None:
        """Only the buffer that was given is filled."""
        buffer = bytearray(b'-' * 20)
        with memoryview(buffer) as view:
            self.assertEqual(10, self.good().raw.readinto(view[5:15]))
        self.assertEqual(b'-' * 5 + DATA[:10] + b'-' * 5, buffer)

    def test_array_of_numbers(self) -> None:
        """A buffer of larger items is filled by bytes, not by items."""
        buffer = array.array('I', [0] * 10)
        count = self.good().raw.readinto(buffer)
        self.assertEqual(10 * buffer.itemsize, count)
        self.assert_same(DATA[:count], buffer.tobytes())

    def test_over_chunks(self) -> None:
        """A buffer larger than a chunk is filled from several."""
        buffer = bytearray(250)
        self.assertEqual(250, self.good().raw.readinto(buffer))
        self.assert_same(DATA[:250], buffer)

    def test_at_the_end(self) -> None:
        """The last buffer is filled as far as there is something."""
        raw = self.good().raw
        raw.read(990)
        buffer = bytearray(20)
        self.assertEqual(10, raw.readinto(buffer))
        self.assert_same(DATA[990:] + bytes(10), buffer)
        self.assertEqual(0, raw.readinto(buffer))

    def test_buffer_is_free_afterwards(self) -> None:
        """The buffer can be resized, so no view of it was kept."""
        buffer = bytearray(10)
        self.good().raw.readinto(buffer)
        buffer.extend(b'more')

    def test_read_only_buffer(self) -> None:
        """What cannot be written to is refused, and no byte is lost."""
        raw = self.good().raw
        self.assertRaises(TypeError, raw.readinto, bytes(10))
        self.assert_same(DATA, raw.read())


class TestNobodyHoldsABadImage(ResponseTestCase):
    """The last chunk comes only after the proof."""

    @base.for_each({'one': 1, 'odd': 7, 'chunk': 100, 'none': None})
    def test_by_iter_content(self, size: int | None) -> None:
        """Who iterates misses at least one chunk of a bad image."""
        response = self.response(scripted_source.split(b'x' + DATA[1:], 100))
        seen = []
        with self.assertRaisesRegex(
            exceptions.ChecksumMismatchError, 'mismatch'
        ):
            for chunk in response.iter_content(size):
                seen.append(chunk)
        # Less than the chunk that is asked for may be missing.
        self.assertLessEqual(len(b''.join(seen)), 900)
        self.assertLess(800, len(b''.join(seen)))

    def test_in_one_chunk(self) -> None:
        """Of an image of one chunk nothing is seen."""
        response = self.response([b'x' + DATA[1:]])
        buffer = bytearray(1_000)
        self.assertRaises(
            exceptions.ChecksumMismatchError, response.raw.readinto, buffer
        )
        self.assertEqual(bytes(1_000), buffer)

    def test_readinto_over_the_end(self) -> None:
        """A buffer that would hold it all does not get the last chunk."""
        response = self.response(scripted_source.split(b'x' + DATA[1:], 100))
        buffer = bytearray(1_000)
        self.assertRaises(
            exceptions.ChecksumMismatchError, response.raw.readinto, buffer
        )
        self.assertEqual(bytes(100), buffer[900:])


class TestMemory(base.TestCase):
    """How much of an image is in memory."""

    def _peak(self, read: Any) -> float:
        # Made one by one, as a network does.
        chunks, size = 200, 100_000
        source = scripted_source.ScriptedSource(
            bytes(size) for _ in range(chunks)
        )
        stream = verified_stream.VerifiedStream(
            source,  # type: ignore[arg-type]
            [hashes.DigestObserver(base.sha512(bytes(size) * chunks), 'id')],
            progress.Meter(None),
            coordination.Coordinator('id'),
            chunk_size=size,
        )
        response = response_reader.attach(requests.Response(), stream)
        tracemalloc.start()
        try:
            read(response)
            return tracemalloc.get_traced_memory()[1] / size
        finally:
            tracemalloc.stop()

    @base.for_each(
        {
            'by_our_chunks': lambda r: collections.deque(
                r.iter_content(100_000), maxlen=1
            ),
            'by_small_chunks': lambda r: collections.deque(
                r.iter_content(7_000), maxlen=1
            ),
            'by_readinto': lambda r: _read_away(r.raw, bytearray(7_000)),
        }
    )
    def test_of_a_stream(self, read: Any) -> None:
        """Some chunks at the most, however large the image is."""
        self.assertLess(self._peak(read), 8)

    def test_of_all_at_once(self) -> None:
        """The image once, not twice."""
        self.assertLess(self._peak(lambda r: r.raw.read()), 1.5 * 200)


def _read_away(raw: Any, buffer: bytearray) -> None:
    while raw.readinto(buffer):
        pass


class TestClosing(ResponseTestCase):
    """An early end is the caller's good right."""

    def _assert_let_go(self) -> None:
        self.assertLessEqual(1, self.source.closed)
        self.assertEqual([], base.observer_threads())

    @base.for_each(
        {
            'response': lambda r: r.close(),
            'raw': lambda r: r.raw.close(),
            'with': lambda r: r.__exit__(),
            'both': lambda r: (r.raw.close(), r.close()),
            'twice': lambda r: (r.close(), r.close()),
        }
    )
    def test_half_read(self, close: Any) -> None:
        """Closing in the middle lets go of connection and thread."""
        response = self.good()
        response.raw.read(150)
        close(response)
        self._assert_let_go()
        self.assertTrue(response.raw.closed)

    def test_unread(self) -> None:
        """So does closing before anything was read."""
        self.good().close()
        self._assert_let_go()
        self.assertEqual([], self.source.asked)

    def test_stopped_iteration(self) -> None:
        """So does leaving a loop and the block around it."""
        with self.good() as response:
            for _ in response.iter_content(7):
                break
        self._assert_let_go()

    def test_buffered_reader_closes(self) -> None:
        """A buffer around it closes what it is around."""
        with io.BufferedReader(self.good().raw) as buffered:
            self.assert_same(DATA[:10], buffered.read(10))
        self._assert_let_go()

    @base.for_each(
        {
            'read': lambda raw: raw.read(),
            'read_some': lambda raw: raw.read(10),
            'readinto': lambda raw: raw.readinto(bytearray(10)),
            'readall': lambda raw: raw.readall(),
            'stream': lambda raw: next(raw.stream()),
            'line': lambda raw: raw.readline(),
        }
    )
    def test_read_after_close(self, read: Any) -> None:
        """Reading what was closed is a ValueError, as of every file."""
        response = self.good()
        response.raw.read(150)
        response.close()
        self.assertRaises(ValueError, read, response.raw)

    def _assert_abandoned(self) -> None:
        """Check that all was told to end, without anything being waited for.

        The source, and its connections, go with the response.
        """
        self.assertTrue(self.coordinator.ended)
        self.assertEqual(0, self.source.closed)
        for thread in base.observer_threads():
            thread.join(10)
        self.assertEqual([], base.observer_threads())

    def test_forgotten_unread(self) -> None:
        """A response that is dropped ends its download."""
        with without_collector():
            response = self.good()
            del response
            self._assert_abandoned()

    def test_forgotten_half_read(self) -> None:
        """Also in the middle, where a thread is at work."""
        with without_collector():
            response = self.good()
            response.raw.read(150)
            del response
            self._assert_abandoned()

    def test_closed_while_it_is_read(self) -> None:
        """Who reads is told, and is the one to let go of everything."""
        response = self.good()
        chunks = iter(scripted_source.split(DATA, 100))

        def read(size: int) -> bytes:
            response.close()
            self.assertEqual(0, self.source.closed)
            return next(chunks)

        self.source.read = read  # type: ignore[method-assign]
        error = self.assertRaises(
            exceptions.DownloadClosedError, response.raw.read, 10
        )
        self.assertIn('closed', str(error))
        self._assert_let_go()

    def test_read_by_two(self) -> None:
        """A second reader is turned away, and does the first no harm."""
        response = self.good()
        errors = []
        chunks = iter(scripted_source.split(DATA, 100))

        def read(size: int) -> bytes:
            if not errors:
                errors.append(
                    self.assertRaises(
                        exceptions.ImageStreamError, response.raw.read, 10
                    )
                )
            return next(chunks, b'')

        self.source.read = read  # type: ignore[method-assign]
        self.assert_same(DATA, response.raw.read())
        self.assertIn('another thread', str(errors[0]))

    def test_close_that_fails(self) -> None:
        """It counts as closed also when the connection objects."""
        response = self.good()
        self.source.close = mock.Mock(  # type: ignore[method-assign]
            side_effect=[OSError('broken'), None, None]
        )
        self.assertRaises(OSError, response.raw.close)
        self.assertTrue(response.raw.closed)
        response.raw.close()


class TestStandIn(ResponseTestCase):
    """What stands for the HTTPResponse of urllib3 behaves like it."""

    def test_is_a_file(self) -> None:
        """It is readable, and neither writable nor seekable."""
        raw = self.good().raw
        self.assertIsInstance(raw, io.RawIOBase)
        self.assertTrue(raw.readable())
        self.assertFalse(raw.writable())
        self.assertFalse(raw.seekable())
        self.assertRaises(OSError, raw.seek, 0)

    def test_tell(self) -> None:
        """It knows how far it was read."""
        raw = self.good().raw
        self.assertEqual(0, raw.tell())
        raw.read(150)
        self.assertEqual(150, raw.tell())
        raw.readinto(bytearray(10))
        self.assertEqual(160, raw.tell())
        raw.read()
        self.assertEqual(1_000, raw.tell())

    def test_answers_for_the_server(self) -> None:
        """What the server said of the answer can be asked as before."""
        raw = self.good().raw
        self.assertEqual('the server', raw.headers['X-From'])
        self.assertEqual(200, raw.status)
        self.assertIsNone(raw.reason)

    @base.for_each(
        {name: name for name in ('data', 'read1', '_fp', 'drain_conn', 'json')}
    )
    def test_no_way_around(self, name: str) -> None:
        """Nothing leads to bytes that were not verified."""
        raw = self.good().raw
        error = self.assertRaises(AttributeError, getattr, raw, name)
        self.assertIn(name, str(error))

    def test_no_descriptor(self) -> None:
        """Neither does the descriptor of the connection."""
        self.assertRaises(OSError, self.good().raw.fileno)

    def test_words_of_http_client(self) -> None:
        """Whether it is closed, and came in chunks."""
        raw = self.good().raw
        self.assertFalse(raw.chunked)
        self.assertFalse(raw.isclosed())
        raw.close()
        self.assertTrue(raw.isclosed())

    def test_iteration(self) -> None:
        """Iterating over the response gives a mebibyte at a time."""
        response = self.good()
        with mock.patch.object(response, 'iter_content') as iter_content:
            iter(response)
        iter_content.assert_called_once_with(1024 * 1024)

    def test_release_conn(self) -> None:
        """Releasing the connection, as requests does, ends nothing."""
        raw = self.good().raw
        raw.read(10)
        raw.release_conn()
        self.assert_same(DATA[10:], raw.read())


class TestConsumed(base.TestCase):
    """A response whose body went elsewhere."""

    def test_with_content(self) -> None:
        """The content is the very object, and iterating gives it too."""
        response = requests.Response()
        responses.put_content(response, DATA)
        self.assertIs(DATA, response.content)
        self.assert_same(DATA, b''.join(response.iter_content(7)))

    def test_without_content(self) -> None:
        """A body that was written to a file cannot be read once more."""
        response = requests.Response()
        self.assertIs(response, returned.consume(response, 'burnt'))
        self.assertRaises(
            requests.exceptions.StreamConsumedError,
            response.iter_content,
        )
        error = self.assertRaises(RuntimeError, lambda: response.content)
        self.assertIn('burnt', str(error))
