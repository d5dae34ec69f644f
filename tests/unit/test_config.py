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

"""Tests of the options of a download."""

import inspect
from typing import Any

from openstack_image_stream import _config
from openstack_image_stream import exceptions
from openstack_image_stream import image
from openstack_image_stream import proxy
from tests.unit import base

NO_NUMBERS = {
    'fraction': 1.5,
    'whole_float': 1.0,
    'boolean': True,
    'text': '1024',
}
NO_BOOLEANS = {'number': 1, 'text': 'yes', 'none': None}


class TestDefaults(base.TestCase):
    """What a download does by default."""

    def test_defaults(self) -> None:
        """Verified, and by nothing weaker than the multihash."""
        self.assertEqual(
            {
                'validate_checksum': True,
                'expected_digest': None,
                'check_format': False,
                'signed_by': None,
                'trusted_certificates': None,
                'allow_md5_fallback': False,
                'connections': 1,
                'retries': 5,
                'timeout': 60,
                'max_bandwidth': None,
                'low_speed_limit': None,
                'low_speed_time': 30,
                'deadline': None,
                'resume': True,
                'sparse': True,
                'skip_current': False,
                'progress': None,
            },
            _config.checked(),
        )


class TestValidation(base.TestCase):
    """What an option must be."""

    @base.for_each(
        {'one': 1, 'large': 10**12, 'none': None, 'zero': 0, 'negative': -1}
    )
    def test_chunk_size_is_any_whole_number(self, size: int | None) -> None:
        """Every whole number of bytes is, and None, as upstream."""
        self.assertEqual(_config.checked(), _config.checked(chunk_size=size))

    @base.for_each(NO_NUMBERS)
    def test_chunk_size_is_refused(self, value: Any) -> None:
        """Anything else is refused, by name and value."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            _config.checked,
            chunk_size=value,
        )
        self.assertIn('chunk_size', str(error))
        self.assertIn(repr(value), str(error))

    @base.for_each(NO_BOOLEANS)
    def test_validate_checksum_is_refused(self, value: Any) -> None:
        """Whether to verify is not guessed from what looks true."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            _config.checked,
            validate_checksum=value,
        )
        self.assertIn('validate_checksum', str(error))
        self.assertIn(repr(value), str(error))

    @base.for_each(NO_BOOLEANS)
    def test_allow_md5_fallback_is_refused(self, value: Any) -> None:
        """Whether MD5 will do is not guessed either."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            _config.checked,
            allow_md5_fallback=value,
        )
        self.assertIn('allow_md5_fallback', str(error))
        self.assertIn(repr(value), str(error))

    @base.for_each({'zero': 0, 'one': 1, 'large': 10**12})
    def test_retries_are_any_number(self, retries: int) -> None:
        """With 0 there is one attempt."""
        self.assertEqual(retries, _config.checked(retries=retries)['retries'])

    @base.for_each({'negative': -1, 'fraction': 0.5, 'flag': False})
    def test_retries_are_refused(self, value: Any) -> None:
        """Anything else is refused, by name and value."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            _config.checked,
            retries=value,
        )
        self.assertIn('retries must be', str(error))
        self.assertIn(repr(value), str(error))


class TestLimits(base.TestCase):
    """Limits of rate and time."""

    @base.for_each(
        {
            'least': ('max_bandwidth', 1024),
            'no_bandwidth': ('max_bandwidth', None),
            'one_byte': ('low_speed_limit', 1),
            'no_limit': ('low_speed_limit', None),
            'moment': ('low_speed_time', 0.5),
            'minute': ('deadline', 60),
            'no_deadline': ('deadline', None),
        }
    )
    def test_accepted(self, case: Any) -> None:
        """Numbers of bytes are whole, seconds may be fractions."""
        name, value = case
        self.assertEqual(value, _config.checked(**{name: value})[name])

    @base.for_each(
        {
            'too_little': ('max_bandwidth', 1023),
            'fraction': ('max_bandwidth', 2048.0),
            'suffix': ('max_bandwidth', '10M'),
            'flag': ('max_bandwidth', True),
            'no_rate': ('low_speed_limit', 0),
            'negative_rate': ('low_speed_limit', -1),
            'fraction_of_a_byte': ('low_speed_limit', 0.5),
            'no_time': ('low_speed_time', 0),
            'time_is_none': ('low_speed_time', None),
            'at_once': ('deadline', 0),
            'past': ('deadline', -1),
            'endless': ('deadline', float('inf')),
            'nan': ('deadline', float('nan')),
            'date': ('deadline', '2030-01-01'),
        }
    )
    def test_refused(self, case: Any) -> None:
        """Anything else is refused, by name and value."""
        name, value = case
        error = self.assertRaises(
            exceptions.InvalidArgumentError,
            _config.checked,
            **{name: value},
        )
        self.assertIn(f'{name} must be', str(error))
        self.assertIn(repr(value), str(error))


class TestStores(base.TestCase):
    """The names of stores to read from."""

    @base.for_each(
        {
            'surrogate': ['fast', 'near\udcff'],
            'number': [5],
            'text': 'fast',
            'bytes': b'fast',
        }
    )
    def test_refused(self, names: Any) -> None:
        """What cannot be sent is refused in words that name the parameter."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError, _config.checked_stores, names
        )
        self.assertIn('store_preferences must be', str(error))
        str(error).encode()


class TestDeclarations(base.TestCase):
    """Everything about an option comes from its declaration."""

    def test_signatures(self) -> None:
        """Both methods have every option, with its default."""
        for method in (proxy.ImageProxy.download_image, image.Image.download):
            parameters = inspect.signature(method).parameters
            for name, option in _config.OPTIONS.items():
                self.assertEqual(option.default, parameters[name].default)
                self.assertIs(
                    inspect.Parameter.KEYWORD_ONLY, parameters[name].kind
                )
            self.assertNotIn('options', parameters)

    def test_docstring(self) -> None:
        """Each option is described where users look."""
        text = inspect.getdoc(proxy.ImageProxy.download_image) or ''
        for name in _config.OPTIONS:
            self.assertEqual(1, text.count(f':param {name}: '), name)
        self.assertNotIn(':param options:', text)
        # The fields before and after stay fields.
        self.assertRegex(text, r'(?m)^:param store_preferences: ')
        self.assertRegex(text, r'(?m)^:returns: ')

    def test_defaults_follow_the_rules(self) -> None:
        """What is not set could be set."""
        for option in _config.OPTIONS.values():
            self.assertTrue(option.rule.holds(option.default))

    def test_unknown_keyword(self) -> None:
        """It is Python's own error, as it is without the plugin."""
        self.assertRaises(
            TypeError,
            image.Image.download,
            image.Image(),
            None,
            conections=4,
        )
