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

"""Tests of the look into an image."""

import importlib
import pickle
from typing import Any
from unittest import mock

import openstack_image_stream
from openstack_image_stream._check import detection
from openstack_image_stream import exceptions
from tests.servers import scripted
from tests.unit import base
from tests.unit import test_formats

MIB = 1024 * 1024

#: Much more than is looked at.
TAIL = base.some_bytes(8 * MIB)


class InspectTestCase(base.GlanceTestCase):
    """A test that looks into an image."""

    def begin(self, data: bytes, **metadata: Any) -> None:
        """Start a Glance with an image, connect to it."""
        settings = metadata.pop('settings', {})
        self.glance = self.serve(
            data,
            **{
                'disk_format': 'raw',
                'container_format': 'bare',
                **metadata,
            },
        )
        self.conn = self.connect(self.glance, **settings)
        # Finding the service is the SDK's concern, and not counted.
        self.assertIsNotNone(self.conn.image)
        self.glance.requests.clear()

    def inspect(self, **options: Any) -> Any:
        """Look into the image."""
        return self.conn.image.inspect_image(scripted.IMAGE_ID, **options)

    def requests(self) -> list[str]:
        """Return the last part of the path of each request so far."""
        return [
            request.path.rpartition('/')[2] for request in self.glance.requests
        ]


class TestFindings(InspectTestCase):
    """What is found."""

    @base.for_each(test_formats.HONEST)
    def test_honest(self, admitted: set[str]) -> None:
        """Nothing is wrong with an honest image."""
        name = next(
            each
            for each, value in test_formats.HONEST.items()
            if value is admitted
        )
        self.begin(test_formats.image(name))
        found = self.inspect()
        self.assertEqual({}, found.failures)
        expected = test_formats.found_in(test_formats.image(name))
        self.assertEqual(expected.formats, found.detected)
        self.assertEqual(expected.virtual_size, found.virtual_size)

    @base.for_each(test_formats.DANGEROUS)
    def test_dangerous(self, case: tuple[str, str]) -> None:
        """It is told, not refused."""
        name = next(
            each
            for each, value in test_formats.DANGEROUS.items()
            if value is case
        )
        formats, failures = case
        self.begin(test_formats.image(name))
        # What is wrong with these is at their end.
        whole = name in ('vmdk-footer-cut', 'vmdk-footer-moved')
        found = self.inspect(whole=whole)
        self.assertEqual(tuple(formats.split()), found.detected)
        self.assertLessEqual(set(failures.split()), set(found.failures))

    def test_fields(self) -> None:
        """The metadata are beside what was found."""
        self.begin(test_formats.image('qcow2-backing') + TAIL, name='server')
        found = self.inspect()
        self.assertEqual(('server', 'raw'), (found.name, found.disk_format))
        self.assertEqual(('qcow2',), found.detected)
        self.assertIn('backing_file', found.failures)
        self.assertEqual(found, pickle.loads(pickle.dumps(found)))
        self.assertIs(openstack_image_stream.ImageInspection, type(found))
        self.assertEqual('openstack_image_stream', type(found).__module__)
        self.assertRaises(AttributeError, setattr, found, 'name', 'other')

    def test_container(self) -> None:
        """What is in it is told all the same."""
        self.begin(test_formats.image('qcow2'), container_format='ova')
        self.assertEqual(('qcow2',), self.inspect().detected)

    @base.for_each({'none': None, 'unknown': 'floppy', 'number': 7})
    def test_disk_format(self, disk_format: Any) -> None:
        """It may be anything."""
        self.begin(test_formats.image('qcow2'), disk_format=disk_format)
        found = self.inspect()
        self.assertEqual(
            disk_format if disk_format == 'floppy' else None,
            found.disk_format,
        )
        self.assertEqual(('qcow2',), found.detected)

    @base.for_each({'no_bytes': 0, 'few_bytes': 5})
    def test_short(self, size: int) -> None:
        """All of a short image is looked at."""
        self.begin(bytes(size))
        found = self.inspect()
        self.assertEqual(
            (('raw',), size, size, {}),
            (
                found.detected,
                found.virtual_size,
                found.bytes_read,
                found.failures,
            ),
        )

    def test_no_data(self) -> None:
        """There is nothing to look at."""
        self.begin(b'', status='queued', size=None)
        self.glance.data_responses.append(self.glance.honest(status=204))
        self.assertRaises(exceptions.ImageDataMissingError, self.inspect)


