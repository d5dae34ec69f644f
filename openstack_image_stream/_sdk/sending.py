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

"""How the requests of a download are sent, through keystoneauth.

The caller's adapter, session and connection pools are left alone: what a
download needs to be otherwise (one attempt at a time, a timeout, connections
that can be broken, no cache) it has in objects of its own, which are made
once for each adapter.
"""

from collections.abc import Callable, Mapping, Sequence
import contextvars
import copy
import dataclasses
import functools
import logging
from typing import Any
import urllib.parse
import weakref

from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import session as ksa_session
from openstack import utils
import requests

from openstack_image_stream._http import connection_pools
from openstack_image_stream._http import redirects
from openstack_image_stream._sdk import compat
from openstack_image_stream._sdk import errors

#: Where an adapter keeps what belongs to it.
_ATTRIBUTE = '_image_stream_sender'

#: The logger that keystoneauth uses where an adapter has none.
_KEYSTONEAUTH = logging.getLogger('keystoneauth.session')

#: What the SDK's proxies understand, and keystoneauth does not.
_OF_THE_SDK = ('skip_cache', 'error_message')


@dataclasses.dataclass(frozen=True)
class _Transport:
    """What the requests of one download are sent with."""

    pools: connection_pools.Pools
    timeout: float


_TRANSPORT: contextvars.ContextVar[_Transport] = contextvars.ContextVar(
    'openstack_image_stream_transport'
)


class Sender:
    """Sends the requests of downloads, as an adapter would.

    :param given: The proxy of the Image service, or any other adapter of
        keystoneauth. It is not changed.
    """

    def __init__(self, given: ksa_adapter.Adapter) -> None:
        self._pools = connection_pools.Pools()
        self._session = _session_like(given.session)
        self._settings = _settings_of(given.session)
        self._adapter = copy.copy(given)
        self._adapter.__dict__.pop(_ATTRIBUTE, None)
        self._adapter.__class__ = _sending_once(type(given))  # type: ignore[arg-type]
        self._adapter.session = self._session
        if not compat.split_loggers_of(given.session):
            # keystoneauth looks its logger up at each request otherwise. What
            # a signal handler raises in that can leave the lock of logging
            # locked for good.
            self._adapter.logger = given.logger or _KEYSTONEAUTH
        # By a reference that does not keep it, as it keeps this.
        self._adapter.given = weakref.ref(given)  # type: ignore[attr-defined]

    def fits(self, given: ksa_adapter.Adapter) -> bool:
        """Tell whether the adapter's session is still as it was.

        :param given: The adapter that this was made for.
        """
        return self._settings == _settings_of(given.session)

    def adapter(
        self, timeout: float, pools: connection_pools.Pools | None = None
    ) -> ksa_adapter.Adapter:
        """Return an adapter that sends each request once.

        :param timeout: Longest silence of a connection in seconds, also of
            the requests that renew a token.
        :param pools: Connection pools to use instead of the caller's.
        """
        ours = copy.copy(self._adapter)
        ours.transport = _Transport(pools or self._pools, timeout)  # type: ignore[attr-defined]
        return ours


def sender_for(given: ksa_adapter.Adapter) -> Sender:
    """Return what sends the downloads' requests of an adapter.

    :param given: The proxy of the Image service, or any other adapter of
        keystoneauth.
    """
    known = given.__dict__.get(_ATTRIBUTE)
    if not isinstance(known, Sender) or not known.fits(given):
        known = Sender(given)
        given.__dict__[_ATTRIBUTE] = known
    return known


def get_file(
    adapter: ksa_adapter.Adapter,
    url: str,
    headers: Mapping[str, str],
) -> requests.Response:
    """Request the data of an image.

    :param adapter: As :meth:`Sender.adapter` makes it.
    :param url: Of the data, without the endpoint.
    :param headers: Of the request.
    :returns: The response, its body unread; its caller closes it.
    :raises: :exc:`.RetriableError` when no response comes, a final one where
        no retry cures that.
    """
    # keystoneauth's log of bodies would have the whole image in memory where
    # the server calls it a text.
    with errors.translated():
        return adapter.get(url, headers=dict(headers), stream=True, log=False)


def _is_outdated(adapter: Any, response: requests.Response) -> bool:
    """Tell whether a request was refused for a token that was replaced.

    keystoneauth renews an expired token, and sends the request again, for the
    first of several requests only. Those that come while it is being renewed
    find nothing to renew and keep their 401.
    """
    used = response.request.headers.get('X-Auth-Token')
    return used is not None and used != adapter.inside(adapter.get_token)


