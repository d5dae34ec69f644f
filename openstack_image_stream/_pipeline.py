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

"""The one way that the bytes of an image take.

source -> order, length, digest -> whoever reads: a response, a sink

Whatever holds for every download is done here and nowhere else.
"""

from types import TracebackType

from openstack_image_stream import _digest
from openstack_image_stream import _options
from openstack_image_stream import _sink
from openstack_image_stream import _source
from openstack_image_stream import exceptions
from openstack_image_stream import progress

#: Bytes read at a time for a sink. Below 4 MiB the hashing thread is woken up
#: so often that it shows, above it only memory grows.
SINK_PIECE = 4 * _options.MIB
#: Bytes read at a time for somebody who iterates: what most iterate by, so
#: that their pieces are ours, uncopied.
STREAM_PIECE = _options.MIB


class Pipeline:
    """The verified bytes of an image, piece by piece.

    The last piece is handed out only after the digest agreed, so that nobody
    ever holds all of a bad image. As a context manager it closes itself.

    :param source: Where the bytes come from, opened. It is closed with the
        pipeline.
    :param expected: The digest they must have, ``None`` to check the length
        alone.
    :param meter: Takes note of every piece; closed with the pipeline.
    :param piece_size: Bytes to read at a time.
    """

    def __init__(
        self,
        source: _source.Source,
        expected: _digest.Expected | None,
        meter: progress.Meter,
        *,
        piece_size: int,
    ) -> None:
        self._source = source
        self._expected = expected
        self._meter = meter
        self._piece_size = piece_size
        self._digest: _digest.BackgroundDigest | None = None
        self._held: bytes | None = None
        self._failure: Exception | None = None
        self._finished = False

    def read(self) -> bytes:
        """Return the next piece.

        :returns: The piece, ``b''`` after the last one.
        :raises: what :meth:`Source.read
            <openstack_image_stream._source.Source.read>` and
            :meth:`BackgroundDigest.verify
            <openstack_image_stream._digest.BackgroundDigest.verify>` raise,
            at every further call again.
        """
        if self._failure is not None:
            raise self._failure
        if self._finished:
            return b''
        try:
            return self._advance()
        except Exception as exc:
            self._give_up(exc)
            raise
        except BaseException:
            # Ctrl-C may have lost bytes on their way; it is not what a later
            # read should raise once more.
            self._give_up(
                exceptions.ImageStreamError('the download was interrupted')
            )
            raise

    def _give_up(self, failure: Exception) -> None:
        self._failure = failure
        self._held = None
        self.close()

    def _advance(self) -> bytes:
        if self._held is None:
            self._start_digest()
            self._held = self._receive()
        held = self._held
        # What was received last is handed out only once there is more, or
        # once nothing is left and all of it is proved.
        self._held = self._receive() if held else b''
        if not self._held:
            self._finish()
            self._finished = True
            self.close()
        return held

    def _receive(self) -> bytes:
        piece = self._source.read(self._piece_size)
        if piece and self._digest is not None:
            self._digest.update(piece)
        self._note()
        return piece

    def _start_digest(self) -> None:
        # Not before somebody reads: an answer that is only looked at needs
        # no thread.
        if self._expected is not None:
            self._digest = _digest.BackgroundDigest(self._expected)

    def _note(self, *, end: bool = False) -> None:
        self._meter.update(self._source.position, self._source.size, end=end)

    def _finish(self) -> None:
        if self._digest is not None:
            self._digest.verify()
        self._note(end=True)

    def drain_to(self, sink: _sink.Sink) -> None:
        """Write everything to a sink, and commit it once it is proved.

        :param sink: Where to, entered by the caller.
        :raises: what :meth:`read` raises, and the :class:`OSError` of the
            sink. Nothing is committed then.
        """
        with self:
            if sink.store is None:
                while piece := self.read():
                    sink.write(piece)
            else:
                self._drain_to_store(sink, sink.store)
            sink.commit()

    def _drain_to_store(self, sink: _sink.Sink, store: int) -> None:
        # Nobody sees a store before it is committed, so nothing is held
        # back; and what it has can be hashed from there.
        self._start_digest()
        offset = sink.start
        if offset and self._digest is not None:
            self._digest.update_stored(_digest.Stored(store, 0, offset))
        while piece := self._source.read(self._piece_size):
            if self._digest is None:
                sink.write(piece)
            elif self._digest.behind:
                # The connection shall not wait until what a former attempt
                # left is hashed.
                sink.write(piece)
                self._digest.update_stored(
                    _digest.Stored(store, offset, len(piece))
                )
            else:
                self._digest.update(piece)
                sink.write(piece)
            offset += len(piece)
            self._note()
        self._finish()

    def close(self) -> None:
        """Let go of the connections and the threads.

        May be called more than once; before the end it gives the download
        up.
        """
        try:
            self._source.close()
        finally:
            if self._digest is not None:
                self._digest.close()
            self._meter.close()

    def __enter__(self) -> 'Pipeline':
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
