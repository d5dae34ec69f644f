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

"""Tests of images as files of fsspec."""

import errno
import io
import json
import os
import pickle
from typing import Any
import zipfile

import fixtures
import fsspec
import fsspec.callbacks
from openstack import exceptions as sdk_exceptions

from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base

KIB = 1024

ARCHIVE = io.BytesIO()
with zipfile.ZipFile(ARCHIVE, 'w') as _archive:
    _archive.writestr('first.bin', base.some_bytes(300 * KIB))
    _archive.writestr('second.txt', 'hello')
DATA = ARCHIVE.getvalue()

URL = 'glance://mycloud/scripted'


class TestCase(base.GlanceTestCase):
    """Tests with a scripted Glance that is a cloud of clouds.yaml."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA)
        # The settings of a connection to it, and the patch that goes with it.
        self.connect(self.glance)
        cloud = {
            'auth_type': 'none',
            'auth': {'endpoint': self.glance.url},
            'image_endpoint_override': f'{self.glance.url}/v2',
            'image_api_version': '2',
        }
        # YAML reads JSON.
        path = self.write(
            json.dumps({'clouds': {'mycloud': cloud}}).encode(), 'clouds.yaml'
        )
        self.useFixture(
            fixtures.EnvironmentVariable('OS_CLIENT_CONFIG_FILE', path)
        )
        self.addCleanup(self._forget)

    def _forget(self) -> None:
        cls = fsspec.get_filesystem_class('glance')
        for each in cls._cache.values():
            if '_images' in each.__dict__:
                scripted.close(each._images._connection)
        cls.clear_instance_cache()

    def filesystem(self, **options: Any) -> Any:
        """Return the images of the cloud."""
        return fsspec.filesystem('glance', cloud='mycloud', **options)

    def ranges(self) -> list[str]:
        """Return the ranges of all requests for data."""
        return [
            request.headers.get('range', '')
            for request in self.glance.requests
            if request.is_for_data
        ]

    def damage(self) -> None:
        """Have a store that lost a bit."""
        self.glance.data = b'!' + DATA[1:]


class TestOpen(TestCase):
    """A file that is opened is read by ranges, and not verified."""

    def test_by_its_url(self) -> None:
        """Cloud and image are in the URL."""
        with fsspec.open(URL) as file:
            file.seek(100 * KIB)
            self.assertEqual(DATA[100 * KIB :][:9], file.read(9))
        self.assertTrue(all(self.ranges()))

    def test_is_not_verified(self) -> None:
        """As its documentation says."""
        self.damage()
        with fsspec.open(URL) as file:
            self.assertEqual(b'!', file.read(1))

    def test_verified_by_choice(self) -> None:
        """An option of the file system asks for it."""
        self.damage()
        self.assertRaises(
            exceptions.ChecksumMismatchError,
            fsspec.open(URL, verified=True).open,
        )

    def test_block_size(self) -> None:
        """It is that of the requests."""
        with self.filesystem().open('scripted', block_size=64 * KIB) as file:
            file.read(1)
        self.assertEqual(['bytes=0-65535'], self.ranges())

    def test_as_text(self) -> None:
        """The modes of fsspec work."""
        with fsspec.open(f'zip://second.txt::{URL}', 'r') as file:
            self.assertEqual('hello', file.read())

    @base.for_each({mode: mode for mode in ('wb', 'ab', 'w', 'r+b')})
    def test_cannot_be_written_to(self, mode: str) -> None:
        """Every other mode is refused, before any request."""
        error = self.assertRaises(
            OSError, self.filesystem().open, 'scripted', mode
        )
        self.assertEqual(errno.EROFS, error.errno)
        self.assertEqual([], self.glance.requests)


class TestWhole(TestCase):
    """What is copied is verified."""

    def test_get_file(self) -> None:
        """It is a download, whose progress is reported."""
        callback = fsspec.callbacks.Callback()
        self.filesystem().get(URL, self.path('a/b'), callback=callback)
        self.assert_same(DATA, self.content('a/b'))
        self.assertEqual([''], self.ranges())

    def test_progress(self) -> None:
        """A callback is told the size, and how far it is."""
        callback = fsspec.callbacks.Callback()
        self.filesystem().get_file(URL, self.path(), callback=callback)
        self.assertEqual(
            (len(DATA), len(DATA)), (callback.size, callback.value)
        )

    def test_to_an_open_file(self) -> None:
        """It may be open already, as fsspec allows."""
        for how in ('lpath', 'outfile'):
            target = io.BytesIO()
            self.filesystem().get_file(URL, **{'lpath': None, how: target})
            self.assert_same(DATA, target.getvalue())

    def test_all(self) -> None:
        """A directory is made for all images."""
        self.filesystem().get('', self.path('all'), recursive=True)
        self.assertEqual(['scripted'], os.listdir(self.path('all')))

    def test_get_file_of_a_bad_image(self) -> None:
        """There is no file of it."""
        self.damage()
        self.assertRaises(
            exceptions.ChecksumMismatchError,
            self.filesystem().get_file,
            URL,
            self.path(),
        )
        self.assertEqual(['clouds.yaml'], self.files())

    def test_cat_file(self) -> None:
        """All of an image is verified, too."""
        self.assert_same(DATA, self.filesystem().cat_file(URL))
        self.damage()
        self.assertRaises(
            exceptions.ChecksumMismatchError, self.filesystem().cat_file, URL
        )

    @base.for_each({'middle': (5, 9), 'end': (-9, None), 'empty': (9, 5)})
    def test_cat_file_of_a_part(self, part: tuple[int, int | None]) -> None:
        """A part is that of a slice."""
        self.assertEqual(
            DATA[slice(*part)], self.filesystem().cat_file(URL, *part)
        )
        self.assertTrue(all(self.ranges()))


class TestListing(TestCase):
    """The images of a cloud are the files of one directory."""

    def test_info(self) -> None:
        """Size and ID of an image."""
        expected = {
            'name': 'scripted',
            'size': len(DATA),
            'type': 'file',
            'id': scripted.IMAGE_ID,
        }
        filesystem = self.filesystem()
        self.assertEqual(expected, filesystem.info(URL))
        self.assertEqual([expected], filesystem.ls('glance://mycloud'))
        self.assertEqual([expected], filesystem.ls(URL))
        self.assertEqual(['scripted'], filesystem.ls('', detail=False))
        self.assertTrue(filesystem.isdir('glance://mycloud/'))
        self.assertTrue(filesystem.isfile('scripted'))
        self.assertEqual(['scripted'], filesystem.glob('script*'))
        self.assertEqual(URL, filesystem.unstrip_protocol('scripted'))
        self.assertEqual(URL, filesystem.unstrip_protocol(URL))

    def test_no_images(self) -> None:
        """An empty cloud is an empty directory."""
        self.glance.metadata_responses.append(
            responses.json_response({'images': []})
        )
        self.assertEqual([], self.filesystem().ls(''))

    def test_names_that_are_not_unique(self) -> None:
        """These images are listed by their IDs."""
        images = [
            {**self.glance.metadata, 'id': str(number), 'name': name}
            for number, name in enumerate(['a', 'b', 'a', None])
        ]
        self.glance.metadata_responses.append(
            responses.json_response({'images': images})
        )
        self.assertEqual(
            ['0', 'b', '2', '3'], self.filesystem().ls('', detail=False)
        )

    def test_missing(self) -> None:
        """The error is that of a file."""
        self.glance.repeat_last = True
        self.glance.metadata_responses += [
            responses.Response(status=404),
            responses.json_response({'images': []}),
        ]
        self.assertRaises(FileNotFoundError, self.filesystem().open, 'other')


class TestClouds(TestCase):
    """The cloud is that of the URL."""

    def test_unknown(self) -> None:
        """The error is that of the SDK, and names the cloud."""
        error = self.assertRaises(
            sdk_exceptions.ConfigException,
            fsspec.open('glance://nocloud/scripted').open,
        )
        self.assertIn('nocloud', str(error))

    @base.for_each({'name': 'a', 'path': 'a//b', 'url': 's3://a/b'})
    def test_none(self, path: str) -> None:
        """What is no such URL names no cloud."""
        cls = fsspec.get_filesystem_class('glance')
        self.assertEqual({}, cls._get_kwargs_from_urls(path))


class TestPickle(TestCase):
    """It goes to other processes."""

    def test_by_the_name_of_the_cloud(self) -> None:
        """No connection and no credentials travel."""
        opened = fsspec.open(URL, verified=True)
        with opened as file:
            file.read(1)
        pickled = pickle.dumps(opened)
        self.assertNotIn(self.glance.url.encode(), pickled)
        copy = pickle.loads(pickled)
        self.assertEqual(opened.fs, copy.fs)
        self.assertEqual('glance://mycloud/scripted', copy.full_name)
        with copy as file:
            self.assert_same(DATA, file.read())

    def test_without_a_cloud(self) -> None:
        """The environment selects one."""
        self.useFixture(fixtures.EnvironmentVariable('OS_CLOUD', 'mycloud'))
        with fsspec.open('glance:///scripted') as file:
            self.assert_same(DATA, file.read())
