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
"""Tests of what the page on errors says about their classes."""

import pathlib
import re

from openstack_image_stream import exceptions
from tests.unit import base

PAGE = (
    pathlib.Path(__file__).parents[2]
    / 'doc'
    / 'source'
    / 'user'
    / 'errors.rst'
)

#: A row of the table: an error, and the lines of the second cell.
_ROW = re.compile(
    r'^   \* - :exc:`~openstack_image_stream\.(\w+)`\n'
    r'     - ((?:.+\n(?:       .+\n)*))',
    re.MULTILINE,
)

#: Bases of others: never raised themselves, or of no other class.
_BASES = {'ImageStreamError', 'IncompleteDownloadError'}


def foreign_classes(error: type[BaseException]) -> set[str]:
    """Return of which classes of other packages an error is.

    :returns: Their names, without those that are bases of another one.
    """
    found = [
        each
        for each in error.__mro__[1:]
        if not each.__module__.startswith('openstack_image_stream')
    ]
    return {
        # As releases of the SDK before 2.0 call it.
        each.__name__.replace('ResourceNotFound', 'NotFoundException')
        for each in found
        if not any(
            issubclass(other, each) for other in found if other is not each
        )
    }


class TestTable(base.TestCase):
    """The table of all errors."""

    def test_classes(self) -> None:
        """It has each error, with the classes that it is also of."""
        table = {
            name: set(re.findall(r':exc:`~?[\w.]*?(\w+)`', cell))
            for name, cell in _ROW.findall(PAGE.read_text())
        }
        self.assertEqual(
            {
                name: foreign_classes(getattr(exceptions, name))
                for name in exceptions.__all__
                if name not in _BASES
            },
            table,
        )


class TestSections(base.TestCase):
    """What the page says about each error."""

    def test_all(self) -> None:
        """Each error is described."""
        text = PAGE.read_text()
        described = re.findall(
            r'^ *(?:- )?:exc:`~openstack_image_stream\.(\w+)`',
            text[text.index('Invalid calls and settings') :],
            re.MULTILINE,
        )
        self.assertEqual(set(), {*exceptions.__all__} - {*described, *_BASES})
