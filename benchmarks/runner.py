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

"""Runs each downloader in turn, and checks what it downloaded."""

import collections.abc
import contextlib
import json
import mmap
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time
import typing

from benchmarks import capacity
from benchmarks import downloaders
from benchmarks import errors
from benchmarks import measure_command
from benchmarks import plan as planning
from benchmarks import results
from benchmarks import services

#: Seconds that one turn may take.
_TIMEOUT = 900.0

#: Seconds between two samples of the memory of a process.
_SAMPLING = 0.01

#: Bytes that are compared at a time.
_CHUNK = 4 * planning.MIB

_BLOCK = bytes(planning.MIB)


class RunError(errors.BenchmarkError):
    """A downloader failed, or its image is wrong."""


class Turn:
    """One downloader and what it is to download, once.

    :param running: The services.
    :param scenario: From where, to where, and what.
    :param name: The downloader.
    :param directory: Where the file goes.
    """

    def __init__(
        self,
        running: services.Services,
        scenario: planning.Scenario,
        name: str,
        directory: pathlib.Path,
    ) -> None:
        self._scenario = scenario
        self._name = name
        self._downloader = downloaders.DOWNLOADERS[name]
        self._image = running.images[scenario.size]
        self._origin = running.origin(scenario.origin, scenario.scheme)
        self._output = directory / 'image.raw'
        self._token_header = running.token_header
        self._samples: list[tuple[float, int]] = []

    def run(self, number: int) -> results.Run:
        """Measure.

        :param number: Of the round.
        """
        identity: dict[str, typing.Any] = {
            'scenario': self._scenario.name,
            'downloader': self._name,
            'round': number,
        }
        try:
            figures = self._measure(sample=False)
            sent = self._origin.log.read()
        except RunError as exc:
            return results.Run(**identity, error=str(exc))
        return results.Run(
            **identity, **figures, requests=sent.requests, size=sent.size
        )

    def trace(self) -> results.Trace:
        """Sample the memory during a download.

        :raises RunError: It has failed.
        """
        self._measure(sample=True)
        return results.Trace(
            scenario=self._scenario.name,
            downloader=self._name,
            samples=self._samples,
        )

    def _measure(self, *, sample: bool) -> dict[str, typing.Any]:
        """Return ``wall``, ``cpu`` and ``memory`` of a good download."""
        try:
            if isinstance(self._downloader, downloaders.Command):
                figures = self._run_command(self._downloader)
            else:
                figures = self._run_call(self._downloader, sample=sample)
            self._check(figures.pop('received'))
        finally:
            for left in self._output.parent.iterdir():
                left.unlink()
        return figures

    def _run_call(
        self, downloader: downloaders.Call, *, sample: bool
    ) -> dict[str, typing.Any]:
        subject = self._image.id if downloader.cloud else self._image.stored
        arguments = [
            *(sys.executable, '-m', 'benchmarks.measure_call', downloader.way),
            *(str(subject), str(self._output)),
            json.dumps(dict(downloader.options)),
        ]
        with _started(
            arguments, self._origin.environment(downloader.cloud)
        ) as (process, log):
            if process.stdout.readline() != 'ready\n':
                raise RunError(_tail(log))
            self._prepare()
            process.stdin.write('\n')
            process.stdin.flush()
            if sample:
                self._samples = _sample(process)
            return _figures(process, log)

    def _run_command(
        self, downloader: downloaders.Command
    ) -> dict[str, typing.Any]:
        target = downloaders.Target(
            image_id=self._image.id,
            url=f'{self._origin.url}/v2/images/{self._image.id}/file',
            sha512=self._image.sha512,
            output=self._output,
            token_header=self._token_header,
            certificate=self._origin.certificate,
        )
        arguments = [
            *(sys.executable, '-I', '-S', measure_command.__file__),
            *downloader.arguments(target),
        ]
        environment = self._origin.environment(downloader.cloud)
        if not downloader.cloud:
            environment.update(self._origin.variables)
        self._prepare()
        with _started(arguments, environment) as (process, log):
            return _figures(process, log)

    def _prepare(self) -> None:
        self._make_memory_present()
        # No run is to wait for the disk writes of the run before it.
        os.sync()
        self._origin.log.mark()

    def _make_memory_present(self) -> None:
        """Make sure that the machine has the memory of the run.

        A virtual machine may return memory to its host that was free for some
        seconds, and gets it back at the price of a fault for each page, which
        takes seconds per GiB. The first run would pay that for the others.
        """
        size = self._scenario.size * planning.MIB
        if self._downloader.copies:
            with mmap.mmap(-1, int(self._downloader.copies * size)) as memory:
                _touch(memory)
        if self._downloader.writes:
            path = self._output.with_name('ballast')
            with path.open('wb', buffering=0) as file:
                for _ in range(capacity.ballast(self._scenario.size)):
                    file.write(_BLOCK)
            path.unlink()

    def _check(self, received: int | None) -> None:
        """Check that the image was downloaded."""
        if self._downloader.writes:
            _compare(self._output, self._image.stored)
        elif received not in (None, self._image.size):
            raise RunError(f'received {received} bytes')


