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

"""The verified bytes of an image, which every kind of download reads.

source -> order, length, observers -> reader: a response, an output

What holds for every download is done here and nowhere else.
"""

import collections
from collections.abc import Iterator, Sequence
import contextlib
import threading
from types import TracebackType

from openstack_image_stream._common import signals
from openstack_image_stream import _config
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import image_source
from openstack_image_stream._transfer import interfaces
from openstack_image_stream._transfer import observing
from openstack_image_stream import exceptions
from openstack_image_stream import progress

#: Bytes read at a time for a sink. Below 4 MiB the observers' thread is woken
#: up so often that it shows, above it only memory grows.
SINK_CHUNK = 4 * _config.MIB
#: Bytes read at a time for a caller who iterates: what most iterate by, so
#: that their chunks are ours, uncopied.
STREAM_CHUNK = _config.MIB

#: What was received is not the image; to keep more of it is of no use.
_BAD = (*exceptions.REFUSALS, exceptions.ImageChangedError)


class VerifiedStream:
    """The verified bytes of an image, chunk by chunk.

    The last chunk is withheld until the observers have judged, so that no
    caller ever holds all of a bad image, and so is the first until all of
    them say that the bytes may be handed out. As a context manager it closes
    itself.

    Only one thread at a time reads. What has to be closed is closed by the
    thread that reads, or by the one that closes where no thread does.

    :param source: Where the bytes come from, opened. It is closed with the
        stream.
    :param observers: What judges the bytes; with none the length alone is
        checked.
    :param meter: Takes note of every chunk; closed with the stream.
    :param coordinator: Owns the download; ended with the stream.
    :param chunk_size: Bytes to read at a time.
    """

    def __init__(
        self,
        source: image_source.ImageSource,
        observers: Sequence[interfaces.Observer],
        meter: progress.Meter,
        coordinator: coordination.Coordinator,
        *,
        chunk_size: int,
    ) -> None:
        self._source = source
        self._observers = observers
        self._meter = meter
        self._coordinator = coordinator
        self._chunk_size = chunk_size
        self._observing: observing.ObserverThreads | None = None
        self._withheld: collections.deque[bytes] = collections.deque()
        self._finished = False
        # Held by the thread that reads, and by the one that cleans up.
        self._busy = threading.Lock()
        self._cleaned = False

    def read(self) -> bytes:
        """Return the next chunk.

        :returns: The chunk, ``b''`` after the last one.
        :raises: what :meth:`.ImageSource.read` and the observers raise, at
            every further call again.
        """
        self._coordinator.check()
        with self._reading():
            return self._advance()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Keep other threads out, and end the download with any error."""
        if not self._busy.acquire(blocking=False):
            # It may be the one that has closed the download just now.
            self._coordinator.check()
            raise exceptions.ReadError(
                'the download is being read by another thread, or by what '
                'its own reading calls: let one thread read at a time'
            )
        try:
            yield
        except Exception as exc:
            self._coordinator.fail(exc)
            raise
        except BaseException:
            # Ctrl-C may have lost bytes on their way; it is not what a later
            # read should raise once more.
            self._coordinator.fail(
                exceptions.ReadError('the download was interrupted')
            )
            raise
        finally:
            self._busy.release()
            if self._coordinator.ended:
                self._clean_up()

    def _advance(self) -> bytes:
        self._start_observing()
        # What was received last is handed out only once there is more, or
        # once nothing is left and all of it is verified.
        while not self._finished and not (
            len(self._withheld) > 1 and self._decided
        ):
            chunk = self._receive()
            if chunk:
                self._withheld.append(chunk)
            else:
                self._finish()
        return self._withheld.popleft() if self._withheld else b''

    @property
    def _decided(self) -> bool:
        return all(observer.decided for observer in self._observers)

    def _receive(self) -> bytes:
        chunk = self._source.read(self._chunk_size)
        if chunk and self._observing is not None:
            self._observing.update(chunk)
        self._note()
        return chunk

    def _start_observing(self) -> None:
        if self._finished or self._observing is not None:
            return
        # Not before something is read: a response that is only looked at
        # needs no thread.
        if self._observers:
            self._observing = observing.ObserverThreads(
                self._observers, self._coordinator
            )

    def _note(self, *, end: bool = False) -> None:
        self._meter.update(self._source.position, self._source.size, end=end)
        # What is called there may have closed the download.
        self._coordinator.check()

    def _finish(self) -> None:
        if self._observing is not None:
            self._observing.finish()
        self._note(end=True)
        # Before the end, which breaks the connections that are in use: these
        # can be used again.
        self._source.close()
        self._finished = True
        self._coordinator.finish()

    def drain_to(self, sink: interfaces.Sink) -> None:
        """Write everything to a sink, and commit it once it is verified.

        :param sink: Where to, entered by the caller.
        :raises: what :meth:`read` raises, and the :class:`OSError` of the
            sink. Nothing is committed then.
        """
        with self:
            if sink.store is None:
                while chunk := self.read():
                    sink.write(chunk)
            else:
                try:
                    with self._reading():
                        self._drain_to_store(sink, sink.store)
                except BaseException as exc:
                    if not isinstance(exc, _BAD):
                        self._keep_what_arrived(sink)
                    raise
            sink.commit()

    def _drain_to_store(self, sink: interfaces.Sink, store: int) -> None:
        # A store is not seen before it is committed, so nothing is held
        # back; and what it has can be hashed from there.
        self._start_observing()
        offset = sink.start
        if offset and self._observing is not None:
            self._observing.update_stored(
                observing.StoredBytes(store, 0, offset)
            )
        while chunk := self._source.read(self._chunk_size):
            if self._observing is None:
                sink.write(chunk)
            elif self._observing.behind:
                # The connection shall not wait until what a former attempt
                # left is hashed.
                sink.write(chunk)
                self._observing.update_stored(
                    observing.StoredBytes(store, offset, len(chunk))
                )
            else:
                self._observing.update(chunk)
                sink.write(chunk)
            offset += len(chunk)
            self._note()
        self._finish()

    def _keep_what_arrived(self, sink: interfaces.Sink) -> None:
        """Write what several connections have received in order."""
        if not sink.resume:
            return
        # An output that fails has said so already.
        with signals.suppress(Exception):
            for position, chunk in self._source.ready():
                if position != sink.position:
                    break
                sink.write(chunk)

    def close(self) -> None:
        """End the download, and let go of the connections and the threads.

        May be called more than once, from any thread, at any moment. Where
        another thread is reading, or this one within a signal handler or a
        progress function, it is that which lets go of everything, as soon as
        it notices.
        """
        self._coordinator.close()
        self._clean_up()

    def abandon(self) -> None:
        """End the download from within the garbage collector.

        Nothing is waited for: the threads end by themselves.
        """
        self._coordinator.close()

    def _clean_up(self) -> None:
        # A forked child has none of the threads, and no sockets of its own.
        if self._coordinator.elsewhere:
            return
        if self._cleaned or not self._busy.acquire(blocking=False):
            return
        try:
            if not self._finished:
                self._withheld.clear()
            try:
                self._source.close()
            finally:
                if self._observing is not None:
                    self._observing.close()
                self._meter.close()
                self._coordinator.join()
            self._cleaned = True
        finally:
            self._busy.release()

    def __enter__(self) -> 'VerifiedStream':
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
