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

"""Tests of the errors."""

import copy
import io
import pickle
from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions as sdk_exceptions
import requests

import openstack_image_stream
from openstack_image_stream._http import responses
from openstack_image_stream import exceptions
from tests.unit import base

SDK = sdk_exceptions.SDKException
READ = requests.RequestException


def _response(status: int) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers['x-openstack-request-id'] = 'req-1'
    response.request = requests.Request('GET', 'http://glance/').prepare()
    responses.put_content(response, b'')
    return response


#: Each error, made as the package makes it.
ERRORS: dict[str, exceptions.ImageStreamError] = {
    'base': exceptions.ImageStreamError('it broke'),
    'invalid_argument': exceptions.InvalidArgumentError('chunk_size'),
    'not_registered': exceptions.NotRegisteredError('no entry point'),
    'unsupported_platform': exceptions.UnsupportedPlatformError('no fcntl'),
    'foreign_service': exceptions.ForeignServiceError('another service'),
    'output': exceptions.OutputError('replaced'),
    'data_missing': exceptions.ImageDataMissingError(
        'no data', image_id='1', status='queued', response=_response(204)
    ),
    'unexpected': exceptions.UnexpectedResponseError(
        'a page', response=_response(302)
    ),
    'unusable_hash': exceptions.UnusableHashError(
        'no sha4096', algorithm='sha4096', expected='00'
    ),
    'read': exceptions.ReadError('interrupted'),
    'unsafe': exceptions.UnsafeImageError(
        'backing file',
        announced='raw',
        detected=('qcow2',),
        failures={'backing_file': 'Image has a backing file'},
    ),
    'uncheckable': exceptions.UncheckableImageError(
        'in a container', announced='qcow2', container_format='ova'
    ),
    'mismatch': exceptions.ChecksumMismatchError(
        'differs', algorithm='sha512', expected='00', actual='01'
    ),
    'changed': exceptions.ImageChangedError('longer', expected=1, actual=2),
    'no_ranges': exceptions.RangeNotSupportedError('whole', image_id='1'),
    'closed': exceptions.DownloadClosedError('closed', image_id='1'),
    'signature': exceptions.SignatureError(
        'forged',
        image_id='1',
        key_type='DSA',
        hash_method='SHA-256',
        property_name='img_signature',
        reason='forged',
    ),
    'unverifiable': exceptions.UnverifiableImageError(
        'no value', image_id='1', algorithm='sha512'
    ),
    'not_copyable': exceptions.NotCopyableError(
        'no data', image_id='1', status='queued', property_name='p'
    ),
    'encrypted': exceptions.EncryptedImageError(
        'no key', image_id='1', property_names=('p',)
    ),
    'copy_failed': exceptions.CopyFailedError(
        'refused', image_id='1', left_behind=True, reason='reset'
    ),
    'incomplete': exceptions.IncompleteDownloadError('cut'),
    'interrupted': exceptions.InterruptedDownloadError(
        'cut', received=1, expected=2, reason='reset', partial_path='/p'
    ),
    'connection': exceptions.ConnectionFailedError('refused', reason='no'),
    'timeout': exceptions.ConnectionTimeoutError('silent', reason='no'),
    'tls': exceptions.TLSError('certificate', reason='no'),
    'request': exceptions.RequestFailedError('odd', reason='no'),
    'access': exceptions.ServiceAccessError('no endpoint', reason='no'),
    'identity': exceptions.IdentityServiceError('503', http_status=503),
    'authentication': exceptions.AuthenticationError('401', http_status=401),
}

#: Of which classes of others each error is.
CLASSES: dict[str, tuple[type[BaseException], ...]] = {
    'base': (),
    'invalid_argument': (SDK, ValueError),
    'not_registered': (SDK,),
    'output': (SDK,),
    'unsupported_platform': (SDK,),
    'foreign_service': (SDK,),
    'data_missing': (SDK, sdk_exceptions.NotFoundException, READ),
    'unexpected': (SDK, sdk_exceptions.HttpException, READ),
    'unusable_hash': (SDK,),
    'read': (SDK, READ),
    'mismatch': (SDK, sdk_exceptions.InvalidResponse, READ),
    'changed': (SDK, READ),
    'no_ranges': (SDK, READ, io.UnsupportedOperation),
    'closed': (SDK, READ, ValueError),
    'unverifiable': (SDK,),
    'uncheckable': (SDK,),
    'unsafe': (SDK, READ),
    'signature': (SDK, sdk_exceptions.InvalidResponse, READ),
    'not_copyable': (SDK,),
    'encrypted': (SDK,),
    'copy_failed': (SDK,),
    'incomplete': (),
    'interrupted': (SDK, READ),
    'connection': (
        ksa_exceptions.ConnectFailure,
        ksa_exceptions.RetriableConnectionFailure,
    ),
    'timeout': (
        ksa_exceptions.ConnectTimeout,
        ksa_exceptions.RetriableConnectionFailure,
    ),
    'tls': (ksa_exceptions.SSLError,),
    'request': (ksa_exceptions.UnknownConnectionError,),
    'access': (ksa_exceptions.ClientException,),
    'identity': (ksa_exceptions.HttpError,),
    'authentication': (ksa_exceptions.Unauthorized,),
}