def file_url(image: Any, stores: Sequence[str]) -> str:
    """Return the URL of the data of an image, without the endpoint.

    :param image: The image resource.
    :param stores: Names of stores to read from, best first; may be empty.
    """
    url: str = utils.urljoin(image.base_path, image.id, 'file')
    if stores:
        names = ','.join(urllib.parse.quote(name) for name in stores)
        url = f'{url}?prefer={names}'
    return url


class _Requests:
    """What a session of keystoneauth sends by, in place of requests' own.

    :param original: The session to be like.
    """

    def __init__(self, original: ksa_session.Session) -> None:
        self._original = original

    @property
    def adapters(self) -> Any:
        return self._original.session.adapters

    def request(
        self, method: str, url: str, **kwargs: Any
    ) -> requests.Response:
        transport = _TRANSPORT.get()
        # The requests that renew a token have no timeout of their own.
        if kwargs.get('timeout') is None:
            kwargs['timeout'] = transport.timeout
        session = transport.pools.session(self._original.session)
        return session.request(method, url, **kwargs)


def _settings_of(session: ksa_session.Session) -> tuple[Any, ...]:
    return (session, session.auth, session.verify, session.cert)


def _session_like(session: ksa_session.Session) -> ksa_session.Session:
    """Return a session of keystoneauth that sends with our connections.

    A copy of the caller's would close the caller's connections when it is
    collected.
    """
    ours = ksa_session.Session(
        auth=session.auth,
        session=_Requests(session),  # type: ignore[arg-type]
        original_ip=session.original_ip,
        verify=session.verify,
        cert=session.cert,
        timeout=session.timeout,
        redirect=session.redirect,
        additional_headers=session.additional_headers,
        app_name=session.app_name,
        app_version=session.app_version,
        additional_user_agent=session.additional_user_agent,
        # What was found out about the services is not found out again.
        discovery_cache=compat.discovery_cache_of(session),
        split_loggers=compat.split_loggers_of(session),
    )
    ours.user_agent = session.user_agent
    # Not a copy of them, where there are none yet.
    ours.additional_headers = session.additional_headers
    return ours


@functools.lru_cache(maxsize=32)
def _sending_once(cls: type[ksa_adapter.Adapter]) -> Any:
    """Return a class of adapters that send each request once.

    What keystoneauth would repeat by itself is left to our own policy; the
    two would multiply. The SDK's own proxies look into a cache first, which
    would keep the whole image in memory, hand its consumed body to the next
    caller, and be emptied by a request not to use it.
    """

    class Adapter(cls):  # type: ignore[misc, valid-type]
        transport: _Transport
        given: weakref.ref[ksa_adapter.Adapter]

        def request(self, url: str, method: str, **kwargs: Any) -> Any:
            for name in _OF_THE_SDK:
                kwargs.pop(name, None)
            kwargs = {
                'timeout': self.transport.timeout,
                'connect_retries': 0,
                'status_code_retries': 0,
                **kwargs,
            }
            # An error status is looked at, not raised.
            kwargs['raise_exc'] = False
            return self.inside(
                functools.partial(
                    redirects.follow,
                    functools.partial(_send, self),
                    url,
                    method,
                    **kwargs,
                )
            )

        def inside(self, function: Callable[[], Any]) -> Any:
            """Call what sends requests, which use our transport then."""
            return contextvars.copy_context().run(self._inside, function)

        def _inside(self, function: Callable[[], Any]) -> Any:
            _TRANSPORT.set(self.transport)
            return function()

    return Adapter


def _send(
    adapter: Any, url: str, method: str, **kwargs: Any
) -> requests.Response:
    """Send a request as the SDK's proxies do, but for their cache."""
    request_id = compat.global_request_id(adapter)
    if request_id:
        kwargs.setdefault('global_request_id', request_id)
    response = _send_once(adapter, url, method, **kwargs)
    if (
        response.status_code == 401
        and kwargs.get('allow_reauth', True)
        and _is_outdated(adapter, response)
    ):
        response.close()
        kwargs['allow_reauth'] = False
        response = _send_once(adapter, url, method, **kwargs)
    return response


def _send_once(
    adapter: Any, url: str, method: str, **kwargs: Any
) -> requests.Response:
    # By the caller's proxy, since the SDK keeps each one that reported.
    report = compat.statistics_of(adapter.given())
    try:
        response: requests.Response = ksa_adapter.Adapter.request(
            adapter, url, method, **kwargs
        )
    except Exception as exc:
        report(None, url, method, exc)
        raise
    report(response)
    return response
