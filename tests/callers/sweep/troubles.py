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
import faulthandler
import gc
import os
import signal
import threading
import time
import traceback
from typing import Any

from openstack_image_stream import exceptions
from tests.callers import actions
from tests.callers import strays
from tests.callers.sweep import green
from tests.callers.sweep import play as _play

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


def nothing(play: _play.Play) -> None:
    """Download."""
    play.judge(_play.attempt(play.download))


def raise_into(play: _play.Play) -> None:
    """Raise an exception into the main thread at some moment."""
    case = play.case
    if case.kind != 'plain':
        limit = green.time_limit(case.moment)

        def limited() -> bytes | None:
            with limit:
                return play.download()

        outcome = _play.attempt(limited)
        play.judge(outcome, limit)
        # Its traceback holds all that it has passed.
        outcome.error = limit.__traceback__ = limit.__context__ = None
        return
    raiser = strays.Raiser(_RAISED[case.raised])
    signal.signal(signal.SIGALRM, raiser)
    with strays.Log().attached() as log:
        outcome = _play.attempt(_with_timer, play, case.moment)
    late = outcome.ended_at - raiser.at
    if raiser.error is None:
        play.judge(outcome)
    elif not raiser.is_behind(outcome.error):
        play.judge(outcome)
        if not raiser.may_be_lost(log.lines):
            play.flaw('swallowed', f'it was raised at\n{raiser.stack}')
    elif late > actions.AT_ONCE:
        play.flaw('swallowed', f'it arrived {late:.1f} s later')
    outcome.error = None
    raiser.forget()


def _with_timer(play: _play.Play, moment: float) -> bytes | None:
    try:
        signal.setitimer(signal.ITIMER_REAL, moment)
        return play.download()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def close(play: _play.Play) -> None:
    """Close a response in one thread while another one reads it."""
    case = play.case
    outcome = _play.attempt(play.open)
    if outcome.error is not None:
        play.judge(outcome)
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

    outcome = _play.Outcome()

    def read() -> None:
        nonlocal outcome
        outcome = _play.attempt(
            lambda: b''.join(actions.READS[case.read](response))
        )

    here, there = (do_close, read) if case.from_main else (read, do_close)
    thread = threading.Thread(target=there)
    thread.start()
    here()
    thread.join()
    play.judge_closed(outcome, closed_at)
    for error in errors:
        play.flaw(
            'other',
            'out of close():\n' + ''.join(traceback.format_exception(error)),
        )


def close_in_handler(play: _play.Play) -> None:
    """Close a response in a signal handler while the main thread reads."""
    case = play.case
    outcome = _play.attempt(play.open)
    if outcome.error is not None:
        play.judge(outcome)
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
            return b''.join(actions.READS[case.read](response))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    signal.signal(signal.SIGALRM, handler)
    play.judge_closed(_play.attempt(read), closed_at or None)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    response.close()


def close_in_progress(play: _play.Play) -> None:
    """Close a response in its own progress function."""
    responses: list[Any] = []
    closed_at = 0.0

    def progress(seen: Any) -> None:
        nonlocal closed_at
        if responses and seen.done >= play.case.amount:
            closed_at = time.monotonic()
            responses.pop().close()

    outcome = _play.attempt(play.open, progress=progress)
    if outcome.error is not None:
        play.judge(outcome)
        return
    response: Any = outcome.content
    responses.append(response)
    outcome = _play.attempt(
        lambda: b''.join(actions.READS[play.case.read](response))
    )
    play.judge_closed(outcome, closed_at or None)
    response.close()


def fork(play: _play.Play) -> None:
    """Fork while another thread downloads, or out of another thread."""
    case = play.case
    children: list[int] = []
    with actions.temporary() as directory:

        def do_fork() -> None:
            time.sleep(case.moment)
            number = os.fork()
            if number == 0:
                _be_child(play, directory)
            children.append(number)

        outcome = _play.Outcome()

        def download() -> None:
            nonlocal outcome
            outcome = _play.attempt(play.download)

        here, there = (
            (do_fork, download) if case.from_main else (download, do_fork)
        )
        thread = threading.Thread(target=there)
        thread.start()
        here()
        thread.join()
        play.judge(outcome)
        _judge_child(play, children[0], directory)
    asked = play.remote.asked(play.ids[0])
    calm = case.server in ('fast', 'slow', 'pauses')
    if calm and actions.asked_twice(asked):
        play.flaw('other', f'ranges were asked for twice: {asked}')