#: What each of them tells in numbers.
ATTRIBUTES: dict[type, dict[str, Any]] = {
    exceptions.ImageDataMissingError: {'image_id': '1', 'status': 'queued'},
    exceptions.UnverifiableImageError: {
        'image_id': '1',
        'algorithm': 'sha512',
    },
    exceptions.UnusableHashError: {'algorithm': 'sha4096', 'expected': '00'},
    exceptions.UnsafeImageError: {
        'announced': 'raw',
        'detected': ('qcow2',),
        'failures': {'backing_file': 'Image has a backing file'},
    },
    exceptions.UncheckableImageError: {
        'announced': 'qcow2',
        'container_format': 'ova',
    },
    exceptions.ChecksumMismatchError: {
        'algorithm': 'sha512',
        'expected': '00',
        'actual': '01',
    },
    exceptions.NotCopyableError: {
        'image_id': '1',
        'status': 'queued',
        'property_name': 'p',
    },
    exceptions.EncryptedImageError: {
        'image_id': '1',
        'property_names': ('p',),
    },
    exceptions.CopyFailedError: {
        'image_id': '1',
        'left_behind': True,
        'reason': 'reset',
    },
    exceptions.IncompleteDownloadError: {
        'received': 1,
        'expected': 2,
        'reason': 'reset',
        'partial_path': '/p',
    },
    exceptions.ImageChangedError: {'expected': 1, 'actual': 2},
    exceptions.RangeNotSupportedError: {'image_id': '1'},
    exceptions.DownloadClosedError: {'image_id': '1'},
    exceptions.SignatureError: {
        'image_id': '1',
        'key_type': 'DSA',
        'hash_method': 'SHA-256',
        'property_name': 'img_signature',
        'reason': 'forged',
    },
}


class TestAncestry(base.TestCase):
    """By what an error can be caught."""

    @base.for_each({name: name for name in ERRORS})
    def test_of_others(self, name: str) -> None:
        """Each is of the classes that existing code catches, and no other."""
        error, expected = ERRORS[name], CLASSES[name]
        self.assertIsInstance(error, exceptions.ImageStreamError)
        for cls in (SDK, READ, ksa_exceptions.ClientException):
            derived = any(issubclass(each, cls) for each in expected)
            self.assertEqual(derived, isinstance(error, cls), cls)
        for each in expected:
            self.assertIsInstance(error, each)

    @base.for_each({n: e for n, e in ERRORS.items() if READ not in CLASSES[n]})
    def test_is_no_local_error(self, error: Exception) -> None:
        """Only what requests would raise, too, is an OSError."""
        self.assertNotIsInstance(error, OSError)

    @base.for_each({n: e for n, e in ERRORS.items() if READ in CLASSES[n]})
    def test_has_no_errno(self, error: Any) -> None:
        """An error of the network has no number and no file."""
        self.assertEqual(
            (None, None, None), (error.errno, error.strerror, error.filename)
        )

    def test_incomplete_downloads(self) -> None:
        """All that a repeated call may cure has one base."""
        kinds = {
            name
            for name, error in ERRORS.items()
            if isinstance(error, exceptions.IncompleteDownloadError)
        }
        expected = {
            'incomplete',
            'interrupted',
            'connection',
            'timeout',
            'tls',
            'request',
            'access',
            'identity',
            'authentication',
        }
        self.assertEqual(expected, kinds)

    @base.for_each({'data_missing': 204, 'unexpected': 302})
    def test_has_a_status(self, status: int) -> None:
        """Existing code reads the attributes of the SDK's HttpException."""
        error: Any = next(
            e
            for e in ERRORS.values()
            if getattr(e, 'status_code', None) == status
        )
        self.assertEqual(status, error.response.status_code)
        self.assertEqual('http://glance/', error.url)
        self.assertEqual('GET', error.method)
        self.assertEqual('req-1', error.request_id)
        self.assertEqual('Server', error.source)
        self.assertIsNone(error.details)

    def test_all_are_tested(self) -> None:
        """No error of the package is missing in this module."""
        made = {type(error) for error in ERRORS.values()}
        defined = {
            thing
            for thing in vars(exceptions).values()
            if isinstance(thing, type)
            and thing.__module__ == exceptions.__name__
        }
        self.assertEqual(defined, made)

    def test_all_are_public(self) -> None:
        """Each error can be imported from the package itself."""
        for error in ERRORS.values():
            name = type(error).__name__
            self.assertIn(name, openstack_image_stream.__all__)
            self.assertIs(type(error), getattr(openstack_image_stream, name))

    def test_mismatch_is_upstreams(self) -> None:
        """Code written for upstream's download catches a mismatch."""
        self.assertIsInstance(
            ERRORS['mismatch'], sdk_exceptions.InvalidResponse
        )

    def test_signature_is_upstreams(self) -> None:
        """Code written for upstream's download catches a bad signature."""
        self.assertIsInstance(
            ERRORS['signature'], sdk_exceptions.InvalidResponse
        )

    def test_invalid_argument_is_a_value_error(self) -> None:
        """A bad argument is what Python calls a bad value."""
        self.assertIsInstance(ERRORS['invalid_argument'], ValueError)

    def test_closed_is_a_value_error(self) -> None:
        """A closed download is read like a closed file: ValueError."""
        self.assertIsInstance(ERRORS['closed'], ValueError)

    def test_not_registered_stops_the_sdk(self) -> None:
        """The SDK makes a log line of these in a hook, of this one not."""
        swallowed = (ImportError, TypeError, AttributeError, ValueError)
        self.assertNotIsInstance(ERRORS['not_registered'], swallowed)


