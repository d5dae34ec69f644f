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
import dataclasses
import json
import mmap
import os
import pathlib
import sys
import tempfile
import typing

from benchmarks import capacity
from benchmarks import commands
from benchmarks import downloaders
from benchmarks import measure_command
from benchmarks import plan as planning
from benchmarks import processes
from benchmarks import results
from benchmarks import services
from benchmarks import ways

#: Bytes that are compared at a time.
_CHUNK = 4 * planning.MIB

_BLOCK = bytes(planning.MIB)


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
        content, size, count = scenario.images
        # In a sequence one image is downloaded again and again.
        self._images = running.images[content, size][:count] * (
            scenario.count // count
        )
        self._image = self._images[0]
        self._destination = running.destination
        self._origin = running.origin(scenario.origin, scenario.scheme)
        self._outputs = [
            directory / f'image-{number}.raw'
            for number in range(scenario.count)
        ]
        self._token_header = running.token_header
        self._samples: processes.Samples | None = None

    def run(self, number: int) -> results.Run:
        """Measure.

        :param number: Of the round.
        """
        identity: dict[str, typing.Any] = {
            'scenario': self._scenario.name,
            'downloader': self._name,
            'round': number,
        }
        growing = 'threads' in planning.TASKS[self._scenario.task].columns
        try:
            figures = self._measure(sample=growing)
            sent = self._origin.log.read()
        except processes.RunError as exc:
            return results.Run(**identity, error=str(exc))
        return results.Run(
            **identity,
            **figures,
            requests=sent.requests,
            size=sent.size,
            threads=self._samples.threads if self._samples else None,
        )

    def trace(self) -> results.Trace:
        """Sample the memory during a download, and count its connections.

        :raises processes.RunError: It has failed.
        """
        self._measure(sample=True)
        assert self._samples is not None
        return results.Trace(
            scenario=self._scenario.name,
            downloader=self._name,
            samples=self._samples.memory,
            connections=self._origin.log.connections(),
        )

    def _measure(self, *, sample: bool) -> dict[str, typing.Any]:
        """Return the figures of a download that is good."""
        try:
            if isinstance(self._downloader, downloaders.Command):
                figures = self._run_command(self._downloader)
            else:
                figures = self._run_call(self._downloader, sample=sample)
            self._check(figures.pop('received'))
        finally:
            for left in self._outputs[0].parent.iterdir():
                left.unlink()
            if self._scenario.task == 'copy' and self._destination:
                self._destination.clear()
        return figures

    def _run_call(
        self, downloader: downloaders.Call, *, sample: bool
    ) -> dict[str, typing.Any]:
        job = ways.Job(
            way=downloader.way,
            images=[image.id for image in self._images],
            files=[str(image.stored) for image in self._images],
            outputs=[str(output) for output in self._outputs],
            options={
                name: self._image.filled_in(option)
                for name, option in downloader.options.items()
            },
            at_once=downloader.at_once,
        )
        with processes.started(
            [sys.executable, '-m', 'benchmarks.measure_call'],
            self._origin.environment(downloader.cloud),
        ) as (process, log):
            process.stdin.write(f'{json.dumps(dataclasses.asdict(job))}\n')
            process.stdin.flush()
            if process.stdout.readline() != 'ready\n':
                raise processes.RunError(processes.tail(log))
            self._prepare()
            process.stdin.write('\n')
            process.stdin.flush()
            if sample:
                self._samples = processes.Samples(process)
            return processes.figures(process, log)

    def _run_command(
        self, downloader: downloaders.Command
    ) -> dict[str, typing.Any]:
        target = commands.Target(
            image_id=self._image.id,
            url=f'{self._origin.url}/v2/images/{self._image.id}/file',
            sha512=self._image.sha512,
            output=self._outputs[0],
            token_header=self._token_header,
            certificate=self._origin.certificate,
            stored=self._image.stored,
            destination=(
                self._destination.create(self._image.size)
                if downloader.record and self._destination
                else None
            ),
        )
        arguments = [
            *(sys.executable, '-I', '-S', measure_command.__file__),
            *downloader.arguments(target),
        ]
        environment = self._origin.environment(downloader.cloud)
        if not downloader.cloud:
            environment.update(self._origin.variables)
        self._prepare()
        with processes.started(arguments, environment) as (process, log):
            return processes.figures(process, log)

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
        size = self._image.size
        if self._downloader.copies:
            with mmap.mmap(-1, int(self._downloader.copies * size)) as memory:
                _touch(memory)
        if self._downloader.writes:
            path = self._outputs[0].with_name('ballast')
            with path.open('wb', buffering=0) as file:
                for _ in range(capacity.ballast(self._scenario)):
                    file.write(_BLOCK)
            path.unlink()

    def _check(self, received: int | None) -> None:
        """Check that the images were downloaded, or copied."""
        expected = sum(image.size for image in self._images)
        if isinstance(self._downloader, downloaders.Call):
            expected *= self._downloader.at_once
        if received not in (None, expected):
            raise processes.RunError(f'received {received} bytes')
        if self._downloader.writes:
            for output, image in zip(self._outputs, self._images, strict=True):
                _compare(output, image.stored)
        if self._scenario.task == 'copy' and self._destination:
            state = self._destination.state()
            if state != [('active', self._image.sha512)]:
                raise processes.RunError(f'the destination has {state}')


def runs(
    running: services.Services,
    scenario: planning.Scenario,
    place: pathlib.Path,
) -> collections.abc.Iterator[results.Run]:
    """Run a scenario, turn by turn.

    :param place: Where the files go; a directory of its own is made there.
    """
    # What is served comes from memory.
    content, size, _ = scenario.images
    for image in running.images[content, size]:
        _read(image.stored)
    with tempfile.TemporaryDirectory(dir=place, prefix='bench-') as directory:
        for number in range(scenario.rounds):
            for name in scenario.turns(number):
                turn = Turn(running, scenario, name, pathlib.Path(directory))
                yield turn.run(number)


def trace(
    running: services.Services,
    scenario: planning.Scenario,
    place: pathlib.Path,
    name: str,
) -> results.Trace:
    """Run a downloader once, and sample memory and connections.

    :param place: As in :func:`runs`.
    :param name: The downloader, one that makes a call.
    :raises processes.RunError: It has failed.
    """
    with tempfile.TemporaryDirectory(dir=place, prefix='bench-') as directory:
        turn = Turn(running, scenario, name, pathlib.Path(directory))
        return turn.trace()


def _compare(output: pathlib.Path, stored: pathlib.Path) -> None:
    """Compare two files byte by byte, which is faster than hashing them."""
    if not output.exists():
        raise processes.RunError('left no file')
    if output.stat().st_size != stored.stat().st_size:
        raise processes.RunError(f'left {output.stat().st_size} bytes')
    with output.open('rb') as left, stored.open('rb') as right:
        while chunk := left.read(_CHUNK):
            if chunk != right.read(_CHUNK):
                raise processes.RunError('left other bytes')


def _touch(memory: mmap.mmap) -> None:
    for offset in range(0, len(memory), mmap.PAGESIZE):
        memory[offset] = 1


def _read(path: pathlib.Path) -> None:
    with path.open('rb') as file:
        while file.read(_CHUNK):
            pass
