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

"""Processes of the tests: started, watched, and ended within a known time.

:class:`Program`
    A program of its own, of which one reads output and exit status.
:func:`run_function`
    A function in a process of its own, since it may hang or change it. When
    it does hang, the stacks of all its threads are told.
:class:`Child`
    A forked child of a test.
:func:`time_limit`
    For what runs in the process of the test itself.
:func:`wait_for`
    For a condition that another process or thread makes true.
"""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import faulthandler
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from typing import Any

from tests import uncaught

#: Seconds that nothing should ever take.
DEADLINE = 60.0

_PRELOADED = [
    'openstack.connection',
    'openstack.image.v2._proxy',
    'openstack_image_stream',
    'tests.callers.actions',
    'tests.faults.clients',
]


def context() -> Any:
    """Return how processes are started.

    Forking from a process that has imported everything is what makes hundreds
    of them affordable. Processes that eventlet has patched cannot.
    """
    return multiprocessing.get_context('forkserver')


@contextlib.contextmanager
def background(function: Callable[..., None], *args: Any) -> Iterator[Any]:
    """Run a function in another process for some time; a context manager.

    :param function: One of a module; is given a pipe and the arguments, and
        sends one object when it is ready.
    :param args: The arguments.
    :returns: The object.
    """
    receiver, sender = context().Pipe()
    process = context().Process(target=function, args=(sender, *args))
    process.start()
    sender.close()
    try:
        assert receiver.poll(DEADLINE), 'it did not become ready'
        yield receiver.recv()
    finally:
        process.kill()
        process.join()
        process.close()
        receiver.close()


def preload(*modules: str) -> None:
    """Say what processes are to have imported; before the first of them.

    :param modules: Further modules.
    """
    context().set_forkserver_preload([*_PRELOADED, *modules])


def wait_for(
    condition: Callable[[], object],
    message: str = 'it never came to this',
    timeout: float = DEADLINE,
) -> None:
    """Wait for a condition, and fail when it does not come true.

    :param condition: The condition.
    :param message: What to say when it fails.
    :param timeout: Seconds.
    """
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, message
        time.sleep(0.01)


class _Stuck(BaseException):
    """Not an Exception, which the code that hangs may catch."""


@contextlib.contextmanager
def time_limit(seconds: float = DEADLINE / 2) -> Iterator[None]:
    """Fail what takes too long. Works in the main thread alone.

    :param seconds: How long it may take.
    :raises: :exc:`AssertionError` when it is not done by then.
    """

    def ring(signum: int, frame: Any) -> None:
        raise _Stuck

    before = signal.signal(signal.SIGALRM, ring)
    # What cleans up after the first time may be what hangs.
    signal.setitimer(signal.ITIMER_REAL, seconds, 2.0)
    try:
        yield
    except _Stuck as exc:
        raise AssertionError(f'not done after {seconds} s') from exc
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def take_interrupts() -> None:
    """Have a child end by SIGINT, before its program is executed.

    A shell has it ignored in what it starts in the background, such as these
    tests, and that is inherited.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program:
    """A Python program; a context manager, leaving it kills the program.

    :param arguments: Those of the interpreter.
    :param env: Its environment.
    """

    def __init__(
        self, *arguments: object, env: Mapping[str, str] | None = None
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            text=True,
            # Ctrl-C at the terminal is for the tests, not for it.
            start_new_session=True,
            preexec_fn=take_interrupts,
        )

    def __enter__(self) -> 'Program':
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self.process:
            self.process.kill()

    def signal(self, number: int) -> None:
        """Send a signal to the program."""
        self.process.send_signal(number)

    def wait_for_line(self, line: str) -> None:
        """Wait until the program prints a line."""
        assert self.process.stdout is not None
        for printed in self.process.stdout:
            if printed == f'{line}\n':
                return
        raise AssertionError(f'{line!r} was not printed: {self.end()}')

    def end(
        self, timeout: float = DEADLINE, stdin: str | None = None
    ) -> tuple[int, str, str]:
        """Wait for the end of the program.

        :param timeout: Seconds after which it is killed, and the test fails.
        :param stdin: What it is given to read.
        :returns: Exit status, output and errors.
        """
        try:
            output, errors = self.process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, errors = self.process.communicate()
            raise AssertionError(
                f'it had not ended after {timeout:.0f} s:\n{output}{errors}'
            ) from None
        return self.process.returncode, output, errors


class Child:
    """A forked child that does something and exits.

    :param act: What it does.
    """

    def __init__(self, act: Callable[[], object]) -> None:
        self._report = tempfile.TemporaryFile('w+')  # noqa: SIM115
        self.number = os.fork()
        if self.number == 0:
            self._run(act)

    def _run(self, act: Callable[[], object]) -> None:
        # The watchdog of the parent is a thread, which a child does not
        # inherit; and to cancel it would mean to wait for it.
        faulthandler.register(signal.SIGUSR1, file=self._report)
        # The kernel ends it where the parent does not, as it hangs itself.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(DEADLINE))
        status = 1
        try:
            act()
            status = 0
        except BaseException:
            self._report.write(traceback.format_exc())
            self._report.flush()
        finally:
            os._exit(status)

    def wait(self, seconds: float = DEADLINE / 4) -> None:
        """Wait for its end; fail with its report unless that is good.

        :param seconds: How long it may take.
        """
        until = time.monotonic() + seconds
        status = None
        while status is None:
            found, code = os.waitpid(self.number, os.WNOHANG)
            if found:
                status = code
            elif time.monotonic() > until:
                os.kill(self.number, signal.SIGUSR1)
                time.sleep(0.5)
                self.kill()
                status = -1
            else:
                time.sleep(0.005)
        self._report.seek(0)
        report = self._report.read()
        self._report.close()
        assert status != -1, f'the child hangs:\n{report}'
        assert status == 0, f'the child failed ({status}):\n{report}'

    def kill(self) -> None:
        """End it."""
        os.kill(self.number, signal.SIGKILL)
        os.waitpid(self.number, 0)


def run_function(
    function: Callable[..., object],
    *args: Any,
    deadline: float = DEADLINE * 2 / 3,
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
    with tempfile.TemporaryDirectory(prefix='tests-') as directory:
        home = pathlib.Path(directory)
        process = context().Process(
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
    uncaught.FOUND.listen()
    with open(os.path.join(home, 'stacks'), 'w') as stacks:
        faulthandler.dump_traceback_later(deadline, exit=True, file=stacks)
        verdict = ''
        try:
            function(*args, **kwargs)
        except BaseException:
            verdict = traceback.format_exc()
        faulthandler.cancel_dump_traceback_later()
    for text in uncaught.FOUND.texts:
        verdict += f'\nraised where nothing can catch it:\n{text}'
    with open(os.path.join(home, 'verdict'), 'w') as file:
        file.write(verdict)
    # What a test leaves is found by the test; the end is not to hang.
    sys.stderr.flush()
    os._exit(0)
