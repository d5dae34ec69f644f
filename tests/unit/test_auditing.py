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

"""Tests of audits, with a scripted Glance that has many images."""

import collections
from collections.abc import Iterator
import contextlib
import dataclasses
import gc
import json
import lzma
import os
import pathlib
import pickle
import re
import signal
import threading
import tracemalloc
from typing import Any
import urllib.parse

import fixtures
from openstack import exceptions as sdk_exceptions
from openstack.image.v2 import image as upstream_image

import openstack_image_stream
from openstack_image_stream import _audit_arguments
from openstack_image_stream import _audit_result
from openstack_image_stream import _audit_worker
from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream import _download
from openstack_image_stream import exceptions
from openstack_image_stream import progress
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import images
from tests.servers import responses
from tests.servers import scripted
from tests import signing
from tests.unit import base

MIB = 1024 * 1024

NO_HASH = {'os_hash_algo': None, 'os_hash_value': None, 'checksum': None}
OTHER_HASH = {'os_hash_value': '0' * 128}

_IMAGES = pathlib.Path(__file__).parents[1] / 'data' / 'images'


class Glance(control.ManyImages):
    """A scripted Glance with many images, which it lists in pages."""

    #: Images on each page of the list.
    page = 2

    def __init__(self) -> None:
        super().__init__()
        #: Responses to the next requests for the list.
        self.list_responses: collections.deque[responses.Response] = (
            collections.deque()
        )

    def put(
        self, data: bytes | None = None, **script: Any
    ) -> tuple[str, control.ImageScript]:
        """Have an image; return its ID, and how it is served."""
        image_id = images.new_id()
        made = control.ImageScript(**{'seed': 1, 'size': MIB, **script})
        if data is not None:
            made.data = data
        self._scripts[image_id] = made
        return image_id, made

    def take_away(self, image_id: str) -> None:
        """Have an image no more."""
        del self._scripts[image_id]

    def _respond(self, request: responses.Request) -> responses.Response:
        path, _, query = request.path.partition('?')
        if path == '/v2/images':
            if self.list_responses:
                return self.list_responses.popleft()
            return self._list(urllib.parse.parse_qs(query))
        found = re.match('/v2/images/([^/]+)', path)
        if found and found[1] not in self._scripts:
            return responses.Response(status=404)
        return super()._respond(request)

    def _list(self, query: dict[str, list[str]]) -> responses.Response:
        ids = list(self._scripts)
        begin = 0
        if 'marker' in query:
            marker = query['marker'][0]
            if marker not in ids:
                return responses.Response(status=404)
            begin = ids.index(marker) + 1
        there = ids[begin : begin + self.page]
        document: dict[str, Any] = {
            'images': [{'id': each, 'name': f'of {each}'} for each in there]
        }
        if begin + self.page < len(ids):
            document['next'] = f'/v2/images?marker={there[-1]}'
        return responses.json_response(document)


