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

"""The plugin in all connections of a process, and out of them again."""

import inspect
import threading
from typing import Any
import weakref

from openstack import connection
from openstack.image import image_service

from openstack_image_stream._sdk import compat
from openstack_image_stream import exceptions
from openstack_image_stream import proxy
from openstack_image_stream import service

_NAME = 'image'

#: Held while the class of connections is changed.
_LOCK = threading.RLock()


class _InstalledService(service.ImageStreamService):
    """The description of the Image service of all connections.

    It remembers which proxies became ours by it, to change them back. It does
    so without a lock, since ``conn.image`` is also used in signal handlers and
    after a fork; each operation on the set is one step of the interpreter.
    """

    is_temporary = True

    def __init__(self) -> None:
        super().__init__(_NAME)
        #: Whether it is in use. It may be removed while a thread uses it.
        self.is_installed = False
        # References to the same object are equal as long as it exists.
        self._proxies: set[weakref.ref[proxy.ImageProxy]] = set()

    def __get__(self, instance: Any, owner: Any) -> Any:
        found = super().__get__(instance, owner)
        if isinstance(found, proxy.ImageProxy):
            self._proxies.add(weakref.ref(found, self._proxies.discard))
            if not self.is_installed:
                _release(found)
        return found

    def release(self) -> None:
        """Give the proxies that became ours their own classes back."""
        self.is_installed = False
        for reference in list(self._proxies):
            found = reference()
            if found is not None:
                _release(found)
        self._proxies.clear()


def _release(made: proxy.ImageProxy) -> None:
    conn = compat.connection_of(made)
    if conn is None or not service.is_loaded(conn):
        service.change_back(made)


class _State:
    """What install() did to the class of connections."""

    description: _InstalledService | None = None

    #: What the class itself had under the name, not what it inherits.
    replaced: Any = None


def install() -> None:
    """Enable the plugin for all connections of this process.

    These are the existing ones and those to come, including those that a
    program makes of a session of its own (``Connection(session=...)``). The
    proxy of an existing connection changes when ``conn.image`` is next used,
    and stays the same object. No request is made.

    It is meant for applications, not for libraries: it changes what other
    code in the process uses. :func:`uninstall` reverses it. Installing twice
    is the same as installing once, and any thread may do it. A child process
    that is forked has the plugin, too; one that starts another Python has not.

    :raises: :exc:`~openstack_image_stream.exceptions.ForeignServiceError`
        when other software has replaced the Image service of all connections.
    :raises: :exc:`~openstack_image_stream.exceptions.\
UnsupportedPlatformError` on Windows.
    """
    service.check_platform()
    cls: Any = connection.Connection
    with _LOCK:
        found = inspect.getattr_static(cls, _NAME, None)
        if found is not None and found is _State.description:
            return
        _check_replaceable(cls)
        # Other software may have put back what was there before.
        _forget()
        description = _InstalledService()
        description.is_installed = True
        _State.replaced = vars(cls).get(_NAME)
        _State.description = description
        setattr(cls, _NAME, description)


def uninstall() -> None:
    """Reverse :func:`install`.

    The proxies of connections, which stay the objects that they are, have
    their own classes back, except for connections that have the plugin by
    other means: those keep it. Downloads that have begun continue as they
    are. Images that methods of the proxy returned earlier keep their class.
    Nothing happens if the plugin is not installed. An Image service that other
    software has put in the plugin's place since stays there.
    """
    cls: Any = connection.Connection
    with _LOCK:
        if vars(cls).get(_NAME) is _State.description is not None:
            if _State.replaced is None:
                delattr(cls, _NAME)
            else:
                setattr(cls, _NAME, _State.replaced)
        _forget()


def _forget() -> None:
    if _State.description is not None:
        _State.description.release()
    _State.description = _State.replaced = None


def _check_replaceable(cls: Any) -> None:
    found = service.description_of(cls)
    if type(found) is image_service.ImageService:
        return
    if isinstance(found, service.ImageStreamService):
        return
    kind = type(found)
    raise exceptions.ForeignServiceError(
        f'install() replaces the Image service of openstacksdk, but '
        f'{cls.__module__}.{cls.__qualname__}.{_NAME} is {found!r} '
        f'(class {kind.__module__}.{kind.__qualname__}), of other software: '
        'remove that, or use load() for single connections'
    )
