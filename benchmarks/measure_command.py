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

"""Run one command, measure it, and print the figures as JSON.

Small, and a process of its own: Linux counts the memory of the process that
starts a command into the command's peak.

Usage: python -I -S measure_command.py COMMAND [ARGUMENT...]
"""

import json
import os
import subprocess
import sys
import time

#: Bytes of what Linux counts written data in.
BLOCK = 512


def busy() -> float:
    """Return the seconds that all processors have worked since the start."""
    with open('/proc/stat') as file:
        # User, nice, system; then idle and waiting; then interrupts.
        ticks = [int(each) for each in file.readline().split()[1:8]]
    return (sum(ticks[:3]) + sum(ticks[5:])) / os.sysconf('SC_CLK_TCK')


def main(arguments: list[str]) -> int:
    """Run the command.

    :param arguments: The command.
    :returns: The exit status of the command.
    """
    worked = busy()
    began = time.perf_counter()
    # What it prints is for the log; standard output is for the figures.
    command = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=sys.stderr
    )
    # Its usage includes that of the processes that it has waited for.
    _, status, usage = os.wait4(command.pid, 0)
    wall = time.perf_counter() - began
    command.returncode = os.waitstatus_to_exitcode(status)
    figures = {
        'wall': wall,
        'cpu': usage.ru_utime + usage.ru_stime,
        'busy': busy() - worked,
        'memory': usage.ru_maxrss * 1024,
        'written': usage.ru_oublock * BLOCK,
        'received': None,
    }
    print(json.dumps(figures))
    return 1 if command.returncode else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
