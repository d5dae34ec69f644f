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

"""Draw charts of the results of a benchmark, and write tables of them.

Usage: python -m benchmarks.charts FILE DIRECTORY
"""

import argparse
import collections.abc
import pathlib
import sys
import typing

import matplotlib
from matplotlib import figure

from benchmarks import downloaders
from benchmarks import drawing
from benchmarks import excerpts
from benchmarks import growth_charts
from benchmarks import plan as planning
from benchmarks import results

_MIB = planning.MIB

#: Points of a line, at most: more are not seen, but make the file large.
_POINTS = 200

#: Colours that people with any kind of colour vision can tell apart: those
#: of Okabe and Ito.
_BLUE = '#0072B2'
_ORANGE = '#D55E00'
_GREY = '#999999'
_COLOURS = {
    'plugin-path': _BLUE,
    'plugin-stream': '#56B4E9',
    'plugin-memory': '#009E73',
    'sdk-stream': '#CC79A7',
    'sdk-stream-path': '#E69F00',
    'sdk-path': _ORANGE,
}

#: Without colours at all: the plugin's lines are whole.
_DASHES = {True: 'solid', False: 'dashed'}


def memory_over_time(measured: results.Results) -> figure.Figure | None:
    """Draw the memory of single downloads, None if none was sampled."""
    traces = [each for each in measured.traces if each.downloader in _COLOURS]
    if not traces:
        return None
    picture, axes = drawing.blank(
        'Memory while an image is downloaded',
        f'An image of {drawing.size(measured.sizes["large"])}. Each line is'
        ' one download to a file, from its start to its end, and what the'
        ' process has more than when it had connected.',
    )
    for trace in traces:
        seconds, sizes = _thinned(trace.samples)
        axes.plot(
            seconds,
            [size / _MIB for size in sizes],
            **_line(trace.downloader),
        )
    axes.set_xlabel('seconds')
    axes.set_ylabel('memory, MiB')
    return drawing.finished(picture, axes)


def memory_over_size(measured: results.Results) -> figure.Figure | None:
    """Draw the memory over the size, None if there is one size alone."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for scenario in measured.scenarios:
        if scenario.name != planning.name(
            *('nginx', 'http', 'tmpfs', scenario.size)
        ):
            continue
        for name in _COLOURS:
            taken = measured.median(scenario.name, name, 'memory')
            if taken is not None:
                lines.setdefault(name, []).append((scenario.size, taken))
    lines = {name: line for name, line in lines.items() if len(line) > 1}
    if not lines:
        return None
    picture, axes = drawing.blank(
        'Memory over the size of the image',
        'What a download takes at most, more than when the process had'
        ' connected; medians. Both axes are logarithmic.',
    )
    for name, line in lines.items():
        sizes, memory = zip(*sorted(line), strict=True)
        axes.plot(
            sizes,
            [each / _MIB for each in memory],
            marker='o',
            **_line(name),
        )
    axes.set_xscale('log', base=2)
    axes.set_yscale('log', base=2)
    ticks = sorted({size for line in lines.values() for size, _ in line})
    axes.set_xticks(ticks, [drawing.size(size) for size in ticks])
    axes.yaxis.set_major_formatter(lambda value, _: f'{value:g}')
    axes.set_xlabel('size of the image')
    axes.set_ylabel('memory, MiB')
    return drawing.finished(picture, axes)


def time_over_floor(
    measured: results.Results, scenario: planning.Scenario
) -> figure.Figure | None:
    """Draw the times of all downloaders, None if there is no floor."""
    floor = measured.floor(scenario.name)
    times = {
        name: measured.median(scenario.name, name, 'wall')
        for name in scenario.downloaders
    }
    known = {name: wall for name, wall in times.items() if wall is not None}
    if floor is None:
        return None
    picture, axes = drawing.blank(
        f'Time of a download: {drawing.size(scenario.size)} from'
        f' {scenario.origin}, {scenario.scheme.upper()}, to {scenario.place}',
        'Medians. The line is the floor: the longer of receiving and writing'
        ' without any verification, and of hashing what is in memory. Behind'
        ' the seconds: how often the floor fits in. "(command)" includes the'
        ' start of a program and, for OpenStack\'s, its login.',
        height=1.4 + 0.3 * len(known),
    )
    names = sorted(known, key=known.__getitem__, reverse=True)
    bars = axes.barh(
        [_label(name) for name in names],
        [known[name] for name in names],
        color=[_bar_colour(name) for name in names],
    )
    axes.bar_label(
        bars,
        [
            f'{known[name]:.2f} s, {known[name] / floor:.2f} x'
            for name in names
        ],
        padding=3,
    )
    axes.axvline(floor, color='black', linewidth=1, linestyle='dotted')
    axes.margins(x=0.25, y=0.01)
    axes.set_xlabel('seconds')
    return picture


def pictures(
    measured: results.Results,
) -> collections.abc.Iterator[tuple[str, figure.Figure]]:
    """Draw everything that there are figures for.

    :returns: Names of files, and what belongs there.
    """
    drawn = {
        'memory-over-time': memory_over_time(measured),
        'memory-over-size': memory_over_size(measured),
        **growth_charts.pictures(measured),
    }
    for scenario in measured.scenarios:
        if scenario.task == 'download' and (
            scenario.size == measured.sizes.get('large')
        ):
            drawn[f'time-{scenario.name}'] = time_over_floor(
                measured, scenario
            )
    for name, picture in drawn.items():
        if picture is not None:
            yield f'{name}.svg', picture


def main() -> int:
    """Draw into files.

    :returns: The exit status.
    """
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.charts',
        description='Draw what --json of the benchmark has written, and write'
        ' its tables as CSV.',
    )
    parser.add_argument('file', type=pathlib.Path)
    parser.add_argument('directory', type=pathlib.Path)
    arguments = parser.parse_args()
    try:
        measured = results.Results.load(arguments.file)
    except (OSError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 1
    arguments.directory.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(drawing.SETTINGS):
        for name, picture in pictures(measured):
            path = arguments.directory / name
            picture.savefig(path, metadata={'Date': None, 'Creator': None})
            print(path)
    for path in excerpts.write(measured, arguments.directory):
        print(path)
    return 0


def _line(name: str) -> dict[str, typing.Any]:
    return {
        'label': downloaders.DOWNLOADERS[name].title,
        'color': _COLOURS[name],
        'linestyle': _DASHES[name.startswith('plugin')],
        'linewidth': 2,
    }


def _label(name: str) -> str:
    downloader = downloaders.DOWNLOADERS[name]
    if isinstance(downloader, downloaders.Command):
        return f'{downloader.title} (command)'
    return downloader.title


def _bar_colour(name: str) -> str:
    if name in planning.REFERENCES:
        return _GREY
    return _BLUE if 'plugin' in name else _ORANGE


def _thinned(
    samples: collections.abc.Sequence[tuple[float, int]],
) -> tuple[list[float], list[int]]:
    """Return at most so many points, with every peak among them."""
    step = -(-len(samples) // _POINTS)
    groups = [
        samples[start : start + step] for start in range(0, len(samples), step)
    ]
    return (
        [group[0][0] for group in groups],
        [max(size for _, size in group) for group in groups],
    )


if __name__ == '__main__':
    sys.exit(main())
