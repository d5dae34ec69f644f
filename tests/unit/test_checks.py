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

"""Tests of the checks, as the options put them together."""

import datetime
import hashlib
import re
from typing import Any

from cryptography import x509
import fixtures
from keystoneauth1 import adapter

from openstack_image_stream._check import detection
from openstack_image_stream import exceptions
from tests.servers import responses
from tests.servers import scripted
from tests import signing
from tests.unit import base

DATA = base.some_bytes(100_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
NO_HASH = {'os_hash_algo': None, 'os_hash_value': None, 'checksum': None}
PENDING = {'os_hash_value': None, 'checksum': None}
NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)

BAD_DIGESTS = {
    'no_algorithm': SHA256,
    'md5': 'md5:' + '0' * 32,
    'sha1': 'sha1:' + '0' * 40,
    'too_short': f'sha256:{SHA256[:-1]}',
    'of_another': f'sha512:{SHA256}',
    'no_hex': 'sha256:' + 'g' * 64,
    'newline': f'sha256:{SHA256[:-1]}\n',
    'bytes': f'sha256:{SHA256}'.encode(),
    'false': False,
}

BAD_OPTIONS = {
    'validation': ('validate_checksum', 'yes', "True, False or 'required'"),
    'format': ('check_format', 'qcow2', 'a list of names of formats'),
    'unknown_format': ('check_format', ['qcow2', 'odd'], 'names of formats'),
    'no_format': ('check_format', [], 'names of formats'),
    'signer': ('signed_by', True, 'the path of a PEM file'),
    'missing_file': ('signed_by', '/missing.pem', 'No such file'),
    'certificate': ('trusted_certificates', 5, 'the path of a PEM file'),
    'no_certificate': ('trusted_certificates', [], 'no key and no'),
}


class CheckTestCase(base.GlanceTestCase):
    """A test with an image and checks."""

    def refused(self, glance: scripted.ScriptedGlance, **options: Any) -> Any:
        """Download an image that is refused; return the error."""
        conn = self.connect(glance)
        return self.assertRaises(
            exceptions.ImageStreamError,
            conn.image.download_image,
            scripted.IMAGE_ID,
            **options,
        )

    def accepted(
        self, glance: scripted.ScriptedGlance, **options: Any
    ) -> None:
        """Download an image that is accepted."""
        conn = self.connect(glance)
        response = conn.image.download_image(scripted.IMAGE_ID, **options)
        self.assert_same(DATA, response.content)

    def requests(self, glance: scripted.ScriptedGlance) -> list[str]:
        """Return the paths that were requested, without the versions."""
        return [
            request.path.rpartition('/')[2]
            for request in glance.requests
            if re.search('images/|secrets/', request.path)
        ]


class TestOptions(CheckTestCase):
    """What is refused before any request."""

    @base.for_each(BAD_DIGESTS)
    def test_digest(self, value: Any) -> None:
        """A digest has an algorithm that is safe, and its length."""
        glance = self.serve(DATA)
        error = self.refused(glance, expected_digest=value)
        self.assertIsInstance(error, exceptions.InvalidArgumentError)
        self.assertIn('expected_digest must be', str(error))
        self.assertEqual([], self.requests(glance))

    @base.for_each(BAD_OPTIONS)
    def test_option(self, case: tuple[str, Any, str]) -> None:
        """Each option says what it takes."""
        name, value, words = case
        glance = self.serve(DATA)
        error = self.refused(glance, **{name: value})
        self.assertIsInstance(error, exceptions.InvalidArgumentError)
        self.assertIn(name, str(error))
        self.assertIn(words, str(error))
        self.assertEqual([], self.requests(glance))

    def test_no_inspector(self) -> None:
        """The extra is named where it is missing."""
        self.useFixture(
            fixtures.MockPatchObject(
                detection.importlib, 'import_module', side_effect=ImportError
            )
        )
        glance = self.serve(DATA)
        error = self.refused(glance, check_format=True)
        self.assertIn('openstack-image-stream[inspect]', str(error))
        self.assertEqual([], self.requests(glance))

    def test_settings_of_a_cloud(self) -> None:
        """All but the digest can be set for a cloud."""
        pem = self.write(
            signing.pem(signing.private_key('P-256').public_key()), 'pem'
        )
        for settings, kind in (
            (
                {'image_stream_validate_checksum': 'Required'},
                exceptions.UnverifiableImageError,
            ),
            (
                {'image_stream_check_format': 'vmdk, qcow2'},
                exceptions.UnsafeImageError,
            ),
            (
                {'image_stream_check_format': 'true'},
                exceptions.UncheckableImageError,
            ),
            ({'image_stream_signed_by': pem}, exceptions.SignatureError),
            (
                {'image_stream_expected_digest': f'sha256:{SHA256}'},
                exceptions.InvalidArgumentError,
            ),
        ):
            known = {'disk_format': 'raw', 'container_format': 'bare'}
            if kind is exceptions.UncheckableImageError:
                known = {}
            conn = self.connect(
                self.serve(DATA, **NO_HASH, **known), **settings
            )
            self.assertRaises(
                kind, conn.image.download_image, scripted.IMAGE_ID
            )