def _be_child(play: _play.Play, directory: str) -> None:
    stacks = open(os.path.join(directory, 'stacks'), 'w')  # noqa: SIM115
    # The watchdog is a thread, which a child does not inherit; and to cancel
    # it would mean to wait for it.
    faulthandler.register(signal.SIGUSR1, file=stacks)
    # The kernel ends it where the parent does not, as it hangs itself.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(2 * _CHILD))
    status = 1
    try:
        _CHILDREN[play.case.child](play, directory)
        status = 0
    except BaseException:
        with open(os.path.join(directory, 'error'), 'w') as file:
            file.write(traceback.format_exc())
    finally:
        os._exit(status)


def _exit(play: _play.Play, directory: str) -> None:
    # What sys.exit() does at last, without what stands on the stack.
    import atexit

    atexit._run_exitfuncs()


def _collect(play: _play.Play, directory: str) -> None:
    gc.collect()


def _download(play: _play.Play, directory: str) -> None:
    content = play.download(1, directory=directory)
    if content != play.data[1]:
        raise AssertionError('the child has the wrong bytes')


def _close(play: _play.Play, directory: str) -> None:
    if play.response is not None:
        play.response.close()


def _read_on(play: _play.Play, directory: str) -> None:
    response = play.response
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


_CHILDREN: dict[str, Callable[[_play.Play, str], None]] = {
    'exit': _exit,
    'collect': _collect,
    'download': _download,
    'close': _close,
    'read': _read_on,
}


def _judge_child(play: _play.Play, number: int, directory: str) -> None:
    until = time.monotonic() + _CHILD
    while True:
        found, status = os.waitpid(number, os.WNOHANG)
        if found:
            break
        if time.monotonic() > until:
            os.kill(number, signal.SIGUSR1)
            time.sleep(0.5)
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
            words = _text(os.path.join(directory, 'stacks'))
            play.flaw('hangs', f'the child hangs:\n{words}')
            return
        time.sleep(0.005)
    if status:
        words = _text(os.path.join(directory, 'error'))
        play.flaw('other', f'the child failed ({status}):\n{words}')


def _text(path: str) -> str:
    with contextlib.suppress(FileNotFoundError), open(path) as file:
        return file.read()
    return ''


def collect(play: _play.Play) -> None:
    """Have forgotten responses collected in whatever thread it is."""
    thresholds = gc.get_threshold()
    for _ in range(2):
        response = play.open()
        response.raw.read(1)
        # A cycle, as a program may have one around it.
        box = [response]
        box.append(box)  # type: ignore[arg-type]
        del response, box
    gc.set_threshold(20, 5, 5)
    gc.enable()
    try:
        play.judge(_play.attempt(play.download))
    finally:
        gc.disable()
        gc.set_threshold(*thresholds)
        gc.collect()


def two(play: _play.Play) -> None:
    """Have two threads write to one path, or to one file."""
    outcomes: dict[int, _play.Outcome] = {}

    def write(which: int) -> None:
        if play.case.shared != 'file':
            outcomes[which] = _play.attempt(
                play.download, which, output=play.path
            )
            return
        with open(play.path, 'wb') as file:
            outcomes[which] = _play.attempt(play.download, which, output=file)

    if play.case.shared == 'file':
        play.former = b''
    thread = threading.Thread(target=write, args=(1,))
    thread.start()
    write(0)
    thread.join()
    whole = [
        play.data[which]
        for which, outcome in outcomes.items()
        if outcome.error is None
    ]
    for outcome in outcomes.values():
        if outcome.error is None:
            continue
        # An empty file is written in place, which only one can do.
        if play.case.shared == 'path' and play.case.before != 'empty':
            play.judge(outcome)
        else:
            play.judge(outcome, exceptions.ImageStreamError, OSError)
    content = b''
    with contextlib.suppress(FileNotFoundError), open(play.path, 'rb') as file:
        content = file.read()
    if whole and content not in whole:
        play.flaw(
            'wrong files',
            f'{len(whole)} of two writers have succeeded, but '
            + _play._differs(content, tuple(whole)),
        )
    if play.case.shared == 'file' and not whole:
        # It is the caller's what becomes of that.
        os.unlink(play.path)
        play.former = None


def forget(play: _play.Play) -> None:
    """Read some of a response, and forget it."""
    response = play.open()
    if play.case.amount % 2:
        response.raw.read(play.case.amount)
    del response
    # No collection: gc is disabled.


def break_off(play: _play.Play) -> None:
    """Stop reading in the middle."""
    seen = 0
    with play.open() as response:
        for piece in response.iter_content(100_000):
            seen += len(piece)
            if seen >= play.case.amount:
                break


ALL: dict[str, Callable[[_play.Play], None]] = {
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
