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

"""A download from a scripted Glance to a directory of its own."""

from collections.abc import Callable
from concurrent import futures
import dataclasses
import pathlib
import random
import re
from typing import Any


from tests.faults import attempt
from tests.faults import clients
from tests import processes
from tests.servers import responses
from tests.servers import scripted

MIB = 1024 * 1024

#: Three parts of a download over several connections, the last not full.
DATA = random.Random(17).randbytes(17 * MIB + 17)

#: What is at the path before.
OLD = random.Random(18).randbytes(3 * MIB)

#: Seconds that an response takes where something has to happen meanwhile.
DURATION = 1.0

#: Bytes that go over the wire at a time then.
_STEP = 256 * 1024

#: The ways of the plugin that end in a file.
TO_PATH = ('path', 'connections')


class LocalDownload:
    """A scripted Glance, and a directory to download to.

    :param directory: Nobody else's; need not exist.
    :param data: The bytes of the image.
    :param old: What is at the path before.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        *,
        data: bytes = DATA,
        old: bytes | None = None,
    ) -> None:
        self.data = data
        self.glance = scripted.ScriptedGlance(data)
        self.path = directory / 'out' / 'image'
        self.path.parent.mkdir(parents=True)
        if old is not None:
            self.path.write_bytes(old)
        #: The partial file that a later download will find.
        self.shared = self.path.with_name(
            f'{self.path.name}.{scripted.IMAGE_ID}.part'
        )
        self._directory = directory
        self._place = clients.place_of(self.glance, directory)
        self._sent_before = 0

    def __enter__(self) -> 'LocalDownload':
        self.glance.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.glance.__exit__(*exc_info)

    def run(self, way: clients.Client, **how: Any) -> attempt.Outcome:
        """Download once.

        :param way: How.
        :param how: What else :func:`attempt.run` takes.
        """
        return attempt.run(way, self._place, self.path, data=self.data, **how)

    def start(self, way: clients.Client, **how: Any) -> attempt.Running:
        """Begin to download.

        :param way: How.
        :param how: What else :func:`attempt.start` takes.
        """
        return attempt.start(
            way, self._place, self.path, data=self.data, **how
        )

    def change(self, **changes: Any) -> None:
        """Change every response from now on.

        :param changes: Of the response.
        """
        self._script(lambda response: dataclasses.replace(response, **changes))

    def change_once(self, **changes: Any) -> None:
        """Change the next response.

        :param changes: Of the response.
        """
        self.change(**changes)
        self.glance.repeat_last = False

    def slow_down(self, seconds: float = DURATION) -> None:
        """Let all further downloads take their time.

        Of several ranges the later ones take longer, so that there is always
        something left to come.

        :param seconds: The time.
        """

        def slow(response: responses.Response) -> responses.Response:
            steps = max(1, len(response.body) // _STEP)
            share = _end(response, len(self.data)) / len(self.data)
            return dataclasses.replace(
                response, throttle=(_STEP, seconds * share / steps)
            )

        self._script(slow)

    def _script(
        self, change: Callable[[responses.Response], responses.Response]
    ) -> None:
        self.glance.changes.clear()
        self.glance.changes.append(change)
        self.glance.repeat_last = True

    def restart(self) -> int:
        """Have another server, which changes nothing.

        The kernel may take its time to tell the present one that a client
        was killed.

        :returns: How many bytes of data were sent so far.
        """
        self.glance.__exit__(None, None, None)
        self._sent_before += self.glance.sent
        self.glance = scripted.ScriptedGlance(self.data)
        self.glance.__enter__()
        self._place = clients.place_of(self.glance, self._directory)
        return self._sent_before

    def sent(self) -> int:
        """Return how many bytes of data were sent, once nobody is left."""
        assert self.glance.wait_until_left()
        return self._sent_before + self.glance.sent

    def partials(self) -> list[pathlib.Path]:
        """Return the partial files that there are."""
        return sorted(self.path.parent.glob(f'{self.path.name}.*.part'))

    def kept(self) -> int:
        """Return how many bytes the partial files have."""
        return sum(path.stat().st_size for path in self.partials())

    def content(self) -> bytes | None:
        """Return what is at the path, if anything is."""
        return self.path.read_bytes() if self.path.exists() else None

    def grown(self, process: Any, size: int) -> pathlib.Path | None:
        """Wait until the file that is written has so many bytes.

        :param process: Who writes it.
        :param size: The bytes.
        :returns: The file, ``None`` when the process ended before.
        """
        found: list[pathlib.Path] = []

        def look() -> bool:
            for path in [*self.partials(), self.path]:
                if path.exists() and path.stat().st_size >= size:
                    found.append(path)
            return bool(found) or not process.is_alive()

        processes.wait_for(look)
        return found[0] if found else None


def each_peer(see: Callable[[str, clients.Client], str]) -> dict[str, str]:
    """Look at all peers at the same time, since most of it is waiting.

    :param see: Called with the name and the way of each.
    :returns: What it returned, by the name.
    """
    with futures.ThreadPoolExecutor(len(clients.PEERS)) as pool:
        words = pool.map(see, clients.PEERS, clients.PEERS.values())
        return dict(zip(clients.PEERS, words, strict=True))


def _end(response: responses.Response, size: int) -> int:
    """Return the byte of the image that an response ends at."""
    found = re.search(r'-(\d+)/', response.headers.get('Content-Range', ''))
    return int(found[1]) + 1 if found else size
