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

"""Directories for files, and which downloads fit in the free space."""

import collections.abc
import dataclasses
import pathlib
import shutil
import subprocess

from benchmarks import downloaders
from benchmarks import errors
from benchmarks import plan as planning

_TMPFS = pathlib.Path('/dev/shm')

#: Most that is written before a run so that memory is present, in MiB.
_BALLAST = 2048

#: Bytes that are left free for other programs.
_RESERVE = 512 * planning.MIB


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Something that was not measured.

    :param what: A scenario, or a downloader of it.
    """

    what: str
    why: str


@dataclasses.dataclass(frozen=True)
class FreeSpace:
    """Free space of each kind, in bytes."""

    disk: int
    tmpfs: int
    memory: int

    @classmethod
    def measure(cls, disk: pathlib.Path) -> 'FreeSpace':
        """Return what is free now.

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
    plan: planning.Plan, space: FreeSpace
) -> tuple[planning.Plan, list[LeftOut]]:
    """Return the part of a plan that fits, and what does not fit.

    :raises BenchmarkError: Nothing fits.
    """
    left_out = []
    scenarios = []
    stored = _stored(plan, space.disk)
    for scenario in plan.scenarios:
        why = _obstacle(scenario, space, stored)
        if why:
            left_out.append(LeftOut(scenario.name, why))
            continue
        names = []
        for name in scenario.downloaders:
            if why := _too_large(
                scenario, downloaders.DOWNLOADERS[name], space
            ):
                left_out.append(LeftOut(f'{scenario.name}:{name}', why))
            else:
                names.append(name)
        if names:
            scenarios.append(
                dataclasses.replace(scenario, downloaders=tuple(names))
            )
    if not scenarios:
        raise errors.BenchmarkError(
            'Not enough free space for any scenario:\n  '
            + '\n  '.join(f'{each.what}: {each.why}' for each in left_out)
        )
    return dataclasses.replace(plan, scenarios=tuple(scenarios)), left_out


def ballast(scenario: planning.Scenario) -> int:
    """Return how much is written before a run so that memory is present.

    :returns: MiB.
    """
    # What a file takes, and some more.
    size = scenario.size * scenario.count
    return min(size + max(size // 4, 64), _BALLAST)


def needed(plan: planning.Plan) -> dict[tuple[str, int], int]:
    """Return how many images there must be, by content and size in MiB."""
    images: dict[tuple[str, int], int] = {}
    for scenario in plan.scenarios:
        content, size, count = scenario.images
        images[content, size] = max(count, images.get((content, size), 0))
    return images


def _written(scenario: planning.Scenario) -> int:
    """Return the MiB that must be free in the directory for files."""
    downloads = [downloaders.DOWNLOADERS[n] for n in scenario.downloaders]
    if not any(each.writes for each in downloads):
        return 0
    return max(scenario.size * scenario.count, ballast(scenario))


def _stored(plan: planning.Plan, free: int) -> set[tuple[str, int]]:
    """Return the images that Glance can have, by content and size in MiB."""
    # Beside them there must be room for what is downloaded, or for a copy
    # in the other cloud.
    beside = {scenario.images[:2]: 0 for scenario in plan.scenarios}
    for scenario in plan.scenarios:
        copied = scenario.size if scenario.task == 'copy' else 0
        key = scenario.images[:2]
        beside[key] = max(beside[key], _written(scenario) + copied)
    chosen = set()
    free -= _RESERVE
    for key, count in sorted(
        needed(plan).items(), key=lambda item: item[0][1] * item[1]
    ):
        size = key[1] * count
        if (size + beside[key]) * planning.MIB <= free:
            chosen.add(key)
            free -= size * planning.MIB
    return chosen


def _obstacle(
    scenario: planning.Scenario,
    space: FreeSpace,
    stored: collections.abc.Container[tuple[str, int]],
) -> str:
    if scenario.images[:2] not in stored:
        return f'the disk has {_mib(space.disk)} left, for all images'
    written = _written(scenario) * planning.MIB
    if scenario.place == 'tmpfs' and written + _RESERVE > space.tmpfs:
        return f'{_TMPFS} has {_mib(space.tmpfs)} left'
    return ''


def _too_large(
    scenario: planning.Scenario,
    downloader: downloaders.Downloader,
    space: FreeSpace,
) -> str:
    size = scenario.size * planning.MIB
    # What is served has to stay in the page cache.
    taken = size * (scenario.images[2] + downloader.copies) + _RESERVE
    if scenario.place == 'tmpfs' and downloader.writes:
        taken += _written(scenario) * planning.MIB
    if taken <= space.memory:
        return ''
    return f'it takes {_mib(taken)} of memory, {_mib(space.memory)} are left'


def _mib(size: float) -> str:
    return f'{size / planning.MIB:.0f} MiB'


def _available_memory() -> int:
    for line in pathlib.Path('/proc/meminfo').read_text().splitlines():
        if line.startswith('MemAvailable:'):
            return int(line.split()[1]) * 1024
    raise LookupError('MemAvailable')
