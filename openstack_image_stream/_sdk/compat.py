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

"""Private names of openstacksdk and keystoneauth.

One function for each, and nowhere else, but for the methods that the
subclasses in :mod:`openstack_image_stream.proxy` override. A release that
takes one of them away fails the test of that function.
"""

from collections.abc import Callable, Mapping
import inspect
from typing import Any

from keystoneauth1 import adapter
from keystoneauth1 import session as ksa_session
import requests


def connection_of(given: adapter.Adapter) -> Any:
    """Return the connection that an adapter belongs to.

    :param given: Any adapter.
    :returns: An :class:`openstack.connection.Connection`, ``None`` where the
        adapter is not a proxy of the SDK.
    """
    find = getattr(given, '_get_connection', None)
    return find() if find else None


def global_request_id(given: adapter.Adapter) -> str | None:
    """Return the ``X-OpenStack-Request-ID`` of an adapter's connection."""
    request_id: str | None = getattr(
        connection_of(given), '_global_request_id', None
    )
    return request_id


def statistics_of(given: adapter.Adapter | None) -> Callable[..., object]:
    """Return the function by which a proxy of the SDK reports a request.

    :param given: Any adapter, or ``None``.
    :returns: To be called with the response, or with ``None``, the URL, the
        method and an exception. It does nothing for other adapters.
    """
    return getattr(given, '_report_stats', None) or _report_nothing


def _report_nothing(*args: Any) -> None:
    pass


def discovery_cache_of(session: ksa_session.Session) -> Any:
    """Return what a session found out about services."""
    return getattr(session, '_discovery_cache', None)


def split_loggers_of(session: ksa_session.Session) -> bool | None:
    """Return whether a session logs requests by topic."""
    return getattr(session, '_split_loggers', None)


def made_proxies(connection: Any) -> Mapping[str, Any]:
    """Return the proxies that a connection has made, by service type."""
    proxies: Mapping[str, Any] = connection._proxies
    return proxies


def written_settings(region: Any) -> Mapping[str, Any]:
    """Return the configuration of a cloud before the SDK renamed its keys.

    :param region: The ``config`` of a connection.
    :returns: What the files and the environment say; nothing for a cloud that
        was configured by keywords alone.
    """
    written = getattr(region, '_openstack_config', None)
    clouds = getattr(written, 'cloud_config', None) or {}
    settings: Mapping[str, Any] = (clouds.get('clouds') or {}).get(
        getattr(region, 'name', None)
    ) or {}
    return settings


def added_service(found: Any) -> Any:
    """Return the description that ``Connection.add_service()`` hid.

    :param found: What is in the class of a connection under the name of a
        service.
    :returns: The description, ``None`` for what is not a property by
        ``add_service()``.
    """
    getter = getattr(found, 'fget', None)
    if not inspect.isfunction(getter):
        return None
    return inspect.getclosurevars(getter).nonlocals.get('service')


def resource_registry(proxy: Any) -> dict[str, Any]:
    """Return the classes of resources that a proxy's class makes by name."""
    return dict(getattr(proxy, '_resource_registry', {}))


def attributes_of(resource: Any) -> dict[str, Any]:
    """Return the attributes of a resource, as the service names them."""
    attributes: dict[str, Any] = resource._body.attributes
    return attributes


def attributes_in(resource: Any, document: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that a document gives a resource.

    To make another resource of it, as :func:`described` does, takes as long
    as the rest of the request.

    :param resource: A resource, which is not changed.
    :param document: What the service says about it, which is used up.
    :returns: The attributes, by the names of :func:`attributes_of`.
    :raises: a variety of errors for content that is not a description.
    """
    document.pop('self', None)
    attributes: dict[str, Any] = resource._consume_body_attrs(document)
    if resource._store_unknown_attrs_as_properties:
        attributes = resource._pack_attrs_under_properties(
            attributes, document
        )
    return attributes


def described(resource: Any, response: requests.Response) -> Any:
    """Make a resource of what the service says about one.

    :param resource: A resource with an ID.
    :param response: The response that describes it, its content loaded.
    :returns: A new resource of the same class and connection. In the old one,
        what does not come would stay.
    :raises: :exc:`~openstack.exceptions.HttpException` or a subclass for an
        error status, and a variety of errors for content that is not a
        description.
    """
    made = type(resource).existing(
        id=resource.id, connection=resource._connection
    )
    made._translate_response(response)
    return made


def update(resource: Any, **attributes: Any) -> None:
    """Set attributes of a resource, which then do not count as changes."""
    resource._update(**attributes)
