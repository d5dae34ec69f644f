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

"""The record of a copy at its destination: created, and given its data."""

from collections.abc import Mapping

from openstack import exceptions as sdk_exceptions

from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream._http import upload_body
from openstack_image_stream._sdk import records
from openstack_image_stream import exceptions

#: The hash algorithm of Glance unless its configuration has another one.
_USUAL = 'sha512'


class Upload:
    """The record of a copy, by the requests that are made for it.

    :param client: Sends requests about the record.
    :param chosen: Whether the caller chose that ID, which another image may
        have.
    :param staged: Whether the data are staged, for an import into stores.
    """

    def __init__(
        self, client: records.RecordClient, *, chosen: bool, staged: bool
    ) -> None:
        self.image_id = client.image_id
        #: Whether there may be a record that this created.
        self.owned = False
        self._client = client
        self._chosen = chosen
        self._staged = staged
        # Whether data were sent before.
        self._begun = False

    def create(self, description: Mapping[str, object]) -> None:
        """Create the record.

        :param description: The content of the request.
        :raises: :exc:`~openstack.exceptions.ConflictException` when there is
            an image of this ID, other
            :exc:`~openstack.exceptions.HttpException` when the service
            refuses, and :exc:`~openstack_image_stream.exceptions.\
CopyFailedError` when it does not respond.
        """
        # No other image has an ID that was made up for this copy.
        self.owned = not self._chosen
        unclear = False

        def attempt() -> None:
            nonlocal unclear
            try:
                response = self._client.send(
                    'POST',
                    '/images',
                    'create the image',
                    accepted=(200, 201, 409),
                    json=dict(description),
                )
            except retry.RetriableError:
                # It may have been created all the same.
                unclear = True
                if self._chosen and self._may_exist():
                    raise self._unclear() from None
                raise
            if response.status_code == 409 and not (unclear and self.owned):
                self._client.raise_for(response, 'create the image')

        try:
            self._client.retrying(attempt, 'cannot create the image')
        except sdk_exceptions.HttpException as exc:
            if signals.find_raised(exc) is None and not unclear:
                self.owned = False
            raise
        self.owned = True

    def _may_exist(self) -> bool:
        try:
            return (
                self._client.retrying(
                    self._client.look, 'cannot read the image'
                )
                is not None
            )
        except sdk_exceptions.SDKException as exc:
            if signals.find_raised(exc) is not None:
                raise
            return True

    def _unclear(self) -> exceptions.CopyFailedError:
        return exceptions.CopyFailedError(
            f'image {self.image_id}: the destination did not respond to the '
            'request to create it. Whether an image of this ID is left of '
            'this copy or belongs to another program cannot be told, so it is '
            'not deleted',
            image_id=self.image_id,
            left_behind=True,
        )

    def usual_algorithm(self) -> str:
        """Return the hash algorithm that the destination probably uses.

        Glance names it once there are data. So that of another image is
        looked at, and where there is none the default of Glance is taken.
        """
        with signals.suppress(
            retry.RetriableError,
            sdk_exceptions.SDKException,
            ValueError,
            LookupError,
            TypeError,
        ):
            response = self._client.send(
                'GET',
                '/images?limit=1&status=active',
                'list images',
                accepted=(200,),
            )
            [image] = response.json()['images']
            return str(image['os_hash_algo'] or _USUAL)
        return _USUAL

    def settle(self, size: int, limit: float) -> records.Record:
        """Look at the record until the service is done with what was sent.

        :param size: Bytes of the image.
        :param limit: Seconds to wait in all.
        :returns: The record.
        :raises: :exc:`.RetriableError`, a final one, when the service is not
            done by then, and as :meth:`create`.
        """
        pauses = self._client.pauses(limit)
        while True:
            record = self._client.existing()
            if not self._is_busy(record, size):
                return record
            if not pauses.wait():
                raise retry.RetriableError(
                    f'the image is still {record.status} at the destination '
                    f'after {limit:g} s',
                    final=True,
                )

    def _is_busy(self, record: records.Record, size: int) -> bool:
        if self._staged and record.status == 'uploading':
            return bool(record.document.get('size') != size)
        return record.status in ('saving', 'uploading', 'importing')

    def is_taken(self, record: records.Record) -> bool:
        """Tell whether the service has all of the data."""
        return record.status == ('uploading' if self._staged else 'active')

    def put(self, body: upload_body.UploadBody) -> bool:
        """Send the data, once.

        :param body: The data. Its ``failure`` says whether it is what failed.
        :returns: Whether they were taken. They were not where an upload that
            broke off at its beginning came to the record after the last look
            at it; the record will be queued again.
        :raises: :exc:`.RetriableError` for what a retry may cure, and
            :exc:`~openstack.exceptions.HttpException` when the service
            refuses.
        """
        again, self._begun = self._begun, True
        path = f'{self._client.path}/{"stage" if self._staged else "file"}'
        response = self._client.send(
            'PUT',
            path,
            'upload the data',
            accepted=(200, 201, 204, 401, 409),
            data=body,
            headers={
                'Content-Type': 'application/octet-stream',
                'X-OpenStack-Image-Size': str(len(body)),
            },
            # The body is there once, so that nothing may be sent again.
            allow_reauth=False,
            redirect=False,
        )
        if response.status_code == 409 and again:
            return False
        if response.status_code in (401, 409):
            # The token expired since the last request, the next renews it.
            self._client.raise_for(
                response,
                'upload the data',
                retried=response.status_code == 401,
            )
        return True

    def import_to(self, stores: tuple[str, ...]) -> None:
        """Have the service import staged data.

        :param stores: Into which stores.
        :raises: as :meth:`create`.
        """
        begun = False

        def attempt() -> None:
            nonlocal begun
            response = self._client.send(
                'POST',
                f'{self._client.path}/import',
                'import the data',
                accepted=(200, 202, 204, 409),
                json={
                    'method': {'name': 'glance-direct'},
                    'stores': list(stores),
                    'all_stores_must_succeed': True,
                },
            )
            if response.status_code == 409 and not begun:
                self._client.raise_for(response, 'import the data')

        def note() -> None:
            nonlocal begun
            begun = True

        self._client.retrying(attempt, 'cannot import the image', note)

    def imported(self, limit: float, release: float) -> records.Record:
        """Wait for the end of an import.

        The task of an import writes to the record once more after the image
        is active, and undoes what was changed meanwhile.

        :param limit: Seconds to wait in all.
        :param release: Seconds that an active image may be held by the task.
        :returns: The active record.
        :raises: :exc:`.RetriableError` when the import failed or takes
            longer, and as :meth:`create`.
        """
        pauses = self._client.pauses(limit)
        held = self._client.pauses(release)
        while True:
            record = self._client.existing()
            if record.status == 'active' and not record.pending_stores:
                if record.import_task and held.wait():
                    continue
                return record
            if record.failed_stores:
                raise retry.RetriableError(
                    f'not stored in {record.failed_stores}'
                )
            if record.status not in ('uploading', 'importing', 'active'):
                raise retry.RetriableError(f'the image is {record.status}')
            if not pauses.wait():
                raise retry.RetriableError(
                    f'the image is still {record.status} after {limit:g} s'
                )

    def protect(self) -> records.Record:
        """Protect the image against deletion, and see that it is.

        :returns: The protected record.
        :raises: as :meth:`create`.
        """

        def attempt() -> records.Record:
            self._client.set_protected(True)
            record = self._client.look()
            if record is None or record.document.get('protected') is not True:
                raise retry.RetriableError('the image is not protected')
            return record

        return self._client.retrying(attempt, 'cannot protect the image')