class AuditTestCase(base.GlanceTestCase):
    """A test with many images."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(_audit_worker, '_DELETING', 0.01)
        self.glance = Glance()
        self.addCleanup(self.glance.__exit__)
        self.glance.__enter__()
        self.conn = self.connect(self.glance)
        # What the connection has open before is of no interest.
        self.addCleanup(scripted.forget_connections)

    def put(self, *args: Any, **script: Any) -> str:
        """Have an image; return its ID."""
        return self.glance.put(*args, **script)[0]

    def audit(self, *args: Any, **options: Any) -> list[Any]:
        """Return all results of an audit."""
        return list(self.conn.image.audit_images(*args, **options))

    def judge(self, *args: Any, **options: Any) -> Any:
        """Return what an audit says of one image."""
        script = options.pop('script', {})
        (result,) = self.audit([self.put(*args, **script)], **options)
        return result

    def paths(self) -> list[str]:
        """Return the paths that were requested, below the images."""
        return [
            request.path.partition('/v2/images')[2]
            for request in self.glance.requests
            if '/v2/images' in request.path
        ]

    def assert_nothing_left(self) -> None:
        """Check that no thread and no connection is in use."""
        self.assertEqual(
            [],
            [
                thread.name
                for thread in threading.enumerate()
                if thread.name.startswith('openstack-image-stream')
            ],
        )
        base.close_idle(self.conn.session.session)
        self.assertTrue(self.glance.wait_until_left())


class TestVerdicts(AuditTestCase):
    """What is said of an image."""

    def test_good(self) -> None:
        """The values are those of the image."""
        data = base.some_bytes(MIB + 1)
        image_id = self.put(data)
        (result,) = self.audit([image_id])
        self.assertEqual(
            openstack_image_stream.AuditResult(
                image_id=image_id,
                name='scripted',
                size=MIB + 1,
                verdict='good',
                bad=False,
                message='',
                seconds=result.seconds,
                bytes=MIB + 1,
            ),
            result,
        )
        self.assertFalse(result.bad)
        self.assertEqual([f'/{image_id}', f'/{image_id}/file'], self.paths())

    def test_empty(self) -> None:
        """An image of no bytes is as good as any."""
        result = self.judge(b'')
        self.assertEqual(('good', 0), (result.verdict, result.bytes))

    def test_mismatch(self) -> None:
        """The message has both digests; all bytes came."""
        result = self.judge(script={'metadata': OTHER_HASH})
        self.assertEqual(('mismatch', MIB), (result.verdict, result.bytes))
        self.assertIn('sha512 mismatch: expected 0000', result.message)
        self.assertTrue(result.bad)

    def test_no_hash(self) -> None:
        """The length alone was compared."""
        result = self.judge(script={'metadata': NO_HASH})
        self.assertEqual(('no hash', MIB), (result.verdict, result.bytes))
        self.assertIn('no hash', result.message)
        self.assertFalse(result.bad)

    def test_no_hash_required(self) -> None:
        """Nothing is downloaded then."""
        result = self.judge(
            script={'metadata': NO_HASH}, validate_checksum='required'
        )
        self.assertEqual(('no hash', 0), (result.verdict, result.bytes))
        self.assertIn('nothing to verify it by', result.message)
        self.assertTrue(result.bad)

    def test_not_compared(self) -> None:
        """An image that was compared with nothing is not called good."""
        result = self.judge(
            script={'metadata': OTHER_HASH}, validate_checksum=False
        )
        self.assertEqual('no hash', result.verdict)
        self.assertIn('validate_checksum', result.message)

    def test_unsafe(self) -> None:
        """The format is decided before all of the image came."""
        data = lzma.decompress((_IMAGES / 'qcow2-backing.xz').read_bytes())
        result = self.judge(
            data + bytes(8 * MIB),
            script={
                'metadata': {
                    'disk_format': 'qcow2',
                    'container_format': 'bare',
                }
            },
            check_format=True,
        )
        self.assertEqual('unsafe', result.verdict)
        self.assertIn('backing_file', result.message)
        self.assertTrue(result.bad)

    def test_mislabelled(self) -> None:
        """The content is safe, and of another format."""
        data = lzma.decompress((_IMAGES / 'qcow2.xz').read_bytes())
        result = self.judge(
            data,
            script={
                'metadata': {'disk_format': 'raw', 'container_format': 'bare'}
            },
            check_format=True,
        )
        self.assertEqual('mislabelled', result.verdict)
        self.assertIn('the content is qcow2', result.message)
        self.assertTrue(result.bad)

    def test_uncheckable(self) -> None:
        """A container cannot be judged, which is not the image's fault."""
        result = self.judge(
            script={
                'metadata': {'disk_format': 'vmdk', 'container_format': 'ova'}
            },
            check_format=True,
        )
        self.assertEqual('error', result.verdict)
        self.assertIn('in a container of format ova', result.message)
        self.assertFalse(result.bad)

    def test_bad_signature(self) -> None:
        """The signature is one of other bytes."""
        key = signing.private_key('ECC_SECP384R1')
        result = self.judge(
            script={
                'metadata': signing.properties(
                    signing.sign(key, b'other bytes', 'SHA-256'),
                    'ECC_SECP384R1',
                    'SHA-256',
                )
            },
            signed_by=key.public_key(),
        )
        self.assertEqual('bad signature', result.verdict)
        self.assertTrue(result.bad)

    def test_good_signature(self) -> None:
        """It verifies an image that has no hash."""
        key = signing.private_key('ECC_SECP384R1')
        data = base.some_bytes(MIB)
        result = self.judge(
            data,
            script={
                'metadata': {
                    **NO_HASH,
                    **signing.properties(
                        signing.sign(key, data, 'SHA-256'),
                        'ECC_SECP384R1',
                        'SHA-256',
                    ),
                }
            },
            signed_by=key.public_key(),
        )
        self.assertEqual('good', result.verdict)

    def test_incomplete(self) -> None:
        """What arrived is counted, once."""
        result = self.judge(
            script={'always': {'cut_after': 1000}, 'ranged': False}, retries=1
        )
        self.assertEqual('incomplete', result.verdict)
        self.assertEqual(1000, result.bytes)
        self.assertFalse(result.bad)

    def test_resumed(self) -> None:
        """A connection that is lost is resumed, as for any download."""
        result = self.judge(script={'changes': [{'cut_after': 1000}]})
        self.assertEqual(('good', MIB), (result.verdict, result.bytes))

    def test_changed_length(self) -> None:
        """A store that has other bytes announces another length."""
        result = self.judge(script={'metadata': {'size': MIB + 1}})
        self.assertEqual('mismatch', result.verdict)
        self.assertIn('size mismatch', result.message)

    @base.for_each({status: status for status in ('queued', 'saving')})
    def test_no_data(self, status: str) -> None:
        """An image that was not uploaded yet is not a bad one."""
        result = self.judge(
            script={
                'metadata': {'status': status, 'size': None},
                'always': {'status': 204, 'body': ''},
            }
        )
        self.assertEqual(('no data', None), (result.verdict, result.size))
        self.assertIn(status, result.message)
        self.assertFalse(result.bad)

    def test_lost_by_the_store(self) -> None:
        """Glance responds the same for an active one without its data."""
        result = self.judge(script={'always': {'status': 204, 'body': ''}})
        self.assertEqual(('incomplete', 0), (result.verdict, result.bytes))

    def test_gone(self) -> None:
        """An image that there is not is gone."""
        image_id = images.new_id()
        (result,) = self.audit([image_id])
        self.assertEqual(
            (image_id, None, None, 'gone', 0),
            (
                result.image_id,
                result.name,
                result.size,
                result.verdict,
                result.bytes,
            ),
        )

    def test_gone_meanwhile(self) -> None:
        """So is one that is deleted before a connection is resumed."""
        image_id = self.put(changes=[{'cut_after': 1000}])
        taken = self.glance._respond

        def respond(request: responses.Request) -> responses.Response:
            if 'range' in request.headers:
                self.glance.take_away(image_id)
            return taken(request)

        self.glance._respond = respond  # type: ignore[method-assign]
        (result,) = self.audit([image_id])
        self.assertEqual(('gone', MIB), (result.verdict, result.size))

    @base.for_each(
        {
            'no_data': {'status': 204, 'body': ''},
            'cut_for_good': {'cut_after': 1000},
        }
    )
    def test_deleted_while_it_is_sent(self, response: Any) -> None:
        """The data may end early because the image was deleted."""
        image_id = self.put(always=response, ranged=False)
        taken = self.glance._respond
        requested: list[bool] = []

        def respond(request: responses.Request) -> responses.Response:
            requested.append(request.is_for_data)
            if not request.is_for_data and any(requested):
                return responses.Response(status=404)
            return taken(request)

        self.glance._respond = respond  # type: ignore[method-assign]
        (result,) = self.audit([image_id], retries=1)
        self.assertEqual(('gone', MIB), (result.verdict, result.size))

    @base.for_each({'silent': {'silent_after': -1}, 'busy': {'status': 503}})
    def test_out_of_order(self, response: Any) -> None:
        """A service that does not respond any more is asked once more."""
        image_id = self.put(always={'status': 204, 'body': ''})
        taken = self.glance._respond
        looks: list[None] = []

        def respond(request: responses.Request) -> responses.Response:
            made = taken(request)
            if request.is_for_data or image_id not in request.path:
                return made
            looks.append(None)
            if len(looks) == 1:
                return made
            return dataclasses.replace(made, **response)

        self.glance._respond = respond  # type: ignore[method-assign]
        (result,) = self.audit([image_id], timeout=0.2)
        self.assertEqual('incomplete', result.verdict)
        self.assertEqual(2, len(looks))

    def test_deleted_a_moment_later(self) -> None:
        """Its data are gone before the image is."""
        image_id = self.put(always={'status': 204, 'body': ''})
        taken = self.glance._respond
        looks: list[None] = []

        def respond(request: responses.Request) -> responses.Response:
            if not request.is_for_data and image_id in request.path:
                looks.append(None)
                if len(looks) == 3:
                    return responses.Response(status=404)
            return taken(request)

        self.glance._respond = respond  # type: ignore[method-assign]
        (result,) = self.audit([image_id])
        self.assertEqual(('gone', MIB), (result.verdict, result.size))

    @base.for_each(
        {
            'forbidden': {'status': 403, 'body': ''},
            'unavailable': {'status': 503, 'body': ''},
            'silent': {'hang_up': True},
        }
    )
    def test_error(self, change: dict[str, Any]) -> None:
        """A service that refuses, or is out of order, says nothing of it."""
        result = self.judge(script={'always': change}, retries=1)
        self.assertEqual('error', result.verdict)
        self.assertNotEqual('', result.message)
        self.assertFalse(result.bad)

    def test_unusable_hash(self) -> None:
        """Nor does a hash that cannot be computed here."""
        result = self.judge(script={'metadata': {'os_hash_algo': 'unheard'}})
        self.assertEqual('error', result.verdict)
        self.assertIn('unheard', result.message)

    def test_error_of_the_machine(self) -> None:
        """It is not the caller's, whose other images may be judged."""
        self.useFixture(
            fixtures.MockPatchObject(
                _download, 'open_stream', side_effect=OSError('a\nb\x1b')
            )
        )
        result = self.judge()
        self.assertEqual(('error', 'a b?'), (result.verdict, result.message))

    def test_message_is_printable(self) -> None:
        """What a service says does not get at the terminal."""
        result = self.judge(
            script={'metadata': {'os_hash_algo': 'a\x1b[2J', 'checksum': None}}
        )
        self.assertTrue(result.message.isprintable(), repr(result.message))

    def test_all_are_declared(self) -> None:
        """The documentation names each verdict, and so does the class."""
        page = (
            pathlib.Path(__file__).parents[2] / 'doc/source/user/auditing.rst'
        ).read_text()
        for verdict in _audit_result.VERDICTS:
            self.assertIn(f'   * - ``{verdict}``\n', page)
            self.assertIn(
                f"``'{verdict}'``",
                str(openstack_image_stream.AuditResult.__doc__),
            )


