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

"""Tests of what the demonstration prints about its measurements."""

import pathlib

from tests.unit import base
from tools import demo


class TestFigures(base.TestCase):
    """Several downloads of one kind."""

    def test_median(self) -> None:
        """One slow download does not change the time, but the range."""
        figures = demo._Figures(seconds=[9.0, 1.0, 1.2])
        self.assertEqual(['1.2', 's', '1.0-9.0', 's'], figures.times().split())

    def test_memory(self) -> None:
        """It is a median, too, in MiB."""
        figures = demo._Figures(memory=[2 * demo.MIB, 90 * demo.MIB, 0])
        self.assertEqual('2 MiB', figures.most().strip())


class TestConsequence(base.TestCase):
    """What came of the download of a damaged image."""

    def test_not_noticed(self) -> None:
        """A download without an error is a bad file."""
        self.assertEqual(
            'not noticed: a bad file',
            demo._consequence('stream', None, pathlib.Path(__file__)),
        )

    def test_no_file(self) -> None:
        """The class of the error is named."""
        self.assertEqual(
            'TheError, no file',
            demo._consequence('output', 'TheError: x: y', pathlib.Path('no')),
        )

    def test_file(self) -> None:
        """A file at the path is a bad one."""
        self.assertEqual(
            'TheError, and a bad file',
            demo._consequence('output', 'TheError: x', pathlib.Path(__file__)),
        )


class TestRemark(base.TestCase):
    """What is said about the times."""

    def test_busy(self) -> None:
        """More load than processors make times unreliable."""
        self.assertIn('load average 2.1 on 2 cores', demo._remark(2.1, 2))

    def test_idle(self) -> None:
        """Otherwise only the reasons are given."""
        self.assertNotIn('busy', demo._remark(2.0, 2))
