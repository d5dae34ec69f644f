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

"""The figures of a benchmark, in memory and in a file."""

import collections.abc
import dataclasses
import json
import pathlib
import statistics
import typing

from benchmarks import capacity
from benchmarks import plan as planning

#: Of the file; a change of what is in it changes this.
_FORMAT = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one downloader.

    :param wall: Seconds.
    :param cpu: Seconds, user and system.
    :param busy: The same of all processes of the machine.
    :param memory: Bytes: of a call, by how much the peak grew; of a command,
        the peak of its largest process.
    :param written: Bytes that were written for any disk.
    :param size: Bytes on the wire.
    :param threads: The most that the process had, if that was looked at.
    :param error: Why there are no figures.
    """

    scenario: str
    downloader: str
    round: int
    wall: float | None = None
    cpu: float | None = None
    busy: float | None = None
    memory: int | None = None
    written: int | None = None
    requests: int | None = None
    size: int | None = None
    threads: int | None = None
    error: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trace:
    """Memory and connections of one download from its start to its end.

    :param samples: Seconds, and bytes above what there was at first.
    :param connections: Seconds, and how many there are from then on.
    """

    scenario: str
    downloader: str
    samples: list[tuple[float, int]]
    connections: list[tuple[float, int]] = dataclasses.field(
        default_factory=list
    )


@dataclasses.dataclass(kw_only=True)
class Results:
    """Everything that a run of the benchmark found.

    :param sizes: As in :class:`benchmarks.plan.Plan`.
    :param machine: What it ran on, and with.
    """

    sizes: collections.abc.Mapping[str, int]
    scenarios: collections.abc.Sequence[planning.Scenario]
    machine: collections.abc.Mapping[str, str]
    left_out: list[capacity.LeftOut] = dataclasses.field(default_factory=list)
    runs: list[Run] = dataclasses.field(default_factory=list)
    traces: list[Trace] = dataclasses.field(default_factory=list)

    @property
    def plan(self) -> planning.Plan:
        """What is measured."""
        return planning.Plan(sizes=self.sizes, scenarios=tuple(self.scenarios))

    def values(
        self, scenario: str, downloader: str, field: str
    ) -> list[typing.Any]:
        """Return a figure of all runs that have it.

        A downloader that failed once has none: the quickest way to download
        is to give up.
        """
        if self.failure(scenario, downloader):
            return []
        figures = (
            getattr(run, field) for run in self._runs_of(scenario, downloader)
        )
        return [figure for figure in figures if figure is not None]

    def failure(self, scenario: str, downloader: str) -> str | None:
        """Return why a downloader failed, None if it never did."""
        errors = (run.error for run in self._runs_of(scenario, downloader))
        return next((error for error in errors if error), None)

    def _runs_of(
        self, scenario: str, downloader: str
    ) -> collections.abc.Iterator[Run]:
        return (
            run
            for run in self.runs
            if (run.scenario, run.downloader) == (scenario, downloader)
        )

    def median(
        self, scenario: str, downloader: str, field: str
    ) -> float | None:
        """Return the median of a figure, None if there is none."""
        values = self.values(scenario, downloader, field)
        return statistics.median(values) if values else None

    def rate(
        self, scenario: planning.Scenario, downloader: str
    ) -> float | None:
        """Return how many images a minute is enough for."""
        wall = self.median(scenario.name, downloader, 'wall')
        return 60 * scenario.count / wall if wall else None

    def floor(self, scenario: str) -> float | None:
        """Return the least that a verified download to a file can take.

        It has to receive and to write, and it has to hash, which can be done
        side by side: the longer of the two, in seconds.
        """
        parts = [
            self.median(scenario, downloader, 'wall')
            for downloader in planning.FLOOR
        ]
        known = [part for part in parts if part is not None]
        return max(known) if len(known) == len(parts) else None

    def save(self, path: pathlib.Path) -> None:
        """Write all of it."""
        fields = {'format': _FORMAT, **dataclasses.asdict(self)}
        path.write_text(json.dumps(fields, indent=1) + '\n')

    @classmethod
    def load(cls, path: pathlib.Path) -> 'Results':
        """Read what :meth:`save` has written.

        :raises ValueError: The file is something else.
        """
        fields = json.loads(path.read_text())
        if fields.pop('format', None) != _FORMAT:
            raise ValueError(f'{path} is not of format {_FORMAT}')
        kinds: dict[str, type] = {
            'scenarios': planning.Scenario,
            'left_out': capacity.LeftOut,
            'runs': Run,
            'traces': Trace,
        }
        for name, kind in kinds.items():
            fields[name] = [kind(**each) for each in fields[name]]
        return cls(**fields)
