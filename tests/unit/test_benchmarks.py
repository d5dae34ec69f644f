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

"""Tests of what the benchmark plans, judges and prints."""

import pathlib
from typing import Any

from benchmarks import capacity
from benchmarks import errors
from benchmarks import plan as planning
from benchmarks import results
from benchmarks import tables
from benchmarks import targets
from tests.unit import base

GIB = 1024 * planning.MIB

NGINX = 'nginx-http-tmpfs-1024'
SMALL = 'nginx-http-tmpfs-1'

LARGE_SPACE = capacity.FreeSpace(
    disk=100 * GIB, tmpfs=100 * GIB, memory=100 * GIB
)


def measured(
    figures: dict[tuple[str, str], Any], field: str = 'wall', **others: Any
) -> results.Results:
    """Return results with some figures of scenarios and downloaders."""
    return results.Results(
        sizes=planning.FULL.sizes,
        scenarios=planning.FULL.scenarios,
        machine={'cores': '2'},
        runs=[
            results.Run(
                scenario=scenario,
                downloader=downloader,
                round=number,
                **{**others, field: value},
            )
            for (scenario, downloader), values in figures.items()
            for number, value in enumerate(values)
        ],
    )


def verdict(found: results.Results, title: str) -> targets.Verdict:
    """Return the one verdict with a title."""
    (one,) = [each for each in targets.verdicts(found) if each.title == title]
    return one


class TestPlan(base.TestCase):
    """What is measured."""

    def test_targets_are_measured(self) -> None:
        """Each downloader that a target of the full plan names is measured."""
        runs = {
            (scenario.name, downloader): [1.0] * scenario.rounds
            for scenario in planning.FULL.scenarios
            for downloader in scenario.floor + scenario.downloaders
        }
        found = measured(runs, cpu=1.0, memory=1, requests=1)
        unknown = [
            each.title for each in targets.verdicts(found) if each.met is None
        ]
        self.assertEqual([], unknown)

    def test_enough_rounds(self) -> None:
        """What a ratio is judged by is measured five times or more."""
        judged = {
            planning.name(*where[:3], planning.FULL.sizes[where[3]])
            for where in (target.scenario for target in targets._RATIOS)
        }
        rounds = {s.name: s.rounds for s in planning.FULL.scenarios}
        self.assertEqual([], [n for n in judged if rounds[n] < 5])

    def test_select_downloaders(self) -> None:
        """The floor stays with those that were chosen."""
        chosen = planning.select(
            planning.FULL, ['nginx-http-tmpfs-1024:plugin-*'], 2
        )
        (scenario,) = chosen.scenarios
        self.assertEqual(2, scenario.rounds)
        self.assertEqual(planning.FLOOR, scenario.downloaders[:2])
        self.assertTrue(
            all(
                each.startswith('plugin-') for each in scenario.downloaders[2:]
            )
        )

    def test_select_nothing(self) -> None:
        """A pattern that matches nothing is an error that lists scenarios."""
        error = self.assertRaises(
            errors.BenchmarkError, planning.select, planning.FULL, ['no*'], 1
        )
        self.assertIn(NGINX, str(error))


class TestCapacity(base.TestCase):
    """What there is room for."""

    def test_everything(self) -> None:
        """On a large machine nothing is left out."""
        fitted, left_out = capacity.fit(planning.FULL, LARGE_SPACE)
        self.assertEqual(planning.FULL, fitted)
        self.assertEqual([], left_out)

    def test_little_disk(self) -> None:
        """Large images are left out, with the reason."""
        little = capacity.FreeSpace(
            5 * GIB, LARGE_SPACE.tmpfs, LARGE_SPACE.memory
        )
        fitted, left_out = capacity.fit(planning.FULL, little)
        self.assertEqual({1, 64, 1024}, {s.size for s in fitted.scenarios})
        self.assertEqual(
            ['nginx-http-tmpfs-4096'], [each.what for each in left_out]
        )
        self.assertIn('5120 MiB', left_out[0].why)

    def test_little_memory(self) -> None:
        """Downloaders that hold the image in memory are left out first."""
        little = capacity.FreeSpace(
            LARGE_SPACE.disk, LARGE_SPACE.tmpfs, 4 * GIB
        )
        fitted, left_out = capacity.fit(planning.FULL, little)
        names = [each.what for each in left_out]
        self.assertIn(f'{NGINX}:sdk-path', names)
        self.assertNotIn(f'{NGINX}:plugin-path', names)
        (scenario,) = [s for s in fitted.scenarios if s.name == NGINX]
        self.assertNotIn('sdk-path', scenario.downloaders)

    def test_memory_for_no_downloader(self) -> None:
        """A scenario without a downloader is left out."""
        little = capacity.FreeSpace(LARGE_SPACE.disk, LARGE_SPACE.tmpfs, GIB)
        fitted, _ = capacity.fit(planning.FULL, little)
        self.assertEqual({1, 64}, {s.size for s in fitted.scenarios})

    def test_nothing(self) -> None:
        """No room at all is an error."""
        none = capacity.FreeSpace(0, 0, 0)
        self.assertRaises(
            errors.BenchmarkError, capacity.fit, planning.FULL, none
        )


