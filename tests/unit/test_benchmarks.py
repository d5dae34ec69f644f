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

import io
import pathlib
import re
from typing import Any

from benchmarks import aims
from benchmarks import capacity
from benchmarks import contents
from benchmarks import downloaders
from benchmarks import errors
from benchmarks import excerpts
from benchmarks import growth
from benchmarks import looking
from benchmarks import plan as planning
from benchmarks import results
from benchmarks import selection
from benchmarks import tables
from benchmarks import targets
from benchmarks import traffic
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
        found = measured(
            runs, cpu=1.0, busy=1.0, memory=1, written=0, requests=1
        )
        unknown = [
            each.title for each in targets.verdicts(found) if each.met is None
        ]
        self.assertEqual([], unknown)

    def test_enough_turns(self) -> None:
        """What a ratio is judged by has five turns, or three if it is slow.

        A turn with many images counts as many.
        """
        few = {}
        scenarios = {
            each.name: each
            for each in selection.select(planning.FULL, [], None).scenarios
        }
        for target in aims.RATIOS:
            wanted = self.name_of(*target.scenario)
            scenario = scenarios[wanted]
            for name in {target.above, *target.below} - {*scenario.once}:
                turns = scenario.count * sum(
                    name in scenario.turns(number)
                    for number in range(scenario.rounds)
                )
                if turns < (3 if name in scenario.slow else 5):
                    few[wanted, name] = turns
        self.assertEqual({}, few)

    def name_of(
        self,
        origin: str,
        scheme: str,
        place: str,
        size: str,
        task: str = 'download',
    ) -> str:
        """Return the name of a scenario of the full plan."""
        return planning.name(
            origin, scheme, place, planning.FULL.sizes[size], task
        )

    def test_names(self) -> None:
        """In each plan names are unique, and all downloaders exist."""
        for plan in (
            planning.FULL,
            planning.QUICK,
            growth.GROWTH,
            growth.QUICK_GROWTH,
        ):
            names = [scenario.name for scenario in plan.scenarios]
            self.assertEqual(sorted(set(names)), sorted(names))
            for scenario in plan.scenarios:
                self.assertLessEqual(
                    {*scenario.downloaders, *scenario.once},
                    set(downloaders.DOWNLOADERS),
                )

    def test_turns(self) -> None:
        """Each has its turn, what is slow not always, and another is first."""
        scenario = planning.Scenario(
            *('nginx', 'http', 'tmpfs', 1, 4),
            ('plugin-path', 'hash', 'osc', 'plugin-path-2'),
            once=('plugin-path-2',),
        )
        self.assertEqual(
            [
                ['plugin-path', 'hash', 'osc', 'plugin-path-2'],
                ['hash', 'plugin-path'],
                ['plugin-path', 'hash'],
                ['plugin-path', 'hash', 'osc'],
            ],
            [scenario.turns(number) for number in range(4)],
        )

    def test_select_downloaders(self) -> None:
        """The floor stays with those that were chosen."""
        chosen = selection.select(
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
            errors.BenchmarkError, selection.select, planning.FULL, ['no*'], 1
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
        names = [each.what for each in left_out]
        self.assertIn('nginx-http-tmpfs-4096', names)
        self.assertIn('audit-glance-http-tmpfs-256', names)
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

    def test_images(self) -> None:
        """Many images are many, but one that is downloaded many times."""
        needed = capacity.needed(planning.FULL)
        self.assertEqual(20, needed['random', 256])
        self.assertEqual(1, needed['random', 1])
        self.assertEqual(1, needed['zip', 64])

    def test_copy_needs_room(self) -> None:
        """The other cloud needs room for the image, too."""
        (scenario,) = [
            each for each in planning.FULL.scenarios if each.task == 'copy'
        ]
        plan = planning.Plan(sizes={}, scenarios=(scenario,))
        # The image, its copy, a file with some room, and the reserve.
        enough = 3 * GIB + GIB // 4 + GIB // 2
        for disk, fits in ((enough, True), (enough - 1, False)):
            space = capacity.FreeSpace(
                disk, LARGE_SPACE.tmpfs, LARGE_SPACE.memory
            )
            if fits:
                _, left_out = capacity.fit(plan, space)
                self.assertEqual([], left_out)
            else:
                self.assertRaises(
                    errors.BenchmarkError, capacity.fit, plan, space
                )

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
        for found, met in ((2.06, True), (2.07, False)):
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

    def test_processors_are_the_limit(self) -> None:
        """TLS is compared with the time that all processors have to spend."""
        title = 'path, HTTPS to tmpfs, over floor or all processor time'
        where = 'nginx-https-tmpfs-1024'
        others = {(where, 'hash'): [1.0], (where, 'curl-fsync'): [1.0]}
        for wall, busy, met in (
            (1.2, 1.0, True),
            (1.3, 1.0, False),
            (1.3, 2.2, True),
        ):
            figures = {**others, (where, 'plugin-path'): [wall]}
            found = measured(figures, busy=busy)
            self.assertEqual(met, verdict(found, title).met)

    def test_beside_the_start(self) -> None:
        """A command is allowed its start and the hash."""
        title = 'openstack image save, over its start and the hash, s'
        others = {(NGINX, 'osc-show'): [1.2], (NGINX, 'hash'): [1.3]}
        for whole, met in ((2.6, True), (2.8, False)):
            found = measured({**others, (NGINX, 'osc-plugin'): [whole]})
            self.assertEqual(met, verdict(found, title).met)

    def test_no_disk(self) -> None:
        """A copy that writes the image to a disk misses the target."""
        title = 'copy_image, written to a disk, MiB'
        where = 'copy-glance-http-disk-1024'
        for size, met in ((1000, True), (GIB, False)):
            found = measured({(where, 'copy-plugin'): [size]}, 'written')
            self.assertEqual(met, verdict(found, title).met)


class TestTables(base.TestCase):
    """What is printed."""

    def printed(self, task: str, **figures: Any) -> list[list[str]]:
        """Return the fields of the lines of a scenario of one downloader."""
        (scenario, *_) = [
            each for each in planning.FULL.scenarios if each.task == task
        ]
        name = scenario.downloaders[0]
        found = measured({(scenario.name, name): [2.0]}, **figures)
        lines = tables.scenario(found, scenario).splitlines()
        return [re.split('  +', line.strip()) for line in lines]

    def test_rate(self) -> None:
        """Of many images there is the number per minute."""
        _, _, head, row, *_ = self.printed('audit')
        self.assertEqual(('images/min', '600'), (head[-1], row[-1]))

    def test_written(self) -> None:
        """Of copies there is what was written to a disk."""
        _, _, head, row, *_ = self.printed('copy', written=GIB)
        self.assertEqual(('disk', '1024 MiB'), (head[-1], row[-1]))

    def test_little(self) -> None:
        """What is sent is in KiB if that is little."""
        _, _, _, row, *_ = self.printed('zip', size=77 * 1024)
        self.assertIn('77.0 KiB', row)


class TestExcerpts(base.TestCase):
    """The tables of the documentation."""

    def test_copies(self) -> None:
        """Medians, in the units of the heading, and nothing for a failure."""
        where = 'copy-glance-http-disk-1024'
        found = measured({(where, 'copy-osc'): [2.0, 8.0, 4.0]}, written=GIB)
        head, *rows = excerpts.tables(found)['copy']
        shown = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
        row = shown['openstack image save, create']
        self.assertEqual('4.000', row['Seconds'])
        self.assertEqual('1024', row['Disk, MiB'])
        self.assertEqual('', shown['plugin, copy_image']['Seconds'])

    def test_connections(self) -> None:
        """A row for each server, a column for each number."""
        head, *rows = excerpts.tables(
            measured({(NGINX, 'plugin-path-4'): [2.0]})
        )['connections']
        shown = {row[0]: row for row in rows}
        row = shown['nginx and its sendfile, to tmpfs, 1024 MiB']
        self.assertEqual(
            {'4': '2.00'},
            {
                title: cell
                for title, cell in zip(head[1:], row[1:], strict=True)
                if cell
            },
        )

    def test_growth(self) -> None:
        """Numbers are in their order, and one connection is among them."""
        scenario = planning.Scenario(
            *('nginx', 'http', 'tmpfs', 64, 1),
            ('plugin-path-16', 'plugin-path-2', 'plugin-path'),
            'connections',
        )
        found = measured(
            {(scenario.name, name): [1.0] for name in scenario.downloaders}
        )
        found.scenarios = [scenario]
        _, *rows = excerpts.tables(found)['growth-connections']
        self.assertEqual(['1', '2', '16'], [row[2] for row in rows])

    def test_written(self) -> None:
        """What was not measured has no file."""
        found = measured({})
        found.scenarios = [
            each for each in found.scenarios if each.task == 'audit'
        ]
        self.assertEqual(
            ['audit.csv'],
            [
                path.name
                for path in excerpts.write(found, pathlib.Path(self.directory))
            ],
        )


class TestTraffic(base.TestCase):
    """What the log of a server tells."""

    def test_connections(self) -> None:
        """A connection counts from its first request to its last response."""
        path = pathlib.Path(self.directory) / 'access.log'
        path.touch()
        log = traffic.NginxLog(path, 80, lambda: None)
        log.mark()
        path.write_text(
            # Port, bytes, connection, end, seconds, path.
            '80 300 1 100.000 0.500 /v2/images/a\n'
            '80 1000 2 102.000 2.000 /v2/images/a/file\n'
            '80 1000 3 101.500 0.500 /v2/images/a/file\n'
            '80 1000 3 103.000 1.000 /v2/images/a/file\n'
            '99 1000 4 103.000 3.000 /v2/images/a/file\n'
        )
        self.assertEqual(traffic.Traffic(4, 3300), log.read())
        self.assertEqual(
            [(0.0, 1), (1.0, 2), (2.0, 1), (3.0, 0)], log.connections()
        )

    def test_one_after_the_other(self) -> None:
        """One that begins when another ends is not a second one."""
        self.assertEqual(
            [(0.0, 1), (1.0, 1), (2.0, 0)],
            traffic.overlapping([(5.0, 6.0), (6.0, 7.0)]),
        )


class TestContents(base.TestCase):
    """The images that are looked into."""

    def written(self, content: str, size: int) -> io.BytesIO:
        """Return an image."""
        path = pathlib.Path(self.directory) / 'image'
        contents.WRITERS[content](path, size)
        return io.BytesIO(path.read_bytes())

    def test_qcow2(self) -> None:
        """A qcow2 has a guest with one partition."""
        file = self.written('qcow2', 4 * planning.MIB)
        self.assertEqual(4 * planning.MIB, looking.header(file))
        file.seek(0)
        self.assertEqual(1, looking.partitions(file))

    def test_other_guest(self) -> None:
        """A guest without partitions is refused where some are needed."""
        file = self.written('qcow2', 4 * planning.MIB)
        changed = file.getvalue().replace(b'EFI PART', b'no thing')
        self.assertRaises(ValueError, looking.partitions, io.BytesIO(changed))

    def test_zip(self) -> None:
        """An archive has many files."""
        file = self.written('zip', planning.MIB)
        self.assertEqual(8, looking.directory(file))

    def test_same_in_every_run(self) -> None:
        """Random bytes are the same again, and others for another number."""
        one, same, other = (
            contents.RandomBytes(5, number).read(9) for number in (1, 1, 2)
        )
        self.assertEqual(5, len(one))
        self.assertEqual(one, same)
        self.assertNotEqual(one, other)


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
