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

"""Where files go, and what there is room for."""

import collections.abc
import dataclasses
import pathlib
import shutil
import subprocess

from benchmarks import contenders
from benchmarks import errors
from benchmarks import plan as planning

_TMPFS = pathlib.Path('/dev/shm')

#: Most that is written before a turn so that memory is at hand, in MiB.
_BALLAST = 2048

#: Bytes that are left to everybody else.
_RESERVE = 512 * planning.MIB


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Something that was not measured.

    :param what: A scenario, or a contender of it.
    """

    what: str
    why: str


@dataclasses.dataclass(frozen=True)
class Room:
    """What there is of a kind of space, in bytes."""

    disk: int
    tmpfs: int
    memory: int

    @classmethod
    def measure(cls, disk: pathlib.Path) -> 'Room':
        """Return what there is.

        :param disk: A directory on the disk.
        """
        return cls(
            shutil.disk_usage(disk).free,
            shutil.disk_usage(_TMPFS).free,
            _available_memory(),
        )


def places(disk: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the directories that files are downloaded into.

    :param disk: The one on the disk.
    :raises BenchmarkError: There is no such directory.
    """
    for path in (disk, _TMPFS):
        if not path.is_dir():
            raise errors.BenchmarkError(f'{path} is not a directory')
    return {'disk': disk, 'tmpfs': _TMPFS}


def file_system(path: pathlib.Path) -> str:
    """Return the kind of file system that a directory is on."""
    return subprocess.run(
        ['stat', '--file-system', '--format=%T', path],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def fit(
    plan: planning.Plan, room: Room
) -> tuple[planning.Plan, list[LeftOut]]:
    """Return what of a plan there is room for, and what there is not.

    :raises BenchmarkError: There is room for nothing.
    """
    left_out = []
    scenarios = []
    stored = _stored(plan, room.disk)
    for scenario in plan.scenarios:
        why = _obstacle(scenario, room, stored)
        if why:
            left_out.append(LeftOut(scenario.name, why))
            continue
        names = []
        for name in scenario.contenders:
            if why := _too_large(scenario, contenders.CONTENDERS[name], room):
                left_out.append(LeftOut(f'{scenario.name}:{name}', why))
            else:
                names.append(name)
        if names:
            scenarios.append(
                dataclasses.replace(scenario, contenders=tuple(names))
            )
    if not scenarios:
        raise errors.BenchmarkError(
            'There is room for nothing:\n  '
            + '\n  '.join(f'{each.what}: {each.why}' for each in left_out)
        )
    return dataclasses.replace(plan, scenarios=tuple(scenarios)), left_out


def ballast(size: int) -> int:
    """Return how much is written before a turn so that memory is at hand.

    :param size: Of the image, in MiB.
    :returns: MiB.
    """
    return min(2 * size, _BALLAST)


def _written(size: int) -> int:
    """Return the MiB that there must be room for where files go."""
    return max(size, ballast(size))


def _stored(plan: planning.Plan, free: int) -> set[int]:
    """Return the sizes that Glance can have images of, in MiB."""
    chosen = set()
    free -= _RESERVE
    for size in sorted({scenario.size for scenario in plan.scenarios}):
        # Once in the store, and then where it is downloaded to.
        if (size + _written(size)) * planning.MIB <= free:
            chosen.add(size)
            free -= size * planning.MIB
    return chosen


def _obstacle(
    scenario: planning.Scenario,
    room: Room,
    stored: collections.abc.Container[int],
) -> str:
    if scenario.size not in stored:
        return f'the disk has {_mib(room.disk)} left, for all images'
    written = _written(scenario.size) * planning.MIB
    if scenario.place == 'tmpfs' and written + _RESERVE > room.tmpfs:
        return f'{_TMPFS} has {_mib(room.tmpfs)} left'
    return ''


def _too_large(
    scenario: planning.Scenario, contender: contenders.Contender, room: Room
) -> str:
    size = scenario.size * planning.MIB
    # What is served has to stay in the page cache.
    needed = size * (1 + contender.copies) + _RESERVE
    if scenario.place == 'tmpfs' and contender.writes:
        needed += _written(scenario.size) * planning.MIB
    if needed <= room.memory:
        return ''
    return f'it takes {_mib(needed)} of memory, {_mib(room.memory)} are left'


def _mib(size: float) -> str:
    return f'{size / planning.MIB:.0f} MiB'


def _available_memory() -> int:
    for line in pathlib.Path('/proc/meminfo').read_text().splitlines():
        if line.startswith('MemAvailable:'):
            return int(line.split()[1]) * 1024
    raise LookupError('MemAvailable')
