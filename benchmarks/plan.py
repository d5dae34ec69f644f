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

"""What is measured: every scenario, as data."""

import collections.abc
import dataclasses
import fnmatch

from benchmarks import errors

MIB = 1024 * 1024

#: What a verified download to a file cannot do without: it takes at least
#: as long as the longer of the two.
FLOOR = ('curl-fsync', 'hash')

#: What the machine can do.
REFERENCES = (*FLOOR, 'curl-null')

#: One connection, and several.
NUMBERS = ('plugin-path', *(f'plugin-path-{n}' for n in (2, 4, 8)))

_PATHS = (*NUMBERS, 'plugin-path-auto')
_IN_MEMORY = ('plugin-stream', 'plugin-memory', 'sdk-stream')
_SDK = ('sdk-stream-path', 'sdk-path')
_CLIENTS = ('osc-plugin', 'osc', 'glanceclient')
_TOOLS = ('curl-tee', 'aria2-1', 'aria2-8', 'curl-null')

_ALL = _PATHS + _IN_MEMORY + _SDK + _CLIENTS + _TOOLS
_TO_FILE = ('plugin-path', 'plugin-path-4', *_SDK[:1], *_TOOLS)
_FROM_GLANCE = (*_PATHS, *_SDK, *_CLIENTS, 'curl-tee', 'curl-null')
_CALLS = ('plugin-path', 'plugin-stream', 'sdk-stream', *_SDK)
_MEMORY = ('plugin-path', 'plugin-stream', 'sdk-stream-path')
_CAPPED = (*_PATHS, 'aria2-8')


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Some downloaders that download the same image from and to the same.

    :param origin: ``glance``, ``nginx`` or ``capped``, see
        :mod:`benchmarks.services`.
    :param scheme: ``http`` or ``https``.
    :param place: Where the file goes: ``tmpfs`` or ``disk``.
    :param size: Of the image, in MiB.
    :param rounds: How often each downloader has its turn.
    :param downloaders: Names from :mod:`benchmarks.downloaders`.
    """

    origin: str
    scheme: str
    place: str
    size: int
    rounds: int
    downloaders: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in tables, files and on the command line."""
        return name(self.origin, self.scheme, self.place, self.size)

    @property
    def floor(self) -> tuple[str, ...]:
        """What it is compared with: nothing if connections are limited."""
        return () if self.origin == 'capped' else FLOOR


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A run of the benchmark.

    :param sizes: Those that the targets name, in MiB: ``small``,
        ``medium``, ``large``, ``huge`` and ``capped``. A target
        whose size is missing is not measured.
    """

    sizes: collections.abc.Mapping[str, int]
    scenarios: tuple[Scenario, ...]


FULL = Plan(
    sizes={
        'small': 1,
        'medium': 64,
        'large': 1024,
        'huge': 4096,
        'capped': 1024,
    },
    scenarios=(
        Scenario('nginx', 'http', 'tmpfs', 1024, 5, _ALL),
        Scenario('nginx', 'http', 'disk', 1024, 5, _TO_FILE),
        Scenario('nginx', 'https', 'tmpfs', 1024, 2, _TO_FILE),
        Scenario('nginx', 'https', 'disk', 1024, 2, _TO_FILE),
        Scenario('glance', 'http', 'disk', 1024, 5, _FROM_GLANCE),
        Scenario('glance', 'http', 'tmpfs', 1024, 2, _TO_FILE),
        Scenario('glance', 'https', 'disk', 1024, 2, _TO_FILE),
        Scenario('nginx', 'http', 'tmpfs', 4096, 1, _MEMORY),
        Scenario('nginx', 'http', 'tmpfs', 64, 3, _ALL),
        Scenario('nginx', 'http', 'disk', 64, 3, _TO_FILE),
        Scenario('nginx', 'http', 'tmpfs', 1, 11, _CALLS),
        Scenario('glance', 'http', 'tmpfs', 1, 7, _CALLS),
        Scenario('capped', 'http', 'tmpfs', 1024, 5, _CAPPED),
    ),
)

QUICK = Plan(
    sizes={'medium': 64, 'large': 256, 'capped': 256},
    scenarios=(
        Scenario(
            'nginx',
            'http',
            'tmpfs',
            256,
            3,
            (
                'plugin-path',
                'plugin-stream',
                'sdk-stream',
                'sdk-stream-path',
                'sdk-path',
                'curl-tee',
                'curl-null',
            ),
        ),
        Scenario(
            'glance',
            'http',
            'disk',
            256,
            3,
            ('plugin-path', *_SDK, 'osc-plugin', 'osc'),
        ),
        Scenario('nginx', 'http', 'tmpfs', 64, 3, _MEMORY),
        Scenario('capped', 'http', 'tmpfs', 256, 1, _CAPPED),
    ),
)


def name(origin: str, scheme: str, place: str, size: int) -> str:
    """Return what a scenario is called."""
    return f'{origin}-{scheme}-{place}-{size}'


def select(
    plan: Plan,
    patterns: collections.abc.Collection[str],
    rounds: int | None,
) -> Plan:
    """Return a part of a plan.

    :param patterns: Each for a scenario, as ``nginx-*``, or for downloaders
        of it, as ``*-64:plugin-*``, matched as the shell does. What the
        floor is made of stays. None at all match everything.
    :param rounds: How often each downloader has its turn, if not as planned.
    :raises BenchmarkError: Nothing is left.
    """
    chosen = []
    for scenario in plan.scenarios:
        downloaders = tuple(
            downloader
            for downloader in scenario.floor + scenario.downloaders
            if not patterns
            or any(_matches(scenario, downloader, each) for each in patterns)
        )
        if downloaders:
            chosen.append(
                dataclasses.replace(
                    scenario,
                    rounds=rounds or scenario.rounds,
                    downloaders=tuple(
                        dict.fromkeys(scenario.floor + downloaders)
                    ),
                )
            )
    if not chosen:
        raise errors.BenchmarkError(
            'Nothing matches --only. The scenarios are:\n  '
            + '\n  '.join(scenario.name for scenario in plan.scenarios)
        )
    return dataclasses.replace(plan, scenarios=tuple(chosen))


def _matches(scenario: Scenario, downloader: str, pattern: str) -> bool:
    where, _, who = pattern.partition(':')
    return fnmatch.fnmatchcase(scenario.name, where) and (
        not who or fnmatch.fnmatchcase(downloader, who)
    )
