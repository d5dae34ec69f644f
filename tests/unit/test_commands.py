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

"""Tests of the parts of the commands that need no openstackclient."""

import argparse
import types
from typing import Any

from openstack import exceptions as sdk_exceptions

from openstack_image_stream import _config
from openstack_image_stream import _parameters
from openstack_image_stream import exceptions
from openstack_image_stream.osc import names
from openstack_image_stream.osc import options
from openstack_image_stream.osc import statuses
from tests.unit import base

IMAGE_ID = 'c6b7e0f9-6a76-4e9c-9a2c-2f0c8f5c2c11'


def image(
    name: object, disk_format: object = 'raw', container: object = 'bare'
) -> Any:
    """Return what has the attributes of an image."""
    return types.SimpleNamespace(
        id=IMAGE_ID,
        name=name,
        disk_format=disk_format,
        container_format=container,
    )


class TestDefaultPath(base.TestCase):
    """The file of an image without a path."""

    def test_safe_names(self) -> None:
        """The name of the image, with its format as the suffix."""
        for name, expected in (
            ('ubuntu', 'ubuntu.qcow2'),
            ('ubuntu-24.04', 'ubuntu-24.04.qcow2'),
            ('ubuntu.qcow2', 'ubuntu.qcow2'),
            ('with a space', 'with a space.qcow2'),
            ('übung', 'übung.qcow2'),
            ('x' * 249, f'{"x" * 249}.qcow2'),
        ):
            self.assertEqual(
                expected, names.default_path(image(name, 'qcow2'))
            )

    def test_unsafe_names(self) -> None:
        """The ID instead."""
        for name in (
            None,
            '',
            '.',
            '..',
            '.bashrc',
            '-rf',
            '/etc/passwd',
            '../up',
            'a/b',
            'line\nbreak',
            'bell\a',
            '\x1b[2J',
            '\x9b2J',
            'nul\0',
            'right\u202eto left',
            'half\ud800',
            'x' * 250,
            'ü' * 125,
        ):
            self.assertEqual(
                f'{IMAGE_ID}.qcow2', names.default_path(image(name, 'qcow2'))
            )

    def test_formats(self) -> None:
        """A container hides the format; what is no word is no suffix."""
        for disk_format, container, expected in (
            ('raw', None, 'n.raw'),
            (None, 'bare', 'n'),
            ('vmdk', 'ova', 'n.ova'),
            ('../x', 'bare', 'n'),
            (7, 'bare', 'n'),
        ):
            found = names.default_path(image('n', disk_format, container))
            self.assertEqual(expected, found)

    def test_strange_id(self) -> None:
        """An ID cannot leave the directory, either."""
        strange = image(None)
        strange.id = '../../up'
        self.assertEqual('______up.raw', names.default_path(strange))


class TestStatuses(base.TestCase):
    """What the errors are to a shell."""

    def test_each(self) -> None:
        """Every error of the package has the status that is documented."""
        found: dict[int | None, set[str]] = {}
        for name in exceptions.__all__:
            kind = getattr(exceptions, name)
            found.setdefault(statuses.status_of(kind('m')), set()).add(name)
        self.assertEqual({'InvalidArgumentError'}, found[statuses.USAGE])
        self.assertEqual(
            {
                'ChecksumMismatchError',
                'ImageChangedError',
                'SignatureError',
                'UncheckableImageError',
                'UnsafeImageError',
                'UnusableHashError',
                'UnverifiableImageError',
            },
            found[statuses.BAD_CONTENT],
        )
        incomplete = found[statuses.INCOMPLETE]
        for name in incomplete:
            self.assertTrue(
                issubclass(
                    getattr(exceptions, name),
                    exceptions.IncompleteDownloadError,
                )
            )
        self.assertIn('InterruptedDownloadError', incomplete)

    def test_others(self) -> None:
        """They are openstackclient's."""
        for error in (
            sdk_exceptions.NotFoundException('m'),
            OSError(28, 'No space left on device'),
        ):
            self.assertIsNone(statuses.status_of(error))

    def test_message(self) -> None:
        """It is one line, and harmless to a terminal."""
        error = exceptions.UnsafeImageError('bad:\n  \x1b[2J name')
        self.assertEqual('bad: ?[2J name', statuses.message_of(error))


