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

"""What bad callers do to a download."""

from collections.abc import Callable
import contextlib
import functools
import gc
import os
import signal
import threading
import time
import traceback
from typing import Any

from openstack_image_stream import exceptions
from tests.callers import actions
from tests.callers import green_threads
from tests.callers import observed
from tests.callers.sweep import run as _run
from tests import processes

#: Seconds that a forked child may take.
_CHILD = 10.0


class Limit(Exception):
    """A time limit that a caller has of its own."""


class HardLimit(BaseException):
    """A time limit that is not to be caught."""


_RAISED: dict[str, type[BaseException]] = {
    'Limit': Limit,
    'HardLimit': HardLimit,
    'TimeoutError': TimeoutError,
    'OSError': OSError,
    'ValueError': ValueError,
    'KeyboardInterrupt': KeyboardInterrupt,
    'RuntimeError': RuntimeError,
    'ConnectionResetError': ConnectionResetError,
}


def nothing(run: _run.Run) -> None:
    """Download."""
    run.judge(_run.attempt(run.download))


def raise_into(run: _run.Run) -> None:
    """Raise an exception into the main thread at some moment."""
    case = run.case
    if case.kind != 'plain':
        limit = green_threads.time_limit(case.moment)

        def limited() -> bytes | None:
            with limit:
                return run.download()

        outcome = _run.attempt(limited)
        run.judge(outcome, limit)
        # Its traceback holds all that it has passed.
        outcome.error = limit.__traceback__ = limit.__context__ = None
        return
    raiser = observed.Raiser(_RAISED[case.raised])
    signal.signal(signal.SIGALRM, raiser)
    with observed.Log().attached() as log:
        outcome = _run.attempt(_with_timer, run, case.moment)
    late = outcome.ended_at - raiser.at
    if raiser.error is None:
        run.judge(outcome)
    elif not raiser.is_behind(outcome.error):
        run.judge(outcome)
        if not raiser.may_be_lost(log.lines):
            run.flaw('swallowed', f'it was raised at\n{raiser.stack}')
    elif late > actions.AT_ONCE:
        run.flaw('swallowed', f'it arrived {late:.1f} s later')
    outcome.error = None
    raiser.forget()


def _with_timer(run: _run.Run, moment: float) -> bytes | None:
    try:
        signal.setitimer(signal.ITIMER_REAL, moment)
        return run.download()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def close(run: _run.Run) -> None:
    """Close a response in one thread while another one reads it."""
    case = run.case
    outcome = _run.attempt(run.open)
    if outcome.error is not None:
        run.judge(outcome)
        return
    response: Any = outcome.content
    closed_at = 0.0
    errors: list[BaseException] = []

    def do_close() -> None:
        nonlocal closed_at
        time.sleep(case.moment)
        closed_at = time.monotonic()
        try:
            response.close()
        except BaseException as exc:
            errors.append(exc)

    outcome = _run.Outcome()

    def read() -> None:
        nonlocal outcome
        outcome = _run.attempt(
            lambda: b''.join(actions.read(response, case.read))
        )

    here, there = (do_close, read) if case.from_main else (read, do_close)
    thread = threading.Thread(target=there)
    thread.start()
    here()
    thread.join()
    run.judge_closed(outcome, closed_at)
    for error in errors:
        run.flaw(
            'other',
            'out of close():\n' + ''.join(traceback.format_exception(error)),
        )


def close_in_handler(run: _run.Run) -> None:
    """Close a response in a signal handler while the main thread reads."""
    case = run.case
    outcome = _run.attempt(run.open)
    if outcome.error is not None:
        run.judge(outcome)
        return
    response: Any = outcome.content
    closed_at = 0.0

    def handler(*_: object) -> None:
        nonlocal closed_at
        closed_at = time.monotonic()
        response.close()

    def read() -> bytes:
        try:
            signal.setitimer(signal.ITIMER_REAL, max(case.moment, 1e-6))
            return b''.join(actions.read(response, case.read))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    signal.signal(signal.SIGALRM, handler)
    run.judge_closed(_run.attempt(read), closed_at or None)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    response.close()


def close_in_progress(run: _run.Run) -> None:
    """Close a response in its own progress function."""
    responses: list[Any] = []
    closed_at = 0.0

    def progress(seen: Any) -> None:
        nonlocal closed_at
        if responses and seen.done >= run.case.amount:
            closed_at = time.monotonic()
            responses.pop().close()

    outcome = _run.attempt(run.open, progress=progress)
    if outcome.error is not None:
        run.judge(outcome)
        return
    response: Any = outcome.content
    responses.append(response)
    outcome = _run.attempt(
        lambda: b''.join(actions.read(response, run.case.read))
    )
    run.judge_closed(outcome, closed_at or None)
    response.close()


