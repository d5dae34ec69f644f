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

"""Tests of digests from elsewhere."""

import hashlib
import subprocess

import openstack_image_stream
from openstack_image_stream._check import digests
from openstack_image_stream._check import hashes
from openstack_image_stream import exceptions
from tests.unit import base

DATA = b'image'
SHA256 = hashlib.sha256(DATA).hexdigest()
SHA512 = hashlib.sha512(DATA).hexdigest()
OTHER = hashlib.sha256(b'other').hexdigest()

FOUND = {
    'gnu': f'{SHA256}  server.img\n',
    'gnu_binary': f'{SHA256} *server.img\n',
    'upper': f'{SHA256.upper()} *server.img\n',
    'windows': f'{SHA256} *server.img\r\n',
    'no_newline': f'{OTHER}  other.img\n{SHA256}  server.img',
    'bsd': f'SHA256 (server.img) = {SHA256}\n',
    'openssl': f'SHA2-256(server.img)= {SHA256}\n',
    'signed': (
        '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n'
        f'# server.img: 5 bytes\nSHA256 (server.img) = {SHA256}\n'
        '-----BEGIN PGP SIGNATURE-----\n\nabc\n'
    ),
    'md5_beside': (
        f'MD5 (server.img) = {"0" * 32}\nSHA1 (server.img) = {"0" * 40}\n'
        f'SHA256 (server.img) = {SHA256}\n'
    ),
    'twice_the_same': f'{SHA256}  server.img\n{SHA256} *server.img\n',
    'prefix': f'{OTHER}  my-server.img\n{SHA256}  server.img\n',
}

REFUSED = {
    'empty': ('', 'not a file of checksums'),
    'another_name': (f'{SHA256}  other.img\n', "has those of 'other.img'"),
    'md5': (f'{"0" * 32}  server.img\n', 'not a file of checksums'),
    'sha1': (f'{"0" * 40}  server.img\n', 'not a file of checksums'),
    'wrong_length': (
        f'SHA512 (server.img) = {SHA256}\n',
        'not a file of checksums',
    ),
    'two': (f'{SHA256}  server.img\n{OTHER}  server.img\n', 'two sha256'),
    'control': (f'{SHA256}  a\x1b[2J.img\n', 'a?[2J.img'),
}


class TestFind(base.TestCase):
    """The digest of a file, in what a distributor publishes."""

    @base.for_each(FOUND)
    def test_found(self, text: str) -> None:
        """Whatever tool wrote it."""
        path = self.write(text.encode(), 'SHA256SUMS')
        self.assertEqual(
            f'sha256:{SHA256}',
            openstack_image_stream.find_digest(path, 'server.img'),
        )

    @base.for_each(REFUSED)
    def test_refused(self, case: tuple[str, str]) -> None:
        """What is not there is said, with what is."""
        text, reason = case
        path = self.write(text.encode(), 'SHA256SUMS')
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            digests.find_digest,
            path,
            'server.img',
        )
        self.assertIn(reason, str(error))
        self.assertIn(path, str(error))

    def test_longest(self) -> None:
        """Of several algorithms the longest counts."""
        text = (
            f'SHA512 (server.img) = {SHA512}\nSHA256 (server.img) = {SHA256}\n'
        )
        path = self.write(text.encode())
        self.assertEqual(
            f'sha512:{SHA512}', digests.find_digest(path, 'server.img')
        )

    def test_missing(self) -> None:
        """A file that is not there is the caller's mistake."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            digests.find_digest,
            self.path('missing'),
            'server.img',
        )
        self.assertIn('No such file', str(error))

    @base.for_each(
        {'plain': 'a b.img', 'newline': 'a\nb.img', 'backslash': 'a\\b.img'}
    )
    def test_of_the_tool(self, name: str) -> None:
        """What sha256sum prints is understood, escapes included."""
        self.write(DATA, name)
        for options in ([], ['--tag']):
            printed = subprocess.run(
                ['sha256sum', *options, name],
                cwd=self.directory,
                check=True,
                capture_output=True,
            ).stdout
            path = self.write(printed, 'sums')
            self.assertEqual(
                f'sha256:{SHA256}', digests.find_digest(path, name)
            )


class TestParse(base.TestCase):
    """The digest that an option holds."""

    def test_parse(self) -> None:
        """It is compared in lower case."""
        self.assertEqual(
            hashes.Expected('sha256', SHA256),
            digests.parse(f'sha256:{SHA256.upper()}'),
        )