class TestTargets(base.TestCase):
    """What is judged."""

    TITLE = 'path, nginx to tmpfs, over the floor'

    def over_the_floor(self, *times: float | None) -> targets.Verdict:
        """Judge the path against a floor of 2 s."""
        return verdict(
            measured(
                {
                    (NGINX, 'plugin-path'): times,
                    (NGINX, 'hash'): [2.0],
                    (NGINX, 'curl-fsync'): [1.0],
                }
            ),
            self.TITLE,
        )

    def test_median_over_the_longer(self) -> None:
        """The middle one of the times counts, and the longer reference."""
        self.assertEqual(
            targets.Verdict(self.TITLE, '1.05', '<= 1.05', met=True),
            self.over_the_floor(9.0, 2.1, 1.0),
        )
        self.assertFalse(self.over_the_floor(9.0, 2.2, 1.0).met)

    def test_not_measured(self) -> None:
        """Without figures there is no verdict."""
        self.assertIsNone(self.over_the_floor().met)

    def test_failed_once(self) -> None:
        """A downloader that failed once has no figures."""
        found = measured({(NGINX, 'plugin-path'): [2.0, 2.0]})
        found.runs.append(
            results.Run(
                scenario=NGINX,
                downloader='plugin-path',
                round=2,
                error='left other bytes',
            )
        )
        self.assertIsNone(found.median(NGINX, 'plugin-path', 'wall'))
        (scenario,) = [s for s in found.scenarios if s.name == NGINX]
        self.assertIn('left other bytes', tables.scenario(found, scenario))

    def test_at_least(self) -> None:
        """Some ratios are to be large."""
        title = 'openstack image save, nginx to tmpfs, without over with'
        for others, met in ((2.8, True), (2.7, False)):
            found = measured(
                {(NGINX, 'osc'): [others], (NGINX, 'osc-plugin'): [1.0]}
            )
            self.assertEqual(met, verdict(found, title).met)

    def test_largest_memory(self) -> None:
        """Of memory the largest figure counts."""
        title = 'path, memory of the large image, MiB'
        for most, met in ((32, True), (33, False)):
            found = measured(
                {(NGINX, 'plugin-path'): [1, most * planning.MIB, 1]}, 'memory'
            )
            self.assertEqual(met, verdict(found, title).met)

    def test_best_number(self) -> None:
        """What is found out is compared with the best fixed number."""
        title = 'nginx to tmpfs, auto over the best number of connections'
        fixed = {(NGINX, name): [3.0] for name in planning.NUMBERS}
        fixed[NGINX, 'plugin-path-4'] = [2.0]
        for found, met in ((2.2, True), (2.3, False)):
            figures = {**fixed, (NGINX, 'plugin-path-auto'): [found]}
            self.assertEqual(met, verdict(measured(figures), title).met)

    def test_small_image(self) -> None:
        """A median within the spread of the other's is not slower."""
        title = 'small image, plugin-path over sdk-path'
        others = [1.0, 1.0, 1.1, 1.2, 1.3]
        for median, met in ((1.2, True), (1.21, False)):
            found = measured(
                {(SMALL, 'plugin-path'): [median], (SMALL, 'sdk-path'): others}
            )
            self.assertEqual(met, verdict(found, title).met)

    def test_one_request_more(self) -> None:
        """No round may make one request more."""
        title = 'small image, requests of plugin-path above sdk-path'
        for asked, met in (([2, 2], True), ([2, 3], False)):
            found = measured(
                {(SMALL, 'plugin-path'): asked, (SMALL, 'sdk-path'): [2, 2]},
                'requests',
            )
            self.assertEqual(met, verdict(found, title).met)


class TestResults(base.TestCase):
    """What is kept."""

    def test_saved_and_loaded(self) -> None:
        """What is read is what was written."""
        path = pathlib.Path(self.directory) / 'results.json'
        found = measured({(NGINX, 'hash'): [1.0, 2.0]})
        found.left_out.append(capacity.LeftOut('this', 'for that reason'))
        found.save(path)
        loaded = results.Results.load(path)
        self.assertEqual([1.0, 2.0], loaded.values(NGINX, 'hash', 'wall'))
        self.assertEqual(found.left_out, loaded.left_out)
        self.assertEqual(tables.head(found), tables.head(loaded))

    def test_other_file(self) -> None:
        """Another format is refused."""
        path = pathlib.Path(self.directory) / 'results.json'
        path.write_text('{"format": 0}')
        self.assertRaises(ValueError, results.Results.load, path)
