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

"""Connections to a scripted Glance, with the plugin."""

import contextlib
import functools
from typing import Any

import openstack
import openstack.connection
from openstack import proxy


def connect(url: str) -> openstack.connection.Connection:
    """Connect, without authentication or configuration files.

    :param url: Where the Glance is.
    :returns: A connection; its caller closes it with :func:`close`.
    """
    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth_type='none',
        auth={'endpoint': url},
        image_endpoint_override=f'{url}/v2',
        image_api_version='2',
        vendor_hook='openstack_image_stream:load',
    )


def close(conn: openstack.connection.Connection) -> None:
    """Close a connection and what waits in its pools.

    What the package has let go of is closed with them, and nothing else.

    :param conn: The connection.
    """
    with contextlib.closing(conn):
        adapter: Any
        for adapter in conn.session.session.adapters.values():
            pools = adapter.poolmanager.pools
            # Whoever still holds a response holds its pool, so it would not
            # be enough to forget them.
            for key in list(pools.keys()):
                pools[key].close()
            adapter.close()


def caller(
    conn: openstack.connection.Connection,
    image_id: str,
    options: dict[str, Any],
) -> Any:
    """Return a function that downloads an image.

    :param conn: The connection.
    :param image_id: ID of the image.
    :param options: Options of the download.
    """
    return functools.partial(conn.image.download_image, image_id, **options)


def forget() -> None:
    """Forget the connections that the SDK remembers.

    A cache of its class keeps some hundred of them alive, which would look
    like a leak.
    """
    proxy.Proxy._extract_name.cache_clear()
