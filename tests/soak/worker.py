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

"""A process of the soak: threads that run cases, and rests in between."""

from collections.abc import Callable, Iterator
import dataclasses
import faulthandler
import gc
import os
import signal
import sys
import threading
import time
from typing import Any

from tests.soak import cases
from tests.soak import process_metrics
from tests.soak import short_waits
from tests.soak import totals
from tests import uncaught

#: Seconds between two rests.
_BLOCK = 5.0
#: Seconds between two reports.
_REPORT = 1.0
#: Seconds; a case that takes longer hangs.
_HANGING = 300.0
#: Variables that a worker has to be started with. A proxy that the machine
#: uses knows nothing of its loopback.
ENVIRONMENT = {**process_metrics.ENVIRONMENT, 'no_proxy': '*'}
#: Exit status of a process with a case that hangs.
HANGS = 3


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a worker has to do.

    :param seed: Of the soak.
    :param numbers: The cases, as a range; its step is the number of
        workers.
    :param threads: How many at a time.
    """

    seed: int
    numbers: range
    threads: int


@dataclasses.dataclass(frozen=True)
class Report:
    """What a worker tells.

    :param counts: What was counted since the last report.
    :param flaws: What was wrong, with the number of the case, ``None``
        for the process as a whole.
    :param metrics: What the process held at its last rest.
    """

    counts: totals.Totals
    flaws: list[tuple[int | None, str]]
    metrics: str = ''


class Worker:
    """Runs cases until there are none or it is told to stop.

    :param settings: What to do.
    :param tell: Takes reports.
    :param stop: Set when it shall stop.
    """

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[Report], None],
        stop: Any,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._stop = stop
        self._numbers = iter(settings.numbers)
        self._left = True
        self._waits = short_waits.Waits()
        self._metrics = process_metrics.ProcessMetrics()
        # Guards all of the following, and the numbers.
        self._lock = threading.Lock()
        self._counts = totals.Totals()
        self._flaws: list[tuple[int | None, str]] = []
        self._running: dict[int, float] = {}

    def run(self) -> None:
        """Run the cases."""
        # What is raised where nobody can catch it is only printed otherwise.
        uncaught.FOUND.listen()
        while self._left and not self._stop.is_set():
            self._run_block()
            self._rest()
            self._report(self._metrics.line())

    def _run_block(self) -> None:
        until = time.monotonic() + _BLOCK
        threads = [
            threading.Thread(target=self._run_cases, args=(until,))
            for _ in range(self._settings.threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_REPORT)
                self._report()
                self._watch()

    def _run_cases(self, until: float) -> None:
        for number in self._next_numbers(until):
            try:
                plan = cases.plan(self._settings.seed, number)
                result = cases.run(plan)
            finally:
                with self._lock:
                    del self._running[number]
            with self._lock:
                self._counts.add(result.counts)
                self._flaws += [
                    (number, f'{flaw}\n{plan}') for flaw in result.flaws
                ]

    def _next_numbers(self, until: float) -> Iterator[int]:
        while time.monotonic() < until and not self._stop.is_set():
            with self._lock:
                number = next(self._numbers, None)
                if number is None:
                    self._left = False
                    return
                self._running[number] = time.monotonic()
            yield number

    def _rest(self) -> None:
        flaws = self._metrics.flaws() + uncaught.FOUND.texts
        uncaught.FOUND.clear()
        with self._lock:
            self._counts.wrong += len(flaws)
            self._flaws += [(None, flaw) for flaw in flaws]

    def _report(self, line: str = '') -> None:
        with self._lock:
            counts, self._counts = self._counts, totals.Totals()
            flaws, self._flaws = self._flaws, []
        counts.retries += self._waits.new()
        self._tell(Report(counts, flaws, line))

    def _watch(self) -> None:
        with self._lock:
            hanging = [
                number
                for number, since in self._running.items()
                if time.monotonic() - since > _HANGING
            ]
            self._counts.wrong += len(hanging)
            self._flaws += [(number, 'it hangs') for number in hanging]
        if hanging:
            self._report()
            faulthandler.dump_traceback()
            sys.stderr.flush()
            # Nothing less would end a process with such threads.
            os._exit(HANGS)


def main(settings: Settings, pipe: Any, stop: Any) -> None:
    """Run a worker in a process of its own.

    :param settings: What to do.
    :param pipe: Takes reports; closed at the end.
    :param stop: Set when it shall stop.
    """
    # Ctrl-C reaches all processes of a terminal, and the first of them tells
    # the others. Not ignored, since our own children would inherit that.
    signal.signal(signal.SIGINT, lambda *_: None)
    short_waits.install()
    # What was imported need not be looked at whenever garbage is collected.
    gc.freeze()
    try:
        Worker(settings, pipe.send, stop).run()
    except BrokenPipeError:
        pass  # the first process is gone
    finally:
        pipe.close()
