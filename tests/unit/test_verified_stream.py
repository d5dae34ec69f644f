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

"""Tests of the stream, on scripted sources."""

import hashlib
import tracemalloc
from typing import Any
from unittest import mock

import hypothesis
from hypothesis import strategies

from openstack_image_stream._check import hashes
from openstack_image_stream._output import replacing
from openstack_image_stream._output import sinks
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import verified_stream
from openstack_image_stream import exceptions
from openstack_image_stream import progress
from tests.unit import base
from tests.unit import scripted_source

DATA = base.some_bytes(1_000)

CUT = exceptions.IncompleteDownloadError('cut', received=1, expected=2)


class RecordingSink(sinks.Sink):
    """Remembers what happened to it."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.events: list[Any] = []
        self._failure = failure

    def __enter__(self) -> 'RecordingSink':
        self.events.append('enter')
        return self

    def write(self, chunk: bytes) -> None:
        if self._failure:
            raise self._failure
        self.events.append(chunk)

    def commit(self) -> None:
        self.events.append('commit')

    def __exit__(self, exc_type: Any, exc: Any, traceback: Any) -> None:
        self.events.append(exc_type)


class StreamTestCase(base.TestCase):
    """A test with a stream on a scripted source."""

    def stream(
        self,
        script: list[Any],
        expected: hashes.Expected | None = None,
        chunk_size: int = 100,
    ) -> tuple[verified_stream.VerifiedStream, scripted_source.ScriptedSource]:
        """Make a stream and its source."""
        source = scripted_source.ScriptedSource(script)
        observers = []
        if expected is not None:
            observers.append(hashes.DigestObserver(expected, 'id'))
        stream = verified_stream.VerifiedStream(
            source,  # type: ignore[arg-type]
            observers,
            progress.Meter(None),
            coordination.Coordinator('id'),
            chunk_size=chunk_size,
        )
        self.addCleanup(stream.close)
        return stream, source

    def drain_to(
        self, stream: verified_stream.VerifiedStream, sink: sinks.Sink
    ) -> None:
        """Write all to a sink, as a download does."""
        with sink:
            stream.drain_to(sink)

    def drain(self, stream: verified_stream.VerifiedStream) -> list[bytes]:
        """Read chunks to the end."""
        chunks = []
        while chunk := stream.read():
            chunks.append(chunk)
        return chunks


class TestGoodImage(StreamTestCase):
    """Bytes that agree with the hash."""

    @hypothesis.given(
        strategies.lists(strategies.binary(min_size=1), max_size=8),
        strategies.booleans(),
    )
    @base.EXAMPLES
    def test_pieces_come_through(
        self, chunks: list[bytes], is_verified: bool
    ) -> None:
        """What the source gives is handed out, chunk by chunk, in order."""
        expected = base.sha512(b''.join(chunks)) if is_verified else None
        stream, source = self.stream(chunks, expected)
        self.assertEqual(chunks, self.drain(stream))
        self.assertEqual(b'', stream.read())
        self.assertLessEqual(1, source.closed)
        self.assertEqual([], base.observer_threads())

    def test_pieces_are_not_copied(self) -> None:
        """The very objects of the source are handed out."""
        chunks = scripted_source.split(DATA, 100)
        stream, _ = self.stream(chunks, base.sha512(DATA))
        for chunk in chunks:
            self.assertIs(chunk, stream.read())

    def test_source_is_not_read_after_the_end(self) -> None:
        """A connection that went back to the pool is not ours any more."""
        stream, source = self.stream([DATA], base.sha512(DATA))
        self.drain(stream)
        asked = len(source.asked)
        stream.read()
        self.assertEqual(asked, len(source.asked))

    def test_piece_size(self) -> None:
        """The source is asked for chunks of the size that was wished."""
        stream, source = self.stream([DATA], chunk_size=123)
        self.drain(stream)
        self.assertEqual({123}, set(source.asked))

    def test_no_thread_before_the_first_read(self) -> None:
        """An answer that nobody reads costs no thread."""
        stream, _ = self.stream([DATA], base.sha512(DATA))
        self.assertEqual([], base.observer_threads())
        stream.read()

    def test_no_thread_without_a_hash(self) -> None:
        """Nor does an image that cannot be verified."""
        stream, _ = self.stream([DATA, DATA])
        stream.read()
        self.assertEqual([], base.observer_threads())


class TestBadImage(StreamTestCase):
    """Bytes that do not agree with the hash, or do not arrive."""

    @hypothesis.given(
        strategies.binary(min_size=1, max_size=300),
        strategies.integers(1, 100),
        strategies.data(),
    )
    @base.EXAMPLES
    def test_any_flipped_bit(
        self, data: bytes, size: int, choice: strategies.DataObject
    ) -> None:
        """One wrong bit anywhere is noticed, and nobody gets all of it."""
        position = choice.draw(strategies.integers(0, len(data) - 1))
        bad = bytearray(data)
        bad[position] ^= 1 << choice.draw(strategies.integers(0, 7))
        stream, _ = self.stream(
            scripted_source.split(bytes(bad), size), base.sha512(data)
        )
        seen: list[bytes] = []
        error = self._fails(stream, seen)
        self.assertIsInstance(error, exceptions.ChecksumMismatchError)
        self.assertEqual(hashlib.sha512(bad).hexdigest(), error.actual)
        self._assert_part(bytes(bad), seen)

    @hypothesis.given(
        strategies.binary(min_size=1, max_size=300),
        strategies.integers(1, 100),
        strategies.data(),
    )
    @base.EXAMPLES
    def test_any_cut(
        self, data: bytes, size: int, choice: strategies.DataObject
    ) -> None:
        """Wherever it breaks off, that is noticed and a chunk is missing."""
        cut = choice.draw(strategies.integers(0, len(data) - 1))
        stream, _ = self.stream(
            [*scripted_source.split(data[:cut], size), CUT],
            base.sha512(data),
        )
        seen: list[bytes] = []
        self.assertIs(CUT, self._fails(stream, seen))
        if cut:
            self._assert_part(data[:cut], seen)

    def _fails(
        self, stream: verified_stream.VerifiedStream, seen: list[bytes]
    ) -> Exception:
        try:
            while chunk := stream.read():
                seen.append(chunk)
        except exceptions.ImageStreamError as exc:
            return exc
        return self.fail('no error')

    def _assert_part(self, sent: bytes, seen: list[bytes]) -> None:
        held = b''.join(seen)
        self.assertTrue(sent.startswith(held))
        self.assertLess(len(held), len(sent))


class TestAfterAFailure(StreamTestCase):
    """A download that failed stays failed."""

    @base.for_each({'network': CUT, 'local': OSError(28, 'full')})
    def test_error_is_raised_again(self, failure: Exception) -> None:
        """Nobody can take the rest for the end by reading once more."""
        stream, source = self.stream([DATA, failure, DATA])
        for _ in range(3):
            error = self.assertRaises(type(failure), stream.read)
            self.assertEqual(str(failure), str(error))
        self.assertEqual(2, len(source.asked))
        self.assertLessEqual(1, source.closed)

    def test_mismatch_is_raised_again(self) -> None:
        """Nor the chunk that was kept back."""
        stream, _ = self.stream([DATA], base.sha512(b'other'))
        for _ in range(3):
            self.assertRaises(exceptions.ChecksumMismatchError, stream.read)

    def test_nothing_stays_open(self) -> None:
        """The connection and the thread go with the error."""
        stream, source = self.stream([DATA, CUT], base.sha512(DATA))
        self.assertRaises(exceptions.IncompleteDownloadError, stream.read)
        self.assertLessEqual(1, source.closed)
        self.assertEqual([], base.observer_threads())

    def test_interruption(self) -> None:
        """Ctrl-C comes through, once, and the download is over."""
        stream, source = self.stream(
            [DATA, KeyboardInterrupt(), DATA], base.sha512(DATA + DATA)
        )
        # Not assertRaises(), which lets a Ctrl-C pass.
        try:
            stream.read()
        except KeyboardInterrupt:
            pass
        else:
            self.fail('the interruption was swallowed')
        self.assertLessEqual(1, source.closed)
        self.assertEqual([], base.observer_threads())
        error = self.assertRaises(exceptions.ImageStreamError, stream.read)
        self.assertIn('interrupted', str(error))


class TestDrain(StreamTestCase):
    """Everything to a sink."""

    def test_commit_comes_last(self) -> None:
        """The sink is committed once, after all of it was proved."""
        sink = RecordingSink()
        stream, source = self.stream([b'ab', b'c'], base.sha512(b'abc'))
        self.drain_to(stream, sink)
        self.assertEqual(['enter', b'ab', b'c', 'commit', None], sink.events)
        self.assertLessEqual(1, source.closed)

    def test_empty_image(self) -> None:
        """An image without bytes is proved and committed as well."""
        sink = RecordingSink()
        stream, _ = self.stream([], base.sha512(b''))
        self.drain_to(stream, sink)
        self.assertEqual(['enter', 'commit', None], sink.events)

    def test_empty_instead_of_an_image(self) -> None:
        """No bytes are not the image either."""
        sink = RecordingSink()
        stream, _ = self.stream([], base.sha512(DATA))
        self.assertRaises(
            exceptions.ChecksumMismatchError, self.drain_to, stream, sink
        )
        self.assertNotIn('commit', sink.events)

    @base.for_each(
        {
            'mismatch': ([b'ab', b'x'], exceptions.ChecksumMismatchError),
            'cut': ([b'ab', b'c', CUT], exceptions.IncompleteDownloadError),
        }
    )
    def test_failure_is_not_committed(self, case: Any) -> None:
        """The sink learns of the error, and gets no last chunk."""
        script, expected = case
        sink = RecordingSink()
        stream, source = self.stream(script, base.sha512(b'abc'))
        self.assertRaises(expected, self.drain_to, stream, sink)
        self.assertEqual(['enter', b'ab', expected], sink.events)
        self.assertLessEqual(1, source.closed)
        self.assertEqual([], base.observer_threads())

    def test_failure_of_the_sink(self) -> None:
        """An error of the disk comes through as it is, all is let go."""
        full = OSError(28, 'No space left on device')
        sink = RecordingSink(full)
        stream, source = self.stream([DATA, DATA], base.sha512(DATA))
        error = self.assertRaises(OSError, self.drain_to, stream, sink)
        self.assertIs(full, error)
        self.assertEqual(['enter', OSError], sink.events)
        self.assertLessEqual(1, source.closed)
        self.assertEqual([], base.observer_threads())


class TestClosing(StreamTestCase):
    """Giving up."""

    def test_before_the_end(self) -> None:
        """Nothing stays open, and twice is no error."""
        stream, source = self.stream(
            scripted_source.split(DATA, 100), base.sha512(DATA)
        )
        stream.read()
        stream.close()
        stream.close()
        self.assertLessEqual(1, source.closed)
        self.assertEqual([], base.observer_threads())

    def test_in_the_moment_of_a_read(self) -> None:
        """The reader is told so, not that another thread is reading."""
        stream, _ = self.stream([DATA, DATA], base.sha512(DATA + DATA))
        free = stream._busy

        def acquire(*args: Any, **kwargs: Any) -> bool:
            # It is the closing thread that has it by now.
            stream._busy = free
            stream.close()
            return False

        stream._busy = mock.Mock(acquire=acquire)
        self.assertRaises(exceptions.DownloadClosedError, stream.read)

    def test_as_a_context_manager(self) -> None:
        """Leaving a block closes, whatever happened in it."""
        stream, source = self.stream([DATA, DATA], base.sha512(DATA))
        with (
            self.assertRaisesRegex(RuntimeError, 'enough'),
            stream as entered,
        ):
            self.assertIs(stream, entered)
            stream.read()
            raise RuntimeError('enough')
        self.assertLessEqual(1, source.closed)
        self.assertEqual([], base.observer_threads())


class TestMemory(StreamTestCase):
    """How much of an image is in memory."""

    def _peak(self, sink: sinks.Sink, chunks: int, size: int) -> int:
        # Made one by one, as a network does.
        script = (bytes(size) for _ in range(chunks))
        stream, _ = self.stream(
            script,  # type: ignore[arg-type]
            base.sha512(bytes(size) * chunks),
        )
        tracemalloc.start()
        try:
            self.drain_to(stream, sink)
            if isinstance(sink, sinks.MemorySink):
                sink.content()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_to_a_file(self) -> None:
        """Some chunks at the most, however large the image is."""
        size = 100_000
        sink = replacing.ReplacingSink(
            self.path(), 'id', resume=True, sparse=True
        )
        self.assertLess(self._peak(sink, 200, size), 8 * size)
        self.assertEqual(200 * size, len(self.content()))

    def test_in_memory(self) -> None:
        """The image once, not twice."""
        size = 100_000
        sink = sinks.MemorySink()
        self.assertLess(self._peak(sink, 200, size), 1.5 * 200 * size)
        self.assertEqual(200 * size, len(sink.content()))
