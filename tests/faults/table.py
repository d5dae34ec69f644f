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

"""What came of all downloads, fault by fault."""

import csv
import dataclasses
import io
import itertools
import textwrap
from typing import Any, TextIO

from tests.faults import attempt
from tests.faults.catalogue import base

#: Heads of the columns of numbers.
_FIGURES = ['cases', 'right', 'error', 'wrong', 'again']
#: Characters of a head in a line.
_HEAD = 16

_LEGEND = """
right: the image is there    error: an error, and no bad file
wrong: bad bytes were taken for the image
again: MiB that were sent beyond the size of the image, in all cases together
"""[:-1]
_PEERS_LEGEND = """
file left: not proved, and has the name    hangs: was ended after a while
NOT NOTICED: no error, and bad bytes; how many of the size
"""[:-1]


@dataclasses.dataclass
class Row:
    """What came of a fault.

    :param fault: The fault.
    :param test: Module and name of the test that shows it.
    """

    fault: base.Fault
    test: str
    #: Downloads by the plugin.
    cases: int = 0
    #: Those that gave the image.
    right: int = 0
    #: Those that gave an error, as promised.
    refused: int = 0
    #: Those that delivered bad bytes as good ones.
    wrong: int = 0
    #: Bytes that were sent beyond the size of each image, and how many of
    #: the cases that is known of.
    again: int = 0
    measured: int = 0
    #: What others do, by their name.
    peers: dict[str, str] = dataclasses.field(default_factory=dict)


class Table:
    """Collects the rows in the order in which they come."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def row(self, fault: base.Fault, test: str) -> Row:
        """Return the row of a fault, a new one where there is none yet.

        :param fault: The fault.
        :param test: Module and name of the test that shows it.
        """
        return self._rows.setdefault(fault.title, Row(fault, test))

    def note(
        self,
        fault: base.Fault,
        test: str,
        outcome: attempt.Outcome,
        *,
        again: int | None = None,
    ) -> None:
        """Count a download by the plugin.

        :param fault: What went wrong.
        :param test: Module and name of the test that shows it.
        :param outcome: What came of it.
        :param again: Bytes that were sent beyond the size of the image.
        """
        row = self.row(fault, test)
        row.cases += 1
        row.right += outcome.error is None and outcome.content == 'right'
        row.refused += outcome.error is not None
        row.wrong += outcome.harmful
        if again is not None and outcome.error is None:
            row.again += max(0, again)
            row.measured += 1

    def as_data(self) -> list[dict[str, Any]]:
        """Return it as what another process can be given."""
        return [
            {
                **{
                    field.name: getattr(row, field.name)
                    for field in dataclasses.fields(Row)
                },
                'fault': {
                    field.name: getattr(row.fault, field.name)
                    for field in dataclasses.fields(base.Fault)
                },
            }
            for row in self._rows.values()
        ]

    def merge(self, data: list[dict[str, Any]]) -> None:
        """Add the rows of another process, and have all in the usual order.

        :param data: What :meth:`as_data` returned there, of other modules.
        """
        rows = list(self._rows.values())
        rows += [
            Row(**{**each, 'fault': base.Fault(**each['fault'])})
            for each in data
        ]
        # Modules by their names, and what is in them as it came.
        rows.sort(key=lambda row: row.test.partition('::')[0])
        self._rows = {row.fault.title: row for row in rows}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def print(self, file: TextIO) -> None:
        """Print what a person wants to see of it.

        :param file: Where to.
        """
        if rows := [row for row in self._rows.values() if row.cases]:
            _print_promises(rows, file)
        if rows := [row for row in self._rows.values() if row.peers]:
            _print_peers(rows, file)

    def as_csv(self) -> str:
        """Return it as the documentation shows it."""
        rows = list(self._rows.values())
        names = list(dict.fromkeys(n for row in rows for n in row.peers))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(
            ['Fault', 'The plugin promises', 'Cases', 'Wrong', *names, 'Test']
        )
        for row in rows:
            writer.writerow(
                [
                    row.fault.title,
                    row.fault.promise,
                    row.cases,
                    row.wrong,
                    *(row.peers.get(name, '') for name in names),
                    # Words that can be broken into lines.
                    row.test.replace('.py::', ': ').replace('test_', ''),
                ]
            )
        return text.getvalue()


def _counts(row: Row) -> tuple[int, ...]:
    return row.cases, row.right, row.refused, row.wrong


def _figures(row: Row) -> list[str]:
    again = f'{row.again / 2**20:.1f}' if row.measured else '-'
    return [*map(str, _counts(row)), again]


def _print_promises(rows: list[Row], file: TextIO) -> None:
    lines = [['fault', 'the plugin promises', *_FIGURES]]
    lines += [
        [row.fault.title, row.fault.promise, *_figures(row)] for row in rows
    ]
    total = [sum(cells) for cells in zip(*map(_counts, rows), strict=True)]
    _print([*lines, ['in all', '', *map(str, total), '']], file)
    print(_LEGEND, file=file)


def _print_peers(rows: list[Row], file: TextIO) -> None:
    names = list(dict.fromkeys(n for row in rows for n in row.peers))
    heads = [textwrap.wrap(name, _HEAD) for name in ['fault', *names]]
    lines = [
        list(line) for line in itertools.zip_longest(*heads, fillvalue='')
    ]
    lines += [
        [row.fault.title, *(row.peers.get(name, '') for name in names)]
        for row in rows
    ]
    print('\nwithout the plugin\n', file=file)
    _print(lines, file)
    print(_PEERS_LEGEND, file=file)


def _print(lines: list[list[str]], file: TextIO) -> None:
    """Print a table; numbers stand right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            f'{cell:>{width}}' if head in _FIGURES else f'{cell:{width}}'
            for head, cell, width in zip(lines[0], line, widths, strict=True)
        )
        print('  '.join(cells).rstrip(), file=file)
