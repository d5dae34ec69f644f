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

"""Ends what does not end by itself, so that its input can be seen."""

from collections.abc import Iterator
import contextlib
import signal
from typing import Any

#: Seconds for one example. They take hundredths; the rest is for machines
#: that stall.
LIMIT = 30.0

#: Seconds until it is tried again. What cleans up after the first time may
#: be what hangs.
_AGAIN = 2.0


class _Stuck(BaseException):
    """Not an Exception, which the code that hangs may catch and go on."""


@contextlib.contextmanager
def limited(seconds: float = LIMIT) -> Iterator[None]:
    """Fail what takes too long. Works in the main thread alone.

    :param seconds: How long it may take.
    :raises: :exc:`AssertionError` when it is not done by then.
    """

    def ring(signum: int, frame: Any) -> None:
        raise _Stuck

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    except _Stuck as exc:
        raise AssertionError(f'not done after {seconds} s') from exc
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
