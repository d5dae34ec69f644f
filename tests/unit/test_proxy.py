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

"""Tests of the proxy: what it hands out, what it takes."""

import gc
import hashlib
import inspect
import json
from typing import Any
import weakref

import fixtures
import openstack
from openstack.image.v2 import _proxy as upstream_proxy
from openstack.image.v2 import image as upstream_image
from openstack.image.v2 import member as upstream_member

from openstack_image_stream import exceptions
from openstack_image_stream import image
from openstack_image_stream import proxy as _proxy
from tests.servers import responses
from tests.servers import scripted
from tests.unit import base

DATA = base.some_bytes(10_000)

#: Ways to come by an image.
SOURCES: dict[str, Any] = {
    'get_image': lambda conn: conn.image.get_image(scripted.IMAGE_ID),
    'get_image_again': lambda conn: conn.image.get_image(
        conn.image.get_image(scripted.IMAGE_ID)
    ),
    'find_image_by_id': lambda conn: conn.image.find_image(scripted.IMAGE_ID),
    'find_image_by_name': lambda conn: conn.image.find_image('scripted'),
    'find_image_or_fail': lambda conn: conn.image.find_image(
        'scripted', ignore_missing=False
    ),
    'images': lambda conn: next(iter(conn.image.images())),
    'images_by_query': lambda conn: next(
        iter(conn.image.images(name='scripted', visibility='private'))
    ),
    'create_image': lambda conn: conn.image.create_image(
        'scripted', allow_duplicates=True
    ),
    'create_image_with_data': lambda conn: conn.image.create_image(
        'scripted', data=DATA, allow_duplicates=True
    ),
    'update_image': lambda conn: conn.image.update_image(
        scripted.IMAGE_ID, name='scripted'
    ),
    'update_image_again': lambda conn: conn.image.update_image(
        conn.image.get_image(scripted.IMAGE_ID), name='other'
    ),
    'cloud_get_image': lambda conn: conn.get_image('scripted'),
    'cloud_get_image_by_id': lambda conn: conn.get_image_by_id(
        scripted.IMAGE_ID
    ),
    'cloud_list_images': lambda conn: conn.list_images()[0],
    'cloud_search_images': lambda conn: conn.search_images('scripted')[0],
    'search_resources': lambda conn: conn.search_resources(
        'image.image', scripted.IMAGE_ID
    )[0],
    'search_resources_in_the_list': lambda conn: conn.search_resources(
        'image.image', None
    )[0],
}

#: What else the proxy does with an image.
ACTIONS: dict[str, Any] = {
    'get_image': lambda proxy, it: proxy.get_image(it),
    'update_image': lambda proxy, it: proxy.update_image(it, name='new'),
    'delete_image': lambda proxy, it: proxy.delete_image(it),
    'deactivate_image': lambda proxy, it: proxy.deactivate_image(it),
    'reactivate_image': lambda proxy, it: proxy.reactivate_image(it),
    'add_tag': lambda proxy, it: proxy.add_tag(it, 'tag'),
    'remove_tag': lambda proxy, it: proxy.remove_tag(it, 'tag'),
    'add_member': lambda proxy, it: proxy.add_member(it, member_id='me'),
}


class ProxyTestCase(base.GlanceTestCase):
    """A test with a connection that has the plugin, and one that has not."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA, my_property='mine')
        self.conn = self.connect(self.glance)
        self.other = self.connect(self.glance, vendor_hook=None)
        for conn in (self.conn, self.other):
            self.assertIsNotNone(conn.image)
        self.glance.requests.clear()

    def stock(self) -> upstream_image.Image:
        """Return an image of upstream's class, from another connection."""
        found = self.other.image.get_image(scripted.IMAGE_ID)
        self.assertIs(upstream_image.Image, type(found))
        self.glance.requests.clear()
        return found

    def requests(self) -> list[tuple[str, str, bytes]]:
        """Return the requests since the last time."""
        made = [(r.method, r.path, r.body) for r in self.glance.requests]
        self.glance.requests.clear()
        return made


