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

"""The image resource, whose download streams."""

from collections.abc import Mapping, Sequence
import functools
import logging
from typing import Any

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ksa_exceptions
from openstack import _log
from openstack.image.v2 import image as _upstream
from openstack import utils
import requests

from openstack_image_stream import _digest
from openstack_image_stream import _options
from openstack_image_stream import _pipeline
from openstack_image_stream import _response
from openstack_image_stream import _sink
from openstack_image_stream import _source
from openstack_image_stream import exceptions

_LOG: logging.Logger = _log.setup_logging('openstack.image_stream')


class Image(_upstream.Image):
    """An image of the Image service, as upstream's, with another download."""

    def download(
        self,
        session: adapter.Adapter,
        stream: bool = False,
        output: Any = None,
        chunk_size: int = _options.MIB,
        *,
        store_preferences: Sequence[str] | None = None,
        validate_checksum: bool = True,
        allow_md5_fallback: bool = False,
    ) -> requests.Response:
        """Download the data of this image.

        See :meth:`Proxy.download_image
        <openstack_image_stream._proxy.Proxy.download_image>`, which takes the
        same parameters and describes them.

        :param session: The proxy of the Image service, or another adapter
            for it.
        """
        options = _options.Options(
            chunk_size=chunk_size,
            validate_checksum=validate_checksum,
            allow_md5_fallback=allow_md5_fallback,
        )
        image_id = str(self.id)
        sink = None
        if output is not None:
            sink = _sink.for_output(output, image_id)

        self._fetch_metadata(session)
        expected = None
        if options.validate_checksum:
            expected = _digest.choose(
                hash_algo=self.hash_algo,
                hash_value=self.hash_value,
                checksum=self.checksum,
                allow_md5_fallback=options.allow_md5_fallback,
            )
        source = _source.Source(
            functools.partial(
                _get_file, session, self._file_url(store_preferences)
            ),
            image_id=image_id,
            image_status=self.status,
            size=_length(self.size),
        )
        response = source.open()
        if options.validate_checksum and expected is None:
            expected = _digest.from_content_md5(
                response.headers.get('Content-MD5')
            )
            if expected is None:
                _LOG.warning(
                    'image %s has no hash, its content cannot be verified',
                    image_id,
                )
        if self.checksum:
            # Callers verify a stream by it themselves, and upstream sees to
            # it that it is there.
            response.headers.setdefault('Content-MD5', str(self.checksum))

        piece_size = _pipeline.SINK_PIECE
        if sink is None and stream:
            piece_size = _pipeline.STREAM_PIECE
        pipeline = _pipeline.Pipeline(source, expected, piece_size=piece_size)
        if sink is not None:
            pipeline.drain_to(sink)
            return _response.consumed(response)
        if stream:
            return _response.attach(response, pipeline)
        memory = _sink.MemorySink()
        pipeline.drain_to(memory)
        return _response.consumed(response, memory.content())

    def _fetch_metadata(self, session: adapter.Adapter) -> None:
        try:
            # What the SDK may have cached is of an image that was not
            # uploaded yet, or of another checksum.
            self.fetch(session, skip_cache=True)
        except ksa_exceptions.ClientException as exc:
            raise exceptions.ImageStreamError(
                f'cannot read the metadata of image {self.id}: {exc}'
            ) from exc
        # The SDK takes any answer without an error for an image, a portal's
        # login page for example.
        if self.status is None:
            raise exceptions.ImageStreamError(
                f'the server did not describe image {self.id}, what answers '
                'there is no Image service'
            )

    def _file_url(self, store_preferences: Sequence[str] | None) -> str:
        url: str = utils.urljoin(self.base_path, self.id, 'file')
        if store_preferences:
            url = f'{url}?prefer={",".join(store_preferences)}'
        return url


def _get_file(
    session: adapter.Adapter, url: str, headers: Mapping[str, str]
) -> requests.Response:
    # A response cache would keep the whole image in memory, and hand its
    # consumed body to the next caller.
    response: requests.Response = session.get(
        url, stream=True, headers=dict(headers), skip_cache=True
    )
    return response


def _length(size: object) -> int | None:
    # A size from the server is as foreign as its bytes.
    if isinstance(size, int) and size >= 0:
        return size
    return None
