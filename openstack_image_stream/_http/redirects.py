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

"""Redirects: followed on the same host, refused to any other."""

from collections.abc import Callable
from typing import Any
import urllib.parse

import requests

from openstack_image_stream._common import printing
from openstack_image_stream._common import signals
from openstack_image_stream._http import compat
from openstack_image_stream._http import responses

#: Statuses that name another address for the same request (RFC 9110, 15.4).
_STATUSES = frozenset({301, 302, 303, 305, 307, 308})

#: A chain that is longer leads nowhere. Image services need one at the most.
_LONGEST = 5

#: Knows which address may be given what was meant for another.
_RULES: Any = requests.Session()

#: Where the address waits until Requests is done with the response.
_ASIDE = 'X-Openstack-Image-Stream-Location'


def follow(
    request: Callable[..., requests.Response],
    url: str,
    method: str,
    *args: Any,
    **kwargs: Any,
) -> requests.Response:
    """Send a request, and send it again where a redirect leads.

    keystoneauth follows redirects by itself, and sends the token along to
    whatever host is named. An image service has no reason to name another
    one; who took its place has.

    :param request: Sends one request, as :meth:`Adapter.request
        <keystoneauth1.adapter.Adapter.request>` does.
    :param url: As for ``request``.
    :param method: As for ``request``.
    :param args: As for ``request``.
    :param kwargs: As for ``request``. With a ``redirect`` among them nothing
        is done here.
    :returns: The response that is no redirect, or one that names no address.
    :raises: :exc:`~openstack_image_stream.exceptions.UnexpectedResponseError`
        when a redirect leads to another host, port or from HTTPS to HTTP, when
        its address cannot be read, or when there are too many of them.
    """
    if 'redirect' in kwargs:
        return request(url, method, *args, **kwargs)
    kwargs['hooks'] = _with_ours(kwargs.get('hooks'))
    for _ in range(_LONGEST + 1):
        response = request(url, method, *args, redirect=False, **kwargs)
        location = response.headers.pop(_ASIDE, None)
        if location is not None:
            response.headers['Location'] = location
        location = response.headers.get('Location')
        if response.status_code not in _STATUSES or not location:
            return response
        response.close()
        url = _next(response, location)
        # The address that is named has them, if they are still wanted.
        kwargs.pop('params', None)
    raise responses.unexpected(
        f'too many redirects: the server sent more than {_LONGEST}', response
    )


class _Redirects:
    """A hook of Requests that has it leave redirects alone.

    Where it is not to follow them it still reads all of their body, to use
    the connection again, and parses their address, which fails for one that
    is malformed.
    """

    def __call__(
        self, response: requests.Response, *args: Any, **kwargs: Any
    ) -> None:
        if response.status_code not in _STATUSES:
            return
        location = response.headers.pop('Location', None)
        if location is None:
            return
        # A header and no attribute: it goes into the SDK's cache.
        response.headers[_ASIDE] = location
        if not compat.is_loaded(response):
            response.raw.close()
            responses.put_content(response, b'')

    def __repr__(self) -> str:
        # The SDK has it in the keys of its cache.
        return 'redirects left alone'


_OURS = _Redirects()


def _with_ours(hooks: Any) -> dict[str, Any]:
    """Return hooks of Requests with our own behind them.

    :param hooks: Those of the caller, ``None`` for none.
    """
    theirs = (hooks or {}).get('response') or []
    if callable(theirs):
        theirs = [theirs]
    return {**(hooks or {}), 'response': [*theirs, _OURS]}


def _next(response: requests.Response, location: str) -> str:
    url = response.url
    try:
        target = urllib.parse.urljoin(url, location)
        # Host and port the same, or HTTPS where it was HTTP.
        leaves = _RULES.should_strip_auth(url, target)
    except ValueError as exc:
        if signals.find_raised(exc) is not None:
            raise
        raise responses.unexpected(
            f'the server redirects to {_shown(location)}, which is not a '
            f'valid URL: {printing.safe(str(exc))}',
            response,
        ) from exc
    if leaves:
        raise responses.unexpected(
            f'redirect to {_shown(target)} refused: it leads to another '
            f'host, and the token is only for {_origin(url)}. If the Image '
            'service is there, set it in the catalog or as '
            'image_endpoint_override',
            response,
        )
    return target


def _shown(url: str) -> str:
    return repr(printing.without_credentials(url))


def _origin(url: str) -> str:
    parts = urllib.parse.urlsplit(printing.without_credentials(url))
    return f'{parts.scheme}://{parts.netloc}'
