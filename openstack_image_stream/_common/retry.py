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

"""When to try again, and how long to wait before."""

from collections.abc import Callable
import dataclasses
import datetime
import email.utils
import random
import re

from keystoneauth1 import exceptions as ksa_exceptions
import requests

from openstack_image_stream._common import signals
from openstack_image_stream._transfer import coordination

#: Statuses that another attempt may cure.
STATUSES = frozenset({408, 429, 500, 502, 503, 504})

#: Seconds; the first wait is at most this long, and each further one twice
#: as long.
_FIRST = 0.5
#: Seconds; no wait of ours is longer.
_LONGEST = 30.0
#: Seconds; a server that asks for more is asked again all the same. Half an
#: hour is what an upgrade of an Image service may take.
_LONGEST_ASKED = 1800.0

#: Bytes after which the waits begin anew. A server that sends a byte for each
#: request and hangs up would otherwise be asked without a break.
_ENOUGH = 64 * 1024


class RetriableError(Exception):
    """An attempt failed in a way that another attempt may cure.

    :param reason: What happened, for a person.
    :param error: What to raise when patience is at its end, if that is more
        telling than an error about missing bytes.
    :param retry_after: Seconds that the server asks to wait.
    :param final: Whether there shall be no other attempt all the same.
    """

    def __init__(
        self,
        reason: str,
        *,
        error: Exception | None = None,
        retry_after: float | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error
        self.retry_after = retry_after
        self.final = final


def cause(failure: RetriableError, error: Exception) -> BaseException | None:
    """Find the cause of what is raised when patience is at its end.

    :param failure: The last failure.
    :param error: What is raised; it must not become the cause of itself.
    :returns: What caused the failure, if it is anything else.
    """
    return None if failure.__cause__ is error else failure.__cause__


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """How patient a download is.

    :param retries: Attempts in a row that may follow a failed one without a
        single new byte; none with 0.
    :param uniform: Picks a number between two others.
    :param wait: Waits for some seconds, but not beyond the end of a download,
        and tells whether that has ended.
    """

    retries: int
    uniform: Callable[[float, float], float] = random.uniform
    wait: Callable[[coordination.Coordinator, float], bool] = (
        coordination.Coordinator.wait
    )


class Retries:
    """Counts the failures of one connection, and says how long to wait.

    Exponential backoff with full jitter: many clients, or connections of one,
    that lost the same server come back spread over time.

    :param policy: How much of it there is.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        # How often the longest wait was doubled, and the bytes since then.
        self._doublings = 0
        self._received = 0

    def progress(self, amount: int = _ENOUGH) -> None:
        """New bytes arrived: all retries are left again.

        :param amount: How many. The waits begin anew only after some of them.
        """
        self._failures = 0
        self._received += amount
        if self._received >= _ENOUGH:
            self._doublings = 0

    def delay(self, failure: RetriableError) -> float | None:
        """Take note of a failure.

        :param failure: What went wrong.
        :returns: Seconds to wait before the next attempt, ``None`` if there
            should be none.
        """
        self._failures += 1
        if failure.final or self._failures > self._policy.retries:
            return None
        drop_frames(failure)
        # The exponent is bounded before the power is, for thousands of
        # retries.
        longest = min(_LONGEST, _FIRST * 2 ** min(self._doublings, 10))
        self._doublings += 1
        self._received = 0
        backoff = self._policy.uniform(0, longest)
        # What the server asks for comes on top. It may be nothing, and it is
        # the same for all who ask at a time.
        return backoff + min(failure.retry_after or 0.0, _LONGEST_ASKED)

    def __str__(self) -> str:
        return f'{self._failures} of {self._policy.retries}'


def drop_frames(error: BaseException) -> None:
    """Have an error that is over refer to no frames any more.

    Those of urllib3 refer to their errors in turn, and all of them to whoever
    called, so that a forgotten response would be part of a cycle.

    :param error: The error; its causes and contexts are treated as well.
    """
    pending: list[BaseException | None] = [error]
    while pending:
        found = pending.pop()
        if found is not None and found.__traceback__ is not None:
            found.__traceback__ = None
            pending += [found.__cause__, found.__context__]


def is_curable(exc: Exception) -> bool:
    """Tell whether another attempt may cure an error of keystoneauth.

    :param exc: The error. It may be of Keystone, when a token has to be
        renewed.
    """
    return (
        isinstance(
            exc,
            (
                ksa_exceptions.RetriableConnectionFailure,
                ksa_exceptions.UnknownConnectionError,
            ),
        )
        or getattr(exc, 'http_status', None) in STATUSES
    )


def retry_after(response: requests.Response | None) -> float | None:
    """Return the seconds that an answer asks to wait, if it does."""
    if response is None:
        return None
    return parse_retry_after(
        response.headers.get('Retry-After'),
        datetime.datetime.now(datetime.timezone.utc),
    )


def parse_retry_after(
    value: str | None, now: datetime.datetime
) -> float | None:
    """Read a ``Retry-After`` header (RFC 9110, section 10.2.3).

    :param value: The value of the header, ``None`` if there is none.
    :param now: The present time, with a time zone.
    :returns: Seconds to wait, not negative; ``None`` if it says nothing that
        makes sense.
    """
    text = (value or '').strip()
    if re.fullmatch(r'\d{1,10}', text, re.ASCII):
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError) as exc:
        if signals.find_raised(exc) is not None:
            raise
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.timezone.utc)
    return max(0.0, (until - now).total_seconds())
