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

"""Tests of when a download tries again."""

import datetime
import email.utils

import hypothesis
from hypothesis import strategies
from keystoneauth1 import exceptions as ksa_exceptions

from openstack_image_stream._common import retry
from openstack_image_stream._http import retry_after
from openstack_image_stream._sdk import errors
from tests.unit import base

NOW = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)


def _largest(low: float, high: float) -> float:
    return high


class TestRetries(base.TestCase):
    """How long it waits, and when it gives up."""

    def _delays(
        self, count: int, failure: retry.RetriableError, retries: int = 100
    ) -> list[float | None]:
        retries = retry.Retries(
            retry.RetryPolicy(retries=retries, uniform=_largest)
        )
        return [retries.delay(failure) for _ in range(count)]

    def test_doubles_up_to_a_limit(self) -> None:
        """The longest wait doubles from half a second to half a minute."""
        self.assertEqual(
            [0.5, 1, 2, 4, 8, 16, 30, 30],
            self._delays(8, retry.RetriableError('reset')),
        )

    def test_thousands(self) -> None:
        """A very patient download does not overflow."""
        delays = self._delays(
            5000, retry.RetriableError('reset'), retries=10_000
        )
        self.assertEqual(30, delays[-1])

    def test_full_jitter(self) -> None:
        """Anything down to nothing is picked."""
        asked = []

        def pick(low: float, high: float) -> float:
            asked.append((low, high))
            return low

        retries = retry.Retries(retry.RetryPolicy(retries=1, uniform=pick))
        self.assertEqual(0, retries.delay(retry.RetriableError('reset')))
        self.assertEqual([(0, 0.5)], asked)

    def test_gives_up(self) -> None:
        """As many attempts follow a failure as there are retries."""
        delays = self._delays(4, retry.RetriableError('reset'), retries=3)
        self.assertEqual([0.5, 1, 2, None], delays)

    def test_progress_starts_anew(self) -> None:
        """A new byte makes it as patient as it was."""
        retries = retry.Retries(retry.RetryPolicy(retries=1, uniform=_largest))
        for _ in range(5):
            self.assertEqual(0.5, retries.delay(retry.RetriableError('reset')))
            retries.progress()

    def test_crumbs(self) -> None:
        """A byte now and then gives the retries back, not the short waits."""
        retries = retry.Retries(retry.RetryPolicy(retries=1, uniform=_largest))
        delays = []
        for _ in range(5):
            delays.append(retries.delay(retry.RetriableError('reset')))
            retries.progress(1)
        self.assertEqual([0.5, 1, 2, 4, 8], delays)
        for _ in range(64):
            retries.progress(1024)
        self.assertEqual(0.5, retries.delay(retry.RetriableError('reset')))

    def test_crumbs_do_not_add_up(self) -> None:
        """What came before a failure does not count after it."""
        retries = retry.Retries(retry.RetryPolicy(retries=1, uniform=_largest))
        for delay in (0.5, 1, 2):
            retries.progress(40_000)
            self.assertEqual(
                delay, retries.delay(retry.RetriableError('reset'))
            )

    def test_futile(self) -> None:
        """Bytes of a connection that was too slow give no retry back."""
        retries = retry.Retries(retry.RetryPolicy(retries=2, uniform=_largest))
        delays = []
        for _ in range(3):
            retries.progress(1)
            delays.append(
                retries.delay(retry.RetriableError('slow', futile=True))
            )
        self.assertEqual([0.5, 1, None], delays)

    def test_futile_after_progress(self) -> None:
        """What other connections brought before gives them back."""
        retries = retry.Retries(retry.RetryPolicy(retries=1, uniform=_largest))
        futile = retry.RetriableError('slow', futile=True)
        self.assertIsNotNone(retries.delay(futile))
        for reason in ('reset', 'slow'):
            retries.progress()
            self.assertIsNotNone(retries.delay(retry.RetriableError(reason)))
        retries.progress(1)
        self.assertIsNone(retries.delay(futile))

    def test_server_is_asked_when_it_wants(self) -> None:
        """What Retry-After says is waited at least."""
        failure = retry.RetriableError('503', retry_after=7)
        self.assertEqual([7.5, 8, 9], self._delays(3, failure))

    def test_server_that_wants_no_wait(self) -> None:
        """Retry-After: 0, or a date that is over, takes no wait away."""
        failure = retry.RetriableError('503', retry_after=0)
        self.assertEqual([0.5, 1, 2, 4], self._delays(4, failure))

    def test_connections_are_spread(self) -> None:
        """Who was told the same does not come back in the same instant."""
        failure = retry.RetriableError('503', retry_after=7)
        policy = retry.RetryPolicy(retries=1)
        delays = {retry.Retries(policy).delay(failure) for _ in range(20)}
        self.assertEqual(20, len(delays))

    def test_server_cannot_ask_for_ever(self) -> None:
        """Half an hour is the longest that is waited at a server's wish."""
        failure = retry.RetriableError('503', retry_after=1e9)
        self.assertEqual([1800.5], self._delays(1, failure))

    def test_no_retries(self) -> None:
        """With none there is one attempt."""
        self.assertEqual(
            [None], self._delays(1, retry.RetriableError('reset'), retries=0)
        )

    def test_final(self) -> None:
        """Some failures are the last whatever retries is left."""
        failure = retry.RetriableError('enough', final=True)
        self.assertEqual([None], self._delays(1, failure))


