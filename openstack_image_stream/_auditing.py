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

"""The audit of many images: each is downloaded and judged, none is kept."""

from collections.abc import Iterator
import threading
import time
from types import TracebackType
from typing import Any

from openstack_image_stream import _audit_result
from openstack_image_stream import _audit_worker
from openstack_image_stream._common import threads
from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream import exceptions

#: Seconds for which the end of the threads is waited for. Only one that
#: resolves a name or waits for a connection needs longer; it ends by itself.
_JOINED = 1.0


class Audit(Iterator[_audit_result.AuditResult]):
    """The results of an audit, an iterator, in the order they come.

    Nothing is requested before the first one is asked for. To leave it early
    is to :meth:`close` it, which a ``with`` statement does; so does Ctrl-C
    while a result is waited for. One that is no longer referenced ends, too.
    One thread at a time iterates.
    """

    # The workers do not refer to it, so that it can be forgotten.

    def __init__(
        self,
        images: Iterator[Any],
        session: Any,
        options: _config.DownloadOptions,
        jobs: int,
    ) -> None:
        self._images = images
        self._jobs = jobs
        self._shared = _audit_worker.Shared(
            session, options, _context.bucket_for(options)
        )
        self._coordinator = self._shared.coordinator
        self._coordinator.on_end(self._shared.wake)
        self._threads: list[threading.Thread] = []
        self._busy = threading.Lock()
        # Images whose results are not there yet.
        self._pending = 0
        self._all_taken = False

    def __next__(self) -> _audit_result.AuditResult:
        """Return the next result.

        :raises: :exc:`StopIteration` when all images are judged.
        :raises: :exc:`~openstack_image_stream.exceptions.\
DownloadClosedError` when the audit was closed, and
            :exc:`~openstack_image_stream.exceptions.ReadError` in a forked
            child, and where another thread is waiting for a result.
        :raises: what the iteration over the images raises, which ends the
            audit.
        """
        if not self._busy.acquire(blocking=False):
            raise exceptions.ReadError(
                'another thread is waiting for a result of this audit: let '
                'one thread iterate at a time'
            )
        try:
            self._check()
            self._feed()
            result = self._wait()
        except BaseException:
            self.close()
            raise
        finally:
            self._busy.release()
        if result is None:
            self._coordinator.finish()
            self._join()
            raise StopIteration
        return result

    def _check(self) -> None:
        if self._coordinator.elsewhere:
            raise exceptions.ReadError(
                'the audit was begun in another process, a forked child '
                'cannot continue it: start another one'
            )
        self._coordinator.check()

    def _feed(self) -> None:
        """Take as many images as keep the workers busy, and no more."""
        while not self._all_taken and self._pending < 2 * self._jobs:
            image = next(self._images, None)
            if image is None:
                self._all_taken = True
                return
            self._pending += 1
            self._shared.images.put(image)
            if len(self._threads) < self._jobs:
                self._start_worker()

    def _start_worker(self) -> None:
        thread = threading.Thread(
            target=_audit_worker.work,
            args=(self._shared,),
            name=f'openstack-image-stream-audit-{len(self._threads)}',
            # One that is not closed must not keep the interpreter from ending.
            daemon=True,
        )
        self._threads.append(thread)
        if not threads.start(thread):
            # There are too many threads; fewer workers do as well.
            self._threads.remove(thread)
            if not self._threads:
                raise RuntimeError('no thread can be started')

    def _wait(self) -> _audit_result.AuditResult | None:
        while self._pending:
            result = self._shared.results.get()
            self._check()
            if isinstance(result, BaseException):
                raise result
            if result is not None:
                self._pending -= 1
                return result
        return None

    def close(self) -> None:
        """End the audit: all downloads, their threads and connections.

        May be called more than once, from any thread, at any moment. It takes
        a second at the most. A thread that waits for a result gets a
        :exc:`~openstack_image_stream.exceptions.DownloadClosedError`.
        """
        self._coordinator.fail(
            exceptions.DownloadClosedError('the audit was closed')
        )
        self._join()

    def _join(self) -> None:
        # A forked child has none of the threads.
        if self._coordinator.elsewhere:
            return
        until = time.monotonic() + _JOINED
        for thread in self._threads:
            threads.join(thread, max(0.0, until - time.monotonic()))

    def __enter__(self) -> 'Audit':
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Within any line of any thread: nothing may be waited for.
        coordinator = self.__dict__.get('_coordinator')
        if coordinator is not None:
            coordinator.close()


Audit.__module__ = __name__.partition('.')[0]
