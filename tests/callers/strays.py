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

"""What a process says without being asked: stray exceptions, and its log."""

import contextlib
import logging
import sys
import threading
import traceback
from typing import Any


def note(strays: list[str]) -> None:
    """Note what is raised in threads and finalizers from now on.

    :param strays: Takes them, as texts.
    """

    def take(stray: Any) -> None:
        strays.append(
            ''.join(
                traceback.format_exception(
                    stray.exc_type, stray.exc_value, stray.exc_traceback
                )
            )
        )

    threading.excepthook = take
    sys.unraisablehook = take


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
