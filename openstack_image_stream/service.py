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

"""How the plugin gets into a connection."""

import functools
from importlib import metadata
import importlib.util
import inspect
from typing import Any, TYPE_CHECKING

from openstack.image import image_service
from openstack.image.v2 import _proxy as _upstream

from openstack_image_stream._sdk import compat
from openstack_image_stream import exceptions
from openstack_image_stream import image
from openstack_image_stream import proxy

if TYPE_CHECKING:
    from openstack import connection

_GROUP = 'openstack.service_description'
_NAME = 'image'
_DISTRIBUTION = 'openstack-image-stream'

#: Where the class of a proxy that had a class of its own keeps that.
_ORIGINAL = '_original_class'


class ImageStreamService(image_service.ImageService):
    """Describes the Image service to the SDK, with our proxy for its v2.

    :raises: :exc:`~openstack_image_stream.exceptions.\
UnsupportedPlatformError` where the plugin does not work, on Windows.
    """

    #: Whether :func:`~openstack_image_stream.uninstall` removes it again.
    is_temporary = False

    supported_versions = {
        **image_service.ImageService.supported_versions,
        '2': proxy.ImageProxy,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        check_platform()
        super().__init__(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any) -> Any:
        """Return the proxy of a connection.

        The SDK keeps the proxy that it made first; where the Image service
        was used before this description came, that is upstream's, and is
        changed.
        """
        if instance is not None:
            _change_proxy(instance)
        return super().__get__(instance, owner)


def check_platform() -> None:
    """Check that the plugin works on this system.

    :raises: :exc:`~openstack_image_stream.exceptions.\
UnsupportedPlatformError` when it does not.
    """
    # The SDK would turn the ImportError of a module into a line of the log,
    # and downloads would continue unverified.
    if importlib.util.find_spec('fcntl') is None:
        raise exceptions.UnsupportedPlatformError(
            'openstack_image_stream needs the module fcntl, which Python does '
            'not have on this system (Windows): remove the plugin from the '
            'configuration, or use Linux or macOS'
        )


def _change_proxy(conn: 'connection.Connection') -> None:
    """Make the proxy of a connection ours, if it is there and is not yet.

    It stays the object that it is. To make another one would have the SDK
    discover the service again, from the URL that it found the first time, and
    fail on many clouds.

    :param conn: The connection.
    """
    made = compat.made_proxies(conn).get(_NAME)
    # Version 1 stays upstream's, and a service that is disabled has none.
    if isinstance(made, _upstream.Proxy) and not isinstance(
        made, proxy.ImageProxy
    ):
        cls: Any = type(made)
        made.__class__ = _proxy_class(cls)


@functools.lru_cache(maxsize=32)
def _proxy_class(cls: Any) -> type[proxy.ImageProxy]:
    """Return our proxy's class for a proxy of another class.

    :param cls: Upstream's class, or a class derived from it, whose other
        methods stay.
    """
    if cls is _upstream.Proxy:
        return proxy.ImageProxy
    registry = {
        **compat.resource_registry(cls),
        'image': image.Image,
    }
    return type(
        cls.__name__,
        (proxy.ImageProxy, cls),
        {
            '__doc__': cls.__doc__,
            '__module__': cls.__module__,
            '_resource_registry': registry,
            _ORIGINAL: cls,
        },
    )


def change_back(made: Any) -> None:
    """Give a proxy the class that it had before it became ours.

    :param made: Any proxy. One whose class is neither ours nor one that was
        made here stays as it is.
    """
    cls = type(made)
    if cls is proxy.ImageProxy:
        original: Any = _upstream.Proxy
    else:
        original = vars(cls).get(_ORIGINAL)
    if original is not None:
        made.__class__ = original


def is_loaded(conn: 'connection.Connection') -> bool:
    """Tell whether a connection has the plugin for good.

    :param conn: Any connection. What
        :func:`~openstack_image_stream.install` did does not count.
    """
    found = description_of(type(conn))
    return isinstance(found, ImageStreamService) and not found.is_temporary


def description_of(cls: type['connection.Connection']) -> Any:
    """Return the description by which a class finds its Image service.

    :param cls: A class of connections.
    :returns: The description, or whatever else is in its place.
    """
    found = inspect.getattr_static(cls, _NAME, None)
    return compat.added_service(found) or found


def load(conn: 'connection.Connection') -> None:
    """Replace the Image service of one connection.

    This is what ``vendor_hook: openstack_image_stream:load`` calls. No request
    is made; the service is discovered when ``conn.image`` is first used. A
    proxy that is there already is changed and stays the same object. Other
    connections of the process stay as they are, those that this one makes
    (:meth:`~openstack.connection.Connection.connect_as`) have the plugin too.
    Loading twice is the same as loading once.

    :param conn: The connection to change.
    :raises: :exc:`~openstack_image_stream.exceptions.NotRegisteredError` when
        the package is not installed, so that its entry point is missing.
    :raises: :exc:`~openstack_image_stream.exceptions.\
UnsupportedPlatformError` on Windows.
    """
    check_platform()
    if is_loaded(conn):
        _change_proxy(conn)
        return
    cls = type(conn)
    description = _registered()(_NAME)
    # A service description works from the class, as descriptors do. A class
    # of its own is what confines it to this connection.
    conn.__class__ = type(
        cls.__name__,
        (cls,),
        {
            _NAME: description,
            '__doc__': cls.__doc__,
            '__module__': cls.__module__,
        },
    )
    _change_proxy(conn)


def _registered() -> type[ImageStreamService]:
    for entry_point in metadata.entry_points(group=_GROUP, name=_NAME):
        distribution = entry_point.dist
        # Others may register an image service of their own.
        if distribution and _normalized(distribution.name) == _DISTRIBUTION:
            description: type[ImageStreamService] = entry_point.load()
            return description
    # Neither of the errors that the SDK turns into a line of the log: a user
    # who asked for verified downloads must not get unverified ones.
    raise exceptions.NotRegisteredError(
        f'the entry point {_NAME!r} of the group {_GROUP!r} is missing, '
        f'{_DISTRIBUTION} is on the path but not installed: install it with '
        'pip into this environment'
    )


def version() -> str:
    """Return the version of the installed distribution.

    :raises: :exc:`AttributeError` when it is not installed, since this is
        what the attribute ``__version__`` of the package is.
    """
    try:
        return metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError as exc:
        raise AttributeError(
            f'there is no version, {_DISTRIBUTION} is not installed'
        ) from exc


def _normalized(name: str) -> str:
    return name.lower().replace('_', '-').replace('.', '-')
