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

"""When to retry, and how long to wait before."""

from collections.abc import Callable
import dataclasses
import logging
import random
from typing import Protocol, TypeVar

_T = TypeVar('_T')

#: Seconds; the first wait is at most this long, and each further one twice
#: as long.
_FIRST = 0.5
#: Seconds; no wait of the backoff is longer.
_LONGEST = 30.0
#: Seconds; the most that ``Retry-After`` can ask for. Half an hour is what an
#: upgrade of an Image service may take.
_LONGEST_ASKED = 1800.0

#: Bytes after which the backoff starts over. A server that sends a byte for
#: each request and hangs up would otherwise get requests without a break.
_ENOUGH = 64 * 1024

_LOG = logging.getLogger('openstack.image_stream')


class RetriableError(Exception):
    """An attempt failed in a way that a retry may cure.

    :param reason: What happened, for a person.
    :param error: What to raise after the last retry, if that says more than
        an error about missing bytes.
    :param retry_after: Seconds that the server asks to wait.
    :param final: Whether there shall be no retry all the same.
    :param kind: Makes what to raise instead of that, as a class of
        :exc:`.IncompleteDownloadError` does, where no response has come.
    :param futile: Whether the bytes since the last failure are too few to
        count as progress.
    """

    def __init__(
        self,
        reason: str,
        *,
        error: Exception | None = None,
        retry_after: float | None = None,
        final: bool = False,
        kind: Callable[..., Exception] | None = None,
        futile: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error
        self.retry_after = retry_after
        self.final = final
        self.kind = kind
        self.futile = futile


class Waiter(Protocol):
    """The owner of a download, which can end while a retry is due."""

    def wait(self, seconds: float) -> object:
        """Wait, but not beyond the end."""

    def check(self) -> None:
        """Raise what ended the download, if anything but success did."""


def _wait(waiter: Waiter, seconds: float) -> None:
    waiter.wait(seconds)


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """How often a download retries.

    :param retries: Retries in a row without a single new byte; none with 0.
    :param uniform: Picks a number between two others.
    :param wait: Waits for some seconds, but not beyond the end of a download.
    """

    retries: int
    uniform: Callable[[float, float], float] = random.uniform
    wait: Callable[[Waiter, float], object] = _wait


class Retries:
    """The retries of one connection, or of one request.

    Exponential backoff with full jitter: many clients, or connections of one,
    that lost the same server come back spread over time.

    :param policy: How many there are.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        # How many of them there were at the last one.
        self._counted = 0
        # How often the longest wait was doubled, and the bytes since then.
        self._doublings = 0
        self._received = 0

    def run(
        self,
        attempt: Callable[[], _T],
        *,
        waiter: Waiter,
        image_id: str,
        failed: Callable[[RetriableError], str],
        error: Callable[[RetriableError], Exception] | None = None,
    ) -> _T:
        """Make attempts until one succeeds.

        :param attempt: Makes one.
        :param waiter: Owns the download.
        :param image_id: ID of the image, for the log.
        :param failed: Called after each failure, to let go of what the
            attempt had. It returns what failed, for the log.
        :param error: Makes what to raise when there is no retry left, where
            the failure does not say it by itself. Without it the failure is
            raised.
        :returns: What the attempt returned.
        :raises: what ``error`` makes when there is no retry left, what ended
            the download when it ended, and whatever else an attempt raises.
        """
        while True:
            waiter.check()
            try:
                return attempt()
            except RetriableError as exc:
                what = failed(exc)
                # A connection that was broken because of the end is no reason
                # to speak of a retry.
                waiter.check()
                delay = self.delay(exc)
                if delay is None:
                    if error is None:
                        raise
                    final = exc.error or error(exc)
                    raise final from cause(exc, final)
                _LOG.warning(
                    'image %s: %s (%s); retrying in %.1f s (retry %s)',
                    image_id,
                    what,
                    exc,
                    delay,
                    self,
                )
                self._policy.wait(waiter, delay)

    def progress(self, amount: int = _ENOUGH) -> None:
        """Take note of new bytes: all retries are left again.

        :param amount: How many. The backoff starts over only after some.
        """
        self._failures = 0
        self._received += amount
        if self._received >= _ENOUGH:
            self._doublings = 0

    def delay(self, failure: RetriableError) -> float | None:
        """Take note of a failure.

        :param failure: What went wrong.
        :returns: Seconds to wait before the retry, ``None`` if there should
            be no retry.
        """
        if failure.futile:
            self._failures = self._counted
        self._failures += 1
        self._counted = self._failures
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
        # the same for all its clients.
        return backoff + min(failure.retry_after or 0.0, _LONGEST_ASKED)

    def __str__(self) -> str:
        return f'{self._failures} of {self._policy.retries}'


def cause(failure: RetriableError, error: Exception) -> BaseException | None:
    """Find the cause of what is raised after the last retry.

    :param failure: The last failure.
    :param error: What is raised; it must not become the cause of itself.
    :returns: What caused the failure, if it is anything else.
    """
    return None if failure.__cause__ is error else failure.__cause__


def drop_frames(error: BaseException) -> None:
    """Have an error that is over refer to no frames any more.

    Those of urllib3 refer to their errors in turn, and all of them to the
    caller's, so that a forgotten response would be part of a cycle.

    :param error: The error; its causes and contexts are treated as well.
    """
    pending: list[BaseException | None] = [error]
    while pending:
        found = pending.pop()
        if found is not None and found.__traceback__ is not None:
            found.__traceback__ = None
            pending += [found.__cause__, found.__context__]
