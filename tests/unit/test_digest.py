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

"""Tests of choosing a hash, and of hashing beside the download."""

import base64
import gc
import hashlib
import threading
from typing import Any
from unittest import mock
import weakref

import fixtures
import hypothesis
from hypothesis import strategies

from openstack_image_stream._check import hashes
from openstack_image_stream._transfer import coordination
from openstack_image_stream import exceptions
from tests.unit import base
from tests.unit import scripted_source

DATA = b'the bytes of an image'
MD5 = hashlib.md5(DATA).hexdigest()
SHA512 = hashlib.sha512(DATA).hexdigest()

#: Multihashes that cannot be used.
UNUSABLE: dict[str, tuple[Any, Any]] = {
    'unknown_algorithm': ('sha4096', SHA512),
    'no_length_of_its_own': ('shake_128', '00' * 16),
    'no_length_and_no_value': ('shake_128', ' '),
    'null_byte': ('sha512\0', SHA512),
    'algorithm_is_a_number': (512, SHA512),
    'not_hexadecimal': ('sha512', 'z' * 128),
    'not_ascii': ('sha512', 'ß' * 128),
    'too_short': ('sha512', SHA512[:-2]),
    'too_long': ('sha512', SHA512 + '00'),
    'half_a_byte': ('sha512', SHA512[:-1]),
    'of_another_algorithm': ('sha512', MD5),
    'value_is_a_number': ('sha512', 5),
    'value_is_a_list': ('sha512', [SHA512]),
    'blank': ('sha512', ' '),
}


def choose(**metadata: Any) -> hashes.Expected | None:
    """Choose among what an image has; it has nothing but what is given."""
    return hashes.choose(
        **{
            'hash_algo': None,
            'hash_value': None,
            'checksum': None,
            'allow_md5_fallback': False,
            **metadata,
        }
    )


def _background(expected: hashes.Expected) -> hashes.BackgroundDigest:
    return hashes.BackgroundDigest(expected, coordination.Coordinator('id'))


class TestMultihash(base.TestCase):
    """An image with os_hash_algo and os_hash_value."""

    @base.for_each({'with_checksum': MD5, 'alone': None})
    def test_multihash_decides(self, checksum: str | None) -> None:
        """The multihash is what is compared, MD5 or not."""
        self.assertEqual(
            hashes.Expected('sha512', SHA512),
            choose(hash_algo='sha512', hash_value=SHA512, checksum=checksum),
        )

    def test_fallback_changes_nothing(self) -> None:
        """A multihash that can be used is used, MD5 allowed or not."""
        self.assertEqual(
            hashes.Expected('sha512', SHA512),
            choose(
                hash_algo='sha512',
                hash_value=SHA512,
                checksum=MD5,
                allow_md5_fallback=True,
            ),
        )

    @base.for_each({'upper': SHA512.upper(), 'blanks': f' {SHA512}\n'})
    def test_spelling_does_not_matter(self, value: str) -> None:
        """A digest is bytes, however its hexadecimal is written."""
        self.assertEqual(
            hashes.Expected('sha512', SHA512),
            choose(hash_algo='sha512', hash_value=value),
        )

    @base.for_each(
        {name: name for name in ('md5', 'sha1', 'sha256', 'sha384', 'blake2b')}
    )
    def test_algorithms(self, name: str) -> None:
        """Whatever this Python can compute will do."""
        value = hashlib.new(name, DATA).hexdigest()
        self.assertEqual(
            hashes.Expected(name, value),
            choose(hash_algo=name, hash_value=value),
        )

    def test_security_is_not_claimed(self) -> None:
        """Python is told that the digest is no signature, FIPS asks that."""
        with mock.patch.object(hashlib, 'new', side_effect=hashlib.new) as spy:
            choose(checksum=MD5)
        self.assertEqual(
            [mock.call('md5', usedforsecurity=False)], spy.mock_calls
        )


