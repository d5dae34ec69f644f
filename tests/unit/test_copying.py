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

"""Tests of copies to another cloud: what is requested, and what is left."""

import dataclasses
from typing import Any

from openstack import exceptions as sdk_exceptions

import openstack_image_stream
from openstack_image_stream import image
from tests.servers import responses
from tests.servers import scripted
from tests.servers import upload_glance
from tests.unit import base

#: Several chunks, the last of them not full.
DATA = base.some_bytes(5 * 1024 * 1024 + 7)

ID = 'a1b2c3d4-0000-4000-8000-000000000001'

Fault = upload_glance.Fault


def flipped(response: responses.Response) -> responses.Response:
    """Return a response with one wrong bit in the middle of its body."""
    body = bytearray(response.body)
    body[len(body) // 2] ^= 1
    return dataclasses.replace(response, body=bytes(body))


class CopyTestCase(base.GlanceTestCase):
    """A test with a Glance to copy from, and one to copy to."""

    def setUp(self) -> None:
        super().setUp()
        self.start()

    def start(self, algorithm: str = 'sha512', **metadata: Any) -> None:
        """Start both, with an image that has these metadata."""
        self.source = self.serve(
            DATA, disk_format='raw', container_format='bare', **metadata
        )
        self.conn = self.connect(self.source)
        self.destination = upload_glance.UploadGlance(algorithm)
        self.addCleanup(self.destination.__exit__)
        self.destination.__enter__()
        self.to = self.destination.connect(image_status_code_retries=0)
        self.addCleanup(self.to.close)

    def copy(self, **options: Any) -> image.Image:
        """Copy the image."""
        made: image.Image = self.conn.image.copy_image(
            scripted.IMAGE_ID, to=self.to, **options
        )
        return made

    def assert_copied(self, made: image.Image) -> None:
        """Check that the copy is there, and has the right bytes."""
        self.assertEqual('active', made.status)
        self.assert_same(DATA, self.destination.data[made.id])
        self.assertEqual([made.id], self.destination.activated)
        self.assert_all_closed()

    def assert_nothing_left(self) -> None:
        """Check that there is no image, and never was an active one."""
        self.assertEqual({}, self.destination.images)
        self.assertEqual([], self.destination.activated)
        self.assert_all_closed()

    def assert_all_closed(self) -> None:
        """Check that no connection is held, and no thread."""
        self.assert_nothing_open(self.source, self.conn)
        base.close_idle(self.to.session.session)
        self.assertTrue(self.destination.wait_until_left())

    def sent(self, method: str) -> list[str]:
        """Return the requests of a method that the destination got."""
        return [
            line
            for line in self.destination.log
            if line.startswith(f'{method} ')
        ]

    @property
    def made(self) -> dict[str, Any]:
        """The only image of the destination."""
        [found] = self.destination.images.values()
        return found


class TestOrder(CopyTestCase):
    """The requests of a copy where nothing goes wrong."""

    def test_requests(self) -> None:
        """The record is looked at before the upload, and after it."""
        made = self.copy()

        self.assert_copied(made)
        path = f'/{made.id}'
        self.assertEqual(
            [
                'GET ',
                'POST ',
                f'GET {path}',
                f'PUT {path}/file',
                f'GET {path}',
            ],
            [line for line in self.destination.log if line != 'GET /'][-5:],
        )

    def test_upload_announces_its_length(self) -> None:
        """By it the service can tell a whole upload from a broken one."""
        self.copy()

        [put] = [r for r in self.destination.requests if r.method == 'PUT']
        length = str(len(DATA))
        self.assertEqual(length, put.headers['content-length'])
        self.assertEqual(length, put.headers['x-openstack-image-size'])

    def test_the_source_is_opened_first(self) -> None:
        """A source that cannot be read costs the destination nothing."""
        self.source.data_responses.append(responses.Response(status=403))

        self.assertRaises(sdk_exceptions.ForbiddenException, self.copy)

        self.assertEqual([], self.sent('POST'))

    def test_the_copy_is_an_image_of_the_other_cloud(self) -> None:
        """Its own connection is the one that it was copied to."""
        made = self.copy()

        self.assertIsInstance(made, image.Image)
        again = made.fetch(self.to.image)
        self.assertEqual((made.id, 'active'), (again.id, again.status))

    def test_several_connections(self) -> None:
        """The source may be read over several connections."""
        self.assert_copied(self.copy(connections=3))

    def test_progress(self) -> None:
        """The last snapshot is that of the whole image."""
        seen: list[openstack_image_stream.Progress] = []

        self.copy(progress=seen.append)

        self.assertEqual(len(DATA), seen[-1].done)


class TestWanted(CopyTestCase):
    """What the parameters say of the copy."""

    def test_name_and_id(self) -> None:
        """Both are those that the caller gave."""
        made = self.copy(name='new', image_id=ID.upper())

        self.assertEqual((ID, 'new'), (made.id, made.name))

    def test_visibility(self) -> None:
        """It is private unless the caller wants another one."""
        self.copy()
        self.assertEqual('private', self.made['visibility'])

    def test_shared(self) -> None:
        """The visibility is part of the first request."""
        self.copy(visibility='shared')
        self.assertEqual('shared', self.made['visibility'])

    def test_protected_last(self) -> None:
        """A copy that fails could not be deleted otherwise."""
        made = self.copy(protected=True)

        self.assertTrue(made.is_protected)
        self.assertEqual(f'PATCH /{made.id}', self.destination.log[-2])

    def test_protection_that_fails(self) -> None:
        """The copy is not what was wanted, and is deleted."""
        self.destination.statuses['PATCH'].append(403)

        self.assertRaises(
            sdk_exceptions.ForbiddenException, self.copy, protected=True
        )

        self.assertEqual({}, self.destination.images)

    def test_protection_without_a_response(self) -> None:
        """What is protected by then is deleted as well."""
        self.destination.statuses['PATCH'].append(0)

        self.assertRaises(
            openstack_image_stream.CopyFailedError,
            self.copy,
            protected=True,
            retries=0,
        )

        self.assertEqual({}, self.destination.images)


class TestRefused(CopyTestCase):
    """What cannot be copied is refused before anything is created."""

    def assert_refused(self, error: Any, **options: Any) -> Any:
        """Check that a copy is refused, and return the error."""
        raised = self.assertRaises(error, self.copy, **options)
        self.assertEqual([], self.sent('POST'))
        self.assertEqual(
            [], [r for r in self.source.requests if r.is_for_data]
        )
        return raised

    def test_no_data(self) -> None:
        """An image that was never uploaded has nothing to copy."""
        self.source.metadata.update(status='queued', size=None)

        error = self.assert_refused(openstack_image_stream.NotCopyableError)

        self.assertEqual('queued', error.status)

    def test_volume_backed_snapshot(self) -> None:
        """Its data are in volumes."""
        self.source.metadata.update(size=0, block_device_mapping='[{}]')

        error = self.assert_refused(openstack_image_stream.NotCopyableError)

        self.assertEqual('block_device_mapping', error.property_name)

    def test_encrypted(self) -> None:
        """The key is in the other cloud."""
        self.source.metadata['cinder_encryption_key_id'] = 'key'

        error = self.assert_refused(openstack_image_stream.EncryptedImageError)

        self.assertEqual(('cinder_encryption_key_id',), error.property_names)

    def test_encrypted_with_a_decision(self) -> None:
        """The caller knows what the key is at the destination."""
        self.source.metadata['cinder_encryption_key_id'] = 'key'

        self.copy(properties={'cinder_encryption_key_id': 'other'})

        self.assertEqual('other', self.made['cinder_encryption_key_id'])

    @base.for_each(
        {
            'name': {'name': 7},
            'image_id': {'image_id': '12'},
            'properties': {'properties': {'os_version': 12}},
            'attribute': {'properties': {'os_hash_algo': 'md5'}},
            'keep': {'keep': 'os_version'},
            'visibility': {'visibility': 'secret'},
            'protected': {'protected': 'yes'},
            'tags': {'tags': ['one']},
            'stores': {'stores': []},
            'option': {'retries': -1},
            'to': {'to': 'othercloud'},
        }
    )
    def test_bad_argument(self, options: dict[str, Any]) -> None:
        """No request is made at all, to either side."""
        self.assertRaises(
            openstack_image_stream.InvalidArgumentError,
            self.conn.image.copy_image,
            scripted.IMAGE_ID,
            **{'to': self.to, **options},
        )

        self.assertEqual([], self.destination.log)
        self.assertEqual(
            [], [r for r in self.source.requests if 'images' in r.path]
        )


class TestBadSource(CopyTestCase):
    """A bad source never becomes an active image."""

    def assert_never_whole(self) -> None:
        """Check that no upload was given all of the data."""
        self.assertTrue(self.received)
        self.assertTrue(max(self.received) < len(DATA), self.received)

    def setUp(self) -> None:
        super().setUp()
        self.received: list[int] = []
        self.destination.on_data = lambda _, amount: self.received.append(
            amount
        )

    def test_flipped_bit(self) -> None:
        """The last chunk is not sent."""
        self.source.changes.append(flipped)

        self.assertRaises(
            openstack_image_stream.ChecksumMismatchError, self.copy
        )

        self.assert_never_whole()
        self.assertEqual(1, len(self.sent('PUT')))
        self.assert_nothing_left()

    def test_flipped_bit_staged(self) -> None:
        """Nor is anything imported."""
        self.source.changes.append(flipped)

        self.assertRaises(
            openstack_image_stream.ChecksumMismatchError,
            self.copy,
            stores=['a'],
        )

        self.assert_never_whole()
        self.assertEqual(1, len(self.sent('POST')))
        self.assert_nothing_left()

    def test_cut(self) -> None:
        """The source is resumed beneath the upload."""
        self.source.cuts.extend([(2_000_000, False), (1_000_000, True)])

        self.assert_copied(self.copy())

        self.assertEqual(1, len(self.sent('PUT')))

    def test_cut_without_ranges(self) -> None:
        """It is read again from the first byte, and the upload continues."""
        self.source.ranged = False
        self.source.cuts.append((2_000_000, False))

        self.assert_copied(self.copy())

        self.assertEqual(1, len(self.sent('PUT')))

    def test_gone(self) -> None:
        """The error is that of a download."""
        self.source.cut_every = 3_000_000

        self.assertRaises(
            openstack_image_stream.InterruptedDownloadError,
            self.copy,
            retries=0,
        )

        self.assert_never_whole()
        self.assert_nothing_left()


class TestBadUpload(CopyTestCase):
    """A destination that fails is tried again on the same record."""

    @base.for_each(
        {
            'cut_at_once': Fault(after=0),
            'cut': Fault(after=3_000_000),
            'cut_at_the_end': Fault(),
            'reset': Fault(after=3_000_000, reset=True),
            '500': Fault(status=500),
            '503_early': Fault(after=100, status=503),
            '401': Fault(after=0, status=401),
        }
    )
    def test_once(self, fault: upload_glance.Fault) -> None:
        """The second upload is the whole image."""
        self.destination.faults.append(fault)

        made = self.copy()

        self.assert_copied(made)
        self.assertEqual([f'PUT /{made.id}/file'] * 2, self.sent('PUT'))
        self.assertEqual(1, len(self.sent('POST')))
        self.assertEqual(1, len(self.waits))

    def test_lost_response(self) -> None:
        """The image is there, so nothing is sent again."""
        self.destination.faults.append(Fault(keeps=True))

        self.assert_copied(self.copy())

        self.assertEqual(1, len(self.sent('PUT')))

    def test_late_response(self) -> None:
        """So it is where the response takes longer than the timeout."""
        self.destination.faults.append(Fault(keeps=True, silent=True))

        self.assert_copied(self.copy(timeout=0.5))

        self.assertEqual(1, len(self.sent('PUT')))

    def test_slow_to_notice(self) -> None:
        """A record is queued again before anything is sent to it."""
        self.destination.faults.append(Fault(after=1_000_000))
        self.destination.slow_looks = 4

        self.assert_copied(self.copy())

        self.assertEqual(2, len(self.sent('PUT')))

    def test_late_to_begin(self) -> None:
        """The upload before may come to the record after it was queued."""
        self.destination.faults.append(Fault(after=0))
        self.destination.statuses['PUT'].extend([None, 409])

        self.assert_copied(self.copy(retries=1))

        self.assertEqual(3, len(self.sent('PUT')))

    def test_complete_but_late(self) -> None:
        """What was sent whole before may become active after a refusal."""
        self.destination.faults.append(Fault(status=503, late=True))

        self.assert_copied(self.copy())

        self.assertEqual(2, len(self.sent('PUT')))

    def test_conflict_at_first(self) -> None:
        """Another program uploads to the record."""
        self.destination.statuses['PUT'].append(409)

        self.assertRaises(sdk_exceptions.ConflictException, self.copy)

        self.assert_nothing_left()

    def test_for_good(self) -> None:
        """After the last retry the record is deleted."""
        self.destination.faults.extend([Fault(after=1_000_000)] * 3)

        error = self.assertRaises(
            openstack_image_stream.CopyFailedError, self.copy, retries=2
        )

        self.assertEqual(3, len(self.sent('PUT')))
        self.assertFalse(error.left_behind)
        self.assert_nothing_left()

    def test_status_for_good(self) -> None:
        """What is raised is the status of the last response."""
        self.destination.faults.extend([Fault(status=503)] * 2)

        error = self.assertRaises(
            sdk_exceptions.HttpException, self.copy, retries=1
        )

        self.assertEqual(503, error.status_code)
        self.assert_nothing_left()

    @base.for_each({'early': 0, 'late': None})
    def test_too_large(self, after: int | None) -> None:
        """A refusal is not retried."""
        self.destination.faults.append(Fault(after=after, status=413))

        error = self.assertRaises(sdk_exceptions.HttpException, self.copy)

        self.assertEqual(413, error.status_code)
        self.assertEqual(1, len(self.sent('PUT')))
        self.assert_nothing_left()

    def test_damaged(self) -> None:
        """What it stored is compared with the source, and deleted."""
        self.destination.damages = True

        error = self.assertRaises(
            openstack_image_stream.ChecksumMismatchError, self.copy
        )

        self.assertEqual('sha512', error.algorithm)
        self.assertEqual({}, self.destination.images)

    def test_shortened(self) -> None:
        """The length is compared also where no hash is."""
        self.destination.shortens = True

        error = self.assertRaises(
            openstack_image_stream.ChecksumMismatchError,
            self.copy,
            validate_checksum=False,
        )

        self.assertEqual(str(len(DATA) - 1), error.actual)
        self.assertEqual({}, self.destination.images)

    def test_token_expired(self) -> None:
        """keystoneauth would renew it and send a body that is gone."""
        self.to = self.destination.connect(
            image_status_code_retries=0,
            auth_type='v3token',
            auth={'auth_url': f'{self.destination.url}/v3', 'token': 'first'},
            identity_api_version='3',
        )
        self.addCleanup(self.to.close)
        self.destination.faults.append(Fault(after=0, status=401))

        self.assert_copied(self.copy())

        self.assertEqual(2, len(self.sent('PUT')))

    def test_taken_by_another_program(self) -> None:
        """An upload of another program to the record is not ours."""

        def take(image_id: str, amount: int) -> None:
            self.destination.images[image_id]['status'] = 'active'

        self.destination.faults.append(Fault(after=1_000_000))
        self.destination.slow_looks = 3
        self.destination.on_data = take

        self.assertRaises(openstack_image_stream.CopyFailedError, self.copy)

    def test_deleted_by_another_program(self) -> None:
        """There is nothing to retry then."""
        self.destination.on_data = lambda image_id, _: (
            self.destination.images.pop(image_id, None)
        )
        self.destination.faults.append(Fault(after=1_000_000))

        error = self.assertRaises(
            openstack_image_stream.CopyFailedError, self.copy
        )

        self.assertIn('deleted', str(error))
        self.assert_nothing_left()


class TestCreation(CopyTestCase):
    """The record is created once, and no other is touched."""

    def test_refused(self) -> None:
        """A policy that forbids it is what is raised."""
        self.destination.statuses['POST'].append(403)

        self.assertRaises(sdk_exceptions.ForbiddenException, self.copy)

        self.assertEqual([], self.sent('DELETE'))
        self.assert_nothing_left()

    def test_existing(self) -> None:
        """An image of the wanted ID stays as it is."""
        existing = {'id': ID, 'status': 'queued', 'name': 'theirs'}
        self.destination.images[ID] = dict(existing)

        self.assertRaises(
            sdk_exceptions.ConflictException, self.copy, image_id=ID
        )

        self.assertEqual(existing, self.made)
        self.assertEqual([], self.sent('DELETE') + self.sent('PUT'))

    def test_unavailable(self) -> None:
        """The request is retried."""
        self.destination.statuses['POST'].append(503)

        self.assert_copied(self.copy())

    def test_lost_response(self) -> None:
        """An ID that was made up for the copy is that of the copy."""
        self.destination.statuses['POST'].append(0)

        made = self.copy()

        self.assert_copied(made)
        self.assertEqual(2, len(self.sent('POST')))

    def test_lost_response_with_an_id(self) -> None:
        """It may be another program's, and stays."""
        self.destination.statuses['POST'].append(0)

        error = self.assertRaises(
            openstack_image_stream.CopyFailedError, self.copy, image_id=ID
        )

        self.assertEqual((ID, True), (error.image_id, error.left_behind))
        self.assertEqual([ID], list(self.destination.images))


class TestRemoval(CopyTestCase):
    """After a failure the record is gone, or the error names it."""

    def setUp(self) -> None:
        super().setUp()
        self.destination.faults.append(Fault(after=1_000_000))

    def fail(self, error: Any = None, **options: Any) -> Any:
        """Have a copy fail."""
        return self.assertRaises(
            error or openstack_image_stream.CopyFailedError,
            self.copy,
            retries=0,
            **options,
        )

    def test_waits_while_saving(self) -> None:
        """Nothing is deleted before the service noticed the end."""
        self.destination.slow_looks = 5

        self.fail()

        self.assertEqual(1, len(self.sent('DELETE')))
        self.assert_nothing_left()

    def test_deletes_again(self) -> None:
        """A deletion that fails is repeated."""
        self.destination.bad_deletions = 3

        self.fail()

        self.assertEqual(4, len(self.sent('DELETE')))
        self.assert_nothing_left()

    def test_looks_twice(self) -> None:
        """What is gone may come back."""
        self.fail()

        deletion = self.destination.log.index(self.sent('DELETE')[0])
        after = self.destination.log[deletion + 1 :]
        self.assertEqual(2, len(after))
        self.assertIn(1.0, self.waits)

    def test_left_behind(self) -> None:
        """The error names what is left, and why the copy failed."""
        self.destination.bad_deletions = 10_000

        error = self.fail()

        self.assertTrue(error.left_behind)
        self.assertEqual([error.image_id], list(self.destination.images))
        self.assertIn(error.image_id, str(error))
        self.assertIsInstance(
            error.__cause__, openstack_image_stream.CopyFailedError
        )
        self.assertIn('may be left', self.log.output)

    def test_saving_for_ever(self) -> None:
        """It is deleted all the same, after a while."""
        self.destination.slow_looks = 10_000

        error = self.fail()

        self.assertTrue(self.sent('DELETE'))
        self.assertFalse(error.left_behind)
        self.assertEqual({}, self.destination.images)

    def test_no_permission(self) -> None:
        """Where deleting is forbidden that is not repeated."""
        self.destination.statuses['DELETE'].extend([403] * 9)

        error = self.fail()

        self.assertTrue(error.left_behind)
        self.assertEqual(2, len(self.sent('DELETE')))

    def test_no_token(self) -> None:
        """Neither is it where the token expired and there is no other."""
        self.destination.statuses['DELETE'].extend([401] * 9)

        error = self.fail()

        self.assertTrue(error.left_behind)
        self.assertLessEqual(len(self.sent('DELETE')), 2)


class TestRaisedInside(CopyTestCase):
    """Whatever is raised while copying, the record goes."""

    @base.for_each(
        {
            'ctrl_c': KeyboardInterrupt,
            'exit': SystemExit,
            'value': ValueError,
            # urllib3 takes this one for a server that responds early.
            'pipe': BrokenPipeError,
            'timeout': TimeoutError,
        }
    )
    def test_in_progress(self, kind: type[BaseException]) -> None:
        """What the function raised is what the caller gets."""

        def show(snapshot: openstack_image_stream.Progress) -> None:
            if snapshot.done:
                raise kind('stop')

        error = self.assertRaises(kind, self.copy, progress=show)

        self.assertIs(kind, type(error))
        self.assert_nothing_left()

    def test_left_behind(self) -> None:
        """Ctrl-C stays Ctrl-C, and the log names what is left."""
        self.destination.bad_deletions = 10_000

        def show(snapshot: openstack_image_stream.Progress) -> None:
            raise KeyboardInterrupt

        self.assertRaises(KeyboardInterrupt, self.copy, progress=show)

        [image_id] = self.destination.images
        self.assertIn(f'image {image_id} may be left', self.log.output)


class TestStores(CopyTestCase):
    """Stores are filled by staging and import."""

    def test_imported(self) -> None:
        """The data are staged, and imported into all of them."""
        made = self.copy(stores=['a', 'b', 'a'])

        self.assert_copied(made)
        self.assertEqual([f'PUT /{made.id}/stage'], self.sent('PUT'))
        self.assertEqual('a,b', self.made['stores'])

    def test_cut(self) -> None:
        """A staging that breaks off is tried again."""
        self.destination.faults.append(Fault(after=1_000_000))

        self.assert_copied(self.copy(stores=['a']))

        self.assertEqual(2, len(self.sent('PUT')))

    def test_protected(self) -> None:
        """The task of the import would undo it, and is waited for."""
        self.destination.slow_imports = 3

        made = self.copy(stores=['a'], protected=True)

        self.assertTrue(made.is_protected)
        self.assertTrue(self.made['protected'])
        self.assertEqual(1, len(self.sent('PATCH')))

    def test_task_that_never_ends(self) -> None:
        """An active image is what was wanted."""
        self.destination.slow_imports = 10_000

        self.assert_copied(self.copy(stores=['a']))

    def test_slow_to_notice(self) -> None:
        """What is still being staged is not imported."""
        self.destination.faults.append(Fault(after=1_000_000))
        self.destination.slow_looks = 4

        self.assert_copied(self.copy(stores=['a']))

        self.assertEqual(2, len(self.sent('PUT')))

    def test_import_fails(self) -> None:
        """The error names the stores, and the image is deleted."""
        self.destination.bad_stores = ['b']

        error = self.assertRaises(
            openstack_image_stream.CopyFailedError,
            self.copy,
            stores=['a', 'b'],
        )

        self.assertIn("not stored in b", str(error))
        self.assert_nothing_left()


class TestAlgorithms(CopyTestCase):
    """The copy is compared by a hash that both sides have."""

    def damaged(self, algorithm: str, **metadata: Any) -> str | None:
        """Return by which algorithm damage is found."""
        self.start(algorithm, **metadata)
        self.destination.damages = True
        error: Any = self.assertRaises(
            openstack_image_stream.ChecksumMismatchError, self.copy
        )
        self.assertEqual({}, self.destination.images)
        found: str | None = error.algorithm
        return found

    def with_images(self, algorithm: str, **metadata: Any) -> str | None:
        """Return the same for a cloud that has other images."""
        start = self.start

        def start_with_image(*args: Any, **kwargs: Any) -> None:
            start(*args, **kwargs)
            self.destination.images['other'] = {
                'id': 'other',
                'status': 'active',
                'os_hash_algo': algorithm,
            }

        self.start = start_with_image  # type: ignore[method-assign]
        self.start(algorithm, **metadata)
        self.destination.damages = True
        error: Any = self.assertRaises(
            openstack_image_stream.ChecksumMismatchError, self.copy
        )
        found: str | None = error.algorithm
        return found

    def test_another_one(self) -> None:
        """That of the destination is computed beside."""
        self.assertEqual('sha256', self.with_images('sha256'))

    def test_another_one_of_an_empty_cloud(self) -> None:
        """It cannot be known, and MD5 is what both have."""
        self.assertEqual('md5', self.damaged('sha256'))

    def test_destination_without_multihash(self) -> None:
        """Old services have MD5 alone."""
        self.assertEqual('md5', self.damaged(''))

    def test_source_without_multihash(self) -> None:
        """That of the destination is computed."""
        self.assertEqual(
            'sha512',
            self.damaged('sha512', os_hash_algo=None, os_hash_value=None),
        )

    def test_source_without_any(self) -> None:
        """So it is where nothing verifies the source."""
        self.assertEqual(
            'sha512',
            self.damaged(
                'sha512',
                os_hash_algo=None,
                os_hash_value=None,
                checksum=None,
            ),
        )

    def test_good(self) -> None:
        """With any of them a good copy is good."""
        for algorithm in ('sha256', '', 'sha512'):
            self.start(algorithm)
            self.assert_copied(self.copy())

    def test_nothing_in_common(self) -> None:
        """The log says that only the length was compared."""
        self.start('sha256', checksum=None)

        self.copy()

        self.assertIn('only its length was', self.log.output)
