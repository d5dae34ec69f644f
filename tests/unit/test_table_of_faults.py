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

"""Tests of what the documentation says about the table of faults."""

import csv
import pathlib
import re

from tests.unit import base

_PAGES = pathlib.Path(__file__).parents[2] / 'doc' / 'source' / 'user'


class TestFaults(base.TestCase):
    """The pages and the file that the fault tests write."""

    def setUp(self) -> None:
        super().setUp()
        with (_PAGES / 'faults.csv').open(newline='') as file:
            self.rows = list(csv.DictReader(file))

    def test_nothing_was_wrong(self) -> None:
        """No case delivered bad bytes as good ones, as the pages say."""
        self.assertEqual({'0'}, {row['Wrong'] for row in self.rows})

    def test_number(self) -> None:
        """The pages give the number of faults."""
        for page in ('reliability.rst', 'faults.rst'):
            numbers = re.findall(
                r'[Aa]ll (\d+) faults', (_PAGES / page).read_text()
            )
            self.assertEqual([str(len(self.rows))], numbers, page)