class TestUnusableMultihash(base.TestCase):
    """An image whose multihash says nothing here."""

    @base.for_each(UNUSABLE)
    def test_is_refused(self, multihash: tuple[Any, Any]) -> None:
        """It is not replaced by MD5 unasked, and the error says what is."""
        algo, value = multihash
        error = self.assertRaises(
            exceptions.UnusableHashError,
            choose,
            hash_algo=algo,
            hash_value=value,
            checksum=MD5,
        )
        self.assertEqual(str(algo), error.algorithm)
        self.assertEqual(str(value), error.expected)
        self.assertIn('allow_md5_fallback', str(error))
        self.assertIn('validate_checksum', str(error))

    @base.for_each(UNUSABLE)
    def test_md5_takes_its_place_by_choice(
        self, multihash: tuple[Any, Any]
    ) -> None:
        """Who allows MD5 gets it."""
        algo, value = multihash
        self.assertEqual(
            hashes.Expected('md5', MD5),
            choose(
                hash_algo=algo,
                hash_value=value,
                checksum=MD5,
                allow_md5_fallback=True,
            ),
        )

    @base.for_each(UNUSABLE)
    def test_no_md5_to_take_its_place(
        self, multihash: tuple[Any, Any]
    ) -> None:
        """Who allows MD5 for an image that has none is told so."""
        algo, value = multihash
        self.assertRaises(
            exceptions.UnusableHashError,
            choose,
            hash_algo=algo,
            hash_value=value,
            allow_md5_fallback=True,
        )

    def test_md5_unusable_as_well(self) -> None:
        """An MD5 that is none does not become a download without proof."""
        error = self.assertRaises(
            exceptions.UnusableHashError,
            choose,
            hash_algo='sha4096',
            hash_value=SHA512,
            checksum='garbage',
            allow_md5_fallback=True,
        )
        self.assertEqual('md5', error.algorithm)
        self.assertEqual('garbage', error.expected)


class TestWithoutMultihash(base.TestCase):
    """An image that Glance made before it knew multihashes."""

    @base.for_each(
        {
            'neither': {},
            'algorithm_only': {'hash_algo': 'sha512'},
            'value_only': {'hash_value': SHA512},
            'empty_value': {'hash_algo': 'sha512', 'hash_value': ''},
            'unknown_algorithm_only': {'hash_algo': 'sha4096'},
        }
    )
    def test_md5_is_compared(self, metadata: dict[str, Any]) -> None:
        """Half a multihash is none, and MD5 is the image's own choice."""
        self.assertEqual(
            hashes.Expected('md5', MD5), choose(checksum=MD5, **metadata)
        )

    @base.for_each({'none': None, 'empty': ''})
    def test_nothing_at_all(self, checksum: str | None) -> None:
        """Without any hash there is nothing to choose."""
        self.assertIsNone(choose(checksum=checksum))

    @base.for_each(
        {'garbage': 'garbage', 'number': 5, 'sha': SHA512, 'list': [MD5]}
    )
    def test_checksum_is_no_md5(self, checksum: Any) -> None:
        """A checksum that is there and no MD5 is refused."""
        error = self.assertRaises(
            exceptions.UnusableHashError, choose, checksum=checksum
        )
        self.assertEqual('md5', error.algorithm)
        self.assertEqual(str(checksum), error.expected)


