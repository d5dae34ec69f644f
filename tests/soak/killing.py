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

"""A download whose process is killed, and the same once more."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import tempfile

from tests.faults.catalogue import changes
from tests import processes
from tests.soak import images
from tests.soak import killed_program
from tests.soak import output_files
from tests.soak import plans
from tests.soak import server
from tests.soak import single


@dataclasses.dataclass(frozen=True)
class Killing:
    """A download, and how it is killed.

    :param plan: The download.
    :param number: Number of the signal.
    :param delay: Seconds from the first request for data to the signal.
    """

    plan: plans.Plan
    number: int
    delay: float


def draw(dice: random.Random) -> Killing:
    """Return a killing by chance.

    :param dice: The chance.
    """
    plan = plans.draw(dice, 'path')
    size = dice.randrange(1, 24 * images.MIB)
    # Slow, so that there is a middle to kill it in.
    slow = tuple(changes.Slow(0.02, portions=10) for _ in range(4))
    plan = dataclasses.replace(
        plan,
        image=images.draw_of_size(dice, size, plan.image.image_id),
        script=dataclasses.replace(
            plan.script, data_faults=slow, metadata_faults=()
        ),
        options={**plan.options, 'retries': 2, 'timeout': 60},
        progress='none',
        # An empty file is filled in place, for which nothing is promised
        # when the process is killed.
        before=dice.choice(('nothing', 'file')),
    )
    number = dice.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
    return Killing(plan, number, dice.uniform(0, 0.4))


def run(killing: Killing) -> single.Result:
    """Kill a download, and do it once more.

    :param killing: What to do.
    """
    result = single.Result()
    plan = killing.plan
    with (
        tempfile.TemporaryDirectory(prefix='soak-') as directory,
        server.Server(plan.image, plan.script) as glance,
    ):
        output_files.prepare(directory, plan)
        before = output_files.read(directory)
        result.flaws += _kill(killing, glance, directory)
        result.counts.killed += 1
        result.counts.downloads += 1
        if output_files.read(directory) not in (before, plan.image.data):
            result.flaws.append('the output file is not what it has to be')
        _remove_orphans(directory, killing, result)
        with single.connected(glance, result) as conn:
            single.repeat(conn, glance, directory, plan, result)
        result.counts.faults += glance.faults_made
    return result


def _kill(
    killing: Killing, glance: server.Server, directory: str
) -> list[str]:
    """Start a download and kill it; return what was wrong with it."""
    plan = killing.plan
    with processes.Program(
        '-m',
        killed_program.__name__,
        glance.url,
        plan.image.image_id,
        os.path.join(directory, output_files.NAME),
        json.dumps(plan.options),
    ) as program:
        asked = glance.asked.wait(processes.DEADLINE)
        if asked:
            try:
                program.process.wait(killing.delay)
            except subprocess.TimeoutExpired:
                program.signal(killing.number)
        try:
            status, _, errors = program.end()
        except AssertionError as exc:
            return [f'signal {killing.number}: {exc}']
    natural = status in (0, -killing.number)
    return [] if asked and natural else [f'it ended otherwise:\n{errors}']


def _remove_orphans(
    directory: str, killing: Killing, result: single.Result
) -> None:
    """Remove what nobody but a killed process may leave.

    That is a partial file which no other download would find. The process
    that is only interrupted removes it itself.
    """
    plan = killing.plan
    for name in os.listdir(directory):
        if not output_files.is_orphan(name, plan.image):
            continue
        os.unlink(os.path.join(directory, name))
        if plan.resumable or killing.number == signal.SIGINT:
            result.flaws.append(f'{name} was left over')
