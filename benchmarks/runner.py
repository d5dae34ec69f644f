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

"""Gives each contender its turn."""

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

from benchmarks import contenders
from benchmarks import errors
from benchmarks import plan as planning
from benchmarks import results
from benchmarks import rooms
from benchmarks import stage as staging
from benchmarks import stopwatch

#: Seconds that one turn may take.
_TIMEOUT = 900.0

#: Seconds between two looks at the memory of a process.
_SAMPLING = 0.01

#: Bytes that are compared at a time.
_PIECE = 4 * planning.MIB

_BLOCK = bytes(planning.MIB)


class RunError(errors.BenchmarkError):
    """A contender has not done what it should."""


class Turn:
    """One contender and what it is to download, once.

    :param stage: The services.
    :param scenario: From where, to where, and what.
    :param name: The contender.
    :param directory: Where the file goes.
    """

    def __init__(
        self,
        stage: staging.Stage,
        scenario: planning.Scenario,
        name: str,
        directory: pathlib.Path,
    ) -> None:
        self._scenario = scenario
        self._name = name
        self._contender = contenders.CONTENDERS[name]
        self._image = stage.images[scenario.size]
        self._origin = stage.origin(scenario.origin, scenario.scheme)
        self._output = directory / 'image.raw'
        self._token_header = stage.token_header
        self._samples: list[tuple[float, int]] = []

    def run(self, number: int) -> results.Run:
        """Measure.

        :param number: Of the round.
        """
        identity: dict[str, typing.Any] = {
            'scenario': self._scenario.name,
            'contender': self._name,
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
        """Look at the memory all the time.

        :raises RunError: It has failed.
        """
        self._measure(sample=True)
        return results.Trace(
            scenario=self._scenario.name,
            contender=self._name,
            samples=self._samples,
        )

    def _measure(self, *, sample: bool) -> dict[str, typing.Any]:
        """Return ``wall``, ``cpu`` and ``memory`` of a good download."""
        try:
            if isinstance(self._contender, contenders.Command):
                figures = self._run_command(self._contender)
            else:
                figures = self._run_call(self._contender, sample=sample)
            self._check(figures.pop('received'))
        finally:
            for left in self._output.parent.iterdir():
                left.unlink()
        return figures

    def _run_call(
        self, contender: contenders.Call, *, sample: bool
    ) -> dict[str, typing.Any]:
        subject = self._image.id if contender.cloud else self._image.stored
        arguments = [
            *(sys.executable, '-m', 'benchmarks.client', contender.way),
            *(str(subject), str(self._output)),
            json.dumps(dict(contender.options)),
        ]
        with _started(
            arguments, self._origin.environment(contender.cloud)
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
        self, contender: contenders.Command
    ) -> dict[str, typing.Any]:
        target = contenders.Target(
            image_id=self._image.id,
            url=f'{self._origin.url}/v2/images/{self._image.id}/file',
            sha512=self._image.sha512,
            output=self._output,
            token_header=self._token_header,
            certificate=self._origin.certificate,
        )
        arguments = [
            *(sys.executable, '-I', '-S', stopwatch.__file__),
            *contender.arguments(target),
        ]
        environment = self._origin.environment(contender.cloud)
        if not contender.cloud:
            environment.update(self._origin.variables)
        self._prepare()
        with _started(arguments, environment) as (process, log):
            return _figures(process, log)

    def _prepare(self) -> None:
        self._make_memory_present()
        # Nobody is to wait for what others have left to be written.
        os.sync()
        self._origin.log.mark()

    def _make_memory_present(self) -> None:
        """Give everybody memory that the machine has at hand.

        A virtual machine may have returned to its host what was free for some
        seconds, and has it back only at the price of a fault for each page,
        seconds per GiB. The first one to come would pay that for the others.
        """
        size = self._scenario.size * planning.MIB
        if self._contender.copies:
            with mmap.mmap(-1, int(self._contender.copies * size)) as memory:
                _touch(memory)
        if self._contender.writes:
            path = self._output.with_name('ballast')
            with path.open('wb', buffering=0) as file:
                for _ in range(rooms.ballast(self._scenario.size)):
                    file.write(_BLOCK)
            path.unlink()

    def _check(self, received: int | None) -> None:
        """See that the image is there."""
        if self._contender.writes:
            _compare(self._output, self._image.stored)
        elif received not in (None, self._image.size):
            raise RunError(f'received {received} bytes')


def runs(
    stage: staging.Stage, scenario: planning.Scenario, place: pathlib.Path
) -> collections.abc.Iterator[results.Run]:
    """Run a scenario, turn by turn.

    :param place: Where the files go; a directory of its own is made there.
    """
    # What is served comes from memory.
    _read(stage.images[scenario.size].stored)
    with tempfile.TemporaryDirectory(dir=place, prefix='bench-') as directory:
        for number in range(scenario.rounds):
            for name in _rotated(scenario.contenders, number):
                turn = Turn(stage, scenario, name, pathlib.Path(directory))
                yield turn.run(number)


def trace(
    stage: staging.Stage,
    scenario: planning.Scenario,
    place: pathlib.Path,
    name: str,
) -> results.Trace:
    """Run a contender once, and look at its memory all the time.

    :param place: As in :func:`runs`.
    :param name: The contender, one that makes a call.
    :raises RunError: It has failed.
    """
    with tempfile.TemporaryDirectory(dir=place, prefix='bench-') as directory:
        turn = Turn(stage, scenario, name, pathlib.Path(directory))
        return turn.trace()


def _rotated(names: collections.abc.Sequence[str], number: int) -> list[str]:
    """Let another one begin in every round, and have another before it."""
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
    """Look at the memory of a process until it says that it is done."""
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
    """See that two files have the same bytes, which takes less than hashes."""
    if not output.exists():
        raise RunError('left no file')
    if output.stat().st_size != stored.stat().st_size:
        raise RunError(f'left {output.stat().st_size} bytes')
    with output.open('rb') as left, stored.open('rb') as right:
        while piece := left.read(_PIECE):
            if piece != right.read(_PIECE):
                raise RunError('left other bytes')


def _touch(memory: mmap.mmap) -> None:
    for offset in range(0, len(memory), mmap.PAGESIZE):
        memory[offset] = 1


def _read(path: pathlib.Path) -> None:
    with path.open('rb') as file:
        while file.read(_PIECE):
            pass
