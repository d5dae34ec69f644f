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

"""One API under uwsgi, on a free port of the loopback interface."""

import collections.abc
import functools
import http.client
import os
import pathlib
import signal
import socket
import time
import typing

from tests.servers.cloud import configuration
from tests.servers.cloud import process

_HOST = '127.0.0.1'

# Seconds that starting a service may take on a slow, busy machine.
TIMEOUT = 120.0


class Service:
    """Keystone, Glance or an object store.

    The listening socket is opened here and handed on, so that the port is
    known, and taken, before there is a service: the two have to name each
    other in what they are configured with.
    """

    def __init__(self, name: str, directory: pathlib.Path) -> None:
        """Take a free port.

        :param name: Names the files of the service.
        :param directory: Where these are.
        """
        self._name = name
        self._directory = directory
        self._process: process.Process | None = None
        self._socket = _bound(0)
        self._port: int = self._socket.getsockname()[1]
        self._launch: collections.abc.Callable[[], None] | None = None

    @property
    def url(self) -> str:
        """The address that it responds at."""
        return f'http://{_HOST}:{self._port}'

    def start(
        self,
        venv: pathlib.Path,
        *,
        processes: int,
        threads: int,
        environment: collections.abc.Mapping[str, str],
        options: collections.abc.Mapping[str, object] | None = None,
    ) -> None:
        """Start the service without waiting for it.

        :param venv: The virtual environment that it is installed in.
        :param processes: How many processes it consists of.
        :param threads: How many requests each of them serves at a time.
        :param environment: Where the service finds its configuration.
        :param options: Further settings of uwsgi.
        """
        self._launch = functools.partial(
            self._start,
            venv,
            environment,
            processes=processes,
            threads=threads,
            options=options or {},
        )
        self._launch()

    def _start(
        self,
        venv: pathlib.Path,
        environment: collections.abc.Mapping[str, str],
        **settings: typing.Any,
    ) -> None:
        path = configuration.write_uwsgi(
            self._directory / f'{self._name}-uwsgi.ini',
            f'{self._name}.wsgi.api:application',
            self._socket.fileno(),
            python=venv / 'bin' / 'python',
            **settings,
        )
        # Not in uwsgi's settings: its Python has looked before that.
        self._serve([venv / 'bin' / 'uwsgi', '--ini', path], environment)

    def _serve(
        self,
        command: collections.abc.Sequence[str | pathlib.Path],
        environment: collections.abc.Mapping[str, str],
    ) -> None:
        """Start a command that inherits the listening socket."""
        self._socket.listen()
        self._process = process.Process(
            command,
            self._directory / f'{self._name}.log',
            extra_environment=environment,
            descriptors=[self._socket.fileno()],
        )
        # From here on the port lives and dies with the service.
        self._socket.close()

    def wait(self) -> None:
        """Wait until the service responds.

        :raises CloudError: It has died, or does not respond in time.
        """
        assert self._process is not None
        end = time.monotonic() + TIMEOUT
        while not self._responds():
            self._process.check_running()
            if time.monotonic() > end:
                raise self.error(f'did not respond within {TIMEOUT:g} s')
            time.sleep(0.1)

    def error(self, what: str) -> process.CloudError:
        """Return an error that says what happened and ends with the log."""
        assert self._process is not None
        return self._process.error(what)

    def request_stop(self) -> None:
        """Have the service taken down, without waiting for that."""
        if self._process is not None:
            self._process.request_stop()

    def stop(self) -> None:
        """Take the service down and wait until it is gone."""
        self._socket.close()
        if self._process is not None:
            self._process.stop()

    def pause(self) -> None:
        """Have it fall silent; connections are still accepted for it."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after :meth:`pause`."""
        self._signal(signal.SIGCONT)

    def is_asked(self) -> bool:
        """Tell whether there is a connection that it has not taken yet."""
        address = f'0100007F:{self._port:04X}'
        for line in pathlib.Path('/proc/net/tcp').read_text().splitlines():
            _, local, _, state, queues, *_ = line.split()
            # Of a listening socket the second queue is the backlog.
            if (local, state) == (address, '0A'):
                return int(queues.partition(':')[2], 16) > 0
        return False

    def kill_workers(self) -> None:
        """Kill the processes that serve; others are started at once."""
        workers = self._pids()[1:]
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        self._wait_for_end(workers)

    def reload(self) -> None:
        """Have it loaded anew, and wait until the old processes are gone."""
        master, *workers = self._pids()
        os.kill(master, signal.SIGHUP)
        self._wait_for_end(workers)

    def restart(self) -> None:
        """Start it again after :meth:`stop`, at the same port.

        :raises CloudError: as :meth:`wait`.
        """
        assert self._launch is not None
        self._socket = _bound(self._port)
        self._launch()
        self.wait()

    def _pids(self) -> list[int]:
        assert self._process is not None
        return self._process.pids()

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids():
            os.kill(pid, number)

    def _wait_for_end(self, pids: collections.abc.Collection[int]) -> None:
        end = time.monotonic() + TIMEOUT
        while not set(pids).isdisjoint(self._pids()):
            if time.monotonic() > end:
                raise self.error(f'kept its workers for {TIMEOUT:g} s')
            time.sleep(0.05)

    def _responds(self) -> bool:
        # The kernel accepts connections long before the service does, so
        # the time limit matters. Proxies of the environment do not: this
        # asks the port itself.
        connection = http.client.HTTPConnection(_HOST, self._port, timeout=5.0)
        try:
            connection.request('GET', '/')
            # Both list their versions here: 300 Multiple Choices.
            return connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _bound(port: int) -> socket.socket:
    """Return a socket that has a port.

    :param port: Which, 0 for any that is free.
    """
    bound = socket.socket()
    # What is left of connections to a service that was stopped must not keep
    # the next one from its port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((_HOST, port))
    return bound