class TestImageClass(ProxyTestCase):
    """The class of what is handed out."""

    @base.for_each(SOURCES)
    def test_is_ours(self, source: Any) -> None:
        """However one comes by an image, it downloads our way."""
        found = source(self.conn)
        self.assertIs(image.Image, type(found))
        self.assertEqual(scripted.IMAGE_ID, found.id)
        self.assertEqual({'my_property': 'mine'}, found.properties)
        self.assert_same(DATA, found.download(self.conn.image).content)

    @base.for_each(SOURCES)
    def test_same_requests(self, source: Any) -> None:
        """It costs the same requests as upstream."""
        source(self.other)
        expected = self.requests()
        source(self.conn)
        self.assertEqual(expected, self.requests())

    def test_is_upstreams(self) -> None:
        """It is upstream's class, too, for whoever checks."""
        found = self.conn.image.get_image(scripted.IMAGE_ID)
        self.assertIsInstance(found, upstream_image.Image)

    def test_hidden_image(self) -> None:
        """An image that is found only among the hidden ones is ours."""
        for conn in (self.other, self.conn):
            self.glance.metadata_responses.extend(
                [
                    responses.json_response({}, status=404),
                    responses.json_response({'images': []}),
                    responses.json_response(
                        {'images': [self.glance.metadata]}
                    ),
                ]
            )
            found = conn.image.find_image('scripted')
            requests = self.requests()
            self.assertIn('os_hidden=', requests[-1][1])
        self.assertIs(image.Image, type(found))

    def test_missing_image(self) -> None:
        """An image that is not found is None, as upstream."""
        self.glance.metadata_responses.extend(
            [
                responses.json_response({}, status=404),
                responses.json_response({'images': []}),
                responses.json_response({'images': []}),
            ]
        )
        self.assertIsNone(self.conn.image.find_image('missing'))

    @base.for_each(
        {
            'got': lambda proxy: proxy.get_member(
                'me', image=scripted.IMAGE_ID
            ),
            'updated': lambda proxy: proxy.update_member(
                'me', scripted.IMAGE_ID, status='accepted'
            ),
            'made': lambda proxy: proxy.add_member(
                scripted.IMAGE_ID, member_id='me'
            ),
            'listed': lambda proxy: next(
                iter(proxy.members(scripted.IMAGE_ID))
            ),
            'found': lambda proxy: proxy.find_member('me', scripted.IMAGE_ID),
        }
    )
    def test_other_resources(self, source: Any) -> None:
        """Whatever is no image stays what it is."""
        member = {'member_id': 'me', 'status': 'accepted'}
        self.glance.metadata_responses.append(
            responses.json_response({**member, 'members': [member]})
        )
        found = source(self.conn.image)
        self.assertIs(upstream_member.Member, type(found))
        self.assertEqual('me', found.member_id)

    def test_same_object(self) -> None:
        """Our image is updated in place and returned, as upstream."""
        ours = self.conn.image.get_image(scripted.IMAGE_ID)
        self.glance.metadata['name'] = 'renamed'
        self.assertIs(ours, self.conn.image.get_image(ours))
        self.assertEqual('renamed', ours.name)
        self.assertIs(ours, self.conn.image.update_image(ours, name='new'))

    def test_upstreams_registry_is_untouched(self) -> None:
        """Other connections look images up as they did."""
        self.assertIs(
            upstream_image.Image,
            upstream_proxy.Proxy._resource_registry['image'],
        )
        self.assertIs(
            image.Image, _proxy.ImageProxy._resource_registry['image']
        )
        self.assertEqual(
            set(upstream_proxy.Proxy._resource_registry),
            set(_proxy.ImageProxy._resource_registry),
        )


