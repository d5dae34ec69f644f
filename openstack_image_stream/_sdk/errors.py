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

from collections.abc import Callable, Iterator
import contextlib
import functools

from keystoneauth1 import exceptions as ksa_exceptions

from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream._http import reasons
from openstack_image_stream._http import retry_after
from openstack_image_stream import exceptions

#: What each error of keystoneauth becomes; the first that fits counts.
_KINDS: dict[type[Exception], type[exceptions.IncompleteDownloadError]] = {
    ksa_exceptions.ConnectFailure: exceptions.ConnectionFailedError,
    ksa_exceptions.ConnectTimeout: exceptions.ConnectionTimeoutError,
    ksa_exceptions.SSLError: exceptions.TLSError,
    ksa_exceptions.UnknownConnectionError: exceptions.RequestFailedError,
    ksa_exceptions.Unauthorized: exceptions.AuthenticationError,
    ksa_exceptions.HttpError: exceptions.IdentityServiceError,
    ksa_exceptions.ClientException: exceptions.ServiceAccessError,
}


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Translate what keystoneauth raises for a request.

    :raises: :exc:`.RetriableError`, a final one for what no retry cures. What
        a signal handler raised passes unchanged.
    """
    try:
        with signals.reraised():
            yield
    except ksa_exceptions.ClientException as exc:
        if signals.find_raised(exc) is not None:
            raise
        raise retry.RetriableError(
            reasons.reason(exc), final=not is_retriable(exc), kind=kind_of(exc)
        ) from exc


def kind_of(
    exc: ksa_exceptions.ClientException,
) -> Callable[..., exceptions.IncompleteDownloadError]:
    """Return what makes the error that an error of keystoneauth becomes.

    :param exc: The error of keystoneauth.
    :returns: A class, or what calls one.
    """
    kind: Callable[..., exceptions.IncompleteDownloadError] = next(
        ours for cls, ours in _KINDS.items() if isinstance(exc, cls)
    )
    if isinstance(exc, ksa_exceptions.HttpError):
        return functools.partial(kind, http_status=exc.http_status)
    return kind


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