class TestResult(base.TestCase):
    """The result as an object."""

    RESULT = openstack_image_stream.AuditResult(
        image_id='id',
        name='name',
        size=7,
        verdict='good',
        bad=False,
        message='',
        seconds=0.5,
        bytes=7,
    )

    def test_pickles(self) -> None:
        """It travels between processes, by its public name."""
        pickled = pickle.dumps(self.RESULT)
        self.assertEqual(self.RESULT, pickle.loads(pickled))
        self.assertIn(
            b'openstack_image_stream\n', pickle.dumps(self.RESULT, 0)
        )

    def test_frozen(self) -> None:
        """It does not change."""
        self.assertRaises(
            dataclasses.FrozenInstanceError,
            setattr,
            self.RESULT,
            'verdict',
            'bad',
        )

    def test_as_dict(self) -> None:
        """All values can be written as JSON."""
        values = self.RESULT.as_dict()
        self.assertEqual(values, json.loads(json.dumps(values)))
        self.assertEqual(
            self.RESULT, openstack_image_stream.AuditResult(**values)
        )


class TestImages(AuditTestCase):
    """Which images are audited."""

    def test_all(self) -> None:
        """Without any, all that are listed, each once."""
        ids = [self.put(seed=number) for number in range(5)]
        results = self.audit()
        self.assertEqual(sorted(ids), sorted(r.image_id for r in results))
        self.assertEqual({'good'}, {result.verdict for result in results})

    def test_listed_at_once(self) -> None:
        """An image that is deleted does not end the list."""
        ids = [self.put() for _ in range(4)]
        audit = self.conn.image.audit_images(jobs=1)
        with audit:
            first = next(audit)
            # The image that the second page begins after.
            self.glance.take_away(ids[1])
            self.glance.take_away(ids[3])
            results = {r.image_id: r for r in [first, *audit]}
        self.assertEqual(set(ids), set(results))
        self.assertEqual('gone', results[ids[3]].verdict)
        self.assertEqual(f'of {ids[3]}', results[ids[3]].name)

    def test_none(self) -> None:
        """Of no images there are no results."""
        self.assertEqual([], self.audit([]))
        self.assertEqual([], self.paths())
        self.assertEqual([], self.audit())

    def test_resources(self) -> None:
        """Images of this and of the upstream class; they stay as they are."""
        image_id = self.put(metadata={'name': 'now'})
        ours = self.conn.image.get_image(image_id)
        stock = upstream_image.Image.existing(id=image_id, name='before')
        results = self.audit([ours, stock])
        self.assertEqual(['now', 'now'], [result.name for result in results])
        self.assertEqual('before', stock.name)

    def test_resource_with_another_hash(self) -> None:
        """The hash that the caller knows is the one that counts."""
        stock = upstream_image.Image.existing(
            id=self.put(), hash_algo='sha512', hash_value='1' * 128
        )
        (result,) = self.audit([stock])
        self.assertEqual(('mismatch', 0), (result.verdict, result.bytes))
        self.assertIn('hash_value changed', result.message)

    def test_taken_as_needed(self) -> None:
        """An endless iterable is fine."""
        image_id = self.put()
        taken = []

        def endless() -> Iterator[str]:
            while True:
                taken.append(threading.current_thread())
                yield image_id

        audit = self.conn.image.audit_images(endless(), jobs=2)
        with contextlib.closing(audit):
            self.assertEqual([], taken)
            for _ in range(10):
                self.assertEqual('good', next(audit).verdict)
            # Two for each job, and one for each result that was handed out.
            self.assertEqual(4 + 9, len(taken))
        self.assertEqual({threading.current_thread()}, set(taken))

    def test_iterable_fails(self) -> None:
        """What it raises ends the audit."""

        def failing() -> Iterator[str]:
            for _ in range(3):
                yield self.put()
            raise KeyError('mine')

        audit = self.conn.image.audit_images(failing(), jobs=1)
        self.assertEqual('good', next(audit).verdict)
        self.assertEqual('good', next(audit).verdict)
        self.assertRaises(KeyError, next, audit)
        self.assert_nothing_left()
        self.assertRaises(exceptions.DownloadClosedError, next, audit)

    def test_list_fails(self) -> None:
        """What the list raises reaches the caller."""
        self.glance.list_responses.append(responses.Response(status=403))
        audit = self.conn.image.audit_images()
        self.assertRaises(sdk_exceptions.ForbiddenException, next, audit)
        self.assert_nothing_left()

    def test_bad_item(self) -> None:
        """What an iterator yields is looked at when it comes."""
        audit = self.conn.image.audit_images(iter([self.put(), 7]))
        self.assertRaises(exceptions.InvalidArgumentError, next, audit)


