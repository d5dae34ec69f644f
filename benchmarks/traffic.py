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

"""Requests and bytes sent, from the logs of the servers."""

import collections.abc
import dataclasses
import pathlib
import re
import time
import typing

#: Of uwsgi, about a response: the body, and the headers after it.
_UWSGI = re.compile(r'=> generated (\d+) bytes in .*? headers in (\d+) bytes')

#: Seconds without a further line after which uwsgi has written all.
_QUIET = 0.1


@dataclasses.dataclass(frozen=True)
class Traffic:
    """What a client was sent.

    :param size: Of all responses with their headers, in bytes.
    """

    requests: int
    size: int


class Log(typing.Protocol):
    """Tells the traffic of one server."""

    def mark(self) -> None:
        """Count from here on."""

    def read(self) -> Traffic:
        """Return what has been since the mark."""

    def connections(self) -> list[tuple[float, int]]:
        """Return when there were how many connections for data.

        :returns: Seconds from the first request on, and the number from then
            on. Nothing where that is not known.
        """


class NginxLog:
    """The access log of nginx.

    :param path: The log.
    :param port: The port that counts.
    :param touch: Makes a request that is in the log after all before it.
    """

    def __init__(
        self,
        path: pathlib.Path,
        port: int,
        touch: collections.abc.Callable[[], None],
    ) -> None:
        self._path = path
        self._port = port
        self._touch = touch
        self._position = 0

    def mark(self) -> None:
        """Count from here on."""
        self._touch()
        self._position = self._path.stat().st_size

    def read(self) -> Traffic:
        """Return what has been since the mark."""
        sizes = [int(size) for size, *_ in self._fields()]
        return Traffic(len(sizes), sum(sizes))

    def connections(self) -> list[tuple[float, int]]:
        """Return when there were how many connections for data.

        One counts from its first request to the end of its last response.
        """
        ends: dict[str, tuple[float, float]] = {}
        for _, connection, logged, taken, path in self._fields():
            if path.endswith('/file'):
                end = float(logged)
                begin = end - float(taken)
                first, last = ends.get(connection, (begin, end))
                ends[connection] = min(first, begin), max(last, end)
        return overlapping(ends.values())

    def _fields(self) -> list[list[str]]:
        self._touch()
        fields = [
            line.split(maxsplit=5)
            for line in _lines(self._path, self._position)
        ]
        return [rest for port, *rest in fields if int(port) == self._port]


class UwsgiLog:
    """The log of Glance, where uwsgi tells what it has sent.

    :param path: The log.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._position = 0

    def mark(self) -> None:
        """Count from here on."""
        self._settle()
        self._position = self._path.stat().st_size

    def read(self) -> Traffic:
        """Return what has been since the mark."""
        self._settle()
        sizes = [
            int(match[1]) + int(match[2])
            for line in _lines(self._path, self._position)
            if (match := _UWSGI.search(line))
        ]
        return Traffic(len(sizes), sum(sizes))

    def connections(self) -> list[tuple[float, int]]:
        """Return nothing, as the log does not tell."""
        return []

    def _settle(self) -> None:
        # Its processes write when they have the time.
        size = -1
        while size != (size := self._path.stat().st_size):
            time.sleep(_QUIET)


def overlapping(
    spans: collections.abc.Collection[tuple[float, float]],
) -> list[tuple[float, int]]:
    """Return how many spans there are at a time.

    :param spans: The seconds of begin and end of each.
    :returns: Seconds from the first begin on, and the number from then on.
    """
    changes = sorted(
        [(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans]
    )
    counts: dict[float, int] = {}
    count = 0
    for when, change in changes:
        count += change
        counts[round(when - changes[0][0], 3)] = count
    return list(counts.items())


def _lines(path: pathlib.Path, position: int) -> list[str]:
    with path.open(errors='replace') as file:
        file.seek(position)
        return file.read().splitlines()