class TestWhatIsDownloaded(ProxyTestCase):
    """What download_image() takes for an image."""

    EXPECTED = [
        ('GET', f'/v2/images/{scripted.IMAGE_ID}', b''),
        ('GET', f'/v2/images/{scripted.IMAGE_ID}/file', b''),
    ]

    def test_id(self) -> None:
        """An ID takes two requests."""
        response = self.conn.image.download_image(scripted.IMAGE_ID)
        self.assert_same(DATA, response.content)
        self.assertEqual(self.EXPECTED, self.requests())

    def test_our_image(self) -> None:
        """So does our image, whose metadata are read afresh."""
        ours = self.conn.image.get_image(scripted.IMAGE_ID)
        self.requests()
        response = self.conn.image.download_image(ours)
        self.assert_same(DATA, response.content)
        self.assertEqual(self.EXPECTED, self.requests())

    def test_stock_image(self) -> None:
        """So does an image of upstream's class, of another connection."""
        response = self.conn.image.download_image(self.stock())
        self.assert_same(DATA, response.content)
        self.assertEqual(self.EXPECTED, self.requests())

    def test_stock_image_stays_as_it_is(self) -> None:
        """Downloading by it changes nothing about the caller's object."""
        stock = self.stock()
        before = stock.to_dict()
        self.glance.metadata['name'] = 'renamed'
        self.conn.image.download_image(stock)
        self.assertIs(upstream_image.Image, type(stock))
        self.assertEqual(before, stock.to_dict())

    def test_image_by_itself(self) -> None:
        """An image downloads itself, its parameters by position."""
        ours = self.conn.image.get_image(scripted.IMAGE_ID)
        self.requests()
        ours.download(self.conn.image, True, self.path(), 1024)
        self.assert_same(DATA, self.content())
        self.assertEqual(self.EXPECTED, self.requests())

    def test_image_by_itself_streams(self) -> None:
        """The second of them is stream."""
        ours = self.conn.image.get_image(scripted.IMAGE_ID)
        with ours.download(self.conn.image, True) as response:
            self.assertEqual(DATA[:10], response.raw.read(10))

    def test_metadata_are_kept(self) -> None:
        """Our image knows its metadata after a download."""
        ours = image.Image.new(id=scripted.IMAGE_ID)
        ours.download(self.conn.image)
        self.assertEqual('scripted', ours.name)
        self.assertEqual(len(DATA), ours.size)

    def replace_data(self) -> bytes:
        """Let Glance have other data, and metadata that belong to them."""
        new = base.some_bytes(5_000)
        self.glance.data = new
        self.glance.metadata.update(
            size=5_000,
            checksum=hashlib.md5(new).hexdigest(),
            os_hash_value=hashlib.sha512(new).hexdigest(),
        )
        return new

    def test_seen_before_its_upload(self) -> None:
        """An image that had no hash when it was looked at may have one now."""
        hashes = dict.fromkeys(('checksum', 'os_hash_algo', 'os_hash_value'))
        self.glance.metadata.update(hashes)
        ours = self.conn.image.get_image(scripted.IMAGE_ID)
        new = self.replace_data()
        self.glance.metadata['os_hash_algo'] = 'sha512'
        self.assert_same(new, self.conn.image.download_image(ours).content)

    @base.for_each({'ours': 'conn', 'stock': 'other'})
    def test_hash_that_was_seen(self, connection: str) -> None:
        """A second answer cannot take back the hash of the first."""
        image = getattr(self, connection).image.get_image(scripted.IMAGE_ID)
        self.replace_data()
        for attempt in range(2):
            error = self.assertRaises(
                exceptions.ImageChangedError,
                self.conn.image.download_image,
                image,
            )
            self.assertIn('hash_value', str(error), attempt)

    @base.for_each({'ours': 'conn', 'stock': 'other'})
    def test_hash_that_is_taken_away(self, connection: str) -> None:
        """A weaker hash does not do where a better one was seen."""
        image = getattr(self, connection).image.get_image(scripted.IMAGE_ID)
        self.replace_data()
        for name in ('os_hash_algo', 'os_hash_value'):
            self.glance.metadata[name] = None
        self.assertRaises(
            exceptions.ImageChangedError,
            self.conn.image.download_image,
            image,
        )

    def test_hash_from_elsewhere(self) -> None:
        """A hash that the caller brought along is the one that counts."""
        for digest, is_right in (
            (hashlib.sha512(DATA).hexdigest().upper(), True),
            (hashlib.sha512(b'').hexdigest(), False),
        ):
            known = upstream_image.Image.new(
                id=scripted.IMAGE_ID, hash_algo='sha512', hash_value=digest
            )
            if is_right:
                self.conn.image.download_image(known)
            else:
                self.assertRaises(
                    exceptions.ImageChangedError,
                    self.conn.image.download_image,
                    known,
                )

    def test_hash_that_nobody_asked_about(self) -> None:
        """Who does not want a proof does not have to look at it again."""
        image = self.conn.image.get_image(scripted.IMAGE_ID)
        new = self.replace_data()
        response = self.conn.image.download_image(
            image, validate_checksum=False
        )
        self.assert_same(new, response.content)
        self.assertEqual(hashlib.sha512(new).hexdigest(), image.hash_value)


