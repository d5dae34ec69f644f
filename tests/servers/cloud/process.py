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

"""A command that never outlives the harness."""

import collections.abc
import contextlib
import os
import pathlib
import subprocess
import sys

from tests.servers.cloud import keeper

_TAIL = 25


class CloudError(Exception):
    """The test cloud could not be installed, started or used."""


def environment() -> dict[str, str]:
    """Return this environment without what would misdirect a service.

    ``OS_*`` names a cloud to talk to, ``PYTHON*`` the modules and warnings
    of the environment under test.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('OS_', 'PYTHON'))
    }


class Process:
    """A running command, its output in a log.

    It is in a session of its own, so that a Ctrl-C at the terminal reaches
    the harness alone, which then takes things down in order.
    """

    def __init__(
        self,
        arguments: collections.abc.Sequence[str | pathlib.Path],
        log: pathlib.Path,
        *,
        extra_environment: collections.abc.Mapping[str, str] | None = None,
        descriptors: collections.abc.Collection[int] = (),
    ) -> None:
        """Start the command.

        :param arguments: The program and its arguments.
        :param log: The file that gets standard output and error.
        :param extra_environment: Added to :func:`environment`.
        :param descriptors: Open files that the command inherits under
            the same numbers.
        """
        self.log = log
        with log.open('wb') as output:
            self._keeper = subprocess.Popen(
                [
                    sys.executable,
                    '-I',
                    keeper.__file__,
                    ','.join(map(str, descriptors)),
                    *map(str, arguments),
                ],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**environment(), **(extra_environment or {})},
                pass_fds=descriptors,
                start_new_session=True,
            )
        assert self._keeper.stdin is not None
        self._pipe = self._keeper.stdin

    def check_running(self) -> None:
        """See that the command still runs.

        :raises CloudError: It has ended; the error shows its last lines.
        """
        status = self._keeper.poll()
        if status is not None:
            raise self.error(f'ended with status {status}')

    def pids(self) -> list[int]:
        """Return the ids of the command, first, and of its children."""
        [command] = _children(self._keeper.pid)
        return [command, *_children(command)]

    def finish(self, timeout: float) -> None:
        """Wait until the command has done its work.

        :param timeout: The longest to wait, in seconds.
        :raises CloudError: It failed, or takes longer.
        """
        try:
            status = self._keeper.wait(timeout)
        except subprocess.TimeoutExpired as exc:
            self.stop()
            raise self.error(f'did not end within {timeout:g} s') from exc
        self._pipe.close()
        if status != 0:
            raise self.error(f'failed with status {status}')

    def request_stop(self) -> None:
        """Have the command taken down, without waiting for that."""
        if not self._pipe.closed:
            # Closing is not enough where a forked process has the pipe too.
            with contextlib.suppress(BrokenPipeError):
                self._pipe.write(b'.')
            self._pipe.close()

    def stop(self) -> None:
        """Take the command down and wait until it is gone."""
        self.request_stop()
        self._keeper.wait(keeper.GRACE + 15)

    def error(self, what: str) -> CloudError:
        """Return an error that says what happened and ends with the log."""
        lines = self.log.read_text(errors='replace').splitlines()
        return CloudError(
            '\n'.join(
                [f'{self.log.stem} {what}. The end of its log:']
                + [f'  {line}' for line in lines[-_TAIL:]]
            )
        )


def _children(parent: int) -> list[int]:
    found = []
    for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
        # It may have ended since. The name, in brackets, may be anything.
        with contextlib.suppress(OSError):
            state, ppid = path.read_text().rpartition(')')[2].split()[:2]
            if int(ppid) == parent and state != 'Z':
                found.append(int(path.parent.name))
    return sorted(found)