class TestMessage(base.TestCase):
    """What an error says."""

    @base.for_each(ERRORS)
    def test_message_is_the_text(
        self, error: exceptions.ImageStreamError
    ) -> None:
        """The message is what is printed, on all SDKs."""
        again = type(error)('it broke')
        self.assertEqual('it broke', again.message)
        self.assertEqual('it broke', str(again))
        self.assertEqual(('it broke',), again.args)

    @base.for_each(ERRORS)
    def test_name_stands_in(self, error: exceptions.ImageStreamError) -> None:
        """Without a message it is the name of the class, as upstream."""
        self.assertEqual(type(error).__name__, str(type(error)()))


class TestAttributes(base.TestCase):
    """What an error tells to a program."""

    @base.for_each({cls.__name__: cls for cls in ATTRIBUTES})
    def test_numbers_are_kept(self, cls: type) -> None:
        """What an error is made with is there as attributes."""
        expected = ATTRIBUTES[cls]
        error = cls('text', **expected)
        self.assertEqual(
            expected, {name: getattr(error, name) for name in expected}
        )

    @base.for_each({cls.__name__: cls for cls in ATTRIBUTES})
    def test_numbers_may_be_missing(self, cls: type) -> None:
        """Without them the attributes are there and hold nothing."""
        error = cls('text')
        for name in ATTRIBUTES[cls]:
            self.assertFalse(getattr(error, name))

    def test_mismatch_has_no_response(self) -> None:
        """The response of an old SDK's InvalidResponse is there, and None."""
        self.assertIsNone(exceptions.ChecksumMismatchError('text').response)
        self.assertIsNone(exceptions.SignatureError('text').response)


class TestPickling(base.TestCase):
    """Errors cross processes."""

    @base.for_each(ERRORS)
    def test_pickle_keeps_all(
        self, error: exceptions.ImageStreamError
    ) -> None:
        """Class, message and attributes survive every pickle protocol."""
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(error, protocol))
            self._assert_same(error, again)

    @base.for_each(ERRORS)
    def test_copy_keeps_all(self, error: exceptions.ImageStreamError) -> None:
        """A copy is the same error."""
        self._assert_same(error, copy.copy(error))

    def _assert_same(self, error: Exception, again: Exception) -> None:
        self.assertIs(type(error), type(again))
        self.assertEqual(str(error), str(again))
        self.assertEqual(_values(error), _values(again))
        # Some SDKs have no message to compare, which would make this a test
        # that cannot fail.
        self.assertIn('message', vars(again))


def _values(error: Exception) -> dict[str, Any]:
    """Return the attributes of an error, in a form that can be compared."""
    values = dict(vars(error))
    for name in ('response', 'request'):
        if values.get(name) is not None:
            values[name] = str(values[name].__class__)
    return values
