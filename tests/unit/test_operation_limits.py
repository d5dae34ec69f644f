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

"""Tests of the limits of rate and time in operations beside a download."""

from collections.abc import Callable
import dataclasses
import time
from typing import Any

from openstack_image_stream._sdk import records
from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.servers import upload_glance
from tests.unit import base
from tests.unit import test_copying

#: Seconds of the deadline here, and seconds that nothing may last. What would
#: end by itself takes much longer.
DEADLINE = 0.7
SOON = 5.0


def _silent(response: responses.Response) -> responses.Response:
    return dataclasses.replace(response, silent_after=len(response.body) // 2)


class LimitTestCase(base.GlanceTestCase):
    """A test with an image."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(test_copying.DATA, disk_format='raw')
        self.conn = self.connect(self.glance)
        self.assertIsNotNone(self.conn.image)

    def fail_at(self, function: Callable[[], Any]) -> Any:
        """Do what fails at the deadline; return the error."""
        began = time.monotonic()
        error: Any = self.assertRaises(
            exceptions.IncompleteDownloadError, function
        )
        self.assertLess(time.monotonic() - began, SOON)
        self.assertIn(f'the deadline of {DEADLINE} s has passed', str(error))
        return error


class TestCopy(test_copying.CopyTestCase):
    """A copy ends at its deadline, whatever it waits for."""

    def fail_at_deadline(self) -> None:
        """Copy, and see that nothing is left after the deadline."""
        began = time.monotonic()
        error: Any = self.assertRaises(
            exceptions.IncompleteDownloadError, self.copy, deadline=DEADLINE
        )
        self.assertLess(time.monotonic() - began, SOON)
        self.assertIn('the deadline of', str(error))
        self.assert_nothing_left()

    def test_silent_source(self) -> None:
        """The source may be silent."""
        self.source.changes.append(_silent)
        self.fail_at_deadline()

    def test_silent_metadata(self) -> None:
        """So may be the source before the data."""
        self.source.metadata_responses.append(
            dataclasses.replace(
                responses.json_response(self.source.metadata), silent_after=0
            )
        )
        self.fail_at_deadline()

    @base.for_each({'at_once': 0, 'in_the_middle': 1_000_000, 'at_end': None})
    def test_silent_destination(self, after: int | None) -> None:
        """The destination may be silent, wherever in the upload."""
        self.destination.faults.append(
            upload_glance.Fault(after=after, silent=True)
        )
        self.fail_at_deadline()

    def test_connection(self) -> None:
        """What cannot be interrupted is left, such as a TLS handshake."""
        send = records.RecordClient.send

        def slow(client: Any, method: str, *args: Any, **kwargs: Any) -> Any:
            if method == 'POST':
                adapter = client._adapter
                self.patch(adapter, 'request', lambda *a, **k: time.sleep(2))
                try:
                    return send(client, method, *args, **kwargs)
                finally:
                    del adapter.request
            return send(client, method, *args, **kwargs)

        self.patch(records.RecordClient, 'send', slow)
        began = time.monotonic()
        self.assertRaises(
            exceptions.IncompleteDownloadError, self.copy, deadline=DEADLINE
        )
        # The deletion of what may have been created takes a second.
        self.assertLess(time.monotonic() - began, SOON)
        self.assertEqual({}, self.destination.images)

    def test_bandwidth(self) -> None:
        """The data are downloaded, and so uploaded, no faster."""
        rate = len(test_copying.DATA)
        began = time.monotonic()
        self.assert_copied(self.copy(max_bandwidth=rate))
        self.assertGreater(time.monotonic() - began, 0.9)

    def test_in_time(self) -> None:
        """What is complete in time is complete."""
        self.assert_copied(self.copy(deadline=60))


class TestOpen(LimitTestCase):
    """Image files."""

    def test_verified(self) -> None:
        """The download of the whole image has a deadline."""
        self.glance.changes.append(_silent)
        self.fail_at(
            lambda: self.conn.image.open_image(
                scripted.IMAGE_ID, verified=True, deadline=DEADLINE
            )
        )

    def test_unverified(self) -> None:
        """Reads of parts have none, and that is not silent."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            self.conn.image.open_image,
            scripted.IMAGE_ID,
            verified=False,
            deadline=DEADLINE,
        )
        self.assertIn('deadline', str(error))

    def test_setting(self) -> None:
        """The setting of a cloud is for downloads."""
        self.conn.config.config['image_stream_deadline'] = 0.01
        with self.conn.image.open_image(
            scripted.IMAGE_ID, verified=False
        ) as image:
            time.sleep(0.02)
            self.assert_same(test_copying.DATA, image.read())

    def test_bandwidth(self) -> None:
        """Parts are read no faster than is allowed."""
        began = time.monotonic()
        with self.conn.image.open_image(
            scripted.IMAGE_ID,
            verified=False,
            max_bandwidth=len(test_copying.DATA),
        ) as image:
            self.assert_same(test_copying.DATA, image.read())
        self.assertGreater(time.monotonic() - began, 0.9)


class TestInspect(LimitTestCase):
    """Inspections have the limits of the cloud."""

    @base.for_each({'beginning': False, 'whole': True})
    def test_deadline(self, whole: bool) -> None:
        """An inspection ends at the deadline."""
        self.conn.config.config['image_stream_deadline'] = DEADLINE
        self.glance.changes.append(
            lambda response: dataclasses.replace(response, silent_after=100)
        )
        self.fail_at(
            lambda: self.conn.image.inspect_image(
                scripted.IMAGE_ID, whole=whole
            )
        )
        self.assert_nothing_open(self.glance, self.conn)

    def test_bandwidth(self) -> None:
        """The rate is limited."""
        self.conn.config.config['image_stream_max_bandwidth'] = len(
            test_copying.DATA
        )
        began = time.monotonic()
        self.conn.image.inspect_image(scripted.IMAGE_ID, whole=True)
        self.assertGreater(time.monotonic() - began, 0.9)


class TestAudit(LimitTestCase):
    """Audits."""

    def test_deadline(self) -> None:
        """Each image has its deadline, and one too many ends nothing."""
        self.glance.changes.append(_silent)
        began = time.monotonic()
        results = list(
            self.conn.image.audit_images(
                [scripted.IMAGE_ID, scripted.IMAGE_ID],
                jobs=1,
                deadline=DEADLINE,
            )
        )
        self.assertLess(time.monotonic() - began, SOON)
        self.assertEqual(
            ['incomplete', 'good'], [each.verdict for each in results]
        )
        self.assertIn('the deadline of', results[0].message)
        self.assert_nothing_open(self.glance, self.conn)

    def test_bandwidth(self) -> None:
        """The limit is that of all images together."""
        began = time.monotonic()
        results = list(
            self.conn.image.audit_images(
                [scripted.IMAGE_ID] * 2,
                jobs=2,
                max_bandwidth=2 * len(test_copying.DATA),
            )
        )
        self.assertGreater(time.monotonic() - began, 0.9)
        self.assertEqual(['good', 'good'], [each.verdict for each in results])
