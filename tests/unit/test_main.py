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
"""Tests of the commands of the package."""

import contextlib
from importlib import metadata
import io
import json
import sys
from typing import Any
from unittest import mock

import fixtures

import openstack_image_stream
from openstack_image_stream import __main__ as commands
from tests.unit import base

HOOK = 'openstack_image_stream:load'

#: Nobody listens there.
DEAD = 'http://127.0.0.1:9/v3'


def bad_hook(conn: Any) -> None:
    """A hook of other software, which does not load the plugin."""


def failing_hook(conn: Any) -> None:
    """A hook of other software, which fails as the SDK does not show."""
    raise TypeError('something is wrong in it')


def loading_hook(conn: Any) -> None:
    """A hook of other software, which loads the plugin."""
    openstack_image_stream.load(conn)


NOT_A_FUNCTION = 1


class TestCheck(base.TestCase):
    """What the command check says about a cloud, which is down."""

    def _write_config(self, **cloud: Any) -> None:
        login = {'auth_url': DEAD, 'username': 'me', 'password': 'secret'}
        content = {'clouds': {'mine': {'auth': login, **cloud}, 'other': {}}}
        # JSON is YAML.
        path = self.write(json.dumps(content).encode(), 'clouds.yaml')
        self._set('OS_CLIENT_CONFIG_FILE', path)

    def _set(self, name: str, value: str) -> None:
        self.useFixture(fixtures.EnvironmentVariable(name, value))

    def _check(self, *arguments: str) -> tuple[int, str]:
        """Return the exit status and what was printed."""
        with (
            contextlib.redirect_stdout(io.StringIO()) as printed,
            contextlib.redirect_stderr(printed),
        ):
            status = commands.main(['check', *arguments])
        return status, printed.getvalue()

    def assert_found(self, words: str, status: int = 1) -> None:
        """Check that the plugin is not there, and why."""
        found, text = self._check('--os-cloud', 'mine')
        self.assertEqual((status, text.count(words)), (found, 1), text)

    def test_has_it(self) -> None:
        """A cloud with the hook, and settings that are right."""
        self._write_config(vendor_hook=HOOK, image_stream_retries=9)
        status, text = self._check('--os-cloud', 'mine')
        self.assertEqual(0, status, text)
        self.assertIn("'mine' have the plugin", text)
        self.assertIn(sys.executable, text)

    def test_selected_by_the_environment(self) -> None:
        """As with every program, OS_CLOUD names the cloud."""
        self._write_config(vendor_hook=HOOK)
        self._set('OS_CLOUD', 'mine')
        self.assertEqual(0, self._check()[0])
        self.assertEqual(1, self._check('--os-cloud', 'other')[0])

    def test_from_the_environment(self) -> None:
        """A cloud of variables has the hook in one of them."""
        self._set('OS_CLIENT_CONFIG_FILE', self.path('none'))
        self._set('OS_AUTH_URL', DEAD)
        status, text = self._check()
        self.assertEqual(1, status)
        self.assertIn(f'set OS_VENDOR_HOOK={HOOK}', text)
        self._set('OS_VENDOR_HOOK', HOOK)
        self.assertEqual(0, self._check()[0])

    @base.for_each(
        {
            'none': ({}, f'add "vendor_hook: {HOOK}" to the cloud'),
            'misspelt_key': (
                {'vendor_hooks': HOOK},
                "but 'vendor_hooks': correct the name",
            ),
            'misspelt_module': (
                {'vendor_hook': 'openstack_image_strem:load'},
                "No module named 'openstack_image_strem'",
            ),
            'misspelt_function': (
                {'vendor_hook': 'openstack_image_stream:laod'},
                "'laod'",
            ),
            'form': (
                {'vendor_hook': 'openstack_image_stream.load'},
                'not of the form module:function',
            ),
            'no_text': ({'vendor_hook': [HOOK]}, 'it is not text'),
            'no_function': (
                {'vendor_hook': f'{__name__}:NOT_A_FUNCTION'},
                'it is not a function',
            ),
            'other': (
                {'vendor_hook': f'{__name__}:bad_hook'},
                '(it does not load the plugin)',
            ),
            'other_failing': (
                {'vendor_hook': f'{__name__}:failing_hook'},
                'something is wrong in it',
            ),
            'setting': (
                {'vendor_hook': HOOK, 'image_stream_retries': -1},
                'image_stream_retries',
            ),
            'unknown_setting': (
                {'vendor_hook': HOOK, 'image_stream_retry': 1},
                'image_stream_retry in',
            ),
            'version': (
                {'vendor_hook': HOOK, 'image_api_version': '1'},
                "image_api_version is '1'",
            ),
            'disabled': (
                {'vendor_hook': HOOK, 'has_image': False},
                'is disabled',
            ),
        }
    )
    def test_reason(self, case: Any) -> None:
        """Why connections do not have it is said, with status 1."""
        cloud, words = case
        self._write_config(**cloud)
        self.assert_found(words)

    def test_variable_without_effect(self) -> None:
        """The variable is for clouds of variables only."""
        self._write_config()
        self._set('OS_VENDOR_HOOK', HOOK)
        self.assert_found('OS_VENDOR_HOOK is set, but applies only')

    def test_hook_of_other_software(self) -> None:
        """One that loads the plugin is as good."""
        self._write_config(vendor_hook=f'{__name__}:loading_hook')
        self.assertEqual(0, self._check('--os-cloud', 'mine')[0])

    def test_not_registered(self) -> None:
        """A package whose entry point is missing is found out."""
        self._write_config(vendor_hook=HOOK)
        with mock.patch.object(
            metadata, 'entry_points', return_value=metadata.EntryPoints()
        ):
            self.assert_found('is on the path but not installed')

    def test_more_than_one_reason(self) -> None:
        """All are said at once."""
        self._write_config(image_stream_retries=-1, has_image=False)
        _, text = self._check('--os-cloud', 'mine')
        self.assertEqual(3, text.count('\n  - '), text)

    @base.for_each(
        {
            'unknown': ('nonesuch', 'Cloud nonesuch was not found'),
            'profile': ('mine', '127.0.0.1'),
        }
    )
    def test_no_configuration(self, case: Any) -> None:
        """Without a configuration nothing can be said: status 2."""
        name, words = case
        self._write_config(profile='http://127.0.0.1:9')
        status, text = self._check('--os-cloud', name)
        self.assertEqual(2, status)
        self.assertIn(words, text)

    def test_none_selected(self) -> None:
        """Nor without a cloud."""
        self._write_config()
        status, text = self._check()
        self.assertEqual(2, status)
        self.assertIn('give --os-cloud NAME, or set OS_CLOUD', text)

    def test_not_yaml(self) -> None:
        """Nor with a file that is damaged."""
        self._set('OS_CLIENT_CONFIG_FILE', self.write(b'{', 'clouds.yaml'))
        self.assertEqual(2, self._check('--os-cloud', 'mine')[0])


