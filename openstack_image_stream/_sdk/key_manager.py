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

"""Secrets of the key manager of a cloud."""

from typing import Any

import requests

from openstack_image_stream._common import retry
from openstack_image_stream._http import responses
from openstack_image_stream._http import retry_after
from openstack_image_stream._sdk import errors
from openstack_image_stream._sdk import sending
from openstack_image_stream import exceptions


#: Bytes of a secret that are accepted. A certificate with its issuers has
#: some thousand.
_LONGEST = 1024 * 1024


class RefusedError(Exception):
    """The key manager does not hand out a secret; the text says why."""


def fetch_secret(
    connection: Any,
    uuid: str,
    *,
    image_id: str,
    timeout: float,
    policy: retry.RetryPolicy,
    waiter: retry.Waiter,
) -> bytes:
    """Request the content of a secret.

    :param connection: Connection to the cloud.
    :param uuid: UUID of the secret.
    :param image_id: ID of the image, for messages.
    :param timeout: Longest silence of a connection in seconds.
    :param policy: When to retry.
    :param waiter: Owns the download.
    :returns: The content.
    :raises: :exc:`RefusedError` when the key manager has no such secret, or
        does not hand it out.
    :raises: :exc:`~openstack_image_stream.exceptions.IncompleteDownloadError`
        when there is no response.
    :raises: :exc:`~openstack_image_stream.exceptions.UnexpectedResponseError`
        when it is longer.

    Source: `Key Manager API, secrets
    <https://docs.openstack.org/barbican/latest/api/reference/secrets.html>`_.
    """
    proxy = connection.key_manager
    adapter = sending.sender_for(proxy).adapter(timeout)
    what = f'the secret {uuid} of the key manager'

    def attempt() -> bytes:
        waiter.check()
        with errors.translated():
            response: requests.Response = adapter.get(
                f'/secrets/{uuid}/payload',
                # The SDK asks for a text where the secret is binary.
                headers={'Accept': 'application/octet-stream'},
                stream=True,
                redirect=False,
                log=False,
            )
        if response.status_code != 200:
            responses.drop_body(response)
            refused = RefusedError(
                f'{what} cannot be fetched (status {response.status_code})'
            )
            if response.status_code not in retry_after.STATUSES:
                raise refused
            raise retry.RetriableError(
                f'status {response.status_code}',
                error=refused,
                retry_after=retry_after.retry_after(response),
            )
        responses.load(response, _LONGEST, what)
        return response.content

    def final(failure: retry.RetriableError) -> Exception:
        kind = failure.kind or exceptions.RequestFailedError
        return kind(
            f'image {image_id}: cannot fetch {what}: {failure.reason}',
            reason=failure.reason,
        )

    return retry.Retries(policy).run(
        attempt,
        waiter=waiter,
        image_id=image_id,
        failed=lambda failure: f'cannot fetch {what}',
        error=final,
    )
