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


@dataclasses.dataclass(frozen=True)
class _Ratio:
    """A median over another one.

    :param scenario: Origin, scheme, place, and the name of a size.
    :param below: Contenders, of which the one that takes longest counts.
    :param limit: What the ratio is not to exceed, or to reach.
    """

    title: str
    scenario: tuple[str, str, str, str]
    above: str
    below: tuple[str, ...]
    limit: float
    at_least: bool = False


_LARGE = ('nginx', 'http', 'tmpfs', 'large')
_LARGE_TO_DISK = ('nginx', 'http', 'disk', 'large')
_GLANCE_TO_DISK = ('glance', 'http', 'disk', 'large')
_CAPPED = ('capped', 'http', 'tmpfs', 'capped')

_RATIOS = (
    _Ratio(
        'path, nginx to tmpfs, over the floor',
        _LARGE,
        'plugin-path',
        planning.FLOOR,
        1.05,
    ),
    _Ratio(
        'path, nginx to disk, over the floor',
        _LARGE_TO_DISK,
        'plugin-path',
        planning.FLOOR,
        1.10,
    ),
    _Ratio(
        'Glance to disk, SDK with stream=True over path',
        _GLANCE_TO_DISK,
        'sdk-stream-path',
        ('plugin-path',),
        2.0,
        at_least=True,
    ),
    _Ratio(
        'Glance to disk, SDK by default over path',
        _GLANCE_TO_DISK,
        'sdk-path',
        ('plugin-path',),
        4.0,
        at_least=True,
    ),
    _Ratio(
        'openstack image save, Glance to disk, without over with',
        _GLANCE_TO_DISK,
        'osc',
        ('osc-plugin',),
        4.0,
        at_least=True,
    ),
    _Ratio(
        'openstack image save, nginx to tmpfs, without over with',
        _LARGE,
        'osc',
        ('osc-plugin',),
        2.8,
        at_least=True,
    ),
    _Ratio(
        'stream, over the longer of the SDK\'s and the hash',
        _LARGE,
        'plugin-stream',
        ('sdk-stream', 'hash'),
        1.05,
    ),
    _Ratio(
        'capped nginx, 1 connection over 8',
        _CAPPED,
        'plugin-path',
        ('plugin-path-8',),
        7.5,
        at_least=True,
    ),
    _Ratio(
        'capped nginx, 8 connections over aria2c\'s 8',
        _CAPPED,
        'plugin-path-8',
        ('aria2-8',),
        1.0,
    ),
)


def verdicts(measured: results.Results) -> list[Verdict]:
    """Judge every target."""
    return [
        *(_ratio(measured, target) for target in _RATIOS),
        *_memory(measured),
        *_small(measured),
        _cpu(measured),
        *_auto(measured),
    ]


def _ratio(measured: results.Results, target: _Ratio) -> Verdict:
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
    held = _largest(measured, 'large', 'plugin-memory')
    yield _at_most(
        'memory, over the size of the image',
        None if held is None else held / measured.sizes['large'],
        1.05,
    )


def _small(measured: results.Results) -> collections.abc.Iterator[Verdict]:
    where = _name(measured, 'nginx', 'http', 'tmpfs', 'small')
    for downloader, other in (
        ('plugin-path', 'sdk-path'),
        ('plugin-stream', 'sdk-stream'),
    ):
        titles = f'small image, {downloader} over {other}'
        wall, others = (
            measured.values(where, each, 'wall')
            for each in (downloader, other)
        )
        if len(others) < 2 or not wall:
            yield _unknown(titles, _WITHIN)
        else:
            median = statistics.median(wall)
            # Slower than three of four of the others is slower.
            *_, quartile = statistics.quantiles(others, method='inclusive')
            ratio = median / statistics.median(others)
            yield Verdict(titles, f'{ratio:.2f}', _WITHIN, median <= quartile)
        asked, fewest = (
            measured.values(where, each, 'requests')
            for each in (downloader, other)
        )
        yield _at_most(
            f'small image, requests of {downloader} above {other}',
            max(asked) - min(fewest) if asked and fewest else None,
            0,
        )


def _cpu(measured: results.Results) -> Verdict:
    where = _name(measured, *_LARGE)
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
    for scenario, what in (
        (_LARGE, 'nginx to tmpfs'),
        (_CAPPED, 'capped nginx'),
        (_GLANCE_TO_DISK, 'Glance to disk'),
    ):
        where = _name(measured, *scenario)
        found, *fixed = (
            measured.median(where, each, 'wall')
            for each in ('plugin-path-auto', *planning.NUMBERS)
        )
        known = [each for each in fixed if each]
        yield _at_most(
            f'{what}, auto over the best number of connections',
            found / min(known) if found and len(known) == len(fixed) else None,
            1.1,
        )


def _name(
    measured: results.Results, origin: str, scheme: str, place: str, size: str
) -> str:
    # What is not among the sizes has no figures either.
    return planning.name(origin, scheme, place, measured.sizes.get(size, 0))


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
