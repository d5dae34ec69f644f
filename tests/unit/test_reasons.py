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

"""Tests of the words for failures, on errors that libraries really raise."""

import socket
from typing import Any

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import session
import requests
import urllib3

from openstack_image_stream._common import printing
from openstack_image_stream._http import reasons
from tests.servers import scripted
from tests.unit import base

DATA = base.some_bytes(10_000)
URL = f'/v2/images/{scripted.IMAGE_ID}/file'

#: How a body ends too early, and what is said of it.
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    'chunked': (
        {'cut_after': 7_000, 'framing': 'chunked'},
        'the data ended too early',
    ),
    'silence': ({'silent_after': 7_000}, 'no data within the timeout'),
}

#: How a request stays without a response, and what is said of it.
NO_RESPONSE: dict[str, tuple[dict[str, Any], str]] = {
    'hang_up': (
        {'hang_up': True},
        'the server closed the connection without a response',
    ),
    'silence': ({'silent_after': -1}, 'no data within the timeout'),
}


class TestReason(base.GlanceTestCase):
    """What is said of a failure, once."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA)

    def failure(self, timeout: float = 10) -> str:
        """Say why a request for the data failed."""
        with requests.Session() as own:
            keystone = session.Session(session=own, timeout=timeout)
            service = adapter.Adapter(
                keystone, endpoint_override=self.glance.url
            )
            try:
                response = service.get(URL, authenticated=False, stream=True)
                with response:
                    while response.raw.read(1_000):
                        pass
            except Exception as exc:
                return reasons.reason(exc)
        return 'none'

    @base.for_each(BROKEN)
    def test_of_a_body(self, case: tuple[dict[str, Any], str]) -> None:
        """It says what happened, not which classes said so."""
        how, words = case
        self.glance.data_responses.append(self.glance.honest(**how))
        timeout = 0.2 if 'silent_after' in how else 10
        self.assertEqual(words, self.failure(timeout).partition(' (')[0])

    @base.for_each(NO_RESPONSE)
    def test_of_a_request(self, case: tuple[dict[str, Any], str]) -> None:
        """keystoneauth's sentence around it is left out, as is the URL."""
        how, words = case
        self.glance.data_responses.append(self.glance.honest(**how))
        timeout = 0.2 if 'silent_after' in how else 10
        self.assertEqual(words, self.failure(timeout).partition(' (')[0])

    def test_reset(self) -> None:
        """A reset is called as the system calls it."""
        self.glance.data_responses.append(
            self.glance.honest(cut_after=0, reset=True)
        )
        self.assertEqual('Connection reset by peer', self.failure())

    def test_refused(self) -> None:
        """A refused connection names the host, and nothing twice."""
        glance = scripted.ScriptedGlance()
        glance._listener.close()
        self.glance = glance
        where = glance.url.removeprefix('http://')
        self.assertEqual(f'Connection refused ({where})', self.failure())

    def test_no_such_host(self) -> None:
        """A name that cannot be resolved is said to be."""
        exc = OSError('outer')
        exc.__cause__ = socket.gaierror(-2, 'Name or service not known')
        self.assertEqual(
            'the host name cannot be resolved (Name or service not known)',
            reasons.reason(exc),
        )

    def test_length(self) -> None:
        """What is missing is counted, where the release of urllib3 does."""
        inner = urllib3.exceptions.IncompleteRead(7_000, 3_000)
        outer = urllib3.exceptions.ProtocolError(
            f'Connection broken: {inner!r}', inner
        )
        self.assertEqual(
            'the data ended 3000 bytes too early', reasons.reason(outer)
        )

    def test_of_keystone(self) -> None:
        """An error that nothing caused speaks for itself."""
        self.assertEqual(
            'Service Unavailable (HTTP 503)',
            reasons.reason(ksa_exceptions.ServiceUnavailable()),
        )

    def test_without_words(self) -> None:
        """An error that says nothing is called by its class."""
        self.assertEqual('KeyError', reasons.reason(KeyError()))

    def test_circle(self) -> None:
        """Causes that go round have an end."""
        first, second = OSError('first'), OSError('second')
        first.__cause__, second.__cause__ = second, first
        self.assertEqual('second', reasons.reason(first))

    def test_long(self) -> None:
        """A reason is cut to a few lines."""
        self.assertEqual(303, len(reasons.reason(OSError('x' * 10_000))))


class TestSafe(base.TestCase):
    """Foreign texts in errors and logs."""

    @base.for_each(
        {
            'escape': ('\x1b[2Jx', '?[2Jx'),
            'lines': ('one\r\ntwo\tthree', 'one  two three'),
            'bidi': ('a\u202eb', 'a?b'),
            'words': ('Größe 5', 'Größe 5'),
            'password': (
                'http://me:secret@host:5/x and https://you@other/',
                'http://host:5/x and https://other/',
            ),
            'at_in_password': ('http://me:s@cret@host/', 'http://host/'),
            'at_in_path': ('http://host/a@b', 'http://host/a@b'),
        }
    )
    def test_is_harmless(self, case: tuple[str, str]) -> None:
        """No commands for a terminal, no lines of a log, no passwords."""
        text, expected = case
        self.assertEqual(expected, printing.safe(text))
