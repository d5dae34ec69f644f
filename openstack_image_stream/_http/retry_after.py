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

"""What a server says about retries: statuses, ``Retry-After``."""

import datetime
import email.utils
import re

import requests

from openstack_image_stream._common import signals

#: Statuses that a retry may cure.
STATUSES = frozenset({408, 429, 500, 502, 503, 504})


def retry_after(response: requests.Response | None) -> float | None:
    """Return the seconds that a response asks to wait, if it does."""
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

    :param value: The value of the header, ``None`` if there is no header.
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
