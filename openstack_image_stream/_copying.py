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

"""The copy of an image to another cloud.

source -> verified stream -> body of an upload -> destination

The last chunk is withheld until the source is verified. So a bad source never
makes a whole upload, and the destination has nothing that it could activate.
"""

import functools
import logging
from typing import Any
import uuid

from openstack_image_stream._check import comparison
from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream import _context
from openstack_image_stream import _copied_properties
from openstack_image_stream import _copy_arguments
from openstack_image_stream import _download
from openstack_image_stream._http import upload_body
from openstack_image_stream._sdk import records
from openstack_image_stream._sdk import removal
from openstack_image_stream._sdk import sending
from openstack_image_stream._sdk import uploading
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import verified_stream
from openstack_image_stream import exceptions

_LOG = logging.getLogger('openstack.image_stream')

#: Seconds for the destination to notice that an upload broke off, and to
#: finish one that it has all of: a store may take minutes for that.
_NOTICING = 60.0
_FINISHING = 600.0

#: Seconds for an import into stores.
_IMPORTING = 3600.0

#: Seconds in all to remove what is left of a copy that failed.
_REMOVING = 30.0


def copy(
    context: _context.Context,
    destination: Any,
    wanted: _copy_arguments.Wanted,
) -> records.Record:
    """Copy an image.

    :param context: The image and the options.
    :param destination: The proxy of the Image service to copy to.
    :param wanted: What the caller wants of the copy.
    :returns: The active copy, as the destination describes it.
    """
    coordinator = context.coordinator()
    try:
        info = context.fetch_info(coordinator)
        _copied_properties.refuse(info.properties, wanted)
        image_id = wanted.image_id or str(uuid.uuid4())
        description = _copied_properties.description(
            info.properties, wanted, image_id
        )
        adapter = sending.sender_for(destination).adapter(
            context.options['timeout']
        )
        return _Copy(context, coordinator, adapter, image_id, wanted).run(
            description
        )
    finally:
        coordinator.close()
        coordinator.join()


