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

"""One download: what an image is, what was asked for, and how they meet."""

from collections.abc import Sequence
import functools
import logging
from typing import Any
import urllib.parse

from keystoneauth1 import adapter
from openstack import _log
from openstack import utils
import requests

from openstack_image_stream._check import hashes
from openstack_image_stream._common import printing
from openstack_image_stream._common import retry
from openstack_image_stream import _config
from openstack_image_stream._http import connection_pools
from openstack_image_stream._http import fetching
from openstack_image_stream._output import choice
from openstack_image_stream._output import response_reader
from openstack_image_stream._output import sinks
from openstack_image_stream._sdk import image_info
from openstack_image_stream._sdk import sending
from openstack_image_stream._transfer import concurrency
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import image_source
from openstack_image_stream._transfer import parallel
from openstack_image_stream._transfer import verified_stream
from openstack_image_stream import exceptions
from openstack_image_stream import progress

_LOG: logging.Logger = _log.setup_logging('openstack.image_stream')


class Download:
    """A download of an image, in one of the ways that there are.

    :param image: The image resource; its metadata are fetched anew.
    :param session: The proxy of the Image service, or another one of the SDK.
    :param options: What was asked for.
    :param store_preferences: Names of stores, best first.
    """

    def __init__(
        self,
        image: Any,
        session: adapter.Adapter,
        options: _config.DownloadOptions,
        store_preferences: Sequence[str] | None,
    ) -> None:
        self._image = image
        self._sender = sending.sender_for(session)
        self._adapter = self._sender.adapter(options.timeout)
        self._options = options
        self._policy = retry.RetryPolicy(retries=options.retries)
        self._id = printing.safe(str(image.id))
        self._url: str = utils.urljoin(image.base_path, image.id, 'file')
        stores = _config.checked_stores(store_preferences)
        if stores:
            names = ','.join(urllib.parse.quote(name) for name in stores)
            self._url = f'{self._url}?prefer={names}'
        self._metadata: image_info.ImageInfo
        self._expected: hashes.Expected | None = None

    def to_output(self, output: Any) -> requests.Response:
        """Write the image to a path or a file object.

        :param output: Where to.
        :returns: The answer, its body consumed.
        """
        sink = choice.sink_for(
            output,
            self._id,
            resume=self._options.resume,
            sparse=self._options.sparse,
        )
        self._fetch_metadata()
        try:
            return self._drain_to(sink)
        except exceptions.ChecksumMismatchError:
            if not sink.start:
                raise
            # A power cut may have left a partial file with the right length
            # and zeros in place of what was not on the disk yet.
            _LOG.warning(
                'image %s: what an interrupted download had left of it was '
                'bad, downloading it from the beginning',
                self._id,
            )
        return self._drain_to(sink)

    def to_memory(self) -> requests.Response:
        """Read the image into memory.

        :returns: The answer, the image as its content.
        """
        self._fetch_metadata()
        sink = sinks.MemorySink()
        response = self._drain_to(sink)
        return response_reader.consumed(response, sink.content())

    def to_stream(self) -> requests.Response:
        """Open the image for reading.

        :returns: The answer, its body unread.
        """
        self._fetch_metadata()
        coordinator = coordination.Coordinator(self._id)
        try:
            response, pipeline = self._begin(
                coordinator, 0, verified_stream.STREAM_CHUNK
            )
            return response_reader.attach(response, pipeline)
        except BaseException:
            coordinator.close()
            raise

    def _fetch_metadata(self) -> None:
        # What cannot be shown is refused before any request, too.
        self._reporter()
        self._metadata = image_info.fetch(
            self._image,
            self._adapter,
            self._policy,
            validate=self._options.validate_checksum,
        )
        if self._options.validate_checksum:
            self._expected = hashes.choose(
                hash_algo=self._metadata.hash_algo,
                hash_value=self._metadata.hash_value,
                checksum=self._metadata.checksum,
                allow_md5_fallback=self._options.allow_md5_fallback,
            )

    def _drain_to(self, sink: sinks.Sink) -> requests.Response:
        # Without a hash there is no telling whether pieces of two downloads
        # belong together.
        sink.resume = sink.resume and self._expected is not None
        with sink:
            if sink.start:
                sink.start_at(self._usable(sink.start))
            coordinator = coordination.Coordinator(self._id)
            try:
                response, pipeline = self._begin(
                    coordinator, sink.start, verified_stream.SINK_CHUNK
                )
                pipeline.drain_to(sink)
            finally:
                coordinator.close()
        return response_reader.consumed(response)

    def _usable(self, start: int) -> int:
        size = self._metadata.size
        if not size or start > size:
            return 0
        # One byte is left to ask for: there has to be an answer to return.
        return min(start, size - 1)

    def _begin(
        self,
        coordinator: coordination.Coordinator,
        start: int,
        chunk_size: int,
    ) -> tuple[requests.Response, verified_stream.VerifiedStream]:
        source = self._make_source(coordinator, start)
        try:
            response = source.open()
            expected = self._expected
            if expected is None and self._options.validate_checksum:
                expected = self._from_header(response)
        except BaseException:
            coordinator.close()
            source.close()
            raise
        response_reader.complete_headers(
            response, size=source.size, checksum=self._metadata.checksum
        )
        meter = progress.Meter(self._reporter(), resumed=start)
        return response, verified_stream.VerifiedStream(
            source, expected, meter, coordinator, chunk_size=chunk_size
        )

    def _make_source(
        self, coordinator: coordination.Coordinator, start: int
    ) -> image_source.ImageSource:
        adapter = self._adapter
        pools = controller = None
        connections = self._options.connections
        if connections == _config.AUTO:
            controller, connections = (
                concurrency.ConcurrencyController(),
                concurrency.MOST,
            )
        if connections > 1:
            # No more of them are ever used than there are parts.
            size = (self._metadata.size or 0) - start
            pools = connection_pools.Pools(
                min(connections, parallel.count(size, parallel.PART))
            )
            adapter = self._sender.adapter(self._options.timeout, pools)
        remote = fetching.Fetcher(
            functools.partial(sending.get_file, adapter, self._url),
            image_id=self._id,
            image_status=self._metadata.status,
            size=self._metadata.size,
            reopenings=self._options.retries,
            verified=self._expected is not None,
        )
        return image_source.ImageSource(
            remote,
            self._policy,
            coordinator,
            start=start,
            connections=connections,
            controller=controller,
            part_size=parallel.PART,
            pools=pools,
        )

    def _from_header(
        self, response: requests.Response
    ) -> hashes.Expected | None:
        # That of a part may be of the part (RFC 1864, section 2).
        expected = hashes.from_content_md5(
            None
            if response.status_code == 206
            else response.headers.get('Content-MD5')
        )
        if expected is None:
            _LOG.warning(
                'image %s has no hash, its content cannot be verified',
                self._id,
            )
        return expected

    def _reporter(self) -> progress.Reporter | None:
        return progress.reporter_for(
            self._options.progress, str(self._image.name or self._id)
        )