class TestOptions(base.TestCase):
    """The options of a command."""

    def parse(self, *words: str, method: str = 'download_image') -> Any:
        """Parse a command line, which exits where it is wrong."""
        parser = argparse.ArgumentParser(exit_on_error=False)
        options.add_to(parser, method)
        return parser.parse_args(list(words))

    def given(
        self, *words: str, is_quiet: bool = True, **settings: object
    ) -> dict[str, Any]:
        """Return the options of a download that a command line gives."""
        config = types.SimpleNamespace(config=settings)
        return options.given(
            self.parse(*words),
            'download_image',
            types.SimpleNamespace(config=config),
            is_quiet=is_quiet,
        )

    def test_every_option(self) -> None:
        """Each declared option is there by its name, without a default."""
        self.assertEqual(dict.fromkeys(_config.OPTIONS), vars(self.parse()))

    def test_values(self) -> None:
        """They are read as the settings of a cloud are."""
        for words, expected in (
            (('--connections', '4'), {'connections': 4}),
            (('--connections', 'auto'), {'connections': 'auto'}),
            (('--retries', '0'), {'retries': 0}),
            (('--timeout', '2.5'), {'timeout': 2.5}),
            (('--resume',), {'resume': True}),
            (('--no-resume',), {'resume': False}),
            (('--no-sparse', '--sparse'), {'sparse': True}),
            (('--validate-checksum', 'false'), {'validate_checksum': False}),
            (
                ('--validate-checksum', 'required'),
                {'validate_checksum': 'required'},
            ),
            (('--check-format',), {'check_format': True}),
            (
                ('--check-format=raw,qcow2',),
                {'check_format': ['raw', 'qcow2']},
            ),
            (('--check-format=no',), {'check_format': False}),
            (
                ('--signed-by', 'a.pem', '--signed-by', 'b.pem'),
                {'signed_by': ['a.pem', 'b.pem']},
            ),
            (('--progress',), {'progress': True}),
            (('--no-progress',), {'progress': False}),
        ):
            self.assertEqual(
                {'progress': False, **expected}, self.given(*words)
            )

    def test_bad_values(self) -> None:
        """The message says what the value must be."""
        for words, expected in (
            (('--connections', '0'), 'a whole number from 1 to 1000'),
            (('--connections', 'x'), 'a whole number from 1 to 1000'),
            (('--timeout', 'nan'), 'a positive number of seconds'),
            (('--expected-digest', 'md5:0'), 'sha256:'),
            (('--check-format', 'ubuntu'), 'equals sign'),
        ):
            error = self.assertRaises(
                argparse.ArgumentError, self.parse, *words
            )
            self.assertIn(words[0], str(error))
            self.assertIn(expected, str(error))

    def test_setting(self) -> None:
        """A setting of the cloud decides on the bar, the user before it."""
        setting = {'image_stream_progress': False}
        self.assertEqual({}, self.given(is_quiet=False, **setting))
        self.assertEqual(
            {'progress': True}, self.given('--progress', **setting)
        )

    def test_help(self) -> None:
        """What it says is of options that there are."""
        self.assertLessEqual(set(options.HELP), set(_config.OPTIONS))

    def test_new_options(self) -> None:
        """The first sentence of a declaration is the help of an option."""
        texts = {
            parameter.name: parameter.text
            for parameter in _parameters.parameters_of('download_image')
        }
        self.assertEqual(set(_config.OPTIONS), set(texts))
        self.assertEqual(
            'Longest silence of a connection in seconds, more than 0 and at '
            'most 1,000,000',
            texts['timeout'],
        )
        for text in texts.values():
            self.assertNotIn('`', text)
            self.assertGreater(len(text), 20)

    def test_other_methods(self) -> None:
        """A command has the options of its method alone."""
        self.assertEqual(
            {
                'expected_digest',
                'signed_by',
                'allow_md5_fallback',
                'progress',
            },
            set(vars(self.parse(method='verify_image'))),
        )
