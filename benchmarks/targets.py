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

"""Targets for the figures of a run, mostly ratios of its own medians."""

import collections.abc
import dataclasses
import statistics

from benchmarks import aims
from benchmarks import plan as planning
from benchmarks import results

_MIB = planning.MIB

#: MiB that a download in constant memory may take.
_GROWTH = 32

#: MiB by which it may differ for another size.
_DIFFERENCE = 8

_WITHIN = '<= 1, spread'


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A target, and whether it was reached.

    :param met: None where something was not measured.
    """

    title: str
    figure: str
    limit: str
    met: bool | None


def verdicts(measured: results.Results) -> list[Verdict]:
    """Judge every target."""
    return [
        *(_ratio(measured, target) for target in aims.RATIOS),
        _tls(measured),
        *_auto(measured),
        *_memory(measured),
        *_copies(measured),
        *_small(measured),
        _start(measured),
        _cpu(measured),
    ]


def _ratio(measured: results.Results, target: aims.Ratio) -> Verdict:
    limit = f'{">=" if target.at_least else "<="} {target.limit:.2f}'
    where = _name(measured, *target.scenario)
    above = measured.median(where, target.above, 'wall')
    below = [measured.median(where, each, 'wall') for each in target.below]
    known = [each for each in below if each]
    if above is None or len(known) < len(below):
        return _unknown(target.title, limit)
    ratio = above / max(known)
    met = ratio >= target.limit if target.at_least else ratio <= target.limit
    return Verdict(target.title, f'{ratio:.2f}', limit, met)


def _memory(measured: results.Results) -> collections.abc.Iterator[Verdict]:
    for downloader, what in (
        ('plugin-path', 'path'),
        ('plugin-stream', 'stream'),
    ):
        medium, large, huge = (
            _largest(measured, size, downloader)
            for size in ('medium', 'large', 'huge')
        )
        for figure, size in ((large, 'large'), (huge, 'huge')):
            yield _at_most(
                f'{what}, memory of the {size} image, MiB', figure, _GROWTH
            )
        yield _at_most(
            f'{what}, memory of the huge image above the medium, MiB',
            None if huge is None or medium is None else huge - medium,
            _DIFFERENCE,
        )
    yield _at_most(
        'path, memory with 8 connections, MiB',
        _largest(measured, 'large', 'plugin-path-8'),
        80,
    )
    held = _largest(measured, 'large', 'plugin-memory')
    yield _at_most(
        'memory, over the size of the image',
        None if held is None else held / measured.sizes['large'],
        1.05,
    )


def _copies(measured: results.Results) -> collections.abc.Iterator[Verdict]:
    for field, what, limit in (
        ('memory', 'growth of the memory', _GROWTH),
        # The log and the bytecode are not the image.
        ('written', 'written to a disk', 1),
    ):
        values = measured.values(
            _name(measured, *aims.COPY), 'copy-plugin', field
        )
        yield _at_most(
            f'copy_image, {what}, MiB',
            max(values) / _MIB if values else None,
            limit,
        )


def _small(measured: results.Results) -> collections.abc.Iterator[Verdict]:
    where = _name(measured, *aims.SMALL)
    title = 'small image, plugin-path over sdk-path'
    wall, others = (
        measured.values(where, each, 'wall')
        for each in ('plugin-path', 'sdk-path')
    )
    if len(others) < 2 or not wall:
        yield _unknown(title, _WITHIN)
    else:
        median = statistics.median(wall)
        # Slower than three of four of the others is slower.
        *_, quartile = statistics.quantiles(others, method='inclusive')
        ratio = median / statistics.median(others)
        yield Verdict(title, f'{ratio:.2f}', _WITHIN, median <= quartile)
    for downloader, other in (
        ('plugin-path', 'sdk-path'),
        ('plugin-stream', 'sdk-stream'),
    ):
        yield _requests(measured, aims.SMALL, 'small image', downloader, other)


def _requests(
    measured: results.Results,
    scenario: tuple[str, ...],
    what: str,
    downloader: str,
    other: str,
) -> Verdict:
    asked, fewest = (
        measured.values(_name(measured, *scenario), each, 'requests')
        for each in (downloader, other)
    )
    return _at_most(
        f'{what}, requests of {downloader} above {other}',
        max(asked) - min(fewest) if asked and fewest else None,
        0,
    )


def _tls(measured: results.Results) -> Verdict:
    """Judge a download by HTTPS.

    It cannot be faster than the floor, nor than all processors are with what
    all processes do for it.
    """
    where = _name(measured, *aims.TLS)
    wall, busy = (
        measured.median(where, 'plugin-path', field)
        for field in ('wall', 'busy')
    )
    floor = measured.floor(where)
    ratio = None
    if wall and busy and floor:
        ratio = wall / max(floor, busy / int(measured.machine['cores']))
    return _at_most(
        'path, HTTPS to tmpfs, over floor or all processor time', ratio, 1.25
    )


def _start(measured: results.Results) -> Verdict:
    """Judge what a command takes beside its start and the hash."""
    where = _name(measured, *aims.LARGE)
    whole, start, digest = (
        measured.median(where, each, 'wall')
        for each in ('osc-plugin', 'osc-show', 'hash')
    )
    return _at_most(
        'openstack image save, over its start and the hash, s',
        whole - start - digest if whole and start and digest else None,
        0.2,
    )


def _cpu(measured: results.Results) -> Verdict:
    where = _name(measured, *aims.LARGE)
    path, digest = (
        measured.median(where, each, 'cpu') for each in ('plugin-path', 'hash')
    )
    size = measured.sizes['large'] / 1024
    return _at_most(
        'path, CPU above that of the hash, s per GiB',
        None if path is None or digest is None else (path - digest) / size,
        0.6,
    )


def _auto(measured: results.Results) -> collections.abc.Iterator[Verdict]:
    for scenario, what in aims.AUTO:
        where = _name(measured, *scenario)
        found, *fixed = (
            measured.median(where, each, 'wall')
            for each in ('plugin-path-auto', *planning.NUMBERS)
        )
        known = [each for each in fixed if each]
        yield _at_most(
            f'{what}, auto over the best number of connections',
            found / min(known) if found and len(known) == len(fixed) else None,
            1.03,
        )
    for scenario, what in (aims.AUTO[0], aims.AUTO[-1]):
        yield _requests(
            measured, scenario, what, 'plugin-path-auto', 'plugin-path'
        )


def _name(
    measured: results.Results,
    origin: str,
    scheme: str,
    place: str,
    size: str,
    task: str = 'download',
) -> str:
    # What is not among the sizes has no figures either.
    return planning.name(
        origin, scheme, place, measured.sizes.get(size, 0), task
    )


def _largest(
    measured: results.Results, size: str, downloader: str
) -> float | None:
    """Return what a downloader takes at most, in MiB."""
    where = _name(measured, 'nginx', 'http', 'tmpfs', size)
    values = measured.values(where, downloader, 'memory')
    return max(values) / _MIB if values else None


def _at_most(title: str, figure: float | None, limit: float) -> Verdict:
    words = f'<= {limit:g}'
    if figure is None:
        return _unknown(title, words)
    return Verdict(title, f'{figure:.2f}', words, figure <= limit)


def _unknown(title: str, limit: str) -> Verdict:
    return Verdict(title, '', limit, None)