class TestSideBySide(AuditTestCase):
    """Several images at a time."""

    def test_order(self) -> None:
        """A slow image does not hold up the others."""
        slow, script = self.glance.put(always={'hold_after': 1000})
        others = [self.put() for _ in range(5)]
        audit = self.conn.image.audit_images([slow, *others], jobs=2)
        self.assertEqual(set(others), {next(audit).image_id for _ in range(5)})
        script.released.set()
        self.assertEqual(slow, next(audit).image_id)
        self.assertRaises(StopIteration, next, audit)

    def test_jobs(self) -> None:
        """As many as were asked for are requested, and no more."""
        held = [self.glance.put(always={'hold_after': 1000}) for _ in range(6)]
        audit = self.conn.image.audit_images([i for i, _ in held], jobs=3)
        results: list[Any] = []
        reader = threading.Thread(target=lambda: results.extend(audit))
        reader.start()
        scripts = [script for _, script in held]

        def asked() -> int:
            return sum(len(script.asked) for script in scripts)

        processes.wait_for(lambda: asked() == 3)
        next(s for s in scripts if s.asked).released.set()
        processes.wait_for(lambda: asked() >= 4)
        self.assertEqual(4, asked())
        for _, script in held:
            script.released.set()
        reader.join()
        self.assertEqual(['good'] * 6, [result.verdict for result in results])

    def test_connections(self) -> None:
        """Each image may have several connections of its own."""
        image_id, script = self.glance.put(size=20 * MIB)
        (result,) = self.audit([image_id], connections=3)
        self.assertEqual(('good', 20 * MIB), (result.verdict, result.bytes))
        self.assertEqual(3, len(script.asked))

    def test_nothing_is_left(self) -> None:
        """Threads and connections end with the last image."""
        self.audit([self.put() for _ in range(5)])
        self.assert_nothing_left()

    def test_settings_of_the_cloud(self) -> None:
        """They apply, as far as they make sense."""
        conn = self.connect(
            self.glance,
            image_stream_validate_checksum='required',
            image_stream_progress=True,
        )
        shown = self.useFixture(
            fixtures.MockPatchObject(
                progress, 'reporter_for', return_value=None
            )
        ).mock
        image_id = self.put(metadata=NO_HASH)
        (result,) = conn.image.audit_images([image_id])
        self.assertEqual(('no hash', 0), (result.verdict, result.bytes))
        self.assertEqual({None}, {call.args[0] for call in shown.mock_calls})