class _Copy:
    """One copy, from the first request to the destination on.

    :param context: The image and the options; its metadata were fetched.
    :param coordinator: Owns the copy.
    :param adapter: Sends requests to the destination.
    :param image_id: ID of the copy.
    :param wanted: What the caller wants of the copy.
    """

    def __init__(
        self,
        context: _context.Context,
        coordinator: coordination.Coordinator,
        adapter: Any,
        image_id: str,
        wanted: _copy_arguments.Wanted,
    ) -> None:
        self._context = context
        self._coordinator = coordinator
        self._client = records.RecordClient(
            adapter,
            image_id,
            context.policy,
            coordinator,
            functools.partial(_context.interruptible, coordinator),
        )
        # What failed is removed also after the deadline.
        self._remover = records.RecordClient(
            adapter,
            image_id,
            context.policy,
            coordination.Coordinator(context.image_id),
        )
        self._upload = uploading.Upload(
            self._client,
            chosen=wanted.image_id is not None,
            staged=bool(wanted.stores),
        )
        self._wanted = wanted
        self._size = context.info.size or 0
        self._stream: verified_stream.VerifiedStream | None = None
        self._recorder: comparison.DigestRecorder | None = None
        self._other_algorithm = ''
        # Whether the destination was given all of the data once.
        self._sent_all = False

    def run(self, description: dict[str, object]) -> records.Record:
        """Copy the image, and remove what is left where that fails.

        :param description: The content of the request to create the record.
        :returns: The active copy.
        """
        try:
            self._choose_other_algorithm()
            # Before anything is created: a source that cannot be read shall
            # cost the destination nothing.
            self._open()
            self._upload.create(description)
            record = self._send_data()
            if self._wanted.stores:
                record = self._import()
            self._compare(record)
            if self._wanted.protected:
                record = self._upload.protect()
            return record
        except BaseException as exc:
            try:
                self._coordinator.close()
                self._close()
            finally:
                self._remove(exc)
            raise

    def _choose_other_algorithm(self) -> None:
        """Find out which digest to compute beside that of the source."""
        if not self._context.options['validate_checksum']:
            return
        algorithm = self._upload.usual_algorithm()
        known = {each.algorithm for each in self._context.checks.digests}
        if algorithm not in known:
            self._other_algorithm = algorithm

    def _open(self) -> verified_stream.VerifiedStream:
        self._recorder = None
        if self._other_algorithm:
            # Not every Python has every algorithm.
            with signals.suppress(ValueError):
                self._recorder = comparison.DigestRecorder(
                    self._other_algorithm
                )
        self._stream = _download.open_stream(
            self._context, [self._recorder] if self._recorder else []
        )
        return self._stream

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _send_data(self) -> records.Record:
        context = self._context
        return retry.Retries(context.policy).run(
            self._attempt,
            waiter=self._coordinator,
            image_id=context.image_id,
            failed=self._failed,
            error=lambda failure: self._error(
                f'the upload failed: {failure.reason}', reason=failure.reason
            ),
        )

    def _failed(self, failure: retry.RetriableError) -> str:
        self._close()
        return f'the upload to image {self._client.image_id} failed'

    def _attempt(self) -> records.Record:
        pauses = self._client.pauses(_NOTICING)
        while True:
            record = self._upload_once()
            if record is not None:
                return record
            self._close()
            if not pauses.wait():
                raise retry.RetriableError(
                    'another upload to the image does not end'
                )

    def _upload_once(self) -> records.Record | None:
        """Upload the data, unless an upload before is still there.

        :returns: The record with the data.
        """
        # This also renews the token, since the data cannot be sent twice.
        record = self._settled(_FINISHING if self._sent_all else _NOTICING)
        if self._upload.is_taken(record):
            if self._sent_all:
                # It was the response that was lost.
                return record
            raise self._error('another program uploads to it')
        if record.status != 'queued':
            raise self._error(f'its status is {record.status}')
        stream = self._stream or self._open()
        body = upload_body.UploadBody(stream.read, self._size)
        try:
            if not self._upload.put(body):
                return None
        except upload_body.NotReadError:
            if body.failure is None:
                raise
            raise body.failure from body.failure.__cause__
        finally:
            self._sent_all = self._sent_all or body.complete
        self._close()
        record = self._settled(_FINISHING)
        if not (body.complete and self._upload.is_taken(record)):
            raise retry.RetriableError(
                'the destination accepted the data, and does not have them'
            )
        return record

    def _settled(self, limit: float) -> records.Record:
        return self._upload.settle(self._size, limit)

    def _import(self) -> records.Record:
        self._upload.import_to(self._wanted.stores)
        try:
            return self._upload.imported(_IMPORTING, _NOTICING)
        except retry.RetriableError as exc:
            raise self._error(
                f'the import failed: {exc.reason}', reason=exc.reason
            ) from exc

    def _compare(self, record: records.Record) -> None:
        known: dict[str, str] = {}
        context = self._context
        if context.options['validate_checksum']:
            if context.info.checksum:
                known['md5'] = str(context.info.checksum)
            if self._recorder is not None and self._recorder.value is not None:
                known[self._recorder.algorithm] = self._recorder.value
        known.update(
            (expected.algorithm, expected.value)
            for expected in context.checks.digests
        )
        found = record.document
        used = comparison.compare(
            comparison.Described(
                size=found.get('size'),
                hash_algo=found.get('os_hash_algo'),
                hash_value=found.get('os_hash_value'),
                checksum=found.get('checksum'),
            ),
            self._size,
            known,
            self._client.image_id,
        )
        if used is None and known:
            _LOG.warning(
                'image %s: the destination has no hash of the copy %s that '
                'could be compared, only its length was',
                context.image_id,
                self._client.image_id,
            )

    def _remove(self, cause: BaseException) -> None:
        """Remove the record after a failure.

        :param cause: What failed.
        :raises: :exc:`~openstack_image_stream.exceptions.CopyFailedError`
            when it is left and nothing more urgent was raised.
        """
        if not self._upload.owned:
            return
        left = True
        try:
            left = not removal.remove(self._remover, _REMOVING)
        finally:
            if left:
                _LOG.warning(
                    'image %s: the copy failed, and image %s may be left at '
                    'the destination: delete it there',
                    self._context.image_id,
                    self._client.image_id,
                )
        if (
            left
            and isinstance(cause, Exception)
            and signals.find_raised(cause) is None
        ):
            raise self._error(
                f'{cause}; the image may be left at the destination: delete '
                'it there',
                left_behind=True,
                reason=str(cause),
            ) from cause

    def _error(self, what: str, **values: Any) -> exceptions.CopyFailedError:
        return exceptions.CopyFailedError(
            f'image {self._context.image_id}: copy failed: image '
            f'{self._client.image_id} at the destination: {what}',
            image_id=self._client.image_id,
            **values,
        )
