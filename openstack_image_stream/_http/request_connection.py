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

"""Requests that can be aborted from another thread."""

from collections.abc import Callable
import functools

from openstack_image_stream._common import byte_ranges
from openstack_image_stream._http import response_body
from openstack_image_stream._http import sockets


class Connection:
    """Sends one request after another.

    :param request: Requests some bytes of an image, see
        :meth:`.Fetcher.open`.
    """

    def __init__(
        self,
        request: Callable[[byte_ranges.ByteRange], response_body.Body],
    ) -> None:
        self._request = request
        self._sockets = sockets.Sockets()

    @property
    def connecting(self) -> bool:
        """Whether it waits for what cannot be interrupted."""
        return self._sockets.connecting

    def open(self, byte_range: byte_ranges.ByteRange) -> response_body.Body:
        """Request some bytes; see :meth:`.Fetcher.open`."""
        return self._sockets.call(functools.partial(self._request, byte_range))

    def abort(self) -> None:
        """Break the connection, and any later one, without waiting."""
        self._sockets.abort()

    def forget(self) -> None:
        """Take note that its last body was closed."""
        self._sockets.forget()
