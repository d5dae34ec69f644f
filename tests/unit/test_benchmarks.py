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

from benchmarks import bars
from benchmarks import errors
from benchmarks import plan as planning
from benchmarks import results
from benchmarks import rooms
from benchmarks import tables
from tests.unit import base

GIB = 1024 * planning.MIB

FRONT = 'front-http-tmpfs-1024'
SMALL = 'front-http-tmpfs-1'

ROOMY = rooms.Room(disk=100 * GIB, tmpfs=100 * GIB, memory=100 * GIB)


def measured(
    figures: dict[tuple[str, str], Any], field: str = 'wall', **others: Any
) -> results.Results:
    """Return results with some figures of scenarios and contenders."""
    return results.Results(
        sizes=planning.FULL.sizes,
        scenarios=planning.FULL.scenarios,
        machine={'cores': '2'},
        runs=[
            results.Run(
                scenario=scenario,
                contender=contender,
                round=number,
                **{**others, field: value},
            )
            for (scenario, contender), values in figures.items()
            for number, value in enumerate(values)
        ],
    )


def verdict(found: results.Results, title: str) -> bars.Verdict:
    """Return the one verdict with a title."""
    (one,) = [each for each in bars.verdicts(found) if each.title == title]
    return one


class TestPlan(base.TestCase):
    """What is measured."""

    def test_bars_are_measured(self) -> None:
        """Each contender that a bar of the full plan speaks of is there."""
        runs = {
            (scenario.name, contender): [1.0] * scenario.rounds
            for scenario in planning.FULL.scenarios
            for contender in scenario.floor + scenario.contenders
        }
        found = measured(runs, cpu=1.0, memory=1, requests=1)
        unknown = [
            each.title for each in bars.verdicts(found) if each.met is None
        ]
        self.assertEqual([], unknown)

    def test_enough_rounds(self) -> None:
        """What a ratio is judged by is measured five times or more."""
        judged = {
            planning.name(*where[:3], planning.FULL.sizes[where[3]])
            for where in (bar.scenario for bar in bars._RATIOS)
        }
        rounds = {s.name: s.rounds for s in planning.FULL.scenarios}
        self.assertEqual([], [n for n in judged if rounds[n] < 5])

    def test_select_contenders(self) -> None:
        """The floor stays with those that were chosen."""
        chosen = planning.select(
            planning.FULL, ['front-http-tmpfs-1024:plugin-*'], 2
        )
        (scenario,) = chosen.scenarios
        self.assertEqual(2, scenario.rounds)
        self.assertEqual(planning.FLOOR, scenario.contenders[:2])
        self.assertTrue(
            all(each.startswith('plugin-') for each in scenario.contenders[2:])
        )

    def test_select_nothing(self) -> None:
        """What matches nothing is told what there is."""
        error = self.assertRaises(
            errors.BenchmarkError, planning.select, planning.FULL, ['no*'], 1
        )
        self.assertIn(FRONT, str(error))


class TestRooms(base.TestCase):
    """What there is room for."""

    def test_everything(self) -> None:
        """On a large machine nothing is left out."""
        fitted, left_out = rooms.fit(planning.FULL, ROOMY)
        self.assertEqual(planning.FULL, fitted)
        self.assertEqual([], left_out)

    def test_little_disk(self) -> None:
        """Large images are left out, with the reason."""
        little = rooms.Room(5 * GIB, ROOMY.tmpfs, ROOMY.memory)
        fitted, left_out = rooms.fit(planning.FULL, little)
        self.assertEqual({1, 64, 1024}, {s.size for s in fitted.scenarios})
        self.assertEqual(
            ['front-http-tmpfs-4096'], [each.what for each in left_out]
        )
        self.assertIn('5120 MiB', left_out[0].why)

    def test_little_memory(self) -> None:
        """Whoever takes the image into memory is left out first."""
        little = rooms.Room(ROOMY.disk, ROOMY.tmpfs, 4 * GIB)
        fitted, left_out = rooms.fit(planning.FULL, little)
        names = [each.what for each in left_out]
        self.assertIn(f'{FRONT}:sdk-path', names)
        self.assertNotIn(f'{FRONT}:plugin-path', names)
        (front,) = [s for s in fitted.scenarios if s.name == FRONT]
        self.assertNotIn('sdk-path', front.contenders)

    def test_memory_for_nobody(self) -> None:
        """A scenario without anybody is none."""
        little = rooms.Room(ROOMY.disk, ROOMY.tmpfs, GIB)
        fitted, _ = rooms.fit(planning.FULL, little)
        self.assertEqual({1, 64}, {s.size for s in fitted.scenarios})

    def test_nothing(self) -> None:
        """No room at all is an error."""
        none = rooms.Room(0, 0, 0)
        self.assertRaises(
            errors.BenchmarkError, rooms.fit, planning.FULL, none
        )


