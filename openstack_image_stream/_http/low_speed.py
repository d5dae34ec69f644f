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

"""Connections that are too slow, and count as lost.

A read of urllib3 lasts until all that it is asked for has come, and a trickle
makes it last for ever: each byte ends a silence. So what is measured here is
received as it comes.
"""

from collections.abc import Callable
import dataclasses
import time

import requests

from openstack_image_stream._common import retry
from openstack_image_stream._http import compat
from openstack_image_stream._http import response_body
from openstack_image_stream._http import responses
from openstack_image_stream._http import sockets

#: Bytes received at a time. Room for more of them would be made each time,
#: and the system hands out no more.
_MOST = 256 * 1024

#: Seconds that do not count, as sums of fractions are not exact.
_CLOSE = 0.001

#: Seconds that a silence may last at least. With 0 a socket does not wait.
_LEAST_SILENCE = 0.01


@dataclasses.dataclass(frozen=True)
class LowSpeed:
    """What is too slow.

    :param limit: Bytes per second.
    :param seconds: Seconds over which a connection must bring that.
    :param timeout: Longest silence of a connection in seconds otherwise.
    """

    limit: int
    seconds: float
    timeout: float

    def __str__(self) -> str:
        return f'less than {self.limit} bytes/s over {self.seconds:g} s'


class SpeedMeter:
    """Tells whether a connection is too slow.

    Counts from the last moment at which it was fast enough. Only the time in
    which it was waited for counts, so that it is not blamed for a reader that
    is slow.

    :param low: What is too slow.
    """

    def __init__(self, low: LowSpeed) -> None:
        self._low = low
        self._received = 0
        self._waited = 0.0
        #: Bytes received in all.
        self.total = 0

    @property
    def left(self) -> float:
        """Seconds after which it is too slow if nothing comes."""
        return self._low.seconds - self._waited

    def note(self, amount: int, seconds: float) -> None:
        """Take note of what has come.

        :param amount: Bytes.
        :param seconds: How long that was waited for.
        """
        self.total += amount
        self._received += amount
        self._waited += seconds
        if self._received >= self._low.limit * self._waited:
            self._received = 0
            self._waited = 0.0

    def failure(self) -> retry.RetriableError | None:
        """Return the failure of the connection if it is too slow."""
        if self.left > _CLOSE:
            return None
        enough = self._low.limit * self._low.seconds
        return retry.RetriableError(str(self._low), futile=self.total < enough)


class MeasuredBody(response_body.Body):
    """The bytes of one response, whose connection must not be too slow.

    :param response: The response, its body unread.
    :param start: Position in the image of its first byte.
    :param encoded: Whether the server compressed it.
    :param low: What is too slow.
    :param clock: Seconds, from any moment on.
    """

    def __init__(
        self,
        response: requests.Response,
        start: int,
        *,
        encoded: bool,
        low: LowSpeed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(response, start, encoded=encoded)
        self._meter = SpeedMeter(low)
        self._timeout = low.timeout
        self._clock = clock
        # Those that the request was sent by.
        self._sockets = sockets.ACTIVE.get()
        self._silence: float | None = None

    def _receive(self, size: int) -> bytes:
        if failure := self._meter.failure():
            raise failure
        self._limit_silence()
        began = self._clock()
        try:
            with responses.retriable_errors():
                chunk = compat.read_available(self._raw, min(size, _MOST))
        except retry.RetriableError as exc:
            self._meter.note(0, self._clock() - began)
            if failure := self._meter.failure():
                raise failure from exc.__cause__
            raise
        self._meter.note(len(chunk), self._clock() - began)
        return chunk

    def _limit_silence(self) -> None:
        """Have a silence end when the connection is too slow."""
        # urllib3 sets the timeout of each request, so that the next one of
        # this connection does not have this.
        silence = max(_LEAST_SILENCE, min(self._timeout, self._meter.left))
        if self._sockets is not None and silence != self._silence:
            self._sockets.limit_silence(silence)
            self._silence = silence
