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

"""Charts of connections over time, and of what grows."""

import collections.abc
import typing

from matplotlib import figure

from benchmarks import downloaders
from benchmarks import drawing
from benchmarks import excerpts
from benchmarks import origins
from benchmarks import plan as planning
from benchmarks import results

_MIB = planning.MIB

#: Those of Okabe and Ito, and a pattern for each, which needs no colours.
_LINES = (
    ('#0072B2', 'solid'),
    ('#D55E00', 'dashed'),
    ('#009E73', 'dotted'),
    ('#CC79A7', 'dashdot'),
    ('#E69F00', (0, (6, 1))),
    ('#000000', (0, (1, 3))),
)

#: Those that are traced for their memory.
_MEMORY = ('plugin-path', 'sdk-stream-path', 'sdk-path')

#: What is drawn over the number of connections, or of downloads.
_FIELDS = (
    ('wall', 1, 'seconds'),
    ('cpu', 1, 'processor time, seconds'),
    ('memory', _MIB, 'memory, MiB'),
    ('threads', 1, 'threads'),
)


def pictures(
    measured: results.Results,
) -> dict[str, figure.Figure | None]:
    """Draw everything that there are figures for."""
    drawn = {'connections-over-time': connections_over_time(measured)}
    for task, name, title in (
        ('connections', 'connections', 'connections of one download'),
        ('at-once', 'downloads', 'downloads at a time'),
    ):
        lines = _lines(measured, task)
        drawn[f'growth-{name}'] = _growth(lines, title) if lines else None
    return drawn


def connections_over_time(measured: results.Results) -> figure.Figure | None:
    """Draw how many connections 'auto' has, None if none were counted."""
    traces = [each for each in measured.traces if each.connections]
    traces = [each for each in traces if each.downloader not in _MEMORY]
    if not traces:
        return None
    named = {scenario.name: scenario for scenario in measured.scenarios}
    picture, axes = drawing.blank(
        'Connections over time',
        "What connections='auto' makes of several servers: connections over"
        ' which data are received, over the time of each download.',
    )
    for trace, (colour, dashes) in zip(traces, _LINES, strict=False):
        scenario = named[trace.scenario]
        if not trace.connections[-1][0]:
            continue
        seconds, counts = zip(*trace.connections, strict=True)
        axes.step(
            [100 * each / seconds[-1] for each in seconds],
            counts,
            where='post',
            label=f'{origins.ORIGINS[scenario.origin].title},'
            f' {seconds[-1]:.1f} s',
            color=colour,
            linestyle=dashes,
            linewidth=2,
        )
    axes.set_xlabel('% of the time')
    axes.set_ylabel('connections')
    return drawing.finished(picture, axes)


def _lines(
    measured: results.Results, task: str
) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return points by field and by what a line is of."""
    lines: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for scenario in measured.scenarios:
        if scenario.task != task:
            continue
        for names in excerpts.numbered(measured, scenario).values():
            title = downloaders.DOWNLOADERS[names[0][1]].title.split(',')[0]
            label = (
                f'{title}, {drawing.size(scenario.size)} from'
                f' {origins.ORIGINS[scenario.origin].title}'
            )
            for field, unit, _ in _FIELDS:
                lines.setdefault(field, {})[label] = [
                    (number, value / unit)
                    for number, name in names
                    if (value := measured.median(scenario.name, name, field))
                    is not None
                ]
    return lines


def _growth(
    lines: dict[str, dict[str, list[tuple[int, float]]]], what: str
) -> figure.Figure:
    picture, axes = drawing.blank(
        f'Growth with the {what}',
        'Medians. All axes are logarithmic.',
        height=6.5,
        shape=(2, 2),
    )
    for place, (field, _, label) in zip(axes.flat, _FIELDS, strict=True):
        for (name, points), (colour, dashes) in zip(
            lines.get(field, {}).items(), _LINES, strict=False
        ):
            if points:
                numbers, values = zip(*points, strict=True)
                place.plot(
                    numbers,
                    values,
                    marker='o',
                    label=name,
                    color=colour,
                    linestyle=dashes,
                )
        _scale(place, [p[0] for ps in lines[field].values() for p in ps])
        place.set_ylabel(label)
        place.set_xlabel(what)
    first = axes.flat[0]
    first.figure.legend(
        *first.get_legend_handles_labels(),
        loc='outside lower left',
        frameon=False,
        fontsize=9,
    )
    return picture


def _scale(axes: typing.Any, numbers: collections.abc.Iterable[int]) -> None:
    ticks = sorted(set(numbers))
    axes.set_xscale('log', base=2)
    axes.set_yscale('log', base=2)
    axes.set_xticks(ticks, [str(each) for each in ticks])
    axes.yaxis.set_major_formatter(lambda value, _: f'{value:g}')
    axes.grid(color='#DDDDDD', linewidth=0.6)
