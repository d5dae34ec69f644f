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

"""A limit of the rate of all connections of a download together."""

from collections.abc import Callable
import threading
import time

#: Seconds whose bytes may be saved up while less comes than is allowed.
_BURST = 0.25

#: Seconds whose bytes are taken at a time, so that several connections take
#: turns, and a reader is not given everything at once.
_TURN = 0.02


class TokenBucket:
    """Says who may receive how many bytes, and when.

    Bytes are taken before they are received, in the order of the calls. What
    is not available yet is promised, with the seconds to wait for it, so that
    no thread waits in here. May be used by several threads.

    Begins empty: a download does not begin with a burst.

    :param rate: Bytes per second.
    :param clock: Seconds, from any moment on.
    """

    def __init__(
        self, rate: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        # When all that was taken so far is paid for.
        self._paid_at = clock()

    @property
    def empty(self) -> bool:
        """Whether it is the limit that the bytes wait for.

        Where the network is slower there is something saved up.
        """
        return self._paid_at > self._clock() - _BURST / 4

    def take(self, size: int) -> tuple[int, float]:
        """Take some bytes.

        :param size: How many at the most, positive.
        :returns: How many, at least one, and the seconds to wait before they
            are received.
        """
        amount = max(1, min(size, int(self._rate * _TURN)))
        with self._lock:
            now = self._clock()
            begin = max(self._paid_at, now - _BURST)
            self._paid_at = begin + amount / self._rate
            return amount, max(0.0, self._paid_at - now)

    def give_back(self, amount: int) -> None:
        """Give back what was taken and not received.

        :param amount: Bytes.
        """
        with self._lock:
            self._paid_at -= amount / self._rate
