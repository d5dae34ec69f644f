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

from collections.abc import Mapping, Sequence
import copy
import functools
import logging
from typing import Any
import urllib.parse

from keystoneauth1 import adapter
from openstack import _log
from openstack import utils
import requests

from openstack_image_stream import _digest
from openstack_image_stream import _metadata
from openstack_image_stream import _options
from openstack_image_stream import _outputs
from openstack_image_stream import _pace
from openstack_image_stream import _pipeline
from openstack_image_stream import _redirects
from openstack_image_stream import _remote
from openstack_image_stream import _response
from openstack_image_stream import _retry
from openstack_image_stream import _sink
from openstack_image_stream import _source
from openstack_image_stream import _transport
from openstack_image_stream import _window
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
        options: _options.Options,
        store_preferences: Sequence[str] | None,
    ) -> None:
        self._image = image
        self._given = session
        self._session = _asking_once(session, options.timeout)
        self._options = options
        self._policy = _retry.Policy(retries=options.retries)
        self._id = str(image.id)
        self._url: str = utils.urljoin(image.base_path, image.id, 'file')
        stores = _options.checked_stores(store_preferences)
        if stores:
            names = ','.join(urllib.parse.quote(name) for name in stores)
            self._url = f'{self._url}?prefer={names}'
        self._metadata: _metadata.Metadata
        self._expected: _digest.Expected | None = None

    def to_output(self, output: Any) -> requests.Response:
        """Write the image to a path or a file object.

        :param output: Where to.
        :returns: The answer, its body consumed.
        """
        sink = _outputs.sink_for(
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
        sink = _sink.MemorySink()
        response = self._drain_to(sink)
        return _response.consumed(response, sink.content())

    def to_stream(self) -> requests.Response:
        """Open the image for reading.

        :returns: The answer, its body unread.
        """
        self._fetch_metadata()
        response, pipeline = self._begin(0, _pipeline.STREAM_PIECE)
        return _response.attach(response, pipeline)

    def _fetch_metadata(self) -> None:
        # What cannot be shown is refused before any request, too.
        self._reporter()
        self._metadata = _metadata.fetch(
            self._image,
            self._session,
            self._policy,
            validate=self._options.validate_checksum,
        )
        if self._options.validate_checksum:
            self._expected = _digest.choose(
                hash_algo=self._metadata.hash_algo,
                hash_value=self._metadata.hash_value,
                checksum=self._metadata.checksum,
                allow_md5_fallback=self._options.allow_md5_fallback,
            )

    def _drain_to(self, sink: _sink.Sink) -> requests.Response:
        # Without a hash there is no telling whether pieces of two downloads
        # belong together.
        sink.resume = sink.resume and self._expected is not None
        with sink:
            if sink.start:
                sink.start_at(self._usable(sink.start))
            response, pipeline = self._begin(sink.start, _pipeline.SINK_PIECE)
            pipeline.drain_to(sink)
        return _response.consumed(response)

    def _usable(self, start: int) -> int:
        size = self._metadata.size
        if not size or start > size:
            return 0
        # One byte is left to ask for: there has to be an answer to return.
        return min(start, size - 1)

    def _begin(
        self, start: int, piece_size: int
    ) -> tuple[requests.Response, _pipeline.Pipeline]:
        session = self._session
        get_file = _get_file
        transport = pace = None
        connections = self._options.connections
        if connections == _options.AUTO:
            pace, connections = _pace.Pace(), _pace.MOST
        if connections > 1:
            get_file = _get_file_of_many
            transport = _transport.Transport(
                self._given.session.session,
                # No more of them are ever used than there are parts.
                min(
                    connections,
                    _window.count(
                        (self._metadata.size or 0) - start, _window.PART
                    ),
                ),
            )
            session = _asking_once(
                self._given, self._options.timeout, transport
            )
        remote = _remote.Remote(
            functools.partial(get_file, session, self._url),
            image_id=self._id,
            image_status=self._metadata.status,
            size=self._metadata.size,
            reopenings=self._options.retries,
        )
        source = _source.Source(
            remote,
            self._policy,
            start=start,
            connections=connections,
            pace=pace,
            part_size=_window.PART,
            transport=transport,
        )
        try:
            response = source.open()
            expected = self._expected
            if expected is None and self._options.validate_checksum:
                expected = self._from_header(response)
        except BaseException:
            source.close()
            raise
        _response.complete_headers(
            response, size=source.size, checksum=self._metadata.checksum
        )
        meter = progress.Meter(self._reporter(), resumed=start)
        return response, _pipeline.Pipeline(
            source, expected, meter, piece_size=piece_size
        )

    def _from_header(
        self, response: requests.Response
    ) -> _digest.Expected | None:
        expected = _digest.from_content_md5(
            response.headers.get('Content-MD5')
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


def _get_file(
    session: adapter.Adapter,
    url: str,
    headers: Mapping[str, str],
) -> requests.Response:
    # A response cache would keep the whole image in memory, and hand its
    # consumed body to the next caller. So would keystoneauth's log of bodies
    # where the server calls the image a text.
    response: requests.Response = session.get(
        url, stream=True, headers=dict(headers), skip_cache=True, log=False
    )
    return response


def _get_file_of_many(
    session: adapter.Adapter, url: str, headers: Mapping[str, str]
) -> requests.Response:
    response = _get_file(session, url, headers)
    if response.status_code == 401:
        # keystoneauth renews an expired token, and asks again, for the first
        # of several connections only. The others, who come while it is being
        # renewed, find nothing to renew and keep their 401.
        response.close()
        response = _get_file(session, url, headers)
    return response


def _asking_once(
    session: adapter.Adapter,
    timeout: float,
    transport: _transport.Transport | None = None,
) -> adapter.Adapter:
    """Return an adapter that asks once, and does not wait for ever.

    What keystoneauth would repeat by itself is left to our own policy; the
    two would multiply.

    :param session: The adapter to be like.
    :param timeout: Longest silence in seconds.
    :param transport: Connections to use instead of its own.
    """
    ours = copy.copy(session)
    ours.session = keystone = copy.copy(session.session)
    if keystone.timeout is None:
        # For the requests that renew a token, which know no other.
        keystone.timeout = timeout
    if transport is not None:
        keystone.session = transport.session
    request = ours.request

    # Methods of resources hand neither a timeout nor retries on to the
    # request, and older SDKs have retries of their own for defaults there.
    def request_once(*args: Any, **kwargs: Any) -> Any:
        once = {'connect_retries': 0, 'status_code_retries': 0}
        try:
            return _redirects.follow(
                request, *args, **{'timeout': timeout, **once, **kwargs}
            )
        except ValueError as exc:
            # requests looks at where a redirect leads also when it is not to
            # follow it.
            raise exceptions.ImageStreamError(
                f'the server gives an address that is none: {exc}'
            ) from exc

    ours.request = request_once  # type: ignore[method-assign]
    return ours
