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

"""One download in a process of its own, and what came of it."""

from collections.abc import Callable, Mapping
import contextlib
import dataclasses
import logging
import os
import pathlib
import sys
import traceback
from typing import Any

from tests.faults import clients
from tests import processes

#: Characters of an error that are kept.
_LONGEST_MESSAGE = 4096

_PRELOADED_PEERS = [
    'glanceclient.shell',
    'glanceclient.v2.shell',
    'openstackclient.shell',
    'openstackclient.image.v2.image',
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a download.

    :param error: Name of the class of what was raised, ``None`` if it
        returned; ``'killed'`` when it had not ended in time.
    :param bases: Names of that class and of those that it inherits from.
    :param message: What the error says.
    :param content: What is at the path: ``'right'`` bytes, ``'wrong'`` ones,
        or ``'none'``.
    :param length: Bytes at the path.
    :param others: Other names in its directory.
    """

    error: str | None
    bases: tuple[str, ...]
    message: str
    content: str
    length: int
    others: tuple[str, ...]

    @property
    def harmful(self) -> bool:
        """Whether bad bytes were delivered as good ones."""
        return self.error is None and self.content != 'right'

    def summary(self, size: int) -> str:
        """Return it as the table shows it.

        :param size: Bytes that the image has.
        """
        left = '' if self.content == 'none' else ', file left'
        if self.error == 'killed':
            return f'hangs{left}'
        if self.error is not None:
            return f'error{left}'
        if self.content == 'right':
            return 'right'
        return f'NOT NOTICED, {self.length / size:.0%}'


def preload(*, peers: bool) -> None:
    """Say what the processes shall have imported; before the first of them.

    :param peers: Whether others are going to be compared with.
    """
    processes.preload(*(_PRELOADED_PEERS if peers else ()))


class Running:
    """A download in a process of its own; leaving it ends the process.

    :param process: The process.
    :param receiver: Where it reports to.
    :param path: Where it downloads to.
    :param data: The bytes of the image.
    """

    def __init__(
        self, process: Any, receiver: Any, path: pathlib.Path, data: bytes
    ) -> None:
        self.process = process
        self._receiver = receiver
        self._path = path
        self._data = data

    def __enter__(self) -> 'Running':
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        self._receiver.close()

    def outcome(self, deadline: float = 30.0) -> Outcome:
        """Wait for its end, and see what is there afterwards.

        :param deadline: Seconds after which the process is killed.
        """
        self.process.join(deadline)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            report = ('killed', (), f'had not ended after {deadline:.0f} s')
        else:
            report = _report(self._receiver, self.process.exitcode)
        error, bases, message = report
        path = self._path
        return Outcome(
            error=error,
            bases=bases,
            message=message,
            content=_compared(path, self._data),
            length=path.stat().st_size if path.exists() else 0,
            others=_others(path),
        )


def start(
    way: clients.Client,
    place: clients.Place,
    path: pathlib.Path,
    *,
    data: bytes,
    options: Mapping[str, Any] | None = None,
    prepare: Callable[[], None] | None = None,
) -> Running:
    """Begin to download in a process.

    :param way: How.
    :param place: What, and from where.
    :param path: Where to.
    :param data: The bytes of the image.
    :param options: Options of the plugin.
    :param prepare: Called in the process before it downloads; has to be
        picklable.
    """
    receiver, sender = processes.context().Pipe(duplex=False)
    process = processes.context().Process(
        target=_download,
        args=(sender, way, place, path, dict(options or {}), prepare),
    )
    process.start()
    sender.close()
    return Running(process, receiver, path, data)


def run(
    way: clients.Client,
    place: clients.Place,
    path: pathlib.Path,
    *,
    data: bytes,
    options: Mapping[str, Any] | None = None,
    deadline: float = 30.0,
    during: Callable[[Any], None] | None = None,
    prepare: Callable[[], None] | None = None,
) -> Outcome:
    """Download in a process, and see what is there afterwards.

    :param way: How.
    :param place: What, and from where.
    :param path: Where to; its directory is nobody else's.
    :param data: The bytes of the image.
    :param options: Options of the plugin.
    :param deadline: Seconds after which the process is killed.
    :param during: Called with the process while it downloads.
    :param prepare: Called in the process before it downloads; has to be
        picklable.
    """
    with start(
        way, place, path, data=data, options=options, prepare=prepare
    ) as running:
        if during is not None:
            during(running.process)
        return running.outcome(deadline)


def _report(
    receiver: Any, exit_code: int | None
) -> tuple[str | None, tuple[str, ...], str]:
    with contextlib.suppress(EOFError):
        error, bases, message = receiver.recv()
        return error, bases, message
    return 'died', (), f'exit code {exit_code}'


def _download(
    sender: Any,
    way: clients.Client,
    place: clients.Place,
    path: pathlib.Path,
    options: dict[str, Any],
    prepare: Callable[[], None] | None,
) -> None:
    _silence_output()
    if prepare is not None:
        prepare()
    try:
        way(place, path, options)
    except BaseException as exc:
        bases = tuple(cls.__name__ for cls in type(exc).__mro__)
        message = ''.join(traceback.format_exception_only(exc)).strip()
        # What does not fit into a pipe at once would wait for its reader.
        message = message[:_LONGEST_MESSAGE]
        sender.send((type(exc).__name__, bases, message))
    else:
        sender.send((None, (), ''))
    sender.close()
    # Nothing that a library does at the end is part of the download.
    os._exit(0)


def _silence_output() -> None:
    """Keep what programs write away from the table."""
    logging.disable(logging.CRITICAL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    sys.stdout = open(os.devnull, 'w')  # noqa: SIM115
    sys.stderr = open(os.devnull, 'w')  # noqa: SIM115


def _compared(path: pathlib.Path, data: bytes) -> str:
    try:
        return 'right' if path.read_bytes() == data else 'wrong'
    except FileNotFoundError:
        return 'none'


def _others(path: pathlib.Path) -> tuple[str, ...]:
    # The directory may be what went wrong.
    with contextlib.suppress(FileNotFoundError):
        names = os.listdir(path.parent)
        return tuple(sorted(name for name in names if name != path.name))
    return ()