class TestUsage(base.TestCase):
    """The command line."""

    def _main(self, *arguments: str) -> tuple[Any, str]:
        with (
            contextlib.redirect_stdout(io.StringIO()) as printed,
            contextlib.redirect_stderr(printed),
        ):
            try:
                status: Any = commands.main(arguments)
            except SystemExit as exc:
                status = exc.code
        return status, printed.getvalue()

    @base.for_each(
        {
            'nothing': ([], 'check or run'),
            'unknown': (['chek'], 'invalid choice'),
            'option': (['check', '--cloud'], 'unrecognized arguments'),
            'no_program': (['run'], 'no program is given'),
            'no_program_after': (['run', '--'], 'no program is given'),
            'no_option': (['run', '-x', 'program'], 'no program is given'),
            'no_module': (['run', '--', '-m'], 'not followed by the name'),
        }
    )
    def test_is_wrong(self, case: Any) -> None:
        """A wrong one is said to be, with status 2."""
        arguments, words = case
        status, text = self._main(*arguments)
        self.assertEqual(2, status)
        self.assertIn(words, text)

    def test_help(self) -> None:
        """Each command says what it does, and its exit status."""
        for command in ('check', 'run'):
            status, text = self._main(command, '--help')
            self.assertEqual(0, status)
            self.assertIn('Exit status', text)

    def test_version(self) -> None:
        """The version is that of the distribution."""
        version = metadata.version('openstack-image-stream')
        self.assertEqual((0, f'{version}\n'), self._main('--version'))
        self.assertEqual(version, openstack_image_stream.__version__)


class TestVersion(base.TestCase):
    """The version as an attribute."""

    def test_not_installed(self) -> None:
        """It is not there without the distribution."""
        with mock.patch.object(
            metadata, 'version', side_effect=metadata.PackageNotFoundError
        ):
            self.assertFalse(hasattr(openstack_image_stream, '__version__'))

    def test_other_names(self) -> None:
        """Other names are not there, as usual."""
        error = self.assertRaises(
            AttributeError, getattr, openstack_image_stream, 'versoin'
        )
        self.assertIn('versoin', str(error))