def runs(
    running: services.Services,
    scenario: planning.Scenario,
    place: pathlib.Path,
) -> collections.abc.Iterator[results.Run]:
    """Run a scenario, turn by turn.

    :param place: Where the files go; a directory of its own is made there.
    """
    # What is served comes from memory.
    _read(running.images[scenario.size].stored)
    with tempfile.TemporaryDirectory(dir=place, prefix='bench-') as directory:
        for number in range(scenario.rounds):
            for name in _rotated(scenario.downloaders, number):
                turn = Turn(running, scenario, name, pathlib.Path(directory))
                yield turn.run(number)


def trace(
    running: services.Services,
    scenario: planning.Scenario,
    place: pathlib.Path,
    name: str,
) -> results.Trace:
    """Run a downloader once, and sample its memory.

    :param place: As in :func:`runs`.
    :param name: The downloader, one that makes a call.
    :raises RunError: It has failed.
    """
    with tempfile.TemporaryDirectory(dir=place, prefix='bench-') as directory:
        turn = Turn(running, scenario, name, pathlib.Path(directory))
        return turn.trace()


def _rotated(names: collections.abc.Sequence[str], number: int) -> list[str]:
    """Change the first one, and so the predecessors, in every round."""
    start = number % len(names)
    return [*names[start:], *names[:start]]


@contextlib.contextmanager
def _started(
    arguments: collections.abc.Sequence[str],
    environment: collections.abc.Mapping[str, str],
) -> collections.abc.Iterator[tuple[typing.Any, typing.IO[str]]]:
    """Start a process that does not outlive this.

    :returns: The process and what it writes to standard error.
    """
    with (
        tempfile.TemporaryFile('w+', errors='replace') as log,
        subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            # With all that it starts, a group that can be killed.
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process, log
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _figures(
    process: 'subprocess.Popen[str]', log: typing.IO[str]
) -> dict[str, typing.Any]:
    """Wait for a process, and return what it prints."""
    try:
        printed, _ = process.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired as exc:
        raise RunError(f'took more than {_TIMEOUT:g} s') from exc
    if process.returncode != 0:
        raise RunError(_tail(log))
    figures: dict[str, typing.Any] = json.loads(printed)
    return figures


def _sample(process: typing.Any) -> list[tuple[float, int]]:
    """Sample the memory of a process until it reports that it is done."""
    statm = pathlib.Path(f'/proc/{process.pid}/statm')
    page = os.sysconf('SC_PAGE_SIZE')
    began = time.perf_counter()
    samples: list[tuple[float, int]] = []
    first = 0
    while True:
        resident = int(statm.read_text().split()[1]) * page
        first = first or resident
        seconds = round(time.perf_counter() - began, 4)
        samples.append((seconds, resident - first))
        if select.select([process.stdout], [], [], _SAMPLING)[0]:
            return samples


def _tail(log: typing.IO[str]) -> str:
    log.seek(0)
    lines = log.read().strip().splitlines()
    return lines[-1] if lines else 'failed without a word'


def _compare(output: pathlib.Path, stored: pathlib.Path) -> None:
    """Compare two files byte by byte, which is faster than hashing them."""
    if not output.exists():
        raise RunError('left no file')
    if output.stat().st_size != stored.stat().st_size:
        raise RunError(f'left {output.stat().st_size} bytes')
    with output.open('rb') as left, stored.open('rb') as right:
        while chunk := left.read(_CHUNK):
            if chunk != right.read(_CHUNK):
                raise RunError('left other bytes')


def _touch(memory: mmap.mmap) -> None:
    for offset in range(0, len(memory), mmap.PAGESIZE):
        memory[offset] = 1


def _read(path: pathlib.Path) -> None:
    with path.open('rb') as file:
        while file.read(_CHUNK):
            pass