class TestRequired(CheckTestCase):
    """A hash that must be there."""

    def test_none(self) -> None:
        """Without any, what to do is said, and nothing is requested."""
        glance = self.serve(DATA, **NO_HASH)
        error = self.refused(glance, validate_checksum='required')
        self.assertIsInstance(error, exceptions.UnverifiableImageError)
        self.assertIn('has no hash of it. Give expected_digest', str(error))
        self.assertEqual(scripted.IMAGE_ID, error.image_id)
        self.assertIsNone(error.algorithm)
        self.assertEqual([scripted.IMAGE_ID], self.requests(glance))

    @base.for_each({'alone': PENDING, 'md5': {'os_hash_value': None}})
    def test_pending(self, metadata: dict[str, Any]) -> None:
        """While it is computed, the error says so, also with an MD5."""
        glance = self.serve(DATA, **metadata)
        error = self.refused(glance, validate_checksum='required')
        self.assertIn('os_hash_value is empty', str(error))
        self.assertIn('Try again later', str(error))
        self.assertEqual('sha512', error.algorithm)
        self.assertEqual([scripted.IMAGE_ID], self.requests(glance))

    @base.for_each(
        {
            'multihash': {},
            'old': {'os_hash_algo': None, 'os_hash_value': None},
        }
    )
    def test_there(self, metadata: dict[str, Any]) -> None:
        """Any hash of the service will do."""
        self.accepted(
            self.serve(DATA, **metadata), validate_checksum='required'
        )

    def test_content_md5(self) -> None:
        """Content-MD5 alone will do only by choice."""
        glance = self.serve(DATA, **NO_HASH)
        md5 = hashlib.md5(DATA).hexdigest()
        glance.data_responses.append(
            responses.Response(headers={'Content-MD5': md5}, body=DATA)
        )
        self.accepted(
            glance, validate_checksum='required', allow_md5_fallback=True
        )

    def test_no_content_md5(self) -> None:
        """Where that is missing, too, nothing is taken of the response."""
        glance = self.serve(DATA, **NO_HASH)
        error = self.refused(
            glance,
            validate_checksum='required',
            allow_md5_fallback=True,
            output=self.path(),
        )
        self.assertIsInstance(error, exceptions.UnverifiableImageError)
        self.assertIn('nor the response have a hash', str(error))
        self.assertEqual([], self.files())


class TestDigest(CheckTestCase):
    """A digest from elsewhere."""

    def test_upper_case(self) -> None:
        """It is compared without regard to case."""
        self.accepted(
            self.serve(DATA), expected_digest=f'sha256:{SHA256.upper()}'
        )

    def test_without_validation(self) -> None:
        """It counts also where the hash of the service does not."""
        glance = self.serve(DATA, os_hash_value='0' * 128)
        self.accepted(
            glance,
            validate_checksum=False,
            expected_digest=f'sha256:{SHA256}',
        )
        error = self.refused(
            glance,
            validate_checksum=False,
            expected_digest='sha512:' + '0' * 128,
        )
        self.assertIsInstance(error, exceptions.ChecksumMismatchError)
        self.assertEqual(hashlib.sha512(DATA).hexdigest(), error.actual)

    def test_names_itself(self) -> None:
        """The error says which digest it is, and where the bytes were for."""
        path = self.path()
        error = self.refused(
            self.serve(DATA),
            expected_digest='sha256:' + '0' * 64,
            output=path,
        )
        self.assertEqual(
            f'image {scripted.IMAGE_ID}: sha256 mismatch with '
            f'expected_digest: expected {"0" * 64}, received {SHA256} '
            f'(output {path!r})',
            str(error),
        )
        self.assertEqual(path, error.path)

    def test_no_warning(self) -> None:
        """An image without a hash has one then."""
        self.accepted(
            self.serve(DATA, **NO_HASH), expected_digest=f'sha256:{SHA256}'
        )
        self.assertEqual([], self.warnings())