class TestContentMd5(base.TestCase):
    """The Content-MD5 header, the last to ask."""

    @base.for_each(
        {
            'hexadecimal': MD5,
            'upper': MD5.upper(),
            'base64': base64.b64encode(bytes.fromhex(MD5)).decode(),
            'blanks': f' {MD5} ',
        }
    )
    def test_both_spellings(self, header: str) -> None:
        """Hexadecimal is Glance's way and base64 the standard's."""
        self.assertEqual(
            hashes.Expected('md5', MD5), hashes.from_content_md5(header)
        )

    @base.for_each(
        {
            'missing': None,
            'empty': '',
            'blank': ' ',
            'garbage': '?',
            'word': 'garbage',
            'not_ascii': 'ß' * 32,
            'too_short': MD5[:-2],
            'sha512': SHA512,
            'base64_of_too_little': base64.b64encode(b'short').decode(),
            'base64_with_a_stray': base64.b64encode(bytes(16)).decode() + '!',
        }
    )
    def test_anything_else_is_nothing(self, header: str | None) -> None:
        """What is no MD5 proves nothing, and is not compared."""
        self.assertIsNone(hashes.from_content_md5(header))

    @hypothesis.given(strategies.binary(min_size=16, max_size=16))
    @base.EXAMPLES
    def test_any_digest(self, digest: bytes) -> None:
        """Every MD5 is read from either spelling; none is mistaken."""
        expected = hashes.Expected('md5', digest.hex())
        for header in (digest.hex(), base64.b64encode(digest).decode()):
            self.assertEqual(expected, hashes.from_content_md5(header))

    # What a header can hold.
    @hypothesis.given(
        strategies.text(strategies.characters(max_codepoint=255), max_size=40)
    )
    @base.EXAMPLES
    def test_any_text(self, header: str) -> None:
        """Whatever a server writes there, it does no harm."""
        found = hashes.from_content_md5(header)
        if found is not None:
            self.assertEqual(16, len(bytes.fromhex(found.value)))


class TestVerify(base.TestCase):
    """The digest of what was taken."""

    @hypothesis.given(
        strategies.binary(max_size=200), strategies.integers(1, 50)
    )
    @base.EXAMPLES
    def test_all_pieces_count(self, data: bytes, size: int) -> None:
        """The digest is that of the pieces in their order."""
        digest = _background(base.sha512(data))
        self.addCleanup(digest.close)
        for piece in scripted_source.split(data, size):
            digest.update(piece)
        digest.verify()

    def test_mismatch(self) -> None:
        """Other bytes are a mismatch that tells both digests."""
        digest = _background(base.sha512(DATA))
        digest.update(b'something else')
        error = self.assertRaises(
            exceptions.ChecksumMismatchError, digest.verify
        )
        actual = hashlib.sha512(b'something else').hexdigest()
        self.assertEqual('sha512', error.algorithm)
        self.assertEqual(SHA512, error.expected)
        self.assertEqual(actual, error.actual)
        for word in ('sha512', SHA512, actual):
            self.assertIn(word, str(error))

    def test_failure_of_the_hash(self) -> None:
        """What goes wrong in the thread is raised where it matters."""
        broken = mock.Mock()
        broken.update.side_effect = [None, MemoryError('no room'), None]
        with mock.patch.object(hashes, '_new', return_value=broken):
            digest = _background(base.sha512(DATA))

        def hash_all() -> None:
            for _ in range(10):
                digest.update(DATA)
            digest.verify()

        error = self.assertRaises(MemoryError, hash_all)
        self.assertEqual('no room', str(error))


class Hasher:
    """A hash that forgets what it was given."""

    def update(self, piece: Any) -> None:
        """Do nothing."""


class Piece:
    """Stands for bytes, to which no weak references are possible."""


