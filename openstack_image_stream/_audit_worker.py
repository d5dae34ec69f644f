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

"""The workers of an audit, each of which judges one image after another."""

import dataclasses
import functools
import queue
import time
from typing import Any

from openstack_image_stream import _audit_result
from openstack_image_stream._common import printing
from openstack_image_stream._common import retry
from openstack_image_stream._common import token_bucket
from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream import _download
from openstack_image_stream._http import sockets
from openstack_image_stream._transfer import coordination
from openstack_image_stream import exceptions


#: Seconds in which Glance deletes an image whose data are gone already.
_DELETING = 1.0


@dataclasses.dataclass(frozen=True)
class Shared:
    """What the workers have in common with the thread that iterates.

    :param session: The proxy of the Image service.
    :param options: All options.
    :param bucket: Limits the rate of all workers together, if it is given.
    """

    session: Any
    options: _config.DownloadOptions
    bucket: token_bucket.TokenBucket | None
    coordinator: coordination.Coordinator = dataclasses.field(
        default_factory=lambda: coordination.Coordinator('audit')
    )
    images: queue.SimpleQueue[Any] = dataclasses.field(
        default_factory=queue.SimpleQueue
    )
    results: queue.SimpleQueue[
        _audit_result.AuditResult | BaseException | None
    ] = dataclasses.field(default_factory=queue.SimpleQueue)

    def wake(self) -> None:
        """Have everything that waits look at whether the audit ended."""
        self.images.put(None)
        self.results.put(None)


def work(shared: Shared) -> None:
    """Audit images, until there are no more of them."""
    while True:
        image = shared.images.get()
        if image is None:
            # For the other workers.
            shared.images.put(None)
            return
        try:
            shared.results.put(_audit(shared, image))
        except BaseException as exc:
            # What green threads are ended by, for example.
            shared.results.put(exc)


class _Counter:
    """Observes how many bytes of an image arrive."""

    decided = True
    hashing = False

    def __init__(self) -> None:
        self.count = 0

    def update(self, chunk: bytes) -> None:
        self.count += len(chunk)

    def finish(self) -> None:
        pass


def _audit(shared: Shared, image: Any) -> _audit_result.AuditResult:
    began = time.monotonic()
    counter = _Counter()
    context = _context.Context(
        image, shared.session, shared.options, bucket=shared.bucket
    )
    verdict: _audit_result.Verdict = 'good'
    message = ''
    refused = False
    try:
        _read(shared, context, counter)
        if not context.checks.verified:
            verdict = 'no hash'
            message = (
                'the Image service has no hash of it'
                if shared.options['validate_checksum']
                else 'not compared with its hash, as validate_checksum says'
            )
    except Exception as exc:
        verdict = _audit_result.verdict_of(exc)
        message = printing.safe(str(exc))
        refused = isinstance(exc, exceptions.UnverifiableImageError)
        # Connections are closed with the frames that refer to them.
        retry.drop_frames(exc)
    if verdict == 'incomplete':
        verdict, message = _look_again(shared, image, message)
    info = getattr(context, 'info', None)
    return _audit_result.AuditResult(
        image_id=image.id,
        name=info.name if info else image.name,
        size=info.size if info else image.size,
        verdict=verdict,
        bad=verdict in _audit_result.BAD or refused,
        message=message,
        seconds=round(time.monotonic() - began, 3),
        bytes=counter.count,
    )


def _read(
    shared: Shared, context: _context.Context, counter: _Counter
) -> None:
    """Read an image to its end."""
    # Not a child: that would end as if all had arrived.
    coordinator = context.coordinator()
    try:
        with shared.coordinator.waking(coordinator.close):
            _fetch_info(context, coordinator)
            with _download.open_stream(
                context, [counter], coordinator
            ) as stream:
                while stream.read():
                    pass
    finally:
        coordinator.close()
        coordinator.join()


def _look_again(
    shared: Shared, image: Any, message: str
) -> tuple[_audit_result.Verdict, str]:
    """Say of an image whose data ended early whether it was deleted.

    Glance deletes the data first, and for a moment has the image without.
    """
    # A service that is out of order has been waited for long enough.
    options: _config.DownloadOptions = {**shared.options, 'retries': 0}
    context = _context.Context(image, shared.session, options)
    for pause in (0.0, _DELETING):
        coordinator = context.coordinator()
        try:
            with shared.coordinator.waking(coordinator.close):
                coordinator.wait(pause)
                _fetch_info(context, coordinator)
        except Exception as exc:
            verdict = _audit_result.verdict_of(exc)
            retry.drop_frames(exc)
            if verdict == 'gone':
                return verdict, printing.safe(str(exc))
            break
        finally:
            coordinator.close()
            coordinator.join()
    return 'incomplete', message


def _fetch_info(
    context: _context.Context, coordinator: coordination.Coordinator
) -> None:
    """Request the metadata so that the end of the audit ends the request."""
    used = sockets.Sockets()
    with coordinator.waking(used.abort):
        used.call(functools.partial(context.fetch_info, coordinator))
