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

"""An image record of another service, and the requests about it."""

from collections.abc import Callable, Mapping
import dataclasses
import json
from typing import Any, NoReturn, TypeVar

from keystoneauth1 import adapter as ksa_adapter
import requests

from openstack_image_stream._common import printing
from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream import _config
from openstack_image_stream._http import responses
from openstack_image_stream._http import statuses
from openstack_image_stream._sdk import errors
from openstack_image_stream import exceptions

#: Bytes of a description that are taken.
_LONGEST = 16 * _config.MIB

#: Seconds between two looks at a record: at first, and later.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0

_PATCH = 'application/openstack-images-v2.1-json-patch'

_T = TypeVar('_T')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What the service says of the image.

    :param status: Its status.
    :param document: All that it says.
    :param response: The response, its content loaded.
    """

    status: str
    document: Mapping[str, Any]
    response: requests.Response

    @property
    def failed_stores(self) -> str:
        """Names of the stores that an import failed for, fit to print."""
        return self._text('os_glance_failed_import')

    @property
    def pending_stores(self) -> str:
        """Names of the stores that an import is not done with yet."""
        return self._text('os_glance_importing_to_stores')

    @property
    def import_task(self) -> str:
        """ID of the task of an import that still holds the image."""
        return self._text('os_glance_import_task')

    def _text(self, name: str) -> str:
        return printing.safe(str(self.document.get(name) or ''))


class Pauses:
    """Waits between looks at a record, until they were long enough in all.

    :param policy: Waits.
    :param waiter: Owns the copy.
    :param limit: Seconds in all.
    """

    def __init__(
        self, policy: retry.RetryPolicy, waiter: retry.Waiter, limit: float
    ) -> None:
        self._policy = policy
        self._waiter = waiter
        self._left = limit
        self._next = _FIRST_PAUSE

    def wait(self) -> bool:
        """Wait for a moment; tell whether there was time left for it."""
        if self._left <= 0:
            return False
        self._policy.wait(self._waiter, self._next)
        self._left -= self._next
        self._next = min(2 * self._next, _LONGEST_PAUSE)
        return True


def _call(function: Callable[[], Any]) -> Any:
    return function()


class RecordClient:
    """Sends requests about one image record.

    :param adapter: As :meth:`.Sender.adapter` makes it.
    :param image_id: ID of the record.
    :param policy: When to retry.
    :param waiter: Owns the copy.
    :param call: Calls what sends a request, so that the end of the copy
        interrupts it.
    """

    def __init__(
        self,
        adapter: ksa_adapter.Adapter,
        image_id: str,
        policy: retry.RetryPolicy,
        waiter: retry.Waiter,
        call: Callable[[Callable[[], Any]], Any] = _call,
    ) -> None:
        self.image_id = image_id
        #: URL of the record, without the endpoint.
        self.path = f'/images/{image_id}'
        self._adapter = adapter
        self._policy = policy
        self._waiter = waiter
        self._call = call

    def pauses(self, limit: float) -> Pauses:
        """Return what waits between looks at the record.

        :param limit: Seconds to wait in all.
        """
        return Pauses(self._policy, self._waiter, limit)

    def wait(self, seconds: float) -> None:
        """Wait."""
        self._policy.wait(self._waiter, seconds)

    def look(self) -> Record | None:
        """Request the record once. This renews an expired token.

        :returns: What came, ``None`` if there is none.
        :raises: as :meth:`send`.
        """
        response = self.send(
            'GET', self.path, 'read the image', accepted=(200, 404)
        )
        if response.status_code == 404:
            return None
        document = None
        with signals.suppress(ValueError):
            document = response.json()
        if (
            not isinstance(document, dict)
            or str(document.get('id')).lower() != self.image_id
        ):
            raise retry.RetriableError(
                'the response does not describe the image'
            )
        return Record(
            status=printing.safe(str(document.get('status'))),
            document=document,
            response=response,
        )

    def existing(self) -> Record:
        """Request the record, with retries.

        :returns: What came.
        :raises: :exc:`~openstack_image_stream.exceptions.CopyFailedError`
            when there is none, and as :meth:`retrying`.
        """
        record = self.retrying(self.look, 'cannot read the image')
        if record is None:
            raise exceptions.CopyFailedError(
                f'image {self.image_id}: deleted at the destination during '
                'the copy',
                image_id=self.image_id,
            )
        return record

    def retrying(
        self,
        attempt: Callable[[], _T],
        what: str,
        note: Callable[[], None] | None = None,
    ) -> _T:
        """Make attempts until one succeeds.

        :param attempt: Makes one.
        :param what: What failed where it does.
        :param note: Called after each failure.
        :returns: What the attempt returned.
        :raises: :exc:`~openstack_image_stream.exceptions.CopyFailedError`
            without a response after all retries, and
            :exc:`~openstack.exceptions.HttpException` for an error status.
        """

        def failed(failure: retry.RetriableError) -> str:
            if note is not None:
                note()
            return f'{what} at the destination'

        return retry.Retries(self._policy).run(
            attempt,
            waiter=self._waiter,
            image_id=self.image_id,
            failed=failed,
            error=lambda failure: exceptions.CopyFailedError(
                f'image {self.image_id}: {what} at the destination '
                f'({failure.reason})',
                image_id=self.image_id,
                reason=failure.reason,
            ),
        )

    def set_protected(self, protected: bool) -> None:
        """Protect the image against deletion, or lift that, in one request.

        :param protected: Whether it is to be protected.
        :raises: as :meth:`send`.
        """
        self.send(
            'PATCH',
            self.path,
            'change the protection of the image',
            accepted=(200,),
            data=json.dumps(
                [{'op': 'replace', 'path': '/protected', 'value': protected}]
            ),
            headers={'Content-Type': _PATCH},
        )

    def delete(self) -> None:
        """Request the deletion of the record once.

        :raises: as :meth:`send`.
        """
        self.send(
            'DELETE',
            self.path,
            'delete the image',
            accepted=(200, 202, 204, 404),
        )

    def send(
        self,
        method: str,
        path: str,
        what: str,
        *,
        accepted: tuple[int, ...],
        **kwargs: Any,
    ) -> requests.Response:
        """Send a request once.

        :param method: Of the request.
        :param path: Its URL without the endpoint.
        :param what: What it is to do, for messages.
        :param accepted: Statuses that are no error.
        :param kwargs: As for :meth:`keystoneauth1.adapter.Adapter.request`.
        :returns: The response, its content loaded.
        :raises: :exc:`.RetriableError`, and
            :exc:`~openstack.exceptions.HttpException` for a status that is
            not accepted and that no retry cures.
        """

        def request() -> requests.Response:
            with errors.translated():
                found: requests.Response = self._adapter.request(
                    path, method, stream=True, log=False, **kwargs
                )
            return found

        response: requests.Response = self._call(request)
        if response.status_code not in accepted:
            self.raise_for(response, what)
        responses.load(response, _LONGEST, 'what the destination sent')
        return response

    def raise_for(
        self,
        response: requests.Response,
        what: str,
        *,
        retried: bool = False,
    ) -> NoReturn:
        """Raise the error that a response stands for.

        :param response: The response.
        :param what: What was requested.
        :param retried: Whether a retry may cure it, whatever the status is.
        """
        statuses.raise_for(
            response,
            self.image_id,
            message=f'image {self.image_id}: the destination refused to '
            f'{what}',
            retried=retried,
        )