class TestReading(InspectTestCase):
    """How much is requested, and what becomes of it."""

    @base.for_each({'qcow2': b'QFI\xfb', 'raw': b'some bytes'})
    def test_beginning(self, magic: bytes) -> None:
        """One request for data, broken off early."""
        self.begin(magic.ljust(MIB, b'\0') + TAIL)
        found = self.inspect()
        self.assertLessEqual(found.bytes_read, MIB)
        self.assertEqual([scripted.IMAGE_ID, 'file'], self.requests())
        self.assertNotIn('range', self.glance.requests[-1].headers)
        self.assert_nothing_open(self.glance, self.conn)

    def test_connections(self) -> None:
        """The setting of the cloud makes no more requests of it."""
        self.begin(
            base.some_bytes(20 * MIB),
            settings={'image_stream_connections': 4},
        )
        self.inspect()
        self.assertEqual([scripted.IMAGE_ID, 'file'], self.requests())

    def test_other_settings(self) -> None:
        """Settings of downloads are not in the way."""
        self.begin(
            b'QFI\xfb'.ljust(MIB, b'\0'),
            os_hash_value='0' * 128,
            settings={
                'image_stream_skip_current': True,
                'image_stream_validate_checksum': False,
            },
        )
        self.assertEqual(('qcow2',), self.inspect().detected)
        self.assertRaises(
            exceptions.ChecksumMismatchError, self.inspect, whole=True
        )

    def test_lost_connection(self) -> None:
        """It is resumed as in a download."""
        self.begin(test_formats.image('vhdx'))
        self.glance.cuts.append((100_000, False))
        self.assertEqual(('vhdx',), self.inspect().detected)
        self.assertEqual(
            'bytes=100000-', self.glance.requests[-1].headers['range']
        )

    def test_cut_short(self) -> None:
        """An image that does not arrive whole is not judged."""
        self.begin(test_formats.image('vhdx'))
        self.glance.cut_every = 100
        self.glance.ranged = False
        self.assertRaises(exceptions.IncompleteDownloadError, self.inspect)
        self.assert_nothing_open(self.glance, self.conn)

    def test_hash_does_not_count(self) -> None:
        """It is that of the whole, of which a part is read."""
        self.begin(
            b'QFI\xfb'.ljust(MIB, b'\0'),
            os_hash_algo='sha4096',
            os_hash_value='00',
        )
        self.assertEqual(('qcow2',), self.inspect().detected)


class TestWhole(InspectTestCase):
    """All of the image, verified."""

    def test_right(self) -> None:
        """What is found is the same."""
        self.begin(test_formats.image('qcow2') + TAIL)
        part, whole = self.inspect(), self.inspect(whole=True)
        self.assertEqual(len(self.glance.data), whole.bytes_read)
        self.assertLess(part.bytes_read, whole.bytes_read)
        self.assertEqual(
            (part.detected, part.virtual_size, part.failures),
            (whole.detected, whole.virtual_size, whole.failures),
        )
        self.assert_nothing_open(self.glance, self.conn)

    def test_end(self) -> None:
        """A second header at the end is seen then."""
        self.begin(test_formats.image('vmdk-footer-cut'))
        self.assertEqual({}, self.inspect().failures)
        self.assertNotEqual({}, self.inspect(whole=True).failures)

    def test_wrong_hash(self) -> None:
        """It is raised, as by a download."""
        self.begin(TAIL, os_hash_value='0' * 128)
        self.assertRaises(
            exceptions.ChecksumMismatchError, self.inspect, whole=True
        )
        self.assert_nothing_open(self.glance, self.conn)

    def test_hash_of_the_header(self) -> None:
        """An image without a hash is verified by what comes with the data."""
        self.begin(TAIL, checksum=None, os_hash_algo=None, os_hash_value=None)
        self.glance.repeat_last = True
        self.glance.data_responses.append(
            self.glance.honest(headers={'Content-MD5': '0' * 32})
        )
        error = self.assertRaises(
            exceptions.ChecksumMismatchError, self.inspect, whole=True
        )
        self.assertEqual('md5', error.algorithm)

    def test_several_connections(self) -> None:
        """The setting of the cloud counts."""
        self.begin(
            test_formats.image('qcow2') + TAIL * 3,
            settings={'image_stream_connections': 2},
        )
        found = self.inspect(whole=True)
        self.assertEqual(('qcow2',), found.detected)
        self.assertGreater(self.requests().count('file'), 1)


class TestMissingExtra(InspectTestCase):
    """Without oslo.utils."""

    def test_refused(self) -> None:
        """The extra is named, before any request."""
        self.begin(b'')
        with mock.patch.object(
            importlib, 'import_module', side_effect=ImportError
        ):
            error = self.assertRaises(
                exceptions.InvalidArgumentError, self.inspect
            )
        self.assertIn('openstack-image-stream[inspect]', str(error))
        self.assertEqual([], self.requests())

    def test_limit(self) -> None:
        """What decides late is not read for ever."""
        self.begin(test_formats.image('vhdx-far') + bytes(20 * MIB))
        found = self.inspect()
        self.assertLessEqual(
            found.bytes_read, detection.LIMIT + detection.BLOCK
        )
