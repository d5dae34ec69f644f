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

"""Tables of the documentation, as CSV."""

import collections.abc
import csv
import pathlib

from benchmarks import downloaders
from benchmarks import origins
from benchmarks import plan as planning
from benchmarks import results
from benchmarks import targets

_MIB = planning.MIB

Rows = list[list[str]]

_VERDICTS = {True: 'met', False: 'missed', None: 'not measured'}

#: A title, the field of a run, its unit, and the digits.
_WALL = ('Seconds', 'wall', 1, 3)
_CPU = ('Processor time, s', 'cpu', 1, 2)
_MEMORY = ('Memory, MiB', 'memory', _MIB, 0)
_THREADS = ('Threads', 'threads', 1, 0)
_COLUMNS = {
    'copy': (_WALL, _CPU, _MEMORY, ('Disk, MiB', 'written', _MIB, 0)),
    'audit': (_WALL, _CPU, _MEMORY),
    'checks': (_WALL, _CPU, _MEMORY),
    'verify': (_WALL, _CPU, _MEMORY),
    'sequence': (_WALL, _CPU, _MEMORY),
    'open': (
        _WALL,
        ('Requests', 'requests', 1, 0),
        ('Received, KiB', 'size', 1024, 0),
    ),
    'sizes': (_WALL, _CPU, _MEMORY, _THREADS),
}


def write(
    measured: results.Results, directory: pathlib.Path
) -> collections.abc.Iterator[pathlib.Path]:
    """Write all tables that there are figures for.

    :returns: The files.
    """
    for name, rows in tables(measured).items():
        if len(rows) < 2:
            continue
        path = directory / f'{name}.csv'
        with path.open('w', newline='') as file:
            csv.writer(file, lineterminator='\n').writerows(rows)
        yield path


def tables(measured: results.Results) -> dict[str, Rows]:
    """Return each table with its heading."""
    made = {
        'connections': _connections(measured),
        'targets': _targets(measured) if _is_whole(measured) else [],
        'growth-connections': _growth(measured, 'connections'),
        'growth-downloads': _growth(measured, 'at-once'),
    }
    for task, columns in _COLUMNS.items():
        tasks = ('qcow2', 'zip', 'reads') if task == 'open' else (task,)
        name = 'growth-sizes' if task == 'sizes' else task
        made[name] = _downloaders(measured, tasks, columns)
    return made


def numbered(
    measured: results.Results, scenario: planning.Scenario
) -> dict[str, list[tuple[int, str]]]:
    """Return numbers and names of downloaders by what they have in common."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name in scenario.downloaders:
        if not measured.values(scenario.name, name, 'wall'):
            continue
        kind, _, number = name.rpartition('-')
        if number.isdecimal():
            found.setdefault(kind, []).append((int(number), name))
        else:
            # One connection is the default, and in no name.
            found.setdefault(name, []).append((1, name))
    return {kind: sorted(each) for kind, each in found.items()}


def _is_whole(measured: results.Results) -> bool:
    # Targets are not for growth.
    return any(each.task == 'download' for each in measured.scenarios)


def _downloaders(
    measured: results.Results,
    tasks: collections.abc.Container[str],
    columns: collections.abc.Sequence[tuple[str, str, int, int]],
) -> Rows:
    """Return a row for each downloader of some scenarios."""
    rows = [['What', 'MiB', *(title for title, *_ in columns)]]
    for scenario in measured.scenarios:
        if scenario.task not in tasks:
            continue
        count = f'{scenario.count} x ' if scenario.count > 1 else ''
        rows += [
            [
                downloaders.DOWNLOADERS[name].title,
                f'{count}{scenario.size}',
                *_cells(measured, scenario, name, columns),
            ]
            for name in scenario.downloaders
            if name not in scenario.floor
        ]
    return rows


def _connections(measured: results.Results) -> Rows:
    """Return a row for each origin, and a column for each number."""
    titles = {
        **dict(zip(planning.NUMBERS, ('1', '2', '4', '8'), strict=True)),
        'plugin-path-auto': "'auto'",
        'aria2-8': 'aria2c, 8',
    }
    scenarios = [
        each
        for each in measured.scenarios
        if each.task == 'download' and planning.NUMBERS[1] in each.downloaders
    ]
    return [
        ['Seconds', *titles.values()],
        *(
            [
                _where(scenario),
                *(
                    _number(measured.median(scenario.name, name, 'wall'), 2)
                    for name in titles
                ),
            ]
            for scenario in scenarios
        ),
    ]


def _where(scenario: planning.Scenario) -> str:
    return (
        f'{origins.ORIGINS[scenario.origin].title}, to {scenario.place},'
        f' {scenario.size} MiB'
    )


def _growth(measured: results.Results, task: str) -> Rows:
    columns = (_WALL, _CPU, _MEMORY, _THREADS)
    rows = [['What', 'MiB', 'Number', *(title for title, *_ in columns)]]
    for scenario in measured.scenarios:
        if scenario.task != task:
            continue
        for names in numbered(measured, scenario).values():
            rows += [
                [
                    f'{downloaders.DOWNLOADERS[name].title.split(",")[0]},'
                    f' {origins.ORIGINS[scenario.origin].title}',
                    str(scenario.size),
                    str(number),
                    *_cells(measured, scenario, name, columns),
                ]
                for number, name in names
            ]
    return rows


def _targets(measured: results.Results) -> Rows:
    return [
        ['Target', 'Figure', 'Limit', 'Verdict'],
        *(
            [each.title, each.figure, each.limit, _VERDICTS[each.met]]
            for each in targets.verdicts(measured)
        ),
    ]


def _cells(
    measured: results.Results,
    scenario: planning.Scenario,
    name: str,
    columns: collections.abc.Sequence[tuple[str, str, int, int]],
) -> list[str]:
    cells = []
    for _, field, unit, digits in columns:
        median = measured.median(scenario.name, name, field)
        cells.append(
            _number(None if median is None else median / unit, digits)
        )
    return cells


def _number(figure: float | None, digits: int) -> str:
    return '' if figure is None else f'{figure:.{digits}f}'
