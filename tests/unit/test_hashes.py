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

"""Tests of choosing a hash, and of comparing a digest."""

import base64
import hashlib
from typing import Any
from unittest import mock

import hypothesis
from hypothesis import strategies

from openstack_image_stream._check import hashes
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


class TestDigestObserver(base.TestCase):
    """The digest of what was taken."""

    @hypothesis.given(
        strategies.binary(max_size=200), strategies.integers(1, 50)
    )
    @base.EXAMPLES
    def test_all_chunks_count(self, data: bytes, size: int) -> None:
        """The digest is that of the chunks in their order."""
        observer = hashes.DigestObserver(base.sha512(data), 'id')
        for chunk in scripted_source.split(data, size):
            observer.update(chunk)
        observer.finish()

    def test_mismatch(self) -> None:
        """Other bytes are a mismatch that tells both digests."""
        observer = hashes.DigestObserver(base.sha512(DATA), 'id')
        observer.update(b'something else')
        error = self.assertRaises(
            exceptions.ChecksumMismatchError, observer.finish
        )
        actual = hashlib.sha512(b'something else').hexdigest()
        self.assertEqual('sha512', error.algorithm)
        self.assertEqual(SHA512, error.expected)
        self.assertEqual(actual, error.actual)
        self.assertEqual(
            f'image id: sha512 mismatch: expected {SHA512}, received {actual}',
            str(error),
        )