class TestStockImages(ProxyTestCase):
    """Images of upstream's class in the other calls of the proxy."""

    @base.for_each(ACTIONS)
    def test_same_requests(self, action: Any) -> None:
        """Every call does to such an image what upstream does."""
        stock = self.stock()
        action(self.other.image, stock)
        expected = self.requests()
        stock = self.stock()
        action(self.conn.image, stock)
        self.assertEqual(expected, self.requests())

    @base.for_each(ACTIONS)
    def test_our_images(self, action: Any) -> None:
        """And to our image what it does to its own."""
        action(self.other.image, self.stock())
        expected = self.requests()
        ours = self.conn.image.get_image(scripted.IMAGE_ID)
        self.requests()
        action(self.conn.image, ours)
        self.assertEqual(expected, self.requests())

    def test_get_image(self) -> None:
        """The caller's object is refreshed, what is returned is ours."""
        stock = self.stock()
        self.glance.metadata['name'] = 'renamed'
        found = self.conn.image.get_image(stock)
        self.assertIs(image.Image, type(found))
        self.assertEqual('renamed', found.name)
        self.assertIs(upstream_image.Image, type(stock))
        self.assertEqual('renamed', stock.name)

    def test_update_image(self) -> None:
        """So it is when it is updated."""
        stock = self.stock()
        self.glance.metadata['name'] = 'renamed'
        found = self.conn.image.update_image(stock, name='renamed')
        self.assertIs(image.Image, type(found))
        self.assertEqual('renamed', found.name)
        self.assertIs(upstream_image.Image, type(stock))
        self.assertEqual('renamed', stock.name)

    def test_nothing_is_lost(self) -> None:
        """What is returned has all attributes, its own connection as well."""
        stock = self.stock()
        found = self.conn.image.get_image(stock)
        expected = stock.to_dict()
        actual = found.to_dict()
        # The one thing that belongs to a connection.
        del expected['location'], actual['location']
        self.assertEqual(expected, actual)
        self.assertEqual({'my_property': 'mine'}, found.properties)
        self.assertIs(self.conn, found._connection)

    def test_nothing_is_pending(self) -> None:
        """An update of what is returned sends what was changed, no more."""
        found = self.conn.image.get_image(self.stock())
        self.requests()
        self.conn.image.update_image(found, name='new')
        ((method, _path, body),) = self.requests()
        self.assertEqual('PATCH', method)
        self.assertEqual(
            [{'op': 'replace', 'path': '/name', 'value': 'new'}],
            json.loads(body),
        )

    def test_is_downloaded_by_what_is_returned(self) -> None:
        """What is returned is as good as any image of ours."""
        found = self.conn.image.get_image(self.stock())
        self.assert_same(DATA, self.conn.image.download_image(found).content)