BAD_ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    'no_jobs': ({'jobs': 0}, 'jobs must be a whole number from 1 to 64'),
    'many_jobs': ({'jobs': 65}, 'jobs must be'),
    'true_jobs': ({'jobs': True}, 'jobs must be'),
    'half_jobs': ({'jobs': 1.5}, 'jobs must be'),
    'text': ({'images': 'an-id'}, 'images must be a list'),
    'bytes': ({'images': b'an-id'}, 'images must be a list'),
    'number': ({'images': 7}, 'images must be a list'),
    'resource': (
        {'images': upstream_image.Image.existing(id='an-id')},
        'images must be a list',
    ),
    'item': ({'images': ['an-id', None]}, 'each image must be'),
    'empty_item': ({'images': ['']}, 'each image must be'),
    'option': ({'retries': -1}, 'retries must be'),
    'format': ({'check_format': ['odd']}, 'names of formats'),
    'signer': ({'signed_by': '/missing.pem'}, 'No such file'),
}


class TestArguments(AuditTestCase):
    """What an audit is called with."""

    @base.for_each(BAD_ARGUMENTS)
    def test_bad(self, case: tuple[dict[str, Any], str]) -> None:
        """A bad one is refused by the call, before any request."""
        arguments, words = case
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            self.conn.image.audit_images,
            **arguments,
        )
        self.assertIn(words, str(error))
        self.assertEqual([], self.paths())

    @base.for_each({n: n for n in ('output', 'resume', 'expected_digest')})
    def test_not_of_an_audit(self, name: str) -> None:
        """What only a download has is unknown."""
        self.assertRaises(
            TypeError, self.conn.image.audit_images, **{name: None}
        )

    def test_lazy(self) -> None:
        """Nothing is requested before the first result is asked for."""
        self.conn.image.audit_images()
        self.assertEqual([], self.paths())

    def test_types(self) -> None:
        """The options are those of a download."""
        for (
            name,
            hint,
        ) in _audit_arguments.AuditOptions.__annotations__.items():
            self.assertEqual(_config.HINTS[name][0], hint, name)


