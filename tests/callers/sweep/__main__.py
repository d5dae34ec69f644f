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

"""Runs thousands of cases in processes, and sums up what was wrong."""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

from tests.callers.sweep import cases
from tests.callers.sweep import run as _run
from tests.callers.sweep import worker
from tests import processes
from tests.servers import control

#: Most cases of a process, and of the service that it uses.
_BATCH = 250


@dataclasses.dataclass(frozen=True)
class _Batch:
    kind: str
    numbers: tuple[str, ...]


class Sweep:
    """Runs cases, some at a time, and takes note of what was wrong."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.cases = 0
        self.counts: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []

    def run(self, batch: _Batch) -> None:
        """Run some cases.

        :param batch: Which.
        """
        with (
            control.started() as remote,
            tempfile.TemporaryDirectory() as home,
        ):
            numbers = list(batch.numbers)
            while numbers:
                stacks = os.path.join(home, 'stacks')
                last, code = self._run(batch.kind, remote, stacks, numbers)
                if not numbers:
                    return
                # It has not come to the end of a case.
                number = numbers.pop(0)
                words = ''
                if os.path.exists(stacks):
                    with open(stacks) as file:
                        words = file.read()
                if last == number and words:
                    self._note(number, [('hangs', words)])
                else:
                    self._note(number, [('other', f'it died with {code}')])

    def _run(
        self,
        kind: str,
        remote: control.Remote,
        stacks: str,
        numbers: list[str],
    ) -> tuple[str | None, int]:
        process = subprocess.Popen(
            [
                sys.executable,
                '-m',
                worker.__name__,
                kind,
                remote.url,
                stacks,
                *numbers,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        last = None
        assert process.stdout is not None
        with process, process.stdout:
            for line in process.stdout:
                report = json.loads(line)
                last = report.get('begins', last)
                if 'ends' in report:
                    numbers.remove(report['ends'])
                    self._note(report['ends'], report['flaws'])
        return last, process.returncode

    def _note(self, number: str, flaws: list[tuple[str, str]]) -> None:
        with self._lock:
            self.cases += 1
            # One case has each kind of flaw once.
            self.counts.update({kind for kind, _ in flaws})
            if not flaws:
                return
            self.wrong.append(number)
            seed, _, index = number.partition(':')
            print(cases.draw(int(seed), int(index)))
            for kind, words in flaws:
                print(f'{number} {kind}: {words}')
            print(
                f'Repeat it with: python -m tests.callers.sweep '
                f'--repeat {number}\n',
                flush=True,
            )

    def summary(self) -> str:
        """Return the result in a line."""
        counts = ', '.join(
            f'{self.counts[kind]} {kind}' for kind in _run.FLAWS
        )
        return f'{self.cases} cases: {counts}'


def _batches(seed: int, numbers: range, workers: int) -> list[_Batch]:
    most = min(_BATCH, max(1, len(numbers) // workers // 2))
    by_kind: dict[str, list[str]] = {kind: [] for kind in cases.KINDS}
    for number in numbers:
        by_kind[cases.draw(seed, number).kind].append(f'{seed}:{number}')
    return [
        _Batch(kind, tuple(found[start : start + most]))
        # The few long ones first, so that no process is alone at the end.
        for kind, found in reversed(by_kind.items())
        for start in range(0, len(found), most)
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m tests.callers.sweep', description=__doc__
    )
    parser.add_argument('--cases', type=int, default=150, metavar='N')
    parser.add_argument('--seed', type=int, default=1, metavar='N')
    parser.add_argument('--workers', type=int, default=2, metavar='N')
    parser.add_argument(
        '--repeat',
        metavar='SEED:CASE',
        help='run this case only',
    )
    parser.add_argument(
        '--times', type=int, default=1, help='how often to repeat it'
    )
    return parser.parse_args()


def main() -> int:
    """Do what the command line says."""
    arguments = _arguments()
    processes.preload()
    if arguments.repeat:
        seed, _, index = arguments.repeat.partition(':')
        kind = cases.draw(int(seed), int(index)).kind
        batches = [_Batch(kind, (arguments.repeat,) * arguments.times)]
    else:
        batches = _batches(
            arguments.seed, range(arguments.cases), arguments.workers
        )
    sweep = Sweep()
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(arguments.workers) as pool:
        for result in [pool.submit(sweep.run, batch) for batch in batches]:
            result.result()
    print(f'{sweep.summary()}; {time.monotonic() - began:.0f} s')
    if sweep.wrong:
        print(f'wrong: {" ".join(sweep.wrong)}')
    return 1 if sweep.wrong else 0


if __name__ == '__main__':
    sys.exit(main())