class TestRetryAfter(base.TestCase):
    """What a server asks for."""

    def test_seconds(self) -> None:
        """A number is seconds."""
        self.assertEqual(120, retry_after.parse_retry_after(' 120 ', NOW))

    def test_date(self) -> None:
        """A date is a moment."""
        date = email.utils.format_datetime(
            NOW + datetime.timedelta(seconds=90), usegmt=True
        )
        self.assertEqual(90, retry_after.parse_retry_after(date, NOW))

    def test_date_without_a_zone(self) -> None:
        """A date that forgets its zone is in the one that is prescribed."""
        self.assertEqual(
            1, retry_after.parse_retry_after('Mon, 06 May 2024 07:08:10', NOW)
        )

    def test_past(self) -> None:
        """A moment that is over asks for no wait."""
        self.assertEqual(
            0,
            retry_after.parse_retry_after(
                'Mon, 06 May 2013 07:08:09 GMT', NOW
            ),
        )

    @base.for_each(
        {
            'missing': None,
            'empty': '',
            'negative': '-5',
            'fraction': '1.5',
            'words': 'soon',
            'endless': '9' * 5000,
            'no_such_day': 'Mon, 99 May 2024 07:08:09 GMT',
        }
    )
    def test_nonsense_is_nothing(self, value: str | None) -> None:
        """What makes no sense is not made sense of."""
        self.assertIsNone(retry_after.parse_retry_after(value, NOW))

    @hypothesis.given(strategies.text())
    @base.EXAMPLES
    def test_any_text(self, value: str) -> None:
        """No text makes it fail, or travel in time."""
        seconds = retry_after.parse_retry_after(value, NOW)
        self.assertTrue(seconds is None or seconds >= 0)


class TestCurable(base.TestCase):
    """Which errors of keystoneauth another attempt may cure."""

    @base.for_each(
        {
            'refused': ksa_exceptions.ConnectFailure(),
            'timeout': ksa_exceptions.ConnectTimeout(),
            'unknown': ksa_exceptions.UnknownConnectionError('x', Exception()),
            'keystone_busy': ksa_exceptions.ServiceUnavailable(),
            'keystone_broken': ksa_exceptions.InternalServerError(),
        }
    )
    def test_curable(self, error: Exception) -> None:
        """What may be better in a moment."""
        self.assertTrue(errors.is_retriable(error))

    @base.for_each(
        {
            'certificate': ksa_exceptions.SSLError(),
            'password': ksa_exceptions.Unauthorized(),
            'not_found': ksa_exceptions.EndpointNotFound(),
        }
    )
    def test_not_curable(self, error: Exception) -> None:
        """What will be the same in a moment."""
        self.assertFalse(errors.is_retriable(error))
