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

"""Failures of the network in a few words.

The libraries between a socket and a download quote each other, so that the
message of the outermost error holds the same thing two or three times, with
addresses of Python objects in between.
"""

from collections.abc import Iterator
import http.client
import socket
import ssl

import urllib3

from openstack_image_stream._common import printing

#: Characters of a reason that are shown.
_LONGEST = 300


def reason(exc: BaseException) -> str:
    """Say why a request failed.

    :param exc: An error of keystoneauth, Requests, urllib3, :mod:`http.client`
        or :mod:`socket`.
    :returns: A few words, and the host where that is known.
    """
    chain = list(_chain(exc))
    words = next(filter(None, map(_known, chain)), None) or next(
        filter(None, (printing.safe(str(link)) for link in reversed(chain))),
        type(exc).__name__,
    )
    if len(words) > _LONGEST:
        words = f'{words[:_LONGEST]}...'
    pool = next(filter(None, (getattr(e, 'pool', None) for e in chain)), None)
    host = getattr(pool, 'host', None)
    if isinstance(host, str) and host not in words:
        words = f'{words} ({printing.safe(host)}:{getattr(pool, "port", "")})'
    return words


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Follow an error to the one that it began with."""
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        context = None if link.__suppress_context__ else link.__context__
        link = next(
            (
                inner
                for inner in (
                    link.__cause__,
                    getattr(link, 'reason', None),
                    *link.args,
                    context,
                )
                if isinstance(inner, BaseException)
            ),
            None,
        )


def _known(exc: BaseException) -> str | None:
    if isinstance(exc, urllib3.exceptions.InvalidChunkLength):
        if exc.length:
            return 'the server sent an invalid chunk length'
        return 'the data ended too early'
    if isinstance(exc, http.client.IncompleteRead):
        if exc.expected:
            return f'the data ended {exc.expected} bytes too early'
        return 'the data ended too early'
    if isinstance(exc, http.client.RemoteDisconnected):
        return 'the server closed the connection without a response'
    if isinstance(exc, ssl.SSLCertVerificationError):
        message = printing.safe(exc.verify_message)
        return f'the certificate is not trusted: {message}'
    if isinstance(exc, socket.gaierror):
        return f'the host name cannot be resolved ({exc.strerror})'
    if isinstance(exc, urllib3.exceptions.NewConnectionError):
        # In old releases it is a ConnectTimeoutError.
        return None
    if isinstance(exc, urllib3.exceptions.ConnectTimeoutError):
        return 'no connection within the timeout'
    if isinstance(exc, OSError) and exc.errno and exc.strerror:
        return printing.safe(exc.strerror)
    if isinstance(exc, (urllib3.exceptions.ReadTimeoutError, TimeoutError)):
        return 'no data within the timeout'
    return None
