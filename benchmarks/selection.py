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

"""The parts of a plan that patterns name."""

import collections.abc
import dataclasses
import fnmatch

from benchmarks import errors
from benchmarks import plan as planning


def select(
    plan: planning.Plan,
    patterns: collections.abc.Collection[str],
    rounds: int | None,
) -> planning.Plan:
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


def _matches(
    scenario: planning.Scenario, downloader: str, pattern: str
) -> bool:
    where, _, who = pattern.partition(':')
    return fnmatch.fnmatchcase(scenario.name, where) and (
        not who or fnmatch.fnmatchcase(downloader, who)
    )
