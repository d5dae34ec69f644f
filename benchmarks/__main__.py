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

"""Run the benchmark, and print its figures."""

import argparse
import collections.abc
import pathlib
import sys
import tempfile

from benchmarks import capacity
from benchmarks import environment
from benchmarks import errors
from benchmarks import growth
from benchmarks import plan as planning
from benchmarks import results
from benchmarks import runner
from benchmarks import selection
from benchmarks import services
from benchmarks import tables
from benchmarks import targets
from tests.servers import cloud

#: Downloaders whose memory is sampled, in the first scenario that has them.
_TRACED = ('plugin-path', 'sdk-stream-path', 'sdk-path')

#: The one whose connections are counted, once for each origin.
_COUNTED = 'plugin-path-auto'

#: The plans, by whether growth is measured, and quickly.
_PLANS = {
    (False, False): planning.FULL,
    (False, True): planning.QUICK,
    (True, False): growth.GROWTH,
    (True, True): growth.QUICK_GROWTH,
}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='tox -e bench --',
        description='Measure downloads with the plugin and without it.',
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='small images and the main downloaders, some minutes',
    )
    parser.add_argument(
        '--growth',
        action='store_true',
        help='in place of all else, measure how a download grows with the'
        ' size, the connections, and the number of downloads at a time',
    )
    parser.add_argument(
        '--only',
        action='append',
        default=[],
        metavar='PATTERN',
        help='measure scenarios that match, as "nginx-*", or downloaders of'
        ' them, as "*-1024:plugin-*"; may be given again',
    )
    parser.add_argument(
        '--rounds',
        type=int,
        metavar='N',
        help='run each downloader N times in each scenario',
    )
    parser.add_argument(
        '--disk',
        type=pathlib.Path,
        default=pathlib.Path(),
        metavar='DIRECTORY',
        help='a directory on the disk to download to; Glance keeps its'
        ' images there, too (default: the current one)',
    )
    parser.add_argument(
        '--json',
        type=pathlib.Path,
        metavar='FILE',
        help='write every single figure to FILE',
    )
    arguments = parser.parse_args()
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error('--rounds must be at least 1')
    return arguments


def _report(what: str) -> None:
    print(f'{what} ...', file=sys.stderr, flush=True)


def _report_run(run: results.Run) -> None:
    outcome = f'{run.wall:.2f} s' if run.error is None else run.error
    print(
        f'  {run.scenario} {run.round + 1}: {run.downloader}: {outcome}',
        file=sys.stderr,
        flush=True,
    )


def _planned(arguments: argparse.Namespace) -> results.Results:
    """Return what is to be measured, without a figure yet.

    :raises BenchmarkError: It cannot be.
    """
    environment.check()
    places = capacity.places(arguments.disk)
    plan, left_out = capacity.fit(
        selection.select(
            _PLANS[arguments.growth, arguments.quick],
            arguments.only,
            arguments.rounds,
        ),
        capacity.FreeSpace.measure(arguments.disk),
    )
    return results.Results(
        sizes=plan.sizes,
        scenarios=plan.scenarios,
        machine=environment.describe(places),
        left_out=left_out,
    )


def _measure(
    measured: results.Results, disk: pathlib.Path, *, traced: bool
) -> None:
    """Add the figures.

    :param traced: Whether memory is also sampled during downloads.
    """
    places = capacity.places(disk)
    with (
        tempfile.TemporaryDirectory(
            dir=disk, prefix='bench-cloud-'
        ) as directory,
        services.Services.open(
            pathlib.Path(directory),
            capacity.needed(measured.plan),
            _report,
            copies=any(each.task == 'copy' for each in measured.scenarios),
        ) as running,
    ):
        for scenario in measured.scenarios:
            place = places[scenario.place]
            for run in runner.runs(running, scenario, place):
                measured.runs.append(run)
                _report_run(run)
            print(tables.scenario(measured, scenario), flush=True)
        if traced:
            _report('Sampling memory and connections')
            _trace(measured, running, places)


def _trace(
    measured: results.Results,
    running: services.Services,
    places: collections.abc.Mapping[str, pathlib.Path],
) -> None:
    for scenario, name in _traced(measured):
        measured.traces.append(
            runner.trace(running, scenario, places[scenario.place], name)
        )


def _traced(
    measured: results.Results,
) -> collections.abc.Iterator[tuple[planning.Scenario, str]]:
    """Return whose memory and connections are sampled, and where."""
    downloads = [
        each for each in measured.scenarios if each.task == 'download'
    ]
    for scenario in downloads:
        names = [name for name in _TRACED if name in scenario.downloaders]
        if scenario.size == measured.sizes.get('large') and names:
            yield from ((scenario, name) for name in names)
            break
    counted = {
        scenario.origin: scenario
        for scenario in sorted(downloads, key=lambda each: each.size)
        if _COUNTED in scenario.downloaders
        and (scenario.scheme, scenario.place) == ('http', 'tmpfs')
    }
    # The largest of each.
    yield from ((scenario, _COUNTED) for scenario in counted.values())


def main() -> int:
    """Run the benchmark.

    :returns: The exit status, which does not depend on the verdicts.
    """
    arguments = _parse()
    try:
        measured = _planned(arguments)
        print(tables.head(measured), flush=True)
        try:
            _measure(
                measured,
                arguments.disk.resolve(),
                traced=arguments.json is not None,
            )
        finally:
            # What is there is worth something after Ctrl-C, too.
            if arguments.json:
                measured.save(arguments.json)
        if not arguments.growth:
            print(tables.verdicts(measured, targets.verdicts(measured)))
    except KeyboardInterrupt:
        print('Stopped.', file=sys.stderr)
        return 130
    except (cloud.CloudError, errors.BenchmarkError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
