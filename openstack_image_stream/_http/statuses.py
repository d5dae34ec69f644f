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

"""Statuses of responses, and the errors that they are."""

from typing import NoReturn
import urllib.parse

from openstack import exceptions as sdk_exceptions
import requests

from openstack_image_stream._common import printing
from openstack_image_stream._common import retry
from openstack_image_stream._http import responses
from openstack_image_stream._http import retry_after


def raise_for(
    response: requests.Response,
    image_id: str,
    *,
    message: str | None = None,
    retried: bool = False,
) -> NoReturn:
    """Raise the error that a response to a request for data stands for.

    :param response: A response that is not what was requested, its body
        unread.
    :param image_id: ID of the image, for messages.
    :param message: What failed; the download of the image by default.
    :param retried: Whether a retry may cure it, whatever the status is.
    :raises: :exc:`.RetriableError` for a status that a retry may cure, and
        :exc:`~openstack.exceptions.HttpException` or a subclass for other
        ones.
    """
    status = response.status_code
    message = message or f'Unable to download image {image_id}'
    reason = printing.printable(response.reason or '')
    error: Exception
    if status >= 400:
        responses.load_error_text(response)
        if status == 403 and _names_stores(response):
            message = (
                f'{message} (store_preferences may be what is forbidden, by '
                'the policy download_from_store: leave them out)'
            )
        try:
            sdk_exceptions.raise_from_response(response, message)
        except sdk_exceptions.SDKException as exc:
            responses.sanitize_error(exc)
            error = exc
    else:
        error = responses.unexpected(
            f'{message}: the server responded with {status} {reason}, which '
            'is not a response to a request for an image',
            response,
        )
    if status not in retry_after.STATUSES and not retried:
        raise error
    raise retry.RetriableError(
        f'the server responded with {status} {reason}',
        error=error,
        retry_after=retry_after.retry_after(response),
    ) from error


def _names_stores(response: requests.Response) -> bool:
    query = urllib.parse.urlsplit(response.request.url or '').query
    return 'prefer' in urllib.parse.parse_qs(query)