class TestThread(base.TestCase):
    """The thread that hashes."""

    def test_is_named(self) -> None:
        """Whoever looks at the threads of a process sees whose it is."""
        digest = _background(base.sha512(DATA))
        self.addCleanup(digest.close)
        self.assertEqual(1, len(base.digest_threads()))

    def test_does_not_keep_the_process(self) -> None:
        """A download that is never finished does not hang the exit."""
        digest = _background(base.sha512(DATA))
        self.addCleanup(digest.close)
        (thread,) = base.digest_threads()
        self.assertTrue(thread.daemon)

    def test_verify_ends_it(self) -> None:
        """After the end no thread is left."""
        digest = _background(base.sha512(b''))
        digest.verify()
        self.assertEqual([], base.digest_threads())

    def test_close_ends_it(self) -> None:
        """Nor after giving up, and giving up twice is no error."""
        digest = _background(base.sha512(DATA))
        digest.update(DATA)
        digest.close()
        self.assertEqual([], base.digest_threads())
        digest.close()

    def test_forgetting_ends_it(self) -> None:
        """The thread does not keep alive the object that it works for."""
        digest = _background(base.sha512(DATA))
        (thread,) = base.digest_threads()
        del digest
        gc.collect()
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_may_be_collected_by_itself(self) -> None:
        """The garbage collector may end a download in any thread."""
        hasher = mock.Mock()
        with mock.patch.object(hashes, '_new', return_value=hasher):
            digests = [_background(base.sha512(DATA))]
        (thread,) = base.digest_threads()
        hashed = threading.Event()
        may_collect = threading.Event()

        def collect(chunk: bytes) -> None:
            hashed.set()
            may_collect.wait(10)
            digests.clear()

        hasher.update.side_effect = collect
        digests[0].update(DATA)
        self.assertTrue(hashed.wait(10))
        may_collect.set()
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_closed_meanwhile(self) -> None:
        """What waits for a hash that is closed is told that it is."""
        coordinator = coordination.Coordinator('id')
        may_hash = threading.Event()
        hasher = mock.Mock()
        hasher.update.side_effect = lambda chunk: may_hash.wait(10)
        with mock.patch.object(hashes, '_new', return_value=hasher):
            digest = hashes.BackgroundDigest(base.sha512(DATA), coordinator)
        self.addCleanup(digest.close)
        digest.update(DATA)
        coordinator.close()
        may_hash.set()
        self.assertRaises(exceptions.DownloadClosedError, digest.verify)

    def test_no_thread(self) -> None:
        """Where no thread can be started the caller's hashes."""
        with mock.patch.object(
            threading.Thread, 'start', side_effect=RuntimeError
        ):
            digest = _background(base.sha512(DATA))
        self.addCleanup(digest.close)
        digest.update(DATA)
        self.assertEqual([], base.digest_threads())
        digest.verify()

    def test_does_not_keep_the_last_piece(self) -> None:
        """A piece that is hashed is let go, also before the next comes."""
        with mock.patch.object(hashes, '_new', return_value=Hasher()):
            digest = _background(base.sha512(DATA))
        self.addCleanup(digest.close)
        piece = Piece()
        alive = weakref.ref(piece)
        digest.update(piece)  # type: ignore[arg-type]
        del piece
        # There is all the room again once the piece is done with.
        for _ in range(hashes._WAITING_CHUNKS):
            digest._work.room.get(timeout=10)
        self.assertIsNone(alive())


class TestWindow(base.TestCase):
    """Memory stays bounded when hashing is slower than the network."""

    def test_waits_for_the_hash(self) -> None:
        """With two pieces on their way, the third waits for its turn."""
        may_hash = threading.Event()
        full = threading.Event()
        hasher = mock.Mock()
        hasher.update.side_effect = lambda piece: may_hash.wait(10)
        self.useFixture(
            fixtures.MockPatchObject(hashes, '_new', return_value=hasher)
        )
        digest = _background(base.sha512(DATA))
        self.addCleanup(digest.close)
        room = digest._work.room

        def get() -> None:
            if room.empty():
                full.set()
            room.get()

        watched = mock.Mock(get=get, put=room.put)
        self.useFixture(
            fixtures.MockPatchObject(digest._work, 'room', watched)
        )
        taken = []

        def take() -> None:
            for number in range(5):
                digest.update(DATA)
                taken.append(number)

        producer = threading.Thread(target=take)
        producer.start()
        self.addCleanup(producer.join)
        self.addCleanup(may_hash.set)
        self.assertTrue(full.wait(10))
        self.assertEqual([0, 1], taken)
        may_hash.set()
        producer.join()
        self.assertEqual([0, 1, 2, 3, 4], taken)
