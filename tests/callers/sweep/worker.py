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

"""A process that runs cases of one kind, and tells what was wrong."""

import faulthandler
import gc
import json
import logging
import os
import sys
import traceback
from typing import Any

#: Seconds that a case may take.
DEADLINE = 30.0


def main(arguments: list[str]) -> None:
    """Run cases.

    :param arguments: The kind of process, the address of a service, a file
        for stacks, and the cases as ``SEED:CASE``.
    """
    kind, url, stacks_path, *numbers = arguments
    from tests.callers import green_threads

    green_threads.patch(kind)
    from tests.callers.sweep import cases
    from tests.callers.sweep import run as _run
    from tests.servers import control
    from tests.servers import images
    from tests import uncaught

    logging.raiseExceptions = False
    logging.getLogger('openstack').addHandler(logging.NullHandler())
    logging.getLogger('openstack').propagate = False
    # Whatever is printed must not be taken for a report.
    reports = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)
    # A child that hangs would keep its reader waiting.
    os.register_at_fork(after_in_child=lambda: os.close(reports.fileno()))

    def tell(**report: Any) -> None:
        reports.write(json.dumps(report) + '\n')
        reports.flush()

    uncaught.FOUND.listen()
    for seed in cases.SEEDS:
        for size in cases.SIZES:
            images.data(seed, size)
    remote = control.Remote(url)
    stacks = open(stacks_path, 'w')  # noqa: SIM115
    # What was imported need not be looked at whenever garbage is collected.
    gc.freeze()
    for number in numbers:
        seed, _, index = number.partition(':')
        tell(begins=number)
        faulthandler.dump_traceback_later(DEADLINE, exit=True, file=stacks)
        try:
            flaws = _run.run_case(cases.draw(int(seed), int(index)), remote)
        except BaseException:
            flaws = [('other', traceback.format_exc())]
        faulthandler.cancel_dump_traceback_later()
        tell(ends=number, flaws=flaws)
    reports.close()
    # A thread that is left has been told of.
    os._exit(0)


if __name__ == '__main__':
    main(sys.argv[1:])