class TestEnd(AuditTestCase):
    """An audit that ends before its last image, without the collector."""

    def setUp(self) -> None:
        super().setUp()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)

    def begun(self, **options: Any) -> Any:
        """Return an audit whose images are being downloaded."""
        held = [
            self.glance.put(always={'silent_after': 1000}) for _ in range(3)
        ]
        good = self.put()
        audit = self.conn.image.audit_images(
            [good, *(image_id for image_id, _ in held)], jobs=3
        )
        self.assertEqual('good', next(audit).verdict)
        processes.wait_for(lambda: sum(len(s.asked) for _, s in held) == 3)
        return audit

    def test_closed(self) -> None:
        """Nothing is left; there are no further results."""
        audit = self.begun()
        audit.close()
        self.assert_nothing_left()
        error = self.assertRaises(exceptions.DownloadClosedError, next, audit)
        self.assertEqual('the audit was closed', str(error))
        audit.close()
        self.assertEqual([], self.warnings())

    def test_with(self) -> None:
        """A with statement closes it."""
        with self.begun():
            pass
        self.assert_nothing_left()

    def test_forgotten(self) -> None:
        """Without the collector, nothing is left."""
        audit = self.begun()
        del audit
        processes.wait_for(
            lambda: (
                not any(
                    thread.name.startswith('openstack-image-stream')
                    for thread in threading.enumerate()
                )
            )
        )
        self.assert_nothing_left()

    def test_worker_is_ended(self) -> None:
        """As green threads are; the caller is not left waiting."""
        self.useFixture(
            fixtures.MockPatchObject(
                _context, 'Context', side_effect=SystemExit
            )
        )
        audit = self.conn.image.audit_images([self.put()])
        self.assertRaises(SystemExit, next, audit)
        self.assert_nothing_left()

    def test_end_of_the_program(self) -> None:
        """A program that leaves it open is not kept from ending."""
        good = self.put()
        silent, script = self.glance.put(always={'silent_after': 1000})
        code = f"""if True:
            from tests.servers import scripted
            conn = scripted.connect({self.glance.url!r}, **scripted.PLUGIN)
            audit = conn.image.audit_images({[silent, good]})
            print(next(audit).verdict)
        """
        with processes.Program('-c', code) as program:
            self.assertEqual((0, 'good\n', ''), program.end(30))
        self.assertEqual([''], script.asked)

    def test_closed_by_another_thread(self) -> None:
        """The thread that waits learns of it."""
        audit = self.begun()
        closer = threading.Timer(0.05, audit.close)
        closer.start()
        self.assertRaises(exceptions.DownloadClosedError, next, audit)
        closer.join()
        self.assert_nothing_left()

    def test_interrupted(self) -> None:
        """What a signal handler raises ends all."""

        def ring(signum: int, frame: Any) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, ring)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        audit = self.begun()
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        self.assertRaises(KeyboardInterrupt, next, audit)
        self.assert_nothing_left()

    def test_silent_metadata(self) -> None:
        """A request for metadata is broken off, too, and not retried."""
        image_id = self.put()
        self.glance.metadata_responses.append(
            responses.Response(silent_after=-1)
        )
        audit = self.conn.image.audit_images([image_id])
        closer = threading.Thread(
            target=lambda: (
                processes.wait_for(lambda: f'/{image_id}' in self.paths()),
                audit.close(),
            )
        )
        closer.start()
        self.assertRaises(exceptions.DownloadClosedError, next, audit)
        closer.join()
        self.assert_nothing_left()
        self.assertEqual([], self.warnings())
        self.assertEqual([f'/{image_id}'], self.paths())

    def test_exhausted(self) -> None:
        """An iterator that is over stays so, closed or not."""
        audit = self.conn.image.audit_images([self.put()])
        self.assertEqual(1, len(list(audit)))
        self.assertRaises(StopIteration, next, audit)
        audit.close()
        self.assertRaises(StopIteration, next, audit)

    def test_two_threads(self) -> None:
        """Only one thread at a time waits for a result."""
        audit = self.begun()
        caught: list[BaseException] = []

        def wait() -> None:
            try:
                next(audit)
            except exceptions.DownloadClosedError as exc:
                caught.append(exc)

        waiter = threading.Thread(target=wait)
        waiter.start()
        processes.wait_for(audit._busy.locked)
        error = self.assertRaises(exceptions.ReadError, next, audit)
        self.assertIn('another thread', str(error))
        audit.close()
        waiter.join()
        self.assertEqual(1, len(caught))

    def test_forked(self) -> None:
        """A child cannot continue it, and does it no harm."""
        held, script = self.glance.put(always={'hold_after': 1000})
        audit = self.conn.image.audit_images([self.put(), held], jobs=2)
        next(audit)
        processes.wait_for(lambda: script.asked)

        def act() -> None:
            error = 'none'
            try:
                next(audit)
            except exceptions.ReadError as exc:
                error = str(exc)
            audit.close()
            assert 'the audit was begun in another' in error, error

        processes.Child(act).wait()
        script.released.set()
        self.assertEqual(['good'], [result.verdict for result in audit])


class TestFootprint(AuditTestCase):
    """What an audit takes of the machine."""

    def test_memory(self) -> None:
        """It does not depend on the sizes of the images."""
        ids = [self.put(size=64 * MIB) for _ in range(4)]
        self.audit(ids[:1])
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        results = self.audit(ids, jobs=2)
        _, peak = tracemalloc.get_traced_memory()
        self.assertEqual({'good'}, {result.verdict for result in results})
        self.assertLess(peak, 2 * 16 * MIB)

    def test_nothing_is_written(self) -> None:
        """No file appears, not even where the program is."""
        before = set(resources.descriptors().values())
        directory = os.getcwd()
        os.chdir(self.directory)
        self.addCleanup(os.chdir, directory)
        opened: set[str] = set()

        def taking() -> Iterator[str]:
            for _ in range(6):
                yield self.put()
                opened.update(resources.descriptors().values())

        self.audit(taking(), jobs=1)
        self.assertEqual([], self.files())
        self.assertEqual(
            [], [path for path in opened - before if path.startswith('/')]
        )
