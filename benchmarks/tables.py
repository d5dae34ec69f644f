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

"""Everything that is printed."""

import collections.abc

from benchmarks import downloaders
from benchmarks import origins
from benchmarks import plan as planning
from benchmarks import results
from benchmarks import targets

_MIB = planning.MIB

#: Columns for the names of downloaders.
_NAME = 34

#: Further columns of some tasks: title, and the cell of a downloader.
_COLUMNS: dict[
    str,
    tuple[
        str,
        collections.abc.Callable[
            [results.Results, planning.Scenario, str], str
        ],
    ],
] = {
    'written': (
        'disk',
        lambda measured, shown, name: _cell(
            measured.median(shown.name, name, 'written'), _MIB, '.0f', 'MiB'
        ),
    ),
    'threads': (
        'threads',
        lambda measured, shown, name: _cell(
            measured.median(shown.name, name, 'threads'), 1, '.0f', ''
        ),
    ),
    'rate': (
        'images/min',
        lambda measured, shown, name: _cell(
            measured.rate(shown, name), 1, '.0f', ''
        ),
    ),
}

_VERDICTS = {True: 'met', False: 'MISSED', None: 'not measured'}

_EXPLANATION = """\
Medians of several runs, and the fastest and the slowest. "floor" is the time
divided by the longer of: curl and fsync of its file, unverified; SHA-512 of
the bytes in memory. A call is measured in a process that is connected; its
memory is what the peak grew by. A command is measured from its start to its
end; its memory is the peak of its largest process, no less than the 10 MiB
of what measures it. Each of them finds the disk idle, and memory that has just
been in use."""


def head(measured: results.Results) -> str:
    """Return what is measured, on what, and what is not."""
    lines = [f'{name}: {value}' for name, value in measured.machine.items()]
    lines += [
        f'left out: {each.what}: {each.why}' for each in measured.left_out
    ]
    return '\n'.join([*lines, '', _EXPLANATION])


def scenario(measured: results.Results, shown: planning.Scenario) -> str:
    """Return the table of a scenario."""
    blocks: dict[str, list[str]] = {'call': [], 'command': [], 'reference': []}
    for name in shown.downloaders:
        downloader = downloaders.DOWNLOADERS[name]
        if name in planning.REFERENCES:
            block = 'reference'
        elif isinstance(downloader, downloaders.Call):
            block = 'call'
        else:
            block = 'command'
        blocks[block].append(_row(measured, shown, name))
    count = f'{shown.count} x ' if shown.count > 1 else ''
    task = planning.TASKS[shown.task]
    lines = [
        '',
        f'{shown.name}: {task.title}; {count}{shown.size} MiB from'
        f' {origins.ORIGINS[shown.origin].title} over'
        f' {shown.scheme.upper()} to {shown.place}',
    ]
    for title, rows in blocks.items():
        if rows:
            lines += [_heading(title, task), *rows]
    return '\n'.join(lines)


def verdicts(
    measured: results.Results,
    judged: collections.abc.Iterable[targets.Verdict],
) -> str:
    """Return the table of the targets."""
    sizes = ', '.join(
        f'{name} is {size} MiB' for name, size in measured.sizes.items()
    )
    return '\n'.join(
        [
            '',
            f'Targets: ratios of wall times, unless stated otherwise; {sizes}',
            f'  {"":58}{"figure":>9}{"target":>14}  verdict',
            *(
                f'  {each.title:58}{each.figure:>9}{each.limit:>14}'
                f'  {_VERDICTS[each.met]}'
                for each in judged
            ),
        ]
    )


def _heading(title: str, task: planning.Task) -> str:
    return (
        f'  {title:{_NAME}}{"wall":>9}{"min-max":>15}{"floor":>8}'
        f'{"CPU":>9}{"memory":>11}{"sent":>13}{"requests":>10}'
        + ''.join(f'{_COLUMNS[each][0]:>12}' for each in task.columns)
    )


def _row(
    measured: results.Results, shown: planning.Scenario, name: str
) -> str:
    where = shown.name
    title = f'  {downloaders.DOWNLOADERS[name].title:{_NAME}}'
    wall = measured.values(where, name, 'wall')
    if not wall:
        return f'{title}  {measured.failure(where, name) or "not measured"}'
    median = measured.median(where, name, 'wall') or 0.0
    floor = measured.floor(where)
    spread = f'{min(wall):.3f}-{max(wall):.3f}'
    sent = measured.median(where, name, 'size')
    # What looks into an image is sent some KiB.
    unit, word = (_MIB, 'MiB') if (sent or 0) >= _MIB else (1024, 'KiB')
    cells = [
        (9, _cell(measured.median(where, name, 'cpu'), 1, '.2f', 's')),
        (
            11,
            _cell(measured.median(where, name, 'memory'), _MIB, '.0f', 'MiB'),
        ),
        (13, _cell(sent, unit, '.1f', word)),
        (10, _cell(measured.median(where, name, 'requests'), 1, '.0f', '')),
        *(
            (12, _COLUMNS[column][1](measured, shown, name))
            for column in planning.TASKS[shown.task].columns
        ),
    ]
    return (
        f'{title}{median:7.3f} s{spread:>15}'
        + (f'{median / floor:8.2f}' if floor else f'{"n/a":>8}')
        + ''.join(f'{text:>{width}}' for width, text in cells)
    )


def _cell(figure: float | None, unit: int, form: str, word: str) -> str:
    text = 'n/a' if figure is None else f'{figure / unit:{form}} {word}'
    return text.strip()
