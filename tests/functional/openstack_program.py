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

"""Running ``openstack image ...`` as a program."""

import fcntl
import os
import pathlib
import pty
import struct
import subprocess
import sys
import termios
from typing import Any

from tests import processes
from tests.servers import cloud


def command(*arguments: str) -> list[str]:
    """Return the words of a command about images."""
    return [sys.executable, '-m', 'openstackclient.shell', 'image', *arguments]


def run(
    running_cloud: cloud.Cloud,
    *arguments: str,
    cloud_name: str = 'plain',
    directory: pathlib.Path | None = None,
    **more: Any,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command about images, without a terminal.

    :param running_cloud: The cloud.
    :param arguments: What follows ``openstack image``.
    :param cloud_name: Which one of clouds.yaml. The plugin has no hook there.
    :param directory: Where the program runs.
    :param more: For :class:`subprocess.Popen`.
    :returns: Its status and what it wrote. It ends without a traceback.
    """
    done = subprocess.run(
        command(*arguments),
        env=running_cloud.environment(cloud_name),
        cwd=directory,
        capture_output=True,
        check=False,
        timeout=processes.DEADLINE,
        **more,
    )
    assert b'Traceback' not in done.stderr
    return done


def run_on_terminal(
    running_cloud: cloud.Cloud,
    *arguments: str,
    directory: pathlib.Path,
    environment: dict[str, str] | None = None,
) -> tuple[int, str]:
    """Run a command about images on a terminal.

    :returns: Its status, and what the terminal was sent.
    """
    master, slave = pty.openpty()
    # One without columns has no room for a bar.
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0))
    with subprocess.Popen(
        command(*arguments),
        env={**running_cloud.environment('plain'), **(environment or {})},
        cwd=directory,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    ) as program:
        os.close(slave)
        shown = b''
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # what Linux makes of the end
                break
            if not chunk:
                break
            shown += chunk
        os.close(master)
    return program.returncode, shown.decode()
