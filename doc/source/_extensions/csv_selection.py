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

"""A directive that shows some rows and columns of a CSV file.

.. code-block:: rst

   .. csv-selection::
      :file: faults.csv
      :leave-out: Cases, Wrong

      the first cell of a row

Without content, all rows are shown. A row or a column that the file does not
have is an error, so that pages follow the file.
"""

import csv
from typing import Any

from docutils import statemachine
from sphinx import application
from sphinx.directives import patches


class CSVSelection(patches.CSVTable):
    """Like csv-table, with fewer rows and columns."""

    option_spec = {**patches.CSVTable.option_spec, 'leave-out': str}

    def run(self) -> list[Any]:
        """Return the nodes of the table."""
        # A csv-table has its data there.
        self._titles = list(filter(None, self.content))
        self.content = statemachine.StringList()
        self.options['header-rows'] = 1
        return list(super().run())

    def parse_csv_data_into_rows(
        self, csv_data: Any, dialect: Any, source: Any
    ) -> tuple[list[Any], int]:
        """Return the cells of the rows that are shown, and how many."""
        head, *rows = csv.reader(csv_data)
        by_title = {row[0]: row for row in rows}
        left_out = [
            name.strip()
            for name in self.options.get('leave-out', '').split(',')
            if name
        ]
        unknown = (set(left_out) - set(head)) | (
            set(self._titles) - set(by_title)
        )
        if unknown:
            raise self.error(f'{source} does not have: {sorted(unknown)}')
        shown = [i for i, name in enumerate(head) if name not in left_out]
        selected = [by_title[title] for title in self._titles] or rows
        return [
            [_cell(row[i], source) for i in shown] for row in [head, *selected]
        ], len(shown)


def _cell(text: str, source: str) -> tuple[int, int, int, Any]:
    lines = statemachine.StringList([text], source=source)
    return 0, 0, 0, lines


def setup(app: application.Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive('csv-selection', CSVSelection)
    return {'parallel_read_safe': True}
