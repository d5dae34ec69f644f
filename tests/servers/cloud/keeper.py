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

"""Runs one command and ends it with the process that asked for it.

A program of its own, so that it outlives a harness that was killed. Its
standard input is a pipe whose other end only the harness holds: a byte,
or the end of the pipe, means to take the command down. That works
however the harness went, SIGKILL included, and unlike ``PR_SET_PDEATHSIG``
does not depend on which thread had started the command.

Usage: keeper.py DESCRIPTORS COMMAND [ARGUMENT...]

DESCRIPTORS are the numbers, separated by commas, of open files that the
command inherits.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

#: Seconds between asking a command to end and killing it.
GRACE = 5.0


def _signal_group(command: 'subprocess.Popen[bytes]', number: int) -> None:
    """Signal the command and whatever it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(command.pid, number)


def _end_with_harness(command: 'subprocess.Popen[bytes]') -> None:
    """Take the command down once the harness says so or is gone."""
    os.read(0, 1)
    _signal_group(command, signal.SIGTERM)
    time.sleep(GRACE)
    _signal_group(command, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Run the command.

    :param arguments: The descriptors to hand on, then the command.
    :returns: The exit status of the command, as a shell would tell it.
    """
    descriptors = [int(number) for number in arguments[0].split(',') if number]
    command = subprocess.Popen(
        arguments[1:],
        stdin=subprocess.DEVNULL,
        pass_fds=descriptors,
        # A group of its own, to be signalled as a whole.
        start_new_session=True,
    )
    # A port must be closed as soon as the service that serves it is gone.
    for descriptor in descriptors:
        os.close(descriptor)
    threading.Thread(
        target=_end_with_harness, args=(command,), daemon=True
    ).start()
    status = command.wait()
    # Workers can outlive a master that crashed.
    _signal_group(command, signal.SIGKILL)
    return status if status >= 0 else 128 - status


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
