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

"""What the Image service says about an image, asked for and looked at.

A document from a server is as foreign as the image's bytes: it may be of any
length, hold anything, or be about something else.
"""

from collections.abc import Callable
import copy
import dataclasses
import http.client
import logging
from typing import Any

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ksa_exceptions
from openstack import _log
from openstack import exceptions as sdk_exceptions
from openstack import proxy
import requests

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream import _config
from openstack_image_stream._http import responses
from openstack_image_stream._transfer import coordination
from openstack_image_stream import exceptions

#: Bytes of a description that are taken. The longest that Glance lets a user
#: make, 128 properties of 64 KiB, is half of it.
_LONGEST = 16 * _config.MIB
_BLOCK = 64 * 1024

_HASHES = ('hash_algo', 'hash_value', 'checksum')

_LOG: logging.Logger = _log.setup_logging('openstack.image_stream')


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageInfo:
    """What a download has to know about an image.

    :param size: Its size in bytes, ``None`` if the service does not say.
    :param name: Its name.
    :param status: Its status.
    :param hash_algo: ``os_hash_algo``, as it came.
    :param hash_value: ``os_hash_value``, as it came.
    :param checksum: ``checksum``, as it came.
    """

    size: int | None
    name: str | None
    status: str | None
    hash_algo: object
    hash_value: object
    checksum: object


def fetch(
    image: Any,
    session: adapter.Adapter,
    policy: retry.RetryPolicy,
    *,
    validate: bool,
) -> ImageInfo:
    """Ask for an image's metadata, as patiently as for its data.

    :param image: The image resource. It is brought up to date.
    :param session: The proxy of the Image service, or another adapter of
        keystoneauth.
    :param policy: When to try again.
    :param validate: Whether the hashes that the resource has already must be
        those that come.
    :returns: What came.
    :raises: :exc:`~openstack_image_stream.exceptions.ImageStreamError` when
        it cannot be had or is none of this image.
    :raises: :exc:`~openstack_image_stream.exceptions.ImageChangedError` when
        the image has another hash than the resource.
    :raises: :exc:`~openstack.exceptions.HttpException` or a subclass for an
        error status.
    """
    patience = retry.Retries(policy)
    while True:
        try:
            fresh, metadata = _fetch_once(image, session)
            break
        except retry.RetriableError as exc:
            delay = patience.delay(exc)
            if delay is None:
                error = exc.error or exceptions.ImageStreamError(
                    f'cannot read the metadata of image {_shown(image)}: {exc}'
                )
                raise error from retry.cause(exc, error)
            _LOG.warning(
                'image %s: its metadata could not be read (%s), trying '
                'again in %.1f s, attempt %s',
                _shown(image),
                exc,
                delay,
                patience,
            )
            policy.wait(coordination.Coordinator(str(image.id)), delay)
    if validate:
        _check_hashes(image, metadata)
    image._body.attributes.update(fresh._body.attributes)
    return metadata