def fork(run: _run.Run) -> None:
    """Fork while another thread downloads, or out of another thread."""
    case = run.case
    children: list[processes.Child] = []
    with actions.temporary() as directory:

        def do_fork() -> None:
            time.sleep(case.moment)
            act = functools.partial(_CHILDREN[case.child], run, directory)
            children.append(processes.Child(act))

        outcome = _run.Outcome()

        def download() -> None:
            nonlocal outcome
            outcome = _run.attempt(run.download)

        here, there = (
            (do_fork, download) if case.from_main else (download, do_fork)
        )
        thread = threading.Thread(target=there)
        thread.start()
        here()
        thread.join()
        run.judge(outcome)
        _judge_child(run, children[0])
    asked = run.remote.asked(run.ids[0])
    calm = case.server in ('fast', 'slow', 'pauses')
    if calm and actions.asked_twice(asked):
        run.flaw('other', f'ranges were asked for twice: {asked}')


def _exit(run: _run.Run, directory: str) -> None:
    # What sys.exit() does at last, without what stands on the stack.
    import atexit

    atexit._run_exitfuncs()


def _collect(run: _run.Run, directory: str) -> None:
    gc.collect()


def _download(run: _run.Run, directory: str) -> None:
    content = run.download(1, directory=directory)
    if content != run.data[1]:
        raise AssertionError('the child has the wrong bytes')


def _close(run: _run.Run, directory: str) -> None:
    if run.response is not None:
        run.response.close()


def _read_on(run: _run.Run, directory: str) -> None:
    response = run.response
    if response is None:
        return
    try:
        while response.raw.read(1024 * 1024):
            pass
    except Exception as exc:
        if isinstance(exc, exceptions.ChecksumMismatchError):
            raise
        if not isinstance(exc, (exceptions.ImageStreamError, ValueError)):
            raise
    # To its end it can be read only where all of it had come already.


_CHILDREN: dict[str, Callable[[_run.Run, str], None]] = {
    'exit': _exit,
    'collect': _collect,
    'download': _download,
    'close': _close,
    'read': _read_on,
}


def _judge_child(run: _run.Run, child: processes.Child) -> None:
    try:
        child.wait(_CHILD)
    except AssertionError as exc:
        run.flaw('hangs' if 'hangs' in str(exc) else 'other', str(exc))


def collect(run: _run.Run) -> None:
    """Have forgotten responses collected in whatever thread it is."""
    thresholds = gc.get_threshold()
    for _ in range(2):
        response = run.open()
        response.raw.read(1)
        # A cycle, as a program may have one around it.
        box = [response]
        box.append(box)  # type: ignore[arg-type]
        del response, box
    gc.set_threshold(20, 5, 5)
    gc.enable()
    try:
        run.judge(_run.attempt(run.download))
    finally:
        gc.disable()
        gc.set_threshold(*thresholds)
        gc.collect()


def two(run: _run.Run) -> None:
    """Have two threads write to one path, or to one file."""
    outcomes: dict[int, _run.Outcome] = {}

    def write(which: int) -> None:
        if run.case.shared != 'file':
            outcomes[which] = _run.attempt(
                run.download, which, output=run.path
            )
            return
        with open(run.path, 'wb') as file:
            outcomes[which] = _run.attempt(run.download, which, output=file)

    if run.case.shared == 'file':
        run.former = b''
    thread = threading.Thread(target=write, args=(1,))
    thread.start()
    write(0)
    thread.join()
    whole = [
        run.data[which]
        for which, outcome in outcomes.items()
        if outcome.error is None
    ]
    for outcome in outcomes.values():
        if outcome.error is None:
            continue
        # An empty file is written in place, which only one can do.
        if run.case.shared == 'path' and run.case.before != 'empty':
            run.judge(outcome)
        else:
            run.judge(outcome, exceptions.ImageStreamError, OSError)
    content = b''
    with contextlib.suppress(FileNotFoundError), open(run.path, 'rb') as file:
        content = file.read()
    if whole and content not in whole:
        run.flaw(
            'wrong files',
            f'{len(whole)} of two writers have succeeded, but '
            + _run._differs(content, tuple(whole)),
        )
    if run.case.shared == 'file' and not whole:
        # It is the caller's what becomes of that.
        os.unlink(run.path)
        run.former = None


def forget(run: _run.Run) -> None:
    """Read some of a response, and forget it."""
    response = run.open()
    if run.case.amount % 2:
        response.raw.read(run.case.amount)
    del response
    # No collection: gc is disabled.


def break_off(run: _run.Run) -> None:
    """Stop reading in the middle."""
    seen = 0
    with run.open() as response:
        for chunk in response.iter_content(100_000):
            seen += len(chunk)
            if seen >= run.case.amount:
                break


ALL: dict[str, Callable[[_run.Run], None]] = {
    'none': nothing,
    'raise': raise_into,
    'close': close,
    'close_in_handler': close_in_handler,
    'close_in_progress': close_in_progress,
    'fork': fork,
    'collect': collect,
    'two': two,
    'forget': forget,
    'break': break_off,
}
