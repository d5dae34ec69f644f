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


"""A scripted Glance in a process of its own, and its remote control.

Many tests share one process. Each has its own image there, under an ID of its
own, and says how that image is served. The requests for it are told by the
same way. The remote control is HTTP, so that any process can use it, also a
forked one and one of eventlet or gevent.
"""

from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
import http.client
import json
import re
import ssl
import threading
import time
from typing import Any

from tests import processes
from tests.servers import images
from tests.servers import responses
from tests.servers import scripted

#: Seconds that starting it and asking it may take.
_DEADLINE = 60.0

#: Where images are put, and told about.
_CONTROL = '/control/'


class ImageScript:
    """An image, and how it is served.

    :param seed: Of the bytes.
    :param size: Of the image.
    :param changes: What becomes of the first responses with data, one each,
        as attributes of :class:`~tests.servers.responses.Response`.
        ``hold_after`` holds a response until it is released.
    :param always: What becomes of all others.
    :param beyond: What becomes of all others that begin behind byte 0.
    :param parts: What becomes of those that begin at certain bytes, before
        all of these.
    :param ranged: Whether range requests are served, or refused with 400.
    :param workers: How many responses with data are sent at a time; others
        wait. Any number by default.
    :param metadata: What differs in the metadata.
    """

    def __init__(
        self,
        *,
        seed: int,
        size: int,
        changes: Sequence[Mapping[str, Any]] = (),
        always: Mapping[str, Any] | None = None,
        beyond: Mapping[str, Any] | None = None,
        parts: Mapping[str, Mapping[str, Any]] | None = None,
        ranged: bool = True,
        workers: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.data = images.data(seed, size)
        self.ranged = ranged
        self.workers = threading.Semaphore(workers) if workers else None
        self.released = threading.Event()
        #: The ranges of all requests for data, ``''`` for the whole image.
        self.asked: list[str] = []
        #: Requests for the metadata.
        self.looked_up = 0
        self.metadata = dict(metadata or {})
        self._changes = [dict(change) for change in changes]
        self._always = dict(always or {})
        self._beyond = dict(self._always if beyond is None else beyond)
        self._parts = dict(parts or {})

    def change(
        self, response: responses.Response, asked: str
    ) -> responses.Response:
        """Do to a response what the script says.

        :param response: The honest response.
        :param asked: The range that was asked for.
        """
        start = asked.removeprefix('bytes=').partition('-')[0] or '0'
        if start in self._parts:
            change = self._parts[start]
        elif self._changes:
            change = self._changes.pop(0)
        elif start != '0':
            change = self._beyond
        else:
            change = self._always
        change = {**change}
        if 'throttle' in change:
            change['throttle'] = tuple(change['throttle'])
        if 'body' in change:
            change['body'] = change['body'].encode()
        return dataclasses.replace(
            response, released=self.released, workers=self.workers, **change
        )


class ManyImages(scripted.ScriptedGlance):
    """A scripted Glance with many images.

    :param certificate: Path of a certificate and its key, to speak TLS.
    """

    def __init__(self, certificate: str | None = None) -> None:
        super().__init__(certificate=certificate)
        self._described = self.metadata
        self._scripts: dict[str, ImageScript] = {}
        self._choosing = threading.Lock()

    def _respond(self, request: responses.Request) -> responses.Response:
        path = request.path.partition('?')[0]
        if path.startswith(_CONTROL):
            return self._control(request, path.removeprefix(_CONTROL))
        found = re.fullmatch('/v2/images/([^/]+)(/file)?', path)
        script = self._scripts.get(found[1]) if found else None
        if found is None or script is None:
            return super()._respond(request)
        asked = request.headers.get('range', '')
        with self._choosing:
            self.data = script.data
            self.ranged = script.ranged
            self.metadata = {
                **self._described,
                'id': found[1],
                'size': len(script.data),
                **scripted.hashes(script.data),
                **script.metadata,
            }
            response = super()._respond(request)
            if not found[2]:
                script.looked_up += 1
                return response
            script.asked.append(asked)
            return script.change(response, asked)

    def _control(
        self, request: responses.Request, image_id: str
    ) -> responses.Response:
        if request.method == 'PUT':
            self._scripts[image_id] = ImageScript(**json.loads(request.body))
        script = self._scripts[image_id]
        if request.method == 'POST':
            script.released.set()
        if request.method == 'DELETE':
            del self._scripts[image_id]
        return responses.json_response(
            {'asked': script.asked, 'looked_up': script.looked_up},
            extra={'Connection': 'close'},
        )


@dataclasses.dataclass(frozen=True)
class Remote:
    """The remote control of a scripted Glance; can be pickled.

    :param url: Where the Glance is.
    :param certificate: Path of its certificate, if it speaks TLS.
    """

    url: str
    certificate: str | None = None

    @property
    def port(self) -> int:
        """Where it is, on loopback."""
        return int(self.url.rpartition(':')[2])

    def show(self, image_id: str, **script: Any) -> None:
        """Have an image.

        :param image_id: Its ID.
        :param script: How it is served; see :class:`ImageScript`.
        """
        self._ask('PUT', image_id, json.dumps(script))

    def asked(self, image_id: str) -> list[str]:
        """Return the ranges that were asked for, ``''`` for the whole.

        :param image_id: ID of the image.
        """
        asked: list[str] = self._ask('GET', image_id)['asked']
        return asked

    def looked_up(self, image_id: str) -> int:
        """Return how often the metadata were asked for.

        :param image_id: ID of the image.
        """
        times: int = self._ask('GET', image_id)['looked_up']
        return times

    def wait_until_asked(self, image_id: str, times: int = 1) -> None:
        """Wait until the data were asked for.

        :param image_id: ID of the image.
        :param times: How often.
        """
        until = time.monotonic() + _DEADLINE
        while len(self.asked(image_id)) < times:
            assert time.monotonic() < until, 'the data were not asked for'
            time.sleep(0.005)

    def release(self, image_id: str) -> None:
        """Send the rest of the responses that are held.

        :param image_id: ID of the image.
        """
        self._ask('POST', image_id)

    def forget(self, image_id: str) -> None:
        """Have an image no more.

        :param image_id: Its ID.
        """
        self._ask('DELETE', image_id)

    def _ask(self, method: str, image_id: str, body: str = '') -> Any:
        if self.certificate:
            context = ssl.create_default_context(cafile=self.certificate)
            connection: http.client.HTTPConnection = (
                http.client.HTTPSConnection(
                    '127.0.0.1', self.port, timeout=_DEADLINE, context=context
                )
            )
        else:
            connection = http.client.HTTPConnection(
                '127.0.0.1', self.port, timeout=_DEADLINE
            )
        with contextlib.closing(connection):
            connection.request(method, f'{_CONTROL}{image_id}', body)
            response = connection.getresponse()
            assert response.status == 200, response.status
            return json.loads(response.read())


@contextlib.contextmanager
def started(certificate: str | None = None) -> Any:
    """Start a scripted Glance in its own process; a context manager.

    :param certificate: Path of a certificate and its key, to speak TLS.
    :returns: Its remote control.
    """
    with processes.background(_run, certificate) as url:
        yield Remote(url, certificate)


def _run(sender: Any, certificate: str | None) -> None:
    with ManyImages(certificate) as glance, contextlib.suppress(EOFError):
        sender.send(glance.url)
        # Until the other process ends, however it does.
        sender.recv()
