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

"""Telling what a signal handler raised from what the network raised.

A time limit is often a handler of SIGALRM that raises ``TimeoutError``. It is
raised wherever the main thread happens to be, so also below urllib3, which
takes it for a socket that timed out. Its class does not tell the difference,
its traceback does.
"""

from collections.abc import Iterator
import contextlib
import functools
import inspect
import signal
import sys
from types import CodeType, FrameType, TracebackType
from typing import Any


#: What the names of our modules begin with.
_PACKAGE = __name__.partition('.')[0] + '.'


def find_raised(
    exc: BaseException | None, handled: BaseException | None = None
) -> BaseException | None:
    """Find what a signal handler raised among the causes of an error.

    :param exc: An error, as it was caught.
    :param handled: What was being handled when that began which raised the
        error. It is the context of the error, and has nothing to do with it.
    :returns: The exception that was raised by a signal handler, which is
        ``exc`` itself, its cause or its context, or one of theirs. ``None``
        when no signal handler was involved.
    """
    seen = {id(handled)}
    pending = [exc]
    raised: BaseException | None = None
    codes: set[CodeType] | None = None
    while pending:
        found = pending.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        if codes is None:
            codes = set(_handler_codes())
        frames = list(_frames(found.__traceback__))
        if _passes_handler(frames, codes):
            # What is below it may be what it was made of, with its traceback.
            raised = found
        for other in (found.__context__, found.__cause__):
            if other is not None and _was_caught_in(other, frames):
                pending.append(other)
    return raised


class reraised(contextlib.AbstractContextManager[None]):
    """Lets an exception of a signal handler through as it was raised.

    To be placed inside of what translates errors of the network. On leaving,
    the exception of the signal handler is raised, where there is one in place
    of what was raised.
    """

    def __enter__(self) -> None:
        self._handled = sys.exc_info()[1]

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        handled, self._handled = self._handled, None
        raised = None
        if isinstance(exc, Exception):
            raised = find_raised(exc, handled)
        if raised is None:
            return
        _drop_references(exc, raised, handled)
        if raised is exc:
            return
        try:
            raise raised from None
        finally:
            raised.__context__ = None
            # This frame is part of its traceback.
            raised = exc = handled = None


def _drop_references(
    exc: BaseException | None,
    raised: BaseException,
    handled: BaseException | None,
) -> None:
    """Have nothing that was made of an exception refer to it any more.

    It has the frames that it passed in its traceback. Some of urllib3's have
    it in a variable, as the errors that it was turned into have it in turn.
    The connections in them would be open until the next garbage collection.
    """
    pending = [exc]
    seen = {id(handled)}
    while pending:
        found = pending.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        frames = list(_frames(found.__traceback__))
        for other in (found.__context__, found.__cause__):
            if other is not None and _was_caught_in(other, frames):
                pending.append(other)
        for frame in frames:
            if _module_of(frame).startswith('urllib3.'):
                # It may not be over yet.
                with suppress(RuntimeError):
                    frame.clear()
        if found is not raised:
            found.args = ()
            found.__cause__ = found.__context__ = found.__traceback__ = None


class suppress(contextlib.AbstractContextManager[None]):
    """As :class:`contextlib.suppress`, but not for signal handlers.

    :param kinds: The exceptions to suppress where no signal handler raised
        them.
    """

    def __init__(self, *kinds: type[Exception]) -> None:
        self._kinds = kinds
        self._handled: BaseException | None = None

    def __enter__(self) -> None:
        self._handled = sys.exc_info()[1]

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return (
            isinstance(exc, self._kinds)
            and find_raised(exc, self._handled) is None
        )


def _frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get('__name__', ''))


def _was_caught_in(exc: BaseException, frames: list[FrameType]) -> bool:
    # The context of an error is also what the caller of all this was handling
    # already. That was caught further out.
    traceback = exc.__traceback__
    return traceback is not None and any(
        traceback.tb_frame is frame for frame in frames
    )


def _passes_handler(frames: list[FrameType], codes: set[CodeType]) -> bool:
    return any(
        frame.f_code in codes or _is_given_its_caller(frame)
        for frame in frames
    )


def _is_given_its_caller(frame: FrameType) -> bool:
    # A handler may have been replaced by the time that this is asked. What
    # it gets as its second parameter is the frame that it interrupted.
    caller = frame.f_back
    if caller is None or _module_of(frame).startswith(_PACKAGE):
        # Ours are none, and to look at the variables of a frame that is not
        # over makes a copy of them, which refers to the error that is caught.
        return False
    values = inspect.getargvalues(frame)
    given = [values.locals.get(name) for name in values.args]
    if values.varargs is not None:
        given.extend(values.locals.get(values.varargs) or ())
    return any(value is caller for value in given)


def _handler_codes() -> Iterator[CodeType]:
    for number in signal.valid_signals():
        code = _code_of(signal.getsignal(number))
        if code is not None:
            yield code


def _code_of(handler: Any) -> CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    if not callable(handler) or isinstance(handler, signal.Handlers):
        return None
    for function in (handler, type(handler).__call__):
        code = getattr(inspect.unwrap(function), '__code__', None)
        if isinstance(code, CodeType):
            return code
    return None
