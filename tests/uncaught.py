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

"""Exceptions that are raised where nothing can catch them."""

import sys
import threading
import traceback
from typing import Any


class Uncaught:
    """What is raised in threads and finalizers, where nothing can catch it."""

    def __init__(self) -> None:
        #: The texts.
        self.texts: list[str] = []
        #: What a signal handler raises at present.
        self.raised: BaseException | None = None
        #: Whether that was lost so.
        self.lost = False

    def listen(self) -> None:
        """Take note of them from now on."""
        threading.excepthook = self._take
        sys.unraisablehook = self._take

    def clear(self) -> None:
        """Forget what was raised."""
        self.texts.clear()
        self.raised = None
        self.lost = False

    def _take(self, found: Any) -> None:
        if found.exc_value is self.raised is not None:
            # Python has interrupted a finalizer for it.
            self.lost = True
            return
        text = ''.join(
            traceback.format_exception(
                found.exc_type, found.exc_value, found.exc_traceback
            )
        )
        # Thread.start() of Python, interrupted between two of its lines. It
        # is told of in the thread, maybe later.
        if 'del _limbo[self]' not in text:
            self.texts.append(text)


#: Those of this process.
FOUND = Uncaught()
