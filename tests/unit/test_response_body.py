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

"""Tests of reading the body of one response."""

import gc
import gzip
import http.client
import socket
import tracemalloc
import types
from typing import Any
from unittest import mock
import weakref

import requests

from openstack_image_stream._common import retry
from openstack_image_stream._http import compat
from openstack_image_stream._http import response_body
from openstack_image_stream._http import responses
from openstack_image_stream import exceptions
from tests.servers import scripted
from tests.unit import base

MIB = 1024 * 1024


class BodyTestCase(base.GlanceTestCase):
    """A test with a server of one image."""

    def body(self, data: bytes, **changes: Any) -> response_body.Body:
        """Ask for the data, return the body of the response."""
        glance = self.serve(data)
        glance.data_responses.append(glance.honest(**changes))
        session = requests.Session()
        self.addCleanup(session.close)
        self.response = session.get(
            f'{glance.url}/v2/images/{scripted.IMAGE_ID}/file', stream=True
        )
        encoded = bool(responses.content_coding(self.response))
        body = response_body.Body(self.response, 0, encoded=encoded)
        self.addCleanup(body.close)
        return body


class TestReadSize(BodyTestCase):
    """How much is read at a time."""

    def test_is_bounded(self) -> None:
        """However much is asked for, and however fast it comes."""
        raw = mock.Mock()
        raw.read.side_effect = lambda size, **kwargs: bytes(size)
        response = mock.Mock(raw=raw, status_code=200, headers={})
        body = response_body.Body(response, 0, encoded=False)
        with mock.patch.object(
            response_body.time, 'monotonic', return_value=0.0
        ):
            for _ in range(20):
                body.read(1024 * MIB)
        sizes = [call.args[0] for call in raw.read.call_args_list]
        self.assertEqual(MIB // 4, sizes[0])
        self.assertEqual(4 * MIB, max(sizes))

    def test_is_kept(self) -> None:
        """The next response of a connection begins with the last size."""
        line = mock.Mock(read_size=None)
        raw = mock.Mock(connection=line)
        raw.read.side_effect = lambda size, **kwargs: bytes(size)
        response = mock.Mock(raw=raw, status_code=206, headers={})
        with mock.patch.object(
            response_body.time, 'monotonic', return_value=0.0
        ):
            for _ in range(2):
                body = response_body.Body(response, 0, encoded=False)
                body.read(MIB)
                body.read(MIB)
        sizes = [call.args[0] for call in raw.read.call_args_list]
        self.assertEqual([MIB // 4, MIB // 2, MIB, MIB], sizes)
        # Not where it became slow.
        with mock.patch.object(
            response_body.time, 'monotonic', side_effect=range(10)
        ):
            body.read(MIB)
        self.assertEqual(MIB // 4, line.read_size)

    def test_memory(self) -> None:
        """What is discarded takes no memory that grows with its length."""
        data = bytes(96 * MIB)
        body = self.body(data)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        total = 0
        while total < len(data):
            total += len(body.read(len(data) - total))
        self.assertLess(tracemalloc.get_traced_memory()[1], 16 * MIB)


class TestEncoded(BodyTestCase):
    """A compressed body."""

    def test_by_large_blocks(self) -> None:
        """It is not received by 4 KiB."""
        data = base.some_bytes(8 * MIB)
        body = self.body(
            gzip.compress(data, 1), headers={'Content-Encoding': 'gzip'}
        )
        with mock.patch.object(
            body._raw, 'read', side_effect=body._raw.read
        ) as read:
            chunks = []
            while chunk := body.read(MIB):
                chunks.append(chunk)
        self.assert_same(data, b''.join(chunks))
        self.assertLess(read.call_count, 50)

    def test_memory(self) -> None:
        """Of zeros it becomes a thousand times as much, bit by bit."""
        body = self.body(
            gzip.compress(bytes(256 * MIB), 1),
            headers={'Content-Encoding': 'gzip'},
        )
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        total = 0
        while chunk := body.read(1024 * MIB):
            total += len(chunk)
        self.assertEqual(256 * MIB, total)
        self.assertLess(tracemalloc.get_traced_memory()[1], 24 * MIB)

    def test_cut(self) -> None:
        """One that ends too early is interrupted, not over."""
        encoded = gzip.compress(base.some_bytes(100_000))
        body = self.body(
            encoded,
            headers={'Content-Encoding': 'gzip'},
            framing='close',
            cut_after=50_000,
        )

        def read_all() -> None:
            while body.read(MIB):
                pass

        error = self.assertRaises(retry.RetriableError, read_all)
        self.assertEqual('the compressed data end too early', error.reason)


class TestChunks(BodyTestCase):
    """A body in chunks."""

    def test_is_no_cycle(self) -> None:
        """The connection goes with its last name, not with the collector."""
        near, far = socket.socketpair()
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        far.sendall(
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
            b'3\r\nabc\r\n0\r\n\r\n'
        )
        raw = types.SimpleNamespace(_fp=http.client.HTTPResponse(near))
        raw._fp.begin()
        response: Any = types.SimpleNamespace(raw=raw)
        compat.check_chunk_sizes(response)
        self.assertEqual(b'abc', raw._fp.read())
        connection = weakref.ref(raw._fp)
        gc.disable()
        self.addCleanup(gc.enable)
        del raw._fp
        self.assertIsNone(connection())

    def test_less_than_nothing(self) -> None:
        """A chunk of -1 bytes is an error, not all that will come."""
        body = self.body(
            b'-1\r\n' + b'x' * 1_000,
            headers={'Transfer-Encoding': 'chunked'},
            framing='close',
        )
        error = self.assertRaises(retry.RetriableError, body.read, MIB)
        self.assertEqual('the data ended too early', error.reason)


class TestInterruptions(base.TestCase):
    """What counts as a failure of the network."""

    def test_closed(self) -> None:
        """That a download was closed is no failure to cure."""
        error = exceptions.DownloadClosedError('closed')

        def fail() -> None:
            with responses.retriable_errors():
                raise error

        self.assertIs(
            error, self.assertRaises(exceptions.DownloadClosedError, fail)
        )
