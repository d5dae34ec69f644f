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

"""The download of an image: to an output, into memory, or as a stream."""

from collections.abc import Sequence
import logging
import os
from typing import Any

import requests

from openstack_image_stream import _context
from openstack_image_stream._http import responses
from openstack_image_stream._http import returned
from openstack_image_stream._output import choice
from openstack_image_stream._output import response_reader
from openstack_image_stream._output import sinks
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import interfaces
from openstack_image_stream._transfer import verified_stream
from openstack_image_stream import _verification
from openstack_image_stream import exceptions
from openstack_image_stream import progress

_LOG = logging.getLogger('openstack.image_stream')


def to_output(context: _context.Context, output: Any) -> requests.Response:
    """Write an image to a path, a descriptor or a file object.

    :param context: The image and the options.
    :param output: Where to.
    :returns: The response, its body consumed.
    """
    sink = choice.sink_for(output, context.image_id, context.options)
    where = f'written to {output!r}'
    context.fetch_info()
    if _verification.is_current(context, output):
        return returned.not_modified(context.data_url, context.info.checksum)
    try:
        return returned.consume(drain(context, sink), where)
    except exceptions.REFUSALS as exc:
        if not sink.start:
            _add_path(exc, output)
            raise
        # A power cut may have left a partial file with the right length
        # and zeros in place of what was not on the disk yet.
        _LOG.warning(
            'image %s: the content of the partial file was wrong; '
            'downloading from byte 0',
            context.image_id,
        )
    try:
        return returned.consume(drain(context, sink), where)
    except exceptions.REFUSALS as exc:
        _add_path(exc, output)
        raise


def _add_path(error: exceptions.ReadError, output: Any) -> None:
    if isinstance(output, (str, bytes, os.PathLike)):
        error.add_path(os.fsdecode(output))


def to_memory(context: _context.Context) -> requests.Response:
    """Read an image into memory.

    :param context: The image and the options.
    :returns: The response, the image as its content.
    """
    context.fetch_info()
    sink = sinks.MemorySink()
    try:
        response = drain(context, sink)
    except exceptions.InterruptedDownloadError as exc:
        # Upstream's call receives the body within its request, which is what
        # fails then; see exceptions.
        raise exceptions.RequestFailedError(
            exc.message,
            received=exc.received,
            expected=exc.expected,
            reason=exc.reason,
        ) from exc.__cause__
    responses.put_content(response, sink.content())
    return response


def to_stream(context: _context.Context) -> requests.Response:
    """Open an image for reading.

    :param context: The image and the options.
    :returns: The response, its body unread.
    """
    context.fetch_info()
    coordinator = context.coordinator()
    try:
        response, stream = _begin(
            context, coordinator, 0, verified_stream.STREAM_CHUNK
        )
        return response_reader.attach(response, stream)
    except BaseException:
        coordinator.close()
        coordinator.join()
        raise


def open_stream(
    context: _context.Context,
    observers: Sequence[interfaces.Observer],
    coordinator: coordination.Coordinator | None = None,
) -> verified_stream.VerifiedStream:
    """Open an image whose metadata were fetched, for another operation.

    :param context: The image and the options.
    :param observers: Further observers of its bytes.
    :param coordinator: Owns the download, where another thread may end it;
        joined by the caller.
    :returns: The stream; its caller closes it.
    """
    if coordinator is None:
        coordinator = context.coordinator()
    try:
        return _begin(
            context, coordinator, 0, verified_stream.STREAM_CHUNK, observers
        )[1]
    except BaseException:
        coordinator.close()
        raise


def drain(context: _context.Context, sink: sinks.Sink) -> requests.Response:
    """Write an image to a sink.

    :param context: The image, its metadata requested, and the options.
    :param sink: Where to; it is committed once the image is verified.
    :returns: The response, its body consumed.
    """
    # With nothing to verify by there is no telling whether bytes of two
    # downloads belong together.
    sink.resume = sink.resume and context.checks.verified
    with sink:
        if sink.start:
            sink.start_at(_usable(sink.start, context.info.size))
        coordinator = context.coordinator()
        try:
            response, stream = _begin(
                context, coordinator, sink.start, verified_stream.SINK_CHUNK
            )
            stream.drain_to(sink)
        finally:
            coordinator.close()
            coordinator.join()
    return response


def _usable(start: int, size: int | None) -> int:
    """Return how many bytes of a partial file can be used."""
    if not size or start > size:
        return 0
    # One byte is left to request: there has to be a response to return.
    return min(start, size - 1)


def _begin(
    context: _context.Context,
    coordinator: coordination.Coordinator,
    start: int,
    chunk_size: int,
    further: Sequence[interfaces.Observer] = (),
) -> tuple[requests.Response, verified_stream.VerifiedStream]:
    source = context.source(coordinator, start)
    try:
        response = source.open()
        context.checks.use_response(response)
    except BaseException:
        coordinator.close()
        source.close()
        raise
    returned.complete_headers(
        response, size=source.size, checksum=context.info.checksum
    )
    meter = progress.Meter(context.reporter(), resumed=start)
    stream = verified_stream.VerifiedStream(
        source,
        [*further, *context.checks.observers()],
        meter,
        coordinator,
        chunk_size=chunk_size,
    )
    return response, stream