def _fetch_once(image: Any, session: adapter.Adapter) -> tuple[Any, ImageInfo]:
    # A new resource: in the old one, what does not come would stay.
    fresh = type(image).existing(id=image.id, connection=image._connection)
    answers: list[requests.Response] = []
    try:
        with signals.reraised():
            # What the SDK may have cached is of an image that was not
            # uploaded yet, or of another checksum.
            fresh.fetch(_limited(session, answers), skip_cache=True)
    except ksa_exceptions.ClientException as exc:
        _pass_raised(exc)
        reason = responses.in_words(exc)
        error = exceptions.ImageStreamError(
            f'cannot read the metadata of image {_shown(image)}: {reason}'
        )
        if retry.is_curable(exc):
            raise retry.RetriableError(reason, error=error) from exc
        raise error from exc
    except sdk_exceptions.HttpException as exc:
        _pass_raised(exc)
        responses.settle_error(exc)
        if exc.status_code in retry.STATUSES:
            raise retry.RetriableError(
                f'the server answered {exc.status_code}',
                error=exc,
                retry_after=retry.retry_after(exc.response),
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
        _pass_raised(exc)
        # What the SDK runs into with a document that is no description.
        if not answers or isinstance(exc, exceptions.ImageStreamError):
            raise
        raise _no_description(image) from exc
    return fresh, _read(answers[-1], image)


def _pass_raised(exc: Exception) -> None:
    """Raise an exception again if a signal handler raised it."""
    if signals.find_raised(exc) is not None:
        raise exc


def _shown(image: Any) -> str:
    return responses.printable(str(image.id))


def _read(response: requests.Response, image: Any) -> ImageInfo:
    # The SDK takes any answer without an error for an image, a portal's login
    # page for example, and makes a size of 0 of what is none.
    document = None
    with signals.suppress(ValueError):
        document = response.json()
    if not isinstance(document, dict) or 'id' not in document:
        raise _no_description(image)
    if document['id'] != image.id:
        raise exceptions.ImageChangedError(
            f'the server was asked for image {_shown(image)}, and describes '
            f'{document["id"]!r}',
            expected=str(image.id),
            actual=str(document['id']),
        )
    size, name, status = (
        document.get(key) for key in ('size', 'name', 'status')
    )
    if isinstance(size, str):
        size = byte_ranges.parse_length(size)
    return ImageInfo(
        # A bool is an int to Python, and a negative size is none to anybody.
        size=size if type(size) is int and size >= 0 else None,
        name=name if isinstance(name, str) else None,
        status=status if isinstance(status, str) else None,
        hash_algo=document.get('os_hash_algo'),
        hash_value=document.get('os_hash_value'),
        checksum=document.get('checksum'),
    )


def _no_description(image: Any) -> exceptions.ImageStreamError:
    return exceptions.ImageStreamError(
        f'the server did not describe image {_shown(image)}, what answers '
        'there is no Image service'
    )


def _check_hashes(image: Any, metadata: ImageInfo) -> None:
    # Whoever gives a resource has seen its hash, perhaps on a better day. It
    # must not be possible to take it away with a second answer.
    for name in _HASHES:
        known, now = getattr(image, name), getattr(metadata, name)
        if known and str(known).lower() != str(now).lower():
            raise exceptions.ImageChangedError(
                f'the {name} of image {_shown(image)} was {known!r} when it '
                f'was looked at before, and is {now!r} now. Give the ID alone '
                'to take it as it is now',
                expected=str(known),
                actual=str(now),
            )


def _limited(
    session: adapter.Adapter, answers: list[requests.Response]
) -> adapter.Adapter:
    """Return an adapter that does not read answers without end.

    :param session: The adapter to be like.
    :param answers: Where to put the answers once they are read.
    """
    ours = copy.copy(session)
    request: Callable[..., requests.Response] = ours.request

    # The SDK's own adapters have a cache, and make no exceptions of statuses.
    is_proxy = isinstance(session, proxy.Proxy)

    def request_some(*args: Any, **kwargs: Any) -> requests.Response:
        if not is_proxy:
            kwargs.pop('skip_cache', None)
            kwargs['raise_exc'] = False
        response = request(*args, **{**kwargs, 'stream': True})
        # keystoneauth has read it already where it logs bodies.
        if not responses.is_loaded(response):
            try:
                _load(response)
            finally:
                response.close()
        answers.append(response)
        return response

    ours.request = request_some  # type: ignore[method-assign]
    return ours


def _load(response: requests.Response) -> None:
    responses.guard_chunks(response)
    body = bytearray()
    with responses.interruptions():
        while piece := response.raw.read(_BLOCK, decode_content=True):
            body += piece
            if len(body) > _LONGEST:
                raise exceptions.ImageStreamError(
                    'the server describes the image in more than '
                    f'{_LONGEST // _config.MIB} MiB'
                )
        _check_length(response, len(body))
    responses.put_content(response, bytes(body))
    responses.settle_charset(response)


def _check_length(response: requests.Response, length: int) -> None:
    # Not every release of urllib3 does it by itself.
    announced = responses.announced_length(response)
    if announced and length < announced and not responses.coding(response):
        raise http.client.IncompleteRead(b'', announced - length)
