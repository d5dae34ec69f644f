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

"""Starts the processes that are measured, and watches them."""

import collections.abc
import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import tempfile
import time
import typing

from benchmarks import errors

#: Seconds that one turn may take.
_TIMEOUT = 900.0

#: Seconds between two samples of a process.
_SAMPLING = 0.01

#: The place of the number of threads, behind the name of the program.
_THREADS = 17


class RunError(errors.BenchmarkError):
    """A downloader failed, or its image is wrong."""


@contextlib.contextmanager
def started(
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


def figures(
    process: 'subprocess.Popen[str]', log: typing.IO[str]
) -> dict[str, typing.Any]:
    """Wait for a process, and return what it prints."""
    try:
        printed, _ = process.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired as exc:
        raise RunError(f'took more than {_TIMEOUT:g} s') from exc
    if process.returncode != 0:
        raise RunError(tail(log))
    printed_figures: dict[str, typing.Any] = json.loads(printed)
    return printed_figures


class Samples:
    """What is seen of a process from outside until it reports its end.

    :param process: It prints a line at its end.
    """

    def __init__(self, process: typing.Any) -> None:
        #: Seconds, and bytes above what there was at first.
        self.memory: list[tuple[float, int]] = []
        self.threads = 0
        directory = pathlib.Path(f'/proc/{process.pid}')
        began = time.perf_counter()
        first = 0
        while True:
            seconds = round(time.perf_counter() - began, 4)
            size, threads = _size_and_threads(directory)
            first = first or size
            self.memory.append((seconds, size - first))
            self.threads = max(self.threads, threads)
            if select.select([process.stdout], [], [], _SAMPLING)[0]:
                return


def _size_and_threads(directory: pathlib.Path) -> tuple[int, int]:
    """Return the memory of a process in bytes, and its threads."""
    resident = int((directory / 'statm').read_text().split()[1])
    # The name of the program may have spaces.
    fields = (directory / 'stat').read_text().rpartition(')')[2].split()
    return resident * os.sysconf('SC_PAGE_SIZE'), int(fields[_THREADS])


def tail(log: typing.IO[str]) -> str:
    log.seek(0)
    lines = log.read().strip().splitlines()
    return lines[-1] if lines else 'failed without a word'
