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

"""Tests of what the documents say about the code."""

import pathlib
import re

from openstack_image_stream import _config
from tests.unit import base

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = ROOT / 'doc' / 'source'

#: A row of a table: its first and its second cell.
_ROW = re.compile(r'^   \* - ``(\w+)``\n     - (.*)$', re.MULTILINE)


def default_in_words(value: object) -> str:
    """Return a default as the table of the options has it."""
    if value == _config.MIB:
        return '1 MiB'
    if value in (30, 60):
        return f'{value} seconds'
    if isinstance(value, bool) or value is None:
        return f'``{value}``'
    return str(value)


class TestOptions(base.TestCase):
    """The table of the options."""

    def test_table(self) -> None:
        """It has every option, and no other, with its default."""
        text = (DOCUMENTS / 'user' / 'options.rst').read_text()
        table = dict(_ROW.findall(text[: text.index('.. _options-resuming:')]))
        self.assertEqual(
            {
                name: default_in_words(option.default)
                for name, option in (
                    *_config.OPTIONS.items(),
                    ('chunk_size', _config.SETTINGS['chunk_size']),
                )
            },
            table,
        )


class TestNames(base.TestCase):
    """Files that the contributor's guide names."""

    def test_exist(self) -> None:
        """Each module, test and folder is there."""
        missing = []
        named = 0
        for page in sorted((DOCUMENTS / 'contributor').glob('*.rst')):
            for name in re.findall(r'``(\w+/[\w/]+\.py)``', page.read_text()):
                named += 1
                if not any(
                    (ROOT / folder / name).exists()
                    for folder in ('', 'openstack_image_stream', 'tests')
                ):
                    missing.append(f'{page.name}: {name}')
        self.assertEqual([], missing)
        self.assertGreater(named, 50)
