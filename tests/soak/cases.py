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

"""A case: its plan, drawn from a seed and a number, and its execution."""

import random
import traceback

from tests.soak import killing
from tests.soak import pair
from tests.soak import plans
from tests.soak import single

Plan = plans.Plan | pair.Pair | killing.Killing


def plan(seed: int, number: int) -> Plan:
    """Decide what is done in a case.

    :param seed: Of the whole soak.
    :param number: Of the case.
    """
    dice = random.Random(f'{seed}/{number}')
    kind = dice.random()
    if kind < 0.08:
        return pair.draw(dice)
    if kind < 0.10:
        return killing.draw(dice)
    return plans.draw(dice)


def run(plan: Plan) -> single.Result:
    """Do what is planned.

    :param plan: The plan.
    """
    try:
        if isinstance(plan, pair.Pair):
            result = pair.run(plan)
        elif isinstance(plan, killing.Killing):
            result = killing.run(plan)
        else:
            result = single.run(plan)
    except Exception:
        # Of the soak itself; it has to be seen, and must not end the others.
        result = single.Result(flaws=[traceback.format_exc()])
    result.counts.cases = 1
    result.counts.wrong = len(result.flaws)
    return result
