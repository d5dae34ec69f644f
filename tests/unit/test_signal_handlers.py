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

"""Tests of what a signal handler raises while a request is on its way."""

import functools
import gc
import signal
import threading
from typing import Any
from unittest import mock
import weakref

from keystoneauth1 import exceptions as ksa_exceptions
import urllib3

from openstack_image_stream._check import digests
from openstack_image_stream._check import hashes
from openstack_image_stream._check import inspection
from openstack_image_stream._check import keys
from openstack_image_stream._check import signature_properties
from openstack_image_stream._check import signatures
from openstack_image_stream._common import byte_ranges
from openstack_image_stream._common import retry
from openstack_image_stream import _config
from openstack_image_stream._http import fetching
from openstack_image_stream._http import redirects
from openstack_image_stream._http import responses
from openstack_image_stream._http import retry_after
from openstack_image_stream._sdk import image_info
from openstack_image_stream._sdk import sending
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import observing
from openstack_image_stream._transfer import parallel
from tests.servers import scripted
from tests import signing
from tests.unit import base

#: What a time limit may raise.
KINDS: dict[str, type[Exception]] = {
    'timeout': TimeoutError,
    'os_error': OSError,
    'value_error': ValueError,
}


class HandlerTestCase(base.GlanceTestCase):
    """A test with a signal handler that raises."""

    def interrupt(self, kind: type[Exception]) -> Any:
        """Return a function in which a signal handler raises an error."""
        self.raised = kind('time limit')

        def handler(number: int, frame: Any) -> None:
            raise self.raised

        before = signal.signal(signal.SIGUSR1, handler)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)

        def interrupted(*args: Any, **kwargs: Any) -> None:
            signal.raise_signal(signal.SIGUSR1)

        return interrupted

    def translated(self, kind: type[Exception], error: Exception) -> Any:
        """Return the same, with a library that takes it for another error."""
        interrupted = self.interrupt(kind)

        def function(*args: Any, **kwargs: Any) -> None:
            try:
                interrupted()
            except kind as exc:
                raise error from exc

        return function

    def assert_passes(self, function: Any, *args: Any, **kwargs: Any) -> None:
        """Check that the handler's exception comes out as it was raised."""
        error = self.assertRaises(type(self.raised), function, *args, **kwargs)
        self.assertIs(self.raised, error)

    @base.for_each(KINDS)
    def test_body(self, kind: type[Exception]) -> None:
        """While a body is read."""
        error = urllib3.exceptions.ProtocolError('broken')
        for read in (self.interrupt(kind), self.translated(kind, error)):

            def receive(read: Any = read) -> None:
                with responses.retriable_errors():
                    read()

            self.assert_passes(receive)

    @base.for_each(KINDS)
    def test_request(self, kind: type[Exception]) -> None:
        """While a response is waited for."""
        for get in (
            self.interrupt(kind),
            self.translated(kind, ksa_exceptions.ConnectTimeout()),
            self.translated(kind, ksa_exceptions.SSLError()),
        ):
            fetcher = fetching.Fetcher(
                functools.partial(sending.get_file, mock.Mock(get=get), 'url'),
                image_id='1',
                image_status='active',
                size=5,
                reopenings=5,
            )
            self.assert_passes(fetcher.open, byte_ranges.ByteRange(0))

    @base.for_each(KINDS)
    def test_metadata(self, kind: type[Exception]) -> None:
        """While the metadata are asked for, or looked at."""
        conn = self.connect(self.serve(b'image'))
        image = conn.image.get_image(scripted.IMAGE_ID)
        for place, function in (
            ('requests.Session.request', self.interrupt(kind)),
            (
                'keystoneauth1.session.Session.request',
                self.translated(kind, ksa_exceptions.ConnectTimeout()),
            ),
            ('requests.Response.json', self.interrupt(kind)),
        ):
            with mock.patch(place, function):
                self.assert_passes(
                    image_info.fetch,
                    image,
                    sending.sender_for(conn.image).adapter(60),
                    retry.RetryPolicy(retries=5),
                    coordination.Coordinator('id'),
                    validate=True,
                )
        self.assertEqual([], self.waits)

    @base.for_each(KINDS)
    def test_no_cycle(self, kind: type[Exception]) -> None:
        """What it raises in urllib3 holds no connection once it is over."""

        class Limit(kind):  # type: ignore[misc, valid-type]
            pass

        # The first request leaves an idle connection to the next one.
        conn = self.connect(self.serve(b'image'))
        conn.image.download_image(scripted.IMAGE_ID)
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        interrupted = self.interrupt(Limit)
        with mock.patch(
            'urllib3.connection.HTTPConnection.request', interrupted
        ):
            try:
                conn.image.download_image(scripted.IMAGE_ID)
            except Limit as exc:
                self.assertIs(self.raised, exc)
                referred = weakref.ref(exc)
                self.raised = None
            else:
                self.fail('nothing was raised')
        self.assertIsNone(referred())

    @base.for_each(KINDS)
    def test_thread(self, kind: type[Exception]) -> None:
        """While a thread is started, where Python raises a KeyError then."""
        interrupted = self.interrupt(kind)

        def start(thread: threading.Thread) -> None:
            try:
                interrupted()
            finally:
                raise KeyError(thread)

        coordinator = coordination.Coordinator('id')
        observed = observing.ObserverThreads([mock.Mock()], coordinator)
        with mock.patch.object(threading.Thread, 'start', start):
            self.assert_passes(coordination.Task, coordinator, mock.Mock())
            self.assert_passes(
                observed.update_stored, observing.StoredBytes(0, 0, 1)
            )
            self.assert_passes(
                parallel.ParallelReader,
                0,
                10,
                [],
                mock.Mock(),
                connections=2,
                coordinator=coordinator,
            )

    def test_parsers(self) -> None:
        """While something is parsed that may be anything."""
        interrupted = self.interrupt(ValueError)
        with mock.patch('email.utils.parsedate_to_datetime', interrupted):
            self.assert_passes(
                retry_after.parse_retry_after, 'Mon', mock.sentinel.now
            )
        with mock.patch('urllib.parse.urljoin', interrupted):
            self.assert_passes(
                redirects._next, mock.Mock(url='http://a/'), 'b'
            )
        with mock.patch('reprlib.repr', interrupted):
            self.assert_passes(_config.checked, connections=-1)
        response = mock.Mock()
        response.content.decode = interrupted
        self.assert_passes(responses.fix_charset, response)

    def test_hashes(self) -> None:
        """While a hash is read."""
        for place, function, arguments in (
            ('binascii.unhexlify', hashes.from_content_md5, ('00' * 16,)),
            ('binascii.unhexlify', hashes._checked, ('md5', '00' * 16)),
            ('hashlib.new', hashes._checked, ('md5', '00' * 16)),
        ):
            with mock.patch(place, self.interrupt(ValueError)):
                self.assert_passes(function, *arguments)

    def test_signatures(self) -> None:
        """While a signature is read."""
        properties = signing.properties(b'x', 'RSA-PSS', 'SHA-256')
        signature = signature_properties.read(properties, 'id')
        interrupted = self.interrupt(ValueError)
        with mock.patch('base64.b64decode', interrupted):
            self.assert_passes(signature_properties.read, properties, 'id')
        with mock.patch('uuid.UUID', interrupted):
            self.assert_passes(signature.certificate_uuid)
        with mock.patch('builtins.open', interrupted):
            self.assert_passes(keys.load, 'path', 'signed_by')
            self.assert_passes(digests.find_digest, 'path', 'name')
        key = signing.private_key('RSA-PSS').public_key()
        with mock.patch.object(keys, 'kind', return_value='RSA'):
            self.assert_passes(
                signatures.verify,
                signature,
                [mock.Mock(spec=key, verify=interrupted)],
                bytes(32),
            )

    def test_inspectors(self) -> None:
        """While the format is recognized."""
        inspector = mock.Mock(eat_chunk=self.interrupt(ValueError))
        self.assert_passes(
            inspection.Inspection('raw', inspector, OSError).feed, b'x'
        )
