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

"""A Glance that goes by a script of faults."""

import collections
import dataclasses
import threading
from typing import Any

from openstack_image_stream import exceptions
from tests.faults.catalogue import changes
from tests.servers import responses
from tests.servers import scripted
from tests.soak import images


@dataclasses.dataclass(frozen=True)
class Script:
    """How a server serves an image.

    :param ranges: ``served``, ``refused`` with 400, or ``ignored`` with the
        whole image.
    :param framing: How honest responses are framed, as in
        :class:`~tests.unit.responses.Response`.
    :param data_faults: What happens to the first requests for the data, one
        each; all others are served honestly.
    :param metadata_faults: Likewise for the metadata.
    """

    ranges: str = 'served'
    framing: str | int = 'length'
    data_faults: tuple[changes.Change, ...] = ()
    metadata_faults: tuple[changes.Change, ...] = ()


@dataclasses.dataclass(frozen=True)
class Replaced(changes.Change):
    """From now on there is another image behind the same ID.

    :param image: The other one.
    """

    image: images.Image
    errors = (
        exceptions.ImageChangedError,
        exceptions.ChecksumMismatchError,
        # A shorter one that announces no length only never gets whole.
        exceptions.IncompleteDownloadError,
    )
    fails = False
    corrupts = True

    def begin(self, server: Any) -> None:
        """Show the other image."""
        server.show(self.image)


class Server(scripted.ScriptedGlance):
    """A scripted Glance with an image; a context manager.

    :param image: The image.
    :param script: How it is served.
    """

    def __init__(self, image: images.Image, script: Script) -> None:
        super().__init__()
        self._script = script
        self._data_faults = collections.deque(script.data_faults)
        self._metadata_faults = collections.deque(script.metadata_faults)
        self._script_lock = threading.Lock()
        self._content_md5: str | None = None
        self.ranged = script.ranges != 'refused'
        #: Set once the data were asked for.
        self.asked = threading.Event()
        #: How many faults were made.
        self.faults_made = 0
        self.show(image)

    def __enter__(self) -> 'Server':
        super().__enter__()
        return self

    def show(self, image: images.Image) -> None:
        """Put another image in the place of the one that is there.

        :param image: The other one.
        """
        self.image = image
        self.data = image.data
        self.metadata = {**self.metadata, **image.metadata()}
        self._content_md5 = None if image.hashing == 'none' else image.md5

    def calm_down(self) -> None:
        """Make no more faults."""
        with self._script_lock:
            self._data_faults.clear()
            self._metadata_faults.clear()

    def ranges_asked_for(self) -> list[str]:
        """Return the ranges of all requests for data, ``''`` for none."""
        return [
            request.headers.get('range', '')
            for request in list(self.requests)
            if request.is_for_data
        ]

    def honest(self, **changes: Any) -> responses.Response:
        """Return what is responseed to a request for the data."""
        headers = {'Content-Type': 'application/octet-stream'}
        if self._content_md5:
            headers['Content-MD5'] = self._content_md5
        response = responses.Response(
            headers=headers, body=self.data, framing=self._script.framing
        )
        return dataclasses.replace(response, **changes)

    def _respond(self, request: responses.Request) -> responses.Response:
        waiting: collections.deque[changes.Change] = collections.deque()
        if request.is_for_data:
            waiting = self._data_faults
            self.asked.set()
            if self._script.ranges == 'ignored':
                request = dataclasses.replace(request, headers={})
        elif '/images/' in request.path:
            waiting = self._metadata_faults
        with self._script_lock:
            fault = waiting.popleft() if waiting else None
            self.faults_made += fault is not None
            if fault is not None:
                fault.begin(self)
            response = super()._respond(request)
        if fault is None:
            return response
        return fault(response, changes.Context(data=self.data))