class TestBars(base.TestCase):
    """What is judged."""

    TITLE = 'path, front to tmpfs, over the floor'

    def over_the_floor(self, *times: float | None) -> bars.Verdict:
        """Judge the path against a floor of 2 s."""
        return verdict(
            measured(
                {
                    (FRONT, 'plugin-path'): times,
                    (FRONT, 'hash'): [2.0],
                    (FRONT, 'curl-fsync'): [1.0],
                }
            ),
            self.TITLE,
        )

    def test_median_over_the_longer(self) -> None:
        """The middle one of the times counts, and the longer reference."""
        self.assertEqual(
            bars.Verdict(self.TITLE, '1.05', '<= 1.05', met=True),
            self.over_the_floor(9.0, 2.1, 1.0),
        )
        self.assertFalse(self.over_the_floor(9.0, 2.2, 1.0).met)

    def test_not_measured(self) -> None:
        """Without figures there is no verdict."""
        self.assertIsNone(self.over_the_floor().met)

    def test_failed_once(self) -> None:
        """Who has failed once has no figures."""
        found = measured({(FRONT, 'plugin-path'): [2.0, 2.0]})
        found.runs.append(
            results.Run(
                scenario=FRONT,
                contender='plugin-path',
                round=2,
                error='left other bytes',
            )
        )
        self.assertIsNone(found.median(FRONT, 'plugin-path', 'wall'))
        (scenario,) = [s for s in found.scenarios if s.name == FRONT]
        self.assertIn('left other bytes', tables.scenario(found, scenario))

    def test_at_least(self) -> None:
        """Some ratios are to be large."""
        title = 'openstack image save, front to tmpfs, without over with'
        for others, met in ((2.8, True), (2.7, False)):
            found = measured(
                {(FRONT, 'osc'): [others], (FRONT, 'osc-plugin'): [1.0]}
            )
            self.assertEqual(met, verdict(found, title).met)

    def test_largest_memory(self) -> None:
        """Of memory the largest figure counts."""
        title = 'path, memory of the large image, MiB'
        for most, met in ((32, True), (33, False)):
            found = measured(
                {(FRONT, 'plugin-path'): [1, most * planning.MIB, 1]}, 'memory'
            )
            self.assertEqual(met, verdict(found, title).met)

    def test_best_number(self) -> None:
        """What is found out is compared with the best fixed number."""
        title = 'front to tmpfs, auto over the best number of connections'
        fixed = {(FRONT, name): [3.0] for name in planning.NUMBERS}
        fixed[FRONT, 'plugin-path-4'] = [2.0]
        for found, met in ((2.2, True), (2.3, False)):
            figures = {**fixed, (FRONT, 'plugin-path-auto'): [found]}
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
        """It must not be asked once more, in no round."""
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
        found = measured({(FRONT, 'hash'): [1.0, 2.0]})
        found.left_out.append(rooms.LeftOut('this', 'for that reason'))
        found.save(path)
        loaded = results.Results.load(path)
        self.assertEqual([1.0, 2.0], loaded.values(FRONT, 'hash', 'wall'))
        self.assertEqual(found.left_out, loaded.left_out)
        self.assertEqual(tables.head(found), tables.head(loaded))

    def test_other_file(self) -> None:
        """Another format is refused."""
        path = pathlib.Path(self.directory) / 'results.json'
        path.write_text('{"format": 0}')
        self.assertRaises(ValueError, results.Results.load, path)