class TestTrusted(CheckTestCase):
    """The certificate in the key manager."""

    def setUp(self) -> None:
        super().setUp()
        key, self.root_key = map(
            signing.private_key, ('ECC_SECP384R1', 'P-256')
        )
        dates = {'start': NOW - DAY, 'end': NOW + DAY}
        self.root = signing.certificate(
            'root', self.root_key, 'root', self.root_key, **dates
        )
        self.signer = signing.certificate(
            'signer',
            key,
            'root',
            self.root_key,
            extensions=signing.SIGNER,
            **dates,
        )
        self.properties = signing.properties(
            signing.sign(key, DATA, 'SHA-256'), 'ECC_SECP384R1', 'SHA-256'
        )

    def glance(self, *answers: responses.Response) -> scripted.ScriptedGlance:
        """Start a Glance with a key manager that responds like this."""
        glance = self.serve(DATA, **self.properties)
        glance.secrets[signing.CERTIFICATE_UUID] = list(answers)
        return glance

    def secret(self, certificate: x509.Certificate) -> responses.Response:
        """Return the response with a certificate."""
        return responses.Response(
            headers={'Content-Type': 'application/octet-stream'},
            body=signing.pem(certificate),
        )

    def connect(self, glance: scripted.ScriptedGlance, **kwargs: Any) -> Any:
        """Connect to it and to the key manager."""
        return super().connect(
            glance,
            key_manager_endpoint_override=f'{glance.url}/v1',
            **kwargs,
        )

    def test_trusted(self) -> None:
        """It is requested once, before the data."""
        glance = self.glance(self.secret(self.signer))
        self.accepted(glance, trusted_certificates=self.root)
        self.assertEqual(
            [scripted.IMAGE_ID, 'payload', 'file'], self.requests(glance)
        )

    def test_retried(self) -> None:
        """A key manager that is out for a moment is no reason to refuse."""
        glance = self.glance(
            responses.Response(status=503), self.secret(self.signer)
        )
        self.accepted(glance, trusted_certificates=[self.root])
        self.assertEqual(1, len(self.waits))

    @base.for_each({'missing': 404, 'forbidden': 403, 'redirect': 302})
    def test_refused(self, status: int) -> None:
        """What it does not hand out is no signature."""
        glance = self.glance(
            responses.Response(
                status=status, headers={'Location': 'http://elsewhere.test/'}
            )
        )
        error = self.refused(glance, trusted_certificates=self.root)
        self.assertIsInstance(error, exceptions.SignatureError)
        self.assertIn(f'status {status}', str(error))
        self.assertIn(signing.CERTIFICATE_UUID, str(error))
        self.assertNotIn('file', self.requests(glance))

    def test_out_for_good(self) -> None:
        """A key manager that stays out is said to be."""
        glance = self.glance(responses.Response(status=503))
        error = self.refused(glance, trusted_certificates=self.root, retries=1)
        self.assertIsInstance(error, exceptions.SignatureError)
        self.assertIn('status 503', str(error))

    def test_too_long(self) -> None:
        """A secret is not read without end."""
        glance = self.glance(responses.Response(body=b'x' * 2_000_000))
        error = self.refused(glance, trusted_certificates=self.root)
        self.assertIsInstance(error, exceptions.UnexpectedResponseError)

    def test_not_trusted(self) -> None:
        """A certificate of another root is refused before the data."""
        key = signing.private_key('P-256', 1)
        other = signing.certificate(
            'root', key, 'root', key, start=NOW - DAY, end=NOW + DAY
        )
        glance = self.glance(self.secret(self.signer))
        error = self.refused(glance, trusted_certificates=other)
        self.assertIsInstance(error, exceptions.SignatureError)
        self.assertNotIn('file', self.requests(glance))

    def test_no_connection(self) -> None:
        """An adapter alone has no key manager."""
        glance = self.glance(self.secret(self.signer))
        conn = self.connect(glance)
        image = conn.image.get_image(scripted.IMAGE_ID)
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            image.download,
            adapter.Adapter(
                conn.session, endpoint_override=f'{glance.url}/v2'
            ),
            trusted_certificates=self.root,
        )
        self.assertIn('trusted_certificates', str(error))
