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

"""What signal handlers raise, and what the log says."""

import contextlib
import logging
import threading
import time
import traceback
from types import CodeType
from typing import Any

from tests import uncaught


#: What the exceptions of signal handlers say.
_WORDS = 'out of a signal handler'


class Raiser:
    """A signal handler that raises an exception, and remembers where.

    :param kind: Class of the exception.
    """

    def __init__(self, kind: type[BaseException]) -> None:
        self._kind = kind
        self.error: BaseException | None = None
        #: When it was raised.
        self.at = 0.0
        #: The stack that it interrupted.
        self.stack = ''
        self._code: CodeType = Raiser.__call__.__code__

    def __call__(self, number: int, frame: Any) -> None:
        """Raise it."""
        self.at = time.monotonic()
        self._code = frame.f_code
        self.stack = ''.join(traceback.format_stack(frame)[-25:])
        self.error = uncaught.FOUND.raised = self._kind(_WORDS)
        raise self.error

    def is_behind(self, error: BaseException | None) -> bool:
        """Tell whether an error is the one that was raised.

        :param error: The error, if there is one.
        """
        # Codecs of Python make another one of the same class of it.
        return error is self.error or (
            error is not None
            and type(error) is type(self.error)
            and error.__cause__ is self.error
        )

    def may_be_lost(self, logged: list[str]) -> bool:
        """Tell whether it is Python that has caught it, not the package.

        What is raised into a finalizer goes no further, not even to the hook
        where the finalizer is written in C; and what is raised into
        ``os.path.isdir()`` and its like is a "no" to them. But nothing of it
        is a reason to try again.

        :param logged: What was logged.
        """
        if any(_WORDS in line for line in logged):
            return False
        ours = 'openstack_image_stream' in self._code.co_filename
        finalizer = self._code.co_name in ('__del__', 'close', 'closed')
        return uncaught.FOUND.lost or finalizer or not ours

    def forget(self) -> None:
        """Let go of all that the exception has passed."""
        if self.error is not None:
            self.error.__traceback__ = self.error.__context__ = None
        self.error = uncaught.FOUND.raised = None
        uncaught.FOUND.lost = False


class Log(logging.Handler):
    """Remembers what the plugin and the SDK log.

    :param level: From which level on.
    """

    def __init__(self, level: int = logging.INFO) -> None:
        super().__init__(level)
        self.lines: list[str] = []
        #: Set once a warning was logged.
        self.warned = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Remember a line."""
        self.lines.append(record.getMessage())
        if record.levelno >= logging.WARNING:
            self.warned.set()

    @contextlib.contextmanager
    def attached(self) -> Any:
        """Listen; a context manager."""
        logger = logging.getLogger('openstack')
        logger.addHandler(self)
        logger.setLevel(self.level)
        try:
            yield self
        finally:
            logger.removeHandler(self)

    def retries(self) -> list[str]:
        """Return the lines that tell of a retry."""
        return [
            line
            for line in self.lines
            if 'again' in line.lower() or 'retry' in line.lower()
        ]
