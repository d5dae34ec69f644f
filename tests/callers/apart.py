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

"""Functions that run in a process of their own, since they may hang it."""

from collections.abc import Callable
import faulthandler
import multiprocessing
import os
import pathlib
import sys
import tempfile
import traceback
from typing import Any

from tests.callers import strays
from tests.faults import attempt

_CONTEXT = multiprocessing.get_context('forkserver')
_PRELOADED = [
    *attempt._PRELOADED,
    'tests.callers.actions',
    'tests.callers.apart',
    'tests.servers.control',
    'tests.soak.client',
]

#: Seconds that a test may take.
DEADLINE = 40.0


def preload() -> None:
    """Say what the processes shall have imported; before the first one."""
    _CONTEXT.set_forkserver_preload(_PRELOADED)


def run(
    function: Callable[..., object],
    *args: Any,
    deadline: float = DEADLINE,
    **kwargs: Any,
) -> None:
    """Call a function in the main thread of another process.

    Fails with what the function raises, with what is raised in threads and
    finalizers there, and with the stacks of all threads when it does not end.

    :param function: One of a module.
    :param args: Its arguments; have to be picklable.
    :param deadline: Seconds that it may take.
    :param kwargs: Further arguments.
    """
    with tempfile.TemporaryDirectory(prefix='callers-') as directory:
        home = pathlib.Path(directory)
        process = _CONTEXT.Process(
            target=_run, args=(str(home), deadline, function, args, kwargs)
        )
        process.start()
        process.join(deadline + 5)
        alive = process.is_alive()
        if alive:
            process.kill()
            process.join()
        code = process.exitcode
        process.close()
        told = {
            name: (home / name).read_text(errors='replace')
            for name in ('verdict', 'stacks', 'output')
            if (home / name).exists()
        }
    stacks = told.get('stacks', '')
    hangs = alive or stacks
    assert not hangs, (
        f'it hangs; after {deadline:.0f} s its threads are at\n{stacks}'
        f'{told.get("output", "")}'
    )
    verdict = told.get('verdict')
    assert verdict == '', (
        f'{verdict or f"it ended with status {code}"}\n'
        f'{told.get("output", "")[-4000:]}'
    )


def _run(
    home: str,
    deadline: float,
    function: Callable[..., object],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    output = os.open(
        os.path.join(home, 'output'), os.O_WRONLY | os.O_CREAT, 0o600
    )
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    sys.stdout = sys.stderr = os.fdopen(2, 'w', buffering=1, closefd=False)
    strays.FOUND.listen()
    with open(os.path.join(home, 'stacks'), 'w') as stacks:
        faulthandler.dump_traceback_later(deadline, exit=True, file=stacks)
        verdict = ''
        try:
            function(*args, **kwargs)
        except BaseException:
            verdict = traceback.format_exc()
        faulthandler.cancel_dump_traceback_later()
    for text in strays.FOUND.texts:
        verdict += f'\nraised where nothing can catch it:\n{text}'
    with open(os.path.join(home, 'verdict'), 'w') as file:
        file.write(verdict)
    # What a test leaves is found by the test; the end is not to hang.
    sys.stderr.flush()
    os._exit(0)
