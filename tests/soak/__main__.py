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

"""Run the soak and print what it finds."""

import argparse
import itertools
import multiprocessing
from multiprocessing import connection
import os
import random
import sys
import time
from typing import Any

from tests.soak import totals
from tests.soak import worker

#: Seconds between two lines of totals.
_LINE = 30.0

#: More cases than anybody waits for.
_ENDLESS = sys.maxsize


class Soak:
    """The processes of a soak, and what they report.

    :param seed: What all is drawn from.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counts = totals.Totals()
        self._began = time.monotonic()
        self._metrics: dict[Any, str] = {}
        # A process that is started has them from its first moment on.
        os.environ.update(worker.ENVIRONMENT)
        context = multiprocessing.get_context('spawn')
        self._context = context
        self._stop = context.Event()
        self._processes: dict[Any, Any] = {}

    @property
    def flawless(self) -> bool:
        """Whether nothing was wrong."""
        return not self._counts.wrong

    def start(self, numbers: range, threads: int) -> None:
        """Start a process.

        :param numbers: Its cases.
        :param threads: How many at a time.
        """
        settings = worker.Settings(self._seed, numbers, threads)
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=worker.main, args=(settings, theirs, self._stop)
        )
        process.start()
        theirs.close()
        self._processes[ours] = process

    def run(self, seconds: float | None) -> None:
        """Wait for the end, or for Ctrl-C.

        :param seconds: When to end, ``None`` for when all is done.
        """
        try:
            self._listen(seconds)
        except KeyboardInterrupt:
            print('Stopping.', file=sys.stderr, flush=True)
        self._stop.set()
        self._listen(None)

    def _listen(self, seconds: float | None) -> None:
        over = None if seconds is None else time.monotonic() + seconds
        for due in itertools.count(time.monotonic() + _LINE, _LINE):
            until = due if over is None else min(due, over)
            while self._processes and time.monotonic() < until:
                left = max(0.0, until - time.monotonic())
                for pipe in connection.wait(list(self._processes), left):
                    self._receive(pipe)
            if not self._processes or until == over:
                return
            self._print_line()

    def _receive(self, pipe: Any) -> None:
        try:
            report = pipe.recv()
        except EOFError:
            self._see_off(pipe)
            return
        self._counts.add(report.counts)
        if report.metrics:
            self._metrics[pipe] = report.metrics
        for number, flaw in report.flaws:
            self._print_flaw(number, flaw)

    def _see_off(self, pipe: Any) -> None:
        process = self._processes.pop(pipe)
        pipe.close()
        process.join()
        if process.exitcode not in (0, worker.HANGS):
            self._counts.wrong += 1
            self._print_flaw(None, f'it ended with {process.exitcode}')

    def _print_flaw(self, number: int | None, flaw: str) -> None:
        name = 'a process' if number is None else f'case {number}'
        print(f'WRONG in {name}: {flaw}')
        if number is not None:
            print(
                f'python -m tests.soak --seed {self._seed} --repeat {number}'
            )
        sys.stdout.flush()

    def _print_line(self) -> None:
        print(self._counts.line(self._began), flush=True)

    def print_summary(self) -> None:
        """Print what was counted, and what the processes held at last."""
        self._print_line()
        print('Errors that were to be expected:')
        print(self._counts.summary() or '    none')
        print('What the processes held at their last rest:')
        for line in self._metrics.values():
            print(f'    {line}')
        print('Nothing was wrong.' if self.flawless else 'WRONG, see above.')


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m tests.soak',
        description='Download again and again, through all kinds of faults.',
    )
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument(
        '--minutes',
        type=float,
        metavar='M',
        help='how long (default: 10, if there is no other limit)',
    )
    limit.add_argument(
        '--downloads',
        type=int,
        metavar='N',
        help='how many cases, each of one download or more',
    )
    limit.add_argument(
        '--repeat',
        type=int,
        metavar='CASE',
        help='run this case alone',
    )
    parser.add_argument(
        '--seed',
        type=int,
        metavar='S',
        help='what all is drawn from (default: by chance)',
    )
    for name, what in (('processes', 'processes'), ('threads', 'in each')):
        parser.add_argument(
            f'--{name}', type=int, default=2, help=f'{what} (default: 2)'
        )
    return parser.parse_args()


def main() -> int:
    """Run the soak.

    :returns: The exit status, 1 where anything was wrong.
    """
    arguments = _parse()
    seed = arguments.seed
    if seed is None:
        seed = random.SystemRandom().randrange(10**6)
    print(f'seed {seed}', flush=True)
    soak = Soak(seed)
    seconds = None
    if arguments.repeat is not None:
        numbers = range(arguments.repeat, arguments.repeat + 1)
    elif arguments.downloads is not None:
        numbers = range(arguments.downloads)
    else:
        numbers = range(_ENDLESS)
        seconds = 60 * (arguments.minutes or 10.0)
    for first in range(arguments.processes):
        own = numbers[first :: arguments.processes]
        if own:
            soak.start(own, arguments.threads)
    soak.run(seconds)
    soak.print_summary()
    return 0 if soak.flawless else 1


if __name__ == '__main__':
    sys.exit(main())
