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

"""Two downloads at the same time to one and the same output file."""

import concurrent.futures
import contextlib
import dataclasses
import os
import random
import tempfile
from typing import Any

from tests.soak import allowed_errors
from tests.soak import images
from tests.soak import output_files
from tests.soak import plans
from tests.soak import server
from tests.soak import single


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two plans with one output file.

    :param plans: Of the same image, or of two.
    """

    plans: tuple[plans.Plan, plans.Plan]


def draw(dice: random.Random) -> Pair:
    """Return a pair by chance.

    :param dice: The chance.
    """
    first, second = _plan(dice), _plan(dice)
    if dice.random() < 0.6:
        # Faults that were drawn for another image may be beyond it.
        script = server.Script(ranges=second.script.ranges)
        second = dataclasses.replace(second, image=first.image, script=script)
    before = dice.choice(('nothing', 'file'))
    first, second = (
        dataclasses.replace(plan, before=before, partial='none', again=True)
        for plan in (first, second)
    )
    return Pair((first, second))


def _plan(dice: random.Random) -> plans.Plan:
    # An image of no bytes would be an empty file for the other one, which is
    # filled in place and leaves its partial file alone.
    while not (plan := plans.draw(dice, 'path')).image.size:
        pass
    return plan


def run(pair: Pair) -> single.Result:
    """Do what a pair of plans says.

    :param pair: The plans.
    """
    result = single.Result()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix='soak-')
        )
        output_files.prepare(directory, pair.plans[0])
        allowed = {output_files.read(directory)}
        sides = [_Side(stack, directory, plan, result) for plan in pair.plans]
        with concurrent.futures.ThreadPoolExecutor(len(sides)) as pool:
            errors = list(pool.map(_Side.run, sides))
        done: set[bytes | None] = {
            side.plan.image.data for side in sides if side.succeeded
        }
        result.flaws += _flaws(directory, sides, done or allowed)
        for side, error in zip(sides, errors, strict=True):
            if error is not None:
                side.repeat()
        if any(errors):
            later = {side.image.data for side in sides}
            result.flaws += _flaws(directory, [], done | later | allowed)
    return result


class _Side:
    """One of the two, with a server of its own."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        directory: str,
        plan: plans.Plan,
        result: single.Result,
    ) -> None:
        self.plan = plan
        #: Whether its own first download succeeded.
        self.succeeded = False
        self._output = os.path.join(directory, output_files.NAME)
        self._result = result
        # The two must not count in the same place at the same time.
        self._own = single.Result()
        stack.callback(self._hand_in)
        self._glance = stack.enter_context(
            server.Server(plan.image, plan.script)
        )
        self._conn = stack.enter_context(
            single.connected(self._glance, self._own)
        )

    @property
    def image(self) -> images.Image:
        """What the server has by now."""
        return self._glance.image

    def run(self) -> Exception | None:
        """Download, for the first time."""
        error = self._download(self.plan)
        self.succeeded = error is None
        return error

    def repeat(self) -> None:
        """Download once more, with an honest server."""
        self._glance.calm_down()
        self._download(plans.honest(self.plan, self.image))

    def _download(self, plan: plans.Plan) -> Exception | None:
        def consume(call: Any) -> None:
            call(output=self._output)

        allowed = allowed_errors.of(plan)
        return single.download(self._conn, plan, consume, self._own, allowed)

    def _hand_in(self) -> None:
        self._own.counts.faults = self._glance.faults_made
        self._result.counts.add(self._own.counts)
        self._result.flaws += self._own.flaws


def _flaws(
    directory: str, sides: list[_Side], contents: set[bytes | None]
) -> list[str]:
    """Return what is wrong with the files.

    :param directory: Where they are.
    :param sides: Those that may have left a partial file.
    :param contents: What may be in the output file, ``None`` for no file.
    """
    flaws = []
    if output_files.read(directory) not in contents:
        flaws.append('the output file is none of those that it may be')
    known = {output_files.NAME} | {
        output_files.partial_name(side.plan.image)
        for side in sides
        if side.plan.resumable and not side.succeeded
    }
    left = set(os.listdir(directory)) - known
    if left:
        flaws.append(f'files are left over: {sorted(left)}')
    return flaws
