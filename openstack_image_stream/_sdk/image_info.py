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

"""The metadata of an image, requested and checked.

A document from a server is as foreign as the image's bytes: it may be of any
length, hold anything, or be about something else.
"""

from collections.abc import Mapping
import dataclasses
import math
from typing import Any

from keystoneauth1 import adapter
from openstack import exceptions as sdk_exceptions
from openstack import utils
import requests

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import printing
from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream import _config
from openstack_image_stream._http import responses
from openstack_image_stream._http import retry_after
from openstack_image_stream._sdk import compat
from openstack_image_stream._sdk import errors
from openstack_image_stream import exceptions

#: Bytes of a description that are taken. The longest that Glance lets a user
#: make, 128 properties of 64 KiB, is half of it.
_LONGEST = 16 * _config.MIB

_HASHES = ('hash_algo', 'hash_value', 'checksum')


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageInfo:
    """What a download has to know about an image.

    :param size: Its size in bytes, ``None`` if the service does not say.
    :param name: Its name.
    :param status: Its status.
    :param hash_algo: ``os_hash_algo``, as it came.
    :param hash_value: ``os_hash_value``, as it came.
    :param checksum: ``checksum``, as it came.
    :param properties: All that came, by the names of the service.
    :param url: Where it came from.
    """

    size: int | None
    name: str | None
    status: str | None
    hash_algo: object
    hash_value: object
    checksum: object
    properties: Mapping[str, Any] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )
    url: str = dataclasses.field(default='', compare=False)


def fetch(
    image: Any,
    session: adapter.Adapter,
    policy: retry.RetryPolicy,
    waiter: retry.Waiter,
    *,
    validate: bool,
) -> ImageInfo:
    """Request an image's metadata, with the retries that its data have.

    :param image: The image resource. It is brought up to date.
    :param session: As :meth:`.Sender.adapter` makes it.
    :param policy: When to retry.
    :param waiter: Owns the download.
    :param validate: Whether the hashes that the resource has already must be
        those that come.
    :returns: What came.
    :raises: :exc:`~openstack_image_stream.exceptions.IncompleteDownloadError`
        when the metadata cannot be read.
    :raises: :exc:`~openstack_image_stream.exceptions.UnexpectedResponseError`
        when the response is about something else.
    :raises: :exc:`~openstack_image_stream.exceptions.ImageChangedError` when
        the image has another hash than the resource.
    :raises: :exc:`~openstack.exceptions.HttpException` or a subclass for an
        error status.
    """
    attributes, info = retry.Retries(policy).run(
        lambda: _fetch_once(image, session),
        waiter=waiter,
        image_id=_shown(image),
        failed=lambda failure: 'cannot read the metadata',
        error=lambda failure: _unreadable(image, failure),
    )
    if validate:
        _check_hashes(image, info)
    compat.attributes_of(image).update(attributes)
    return info


def _fetch_once(
    image: Any, session: adapter.Adapter
) -> tuple[dict[str, Any], ImageInfo]:
    response = None
    try:
        response = _get(image, session)
        sdk_exceptions.raise_from_response(response)
        info = _read(response, image)
        # Of another document, since that one is used up.
        return compat.attributes_in(image, response.json()), info
    except exceptions.ImageStreamError:
        raise
    except sdk_exceptions.HttpException as exc:
        if signals.find_raised(exc) is not None:
            raise
        responses.sanitize_error(exc)
        if exc.status_code in retry_after.STATUSES:
            raise retry.RetriableError(
                f'the server responded with {exc.status_code}',
                error=exc,
                retry_after=retry_after.retry_after(exc.response),
            ) from exc
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as exc:
        if signals.find_raised(exc) is not None:
            raise
        # What the SDK runs into with a document that is not a description.
        if response is None:
            raise
        raise _no_description(image, response) from exc


def _get(image: Any, session: adapter.Adapter) -> requests.Response:
    url = utils.urljoin(image.base_path, image.id)
    with errors.translated():
        response: requests.Response = session.get(url, stream=True)
    responses.load(response, _LONGEST, 'the metadata')
    return response


def _shown(image: Any) -> str:
    return printing.printable(str(image.id))


def _read(response: requests.Response, image: Any) -> ImageInfo:
    # The SDK takes any response without an error for an image, the login page
    # of a portal for example, and makes a size of 0 of what is not a number.
    document = None
    with signals.suppress(ValueError):
        document = response.json()
    if (
        not isinstance(document, dict)
        or 'id' not in document
        # Python reads Infinity and 1e999, which are no numbers to the SDK.
        or any(
            isinstance(value, float) and not math.isfinite(value)
            for value in document.values()
        )
    ):
        raise _no_description(image, response)
    if document['id'] != image.id:
        raise exceptions.ImageChangedError(
            f'the server describes image {document["id"]!r} instead of image '
            f'{_shown(image)}',
            expected=str(image.id),
            actual=str(document['id']),
        )
    size, name, status = (
        document.get(key) for key in ('size', 'name', 'status')
    )
    if isinstance(size, str):
        size = byte_ranges.parse_length(size)
    return ImageInfo(
        # A bool is an int to Python, and a negative number is not a size.
        size=size if type(size) is int and size >= 0 else None,
        name=name if isinstance(name, str) else None,
        status=status if isinstance(status, str) else None,
        hash_algo=document.get('os_hash_algo'),
        hash_value=document.get('os_hash_value'),
        checksum=document.get('checksum'),
        properties=document,
        url=response.url,
    )


def _cannot_read(image: Any) -> str:
    return f'cannot read the metadata of image {_shown(image)}'


def _unreadable(image: Any, failure: retry.RetriableError) -> Exception:
    # A description that does not arrive whole is a request that failed, too.
    kind = failure.kind or exceptions.RequestFailedError
    return kind(
        f'{_cannot_read(image)}: {failure.reason}', reason=failure.reason
    )


def _no_description(
    image: Any, response: requests.Response
) -> exceptions.UnexpectedResponseError:
    return responses.unexpected(
        f'{_cannot_read(image)}: the response does not describe it, so the '
        'server is probably not an Image service: check the endpoint',
        response,
    )


def _check_hashes(image: Any, metadata: ImageInfo) -> None:
    # The holder of a resource has seen its hash before. A later response must
    # not be able to take it away.
    for name in _HASHES:
        known, now = getattr(image, name), getattr(metadata, name)
        if known and str(known).lower() != str(now).lower():
            raise exceptions.ImageChangedError(
                f'image {_shown(image)}: {name} changed: it was {known!r}, '
                f'and is {now!r} now: pass the ID alone to accept that',
                expected=str(known),
                actual=str(now),
            )
