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

"""What an operation on an image has at hand."""

from collections.abc import Callable, Sequence
import functools
import logging
from typing import Any, TypeVar

from openstack_image_stream import _checks
from openstack_image_stream._common import printing
from openstack_image_stream._common import retry
from openstack_image_stream._common import token_bucket
from openstack_image_stream import _config
from openstack_image_stream._http import connection_pools
from openstack_image_stream._http import fetching
from openstack_image_stream._http import low_speed
from openstack_image_stream._http import sockets
from openstack_image_stream import _rules
from openstack_image_stream._sdk import compat
from openstack_image_stream._sdk import image_info
from openstack_image_stream._sdk import key_manager
from openstack_image_stream._sdk import sending
from openstack_image_stream._transfer import calls
from openstack_image_stream._transfer import concurrency
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import deadlines
from openstack_image_stream._transfer import image_source
from openstack_image_stream._transfer import parallel
from openstack_image_stream import exceptions
from openstack_image_stream import progress

_T = TypeVar('_T')

_LOG = logging.getLogger('openstack.image_stream')


class Context:
    """An image, the way to its service, and the options.

    Nothing is requested before :meth:`fetch_info`.

    :param image: The image resource; its metadata are fetched again.
    :param session: The proxy of the Image service, or another adapter.
    :param options: All options.
    :param store_preferences: Names of stores, best first.
    :param bucket: Limits the rate of several operations together, as
        ``max_bandwidth`` says. Each has its own by default.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        for names of stores that cannot be sent, for a progress bar that
        cannot be shown, and as :class:`.Checks`.
    """

    #: The metadata, after :meth:`fetch_info`.
    info: image_info.ImageInfo

    def __init__(
        self,
        image: Any,
        session: Any,
        options: _config.DownloadOptions,
        store_preferences: Sequence[str] | None = None,
        bucket: token_bucket.TokenBucket | None = None,
    ) -> None:
        self.options = options
        seconds = options['deadline']
        #: ID of the image, fit for a message.
        self.image_id = printing.safe(str(image.id))
        self._deadline = (
            None
            if seconds is None
            else deadlines.Deadline(seconds, self.image_id)
        )
        self.policy = retry.RetryPolicy(retries=options['retries'])
        #: Limits the rate of all its connections, if it is to be limited.
        self.bucket = bucket or bucket_for(options)
        #: What the bytes are judged by.
        self.checks = _checks.Checks(options, self.image_id)
        self._image = image
        self._connection = compat.connection_of(session)
        if (
            options['trusted_certificates'] is not None
            and self._connection is None
        ):
            raise exceptions.InvalidArgumentError(
                'trusted_certificates needs the key manager of a connection: '
                'download by conn.image'
            )
        self._sender = sending.sender_for(session)
        self._adapter = self._sender.adapter(options['timeout'])
        self._url = sending.file_url(
            image, _config.checked_stores(store_preferences)
        )

    def fetch_info(
        self, coordinator: coordination.Coordinator | None = None
    ) -> image_info.ImageInfo:
        """Request the metadata, and judge the image by them.

        :param coordinator: Owns the download, where another thread may end
            it meanwhile.
        :returns: The metadata, which are also kept.
        :raises: as :func:`.image_info.fetch` and :meth:`.Checks.prepare`.
        """
        # What cannot be shown is refused before any request, too.
        self.reporter()
        own = coordinator is None
        coordinator = coordinator or self.coordinator()
        try:
            self.info = interruptible(
                coordinator,
                functools.partial(
                    image_info.fetch,
                    self._image,
                    self._adapter,
                    self.policy,
                    coordinator,
                    validate=bool(self.options['validate_checksum']),
                ),
            )
            self.checks.prepare(
                self.info,
                functools.partial(self._fetch_secret, coordinator=coordinator),
            )
        finally:
            if own:
                coordinator.finish()
                coordinator.join()
        return self.info

    def _fetch_secret(
        self, uuid: str, coordinator: coordination.Coordinator
    ) -> bytes:
        return interruptible(
            coordinator,
            functools.partial(
                key_manager.fetch_secret,
                self._connection,
                uuid,
                image_id=self.image_id,
                timeout=self.options['timeout'],
                policy=self.policy,
                waiter=coordinator,
            ),
        )

    def coordinator(self) -> coordination.Coordinator:
        """Return the owner of a download, which the deadline ends.

        :returns: The owner; the caller ends it, and then joins it.
        """
        made = coordination.Coordinator(self.image_id, self._deadline)
        if self._deadline is not None:
            try:
                self._deadline.watch(made)
            except BaseException:
                # A signal handler raised, and nothing else knows of it.
                made.close()
                made.join()
                raise
        return made

    def source(
        self, coordinator: coordination.Coordinator, start: int = 0
    ) -> image_source.ImageSource:
        """Return a source of the bytes of the image.

        :param coordinator: Owns the download.
        :param start: Position in the image to begin at.
        :returns: The source; the caller closes it.
        """
        connections = self.options['connections']
        if self.checks.wants_header and connections not in (1, _rules.AUTO):
            # The Content-MD5 of a part may be that of the part, so that only
            # a response with the whole image has a hash to verify it by.
            _LOG.info(
                'image %s: no hash in its metadata; falling back to one '
                'connection instead of %s',
                self.image_id,
                connections,
            )
            connections = 1
        from_one = connections == _rules.AUTO
        if connections == _rules.AUTO:
            connections = concurrency.MAX_CONNECTIONS
        return image_source.ImageSource(
            self.fetcher(connections, start),
            self.policy,
            coordinator,
            start=start,
            connections=connections,
            from_one=from_one,
            part_size=parallel.PART,
            bucket=self.bucket,
        )

    def fetcher(
        self, connections: int = 1, start: int = 0, *, whole: bool = True
    ) -> fetching.Fetcher:
        """Return what requests the bytes of the image.

        :param connections: How many byte ranges it requests at a time.
        :param start: Position in the image of the first byte of interest.
        :param whole: Whether all of it is read, so that its hash tells
            whether the responses belong together.
        :returns: The fetcher; the caller closes it.
        """
        adapter, pools = self._adapter, None
        if connections > 1:
            # No more of them are ever used than there are parts.
            size = (self.info.size or 0) - start
            pools = connection_pools.Pools(
                min(connections, parallel.count(size, parallel.PART))
            )
            adapter = self._sender.adapter(self.options['timeout'], pools)
        return fetching.Fetcher(
            functools.partial(sending.get_file, adapter, self._url),
            image_id=self.image_id,
            image_status=self.info.status,
            size=self.info.size,
            reopenings=self.options['retries'],
            verified=whole and self.checks.verified,
            pools=pools,
            low=self._low_speed(),
        )

    def _low_speed(self) -> low_speed.LowSpeed | None:
        limit = self.options['low_speed_limit']
        if limit is None:
            return None
        return low_speed.LowSpeed(
            limit, self.options['low_speed_time'], self.options['timeout']
        )

    @property
    def data_url(self) -> str:
        """Where the data are, after :meth:`fetch_info`."""
        _, mark, query = self._url.partition('?')
        return f'{self.info.url}/file{mark}{query}'

    def reporter(self) -> progress.Reporter | None:
        """Return what shows the progress, ``None`` if nothing does."""
        return progress.reporter_for(
            self.options['progress'], str(self._image.name or self.image_id)
        )


def bucket_for(
    options: _config.DownloadOptions,
) -> token_bucket.TokenBucket | None:
    """Return what limits the rate, ``None`` if nothing does."""
    rate = options['max_bandwidth']
    return None if rate is None else token_bucket.TokenBucket(rate)


def interruptible(
    coordinator: coordination.Coordinator, function: Callable[[], _T]
) -> _T:
    """Call what sends requests, so that the deadline interrupts it.

    :param coordinator: Owns the operation.
    :param function: What to call, in a thread of its own if there is a
        deadline.
    :returns: What it returns.
    """
    if coordinator.deadline is None:
        return function()
    used = sockets.Sockets()

    def call() -> _T:
        try:
            return used.call(function)
        finally:
            used.forget()

    return calls.call(call, coordinator, used.abort)
