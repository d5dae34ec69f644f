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

"""Errors of keystoneauth: which a retry may cure, and what they become."""

from collections.abc import Iterator
import contextlib

from keystoneauth1 import exceptions as ksa_exceptions

from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream._http import reasons
from openstack_image_stream._http import retry_after
from openstack_image_stream import exceptions


@contextlib.contextmanager
def translated(what: str, *, shown: bool) -> Iterator[None]:
    """Translate what keystoneauth raises for a request.

    :param what: What cannot be done, for a message.
    :param shown: Whether that is said also after the last retry.
    :raises: :exc:`.RetriableError` for what a retry may cure,
        :exc:`~openstack_image_stream.exceptions.ImageStreamError` for the
        rest. What a signal handler raised passes unchanged.
    """
    try:
        with signals.reraised():
            yield
    except ksa_exceptions.ClientException as exc:
        if signals.find_raised(exc) is not None:
            raise
        reason = reasons.reason(exc)
        error = exceptions.ImageStreamError(f'{what}: {reason}')
        if not is_retriable(exc):
            raise error from exc
        raise retry.RetriableError(
            reason, error=error if shown else None
        ) from exc


def is_retriable(exc: Exception) -> bool:
    """Tell whether a retry may cure an error of keystoneauth.

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
        or getattr(exc, 'http_status', None) in retry_after.STATUSES
    )