class TestSignature(base.TestCase):
    """The parameters, beside those of the SDK that is installed."""

    OURS = (
        'store_preferences',
        'validate_checksum',
        'allow_md5_fallback',
        'expected_digest',
        'check_format',
        'signed_by',
        'trusted_certificates',
        'connections',
        'retries',
        'timeout',
        'max_bandwidth',
        'low_speed_limit',
        'low_speed_time',
        'deadline',
        'resume',
        'sparse',
        'skip_current',
        'progress',
    )

    def _parameters(self, function: Any) -> list[inspect.Parameter]:
        return list(inspect.signature(function).parameters.values())

    def _check(self, upstream: Any, ours: Any) -> None:
        expected = self._parameters(upstream)
        actual = self._parameters(ours)
        self.assertEqual(
            [(p.name, p.kind) for p in expected],
            [(p.name, p.kind) for p in actual[: len(expected)]],
        )
        for old, new in zip(expected, actual, strict=False):
            self.assertEqual(
                old.default is inspect.Parameter.empty,
                new.default is inspect.Parameter.empty,
            )
        names = {p.name for p in expected}
        added = [p for p in actual if p.name not in names]
        self.assertEqual(
            {name for name in self.OURS if name not in names},
            {p.name for p in added},
        )
        for parameter in added:
            self.assertIs(inspect.Parameter.KEYWORD_ONLY, parameter.kind)
            self.assertIsNot(inspect.Parameter.empty, parameter.default)

    def test_of_the_proxy(self) -> None:
        """Ours come behind upstream's, by keyword, with defaults."""
        self._check(
            upstream_proxy.Proxy.download_image,
            _proxy.ImageProxy.download_image,
        )

    def test_of_the_image(self) -> None:
        """So they do where upstream's are given by position."""
        self._check(upstream_image.Image.download, image.Image.download)

    def test_same_defaults(self) -> None:
        """The proxy and the image agree about the defaults."""
        proxy, ours = (
            {
                p.name: p.default
                for p in self._parameters(function)
                if p.default is not inspect.Parameter.empty
            }
            for function in (
                _proxy.ImageProxy.download_image,
                image.Image.download,
            )
        )
        self.assertEqual(proxy, ours)


class TestCache(base.GlanceTestCase):
    """A connection that caches responses."""

    def setUp(self) -> None:
        super().setUp()
        self.glance = self.serve(DATA)
        config = {
            'cache': {
                'class': 'dogpile.cache.memory',
                'expiration_time': 3600,
                'expiration': {
                    'image.image': 3600,
                    'image.image.file': 3600,
                },
            },
            'clouds': {
                'cached': {
                    'auth_type': 'none',
                    'auth': {'endpoint': self.glance.url},
                    'image_endpoint_override': f'{self.glance.url}/v2',
                    'image_api_version': '2',
                    'vendor_hook': 'openstack_image_stream:load',
                }
            },
        }
        # JSON is YAML.
        path = self.write(json.dumps(config).encode(), 'clouds.yaml')
        self.useFixture(
            fixtures.EnvironmentVariable('OS_CLIENT_CONFIG_FILE', path)
        )
        self.conn = openstack.connect(cloud='cached')
        self.addCleanup(self.conn.close)
        self.assertIsInstance(self.conn.image, _proxy.ImageProxy)
        self.glance.requests.clear()

    @base.for_each({'metadata': '', 'file': '/file'})
    def test_is_a_cache(self, path: str) -> None:
        """The SDK caches both requests, so there is something to get round."""
        for _ in range(2):
            self.conn.image.get(f'/images/{scripted.IMAGE_ID}{path}')
        self.assertEqual(1, len(self.glance.requests))

    @base.for_each({'stream': True, 'memory': False})
    def test_twice(self, stream: bool) -> None:
        """The same download a second time gives all of it again."""
        for _ in range(2):
            response = self.conn.image.download_image(
                scripted.IMAGE_ID, stream=stream
            )
            self.assert_same(DATA, response.content)
        self.assertEqual(4, len(self.glance.requests))

    def test_fresh_metadata(self) -> None:
        """What was cached before an upload is not what is compared."""
        self.conn.image.get_image(scripted.IMAGE_ID)
        new = base.some_bytes(5_000)
        self.glance.data = new
        self.glance.metadata.update(
            size=5_000,
            checksum=hashlib.md5(new).hexdigest(),
            os_hash_value=hashlib.sha512(new).hexdigest(),
        )
        response = self.conn.image.download_image(scripted.IMAGE_ID)
        self.assert_same(new, response.content)

    def test_is_not_filled(self) -> None:
        """It does not keep the image in memory after the download."""
        response = weakref.ref(
            self.conn.image.download_image(scripted.IMAGE_ID)
        )
        gc.collect()
        self.assertIsNone(response())
