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

"""Requests for the bytes of an image, and checks of each response.

Every failure leaves this module as one of two things: a
:class:`.RetriableError`, which a retry may cure, or an error that no retry
can.
"""

from collections.abc import Callable, Mapping
import logging

import requests

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import printing
from openstack_image_stream._common import retry
from openstack_image_stream._http import connection_pools
from openstack_image_stream._http import low_speed
from openstack_image_stream._http import request_connection
from openstack_image_stream._http import response_body
from openstack_image_stream._http import responses
from openstack_image_stream._http import statuses
from openstack_image_stream import exceptions

#: Sends one GET for the image's data with these headers, and returns the
#: response with its body unread. Raises :exc:`.RetriableError` for what a
#: retry may cure.
Opener = Callable[[Mapping[str, str]], requests.Response]

_LOG = logging.getLogger('openstack.image_stream')


class Fetcher:
    """Requests the bytes of one image, range by range.

    May be used by several threads.

    :param opener: Sends a request.
    :param image_id: ID of the image.
    :param image_status: Status of the image.
    :param size: Size of the image in bytes, ``None`` if the metadata do not
        say.
    :param reopenings: How often the whole image may be requested again in
        order to discard what was received already.
    :param verified: Whether the digest of the whole is compared in the end.
    :param pools: Connection pools that are for this download alone, closed
        with the fetcher.
    :param low: Which connections are too slow, if any is.
    """

    def __init__(
        self,
        opener: Opener,
        *,
        image_id: str,
        image_status: str | None,
        size: int | None,
        reopenings: int,
        verified: bool = False,
        pools: connection_pools.Pools | None = None,
        low: low_speed.LowSpeed | None = None,
    ) -> None:
        #: ID of the image, fit for a message.
        self.image_id = printing.printable(image_id)
        #: Size of the image in bytes, ``None`` if neither the metadata nor
        #: the server say.
        self.size = size
        #: Whether parts of the image may be requested for.
        self.ranged = True
        self._opener = opener
        self._image_status = image_status
        self._reopenings = reopenings
        self._verified = verified
        self._pools = pools
        self._low = low
        self._requested_all = False
        # Whether a response with data had the size that is known.
        self._confirmed = False
        self._content_md5: str | None = None

    def connection(self) -> request_connection.Connection:
        """Return what requests are sent by, one at a time.

        :returns: The caller forgets it when the last body is closed.
        """
        return request_connection.Connection(self.open)

    def close(self) -> None:
        """Close idle connections of its own. May be called more than once."""
        if self._pools is not None:
            self._pools.close()

    def open(self, byte_range: byte_ranges.ByteRange) -> response_body.Body:
        """Request some bytes of the image, once.

        :param byte_range: Which.
        :returns: The body of the response. It begins where the range begins
            or, when the store serves no ranges, at the beginning of the
            image. Its caller closes it.
        :raises: :exc:`.RangesRefused` when a range was requested and is not
            served; the next call requests the whole, unless a part is wanted.
        :raises: :exc:`.RetriableError` for what
            another attempt may cure.
        :raises: :exc:`~openstack.exceptions.HttpException` or a subclass for
            other error statuses.
        :raises: :exc:`~openstack_image_stream.exceptions.\
ImageDataMissingError` for an image without data.
        :raises: :exc:`~openstack_image_stream.exceptions.ImageChangedError`
            when the response belongs to another image.
        """
        headers = {'Accept-Encoding': 'identity'}
        requested = None
        if byte_range != byte_ranges.ByteRange(0) and self.ranged:
            requested = byte_range
            headers['Range'] = byte_range.header()
        elif byte_range.stop is not None:
            raise byte_ranges.RangesRefused
        else:
            self._count_reopening(byte_range)
        response = self._opener(headers)
        _LOG.debug(
            'image %s: GET %s: status %s, Content-Length %s',
            self.image_id,
            headers.get('Range', 'all'),
            response.status_code,
            printing.printable(response.headers.get('Content-Length', '-')),
        )
        try:
            # An unknown coding counts as no coding; the hash decides.
            encoded = responses.content_coding(response) in responses.CODINGS
            if response.status_code == 200:
                self._check_whole(response, requested, encoded=encoded)
            self._check_status(response, requested)
            if encoded:
                # A position in it means nothing in the image.
                self.ranged = False
            self._check_md5(response)
        except BaseException:
            response.close()
            raise
        start = (
            requested.start if requested and response.status_code == 206 else 0
        )
        if self._low is None:
            return response_body.Body(response, start, encoded=encoded)
        return low_speed.MeasuredBody(
            response, start, encoded=encoded, low=self._low
        )

    def _count_reopening(self, byte_range: byte_ranges.ByteRange) -> None:
        # The first time is no repetition, also where a partial file is there.
        if self._requested_all and byte_range.start > 0:
            if self._reopenings <= 0:
                raise retry.RetriableError(
                    'the connection was lost too often for a store without '
                    'range requests, where each retry starts at byte 0',
                    final=True,
                )
            self._reopenings -= 1
        self._requested_all = True

    def _check_whole(
        self,
        response: requests.Response,
        requested: byte_ranges.ByteRange | None,
        *,
        encoded: bool,
    ) -> None:
        length = None if encoded else responses.announced_length(response)
        kind = printing.printable(response.headers.get('Content-Type', ''))
        if responses.is_page(response) and (
            length is None or length != self.size
        ):
            raise retry.RetriableError(
                f'received a page ({kind}) instead of the image, probably '
                'from an intermediary'
            )
        if length is not None:
            # What is in the middle of a download, or of a partial file, began
            # with responses of the right length.
            self._check_size(
                length,
                f'a response of {length} bytes ({kind or "no type"})',
                resumed=requested is not None and requested.start > 0,
            )

    def _check_status(
        self,
        response: requests.Response,
        requested: byte_ranges.ByteRange | None,
    ) -> None:
        status = response.status_code
        if requested and status in (200, 206, 400, 416):
            self._check_range(response, requested)
        elif status == 204:
            responses.drop_body(response)
            raise exceptions.ImageDataMissingError(
                f'image {self.image_id}: no data to download (status '
                f'{self._image_status!r}): upload the data first',
                image_id=self.image_id,
                status=self._image_status,
                response=response,
            )
        elif status != 200:
            statuses.raise_for(response, self.image_id)

    def _check_range(
        self, response: requests.Response, requested: byte_ranges.ByteRange
    ) -> None:
        status = response.status_code
        if status == 416:
            changed = exceptions.ImageChangedError(
                f'image {self.image_id}: size mismatch: expected {self.size} '
                f'bytes, the server has none from {requested.start} on',
                expected=self.size,
                actual=requested.start,
            )
            if self._confirmed:
                raise retry.RetriableError(
                    f'the server has no bytes from {requested.start} on, '
                    f'though the image has {self.size}',
                    error=changed,
                )
            raise changed
        found = byte_ranges.parse_content_range(
            response.headers.get('Content-Range')
        )
        if (
            status == 206
            and found
            and found.byte_range.start == requested.start
        ):
            if found.total is not None:
                self._check_size(
                    found.total, f'a part of an image of {found.total} bytes'
                )
            return
        # 400 is the status of Glance for Ceph RBD, Swift, S3 and others; 200
        # and a range that was not requested come from intermediaries.
        if self.ranged:
            self.ranged = False
            # Where it was a part that was requested, what is logged is that
            # several connections become one.
            level = logging.INFO if requested.stop is None else logging.DEBUG
            words = 'image %s: the store refuses range requests (status %s)'
            _LOG.log(level, words, self.image_id, status)
        if status != 200:
            raise byte_ranges.RangesRefused

    def _check_size(
        self, size: int, words: str, *, resumed: bool = False
    ) -> None:
        if self.size is None:
            self.size = size
        elif size != self.size:
            changed = exceptions.ImageChangedError(
                f'image {self.image_id}: size mismatch: expected {self.size} '
                f'bytes, the server announces {size}',
                expected=self.size,
                actual=size,
            )
            if self._confirmed or resumed:
                raise retry.RetriableError(
                    f'received {words} instead of {self.size} bytes, '
                    'probably from an intermediary',
                    error=changed,
                )
            raise changed
        self._confirmed = True

    def _check_md5(self, response: requests.Response) -> None:
        # Glance sends that of the whole image with every part of it. A cache
        # may send that of the part, as RFC 1864 has it; then the digest of
        # the whole tells whether they belong together.
        if self._verified and response.status_code == 206:
            return
        content_md5 = response.headers.get('Content-MD5')
        if self._content_md5 is None:
            self._content_md5 = content_md5
        elif content_md5 not in (None, self._content_md5):
            raise exceptions.ImageChangedError(
                f'image {self.image_id}: changed during the download: '
                f'Content-MD5 was {self._content_md5!r}, is {content_md5!r}',
                expected=self._content_md5,
                actual=content_md5,
            )
