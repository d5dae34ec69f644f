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

"""The catalogue of faults is what the matrix and the soak take it for."""

import collections
import itertools

from openstack import exceptions as sdk_exceptions

from openstack_image_stream import exceptions
from tests.faults import catalogue
from tests.faults.catalogue import base as _base
from tests.faults.catalogue import changes
from tests.faults.catalogue import cloud
from tests.faults.catalogue import disks
from tests.faults.catalogue import files
from tests.faults.catalogue import processes
from tests.faults import clients
from tests.servers import responses
from tests.unit import base

LISTS: dict[str, list[_base.Fault]] = {
    'responses': [*catalogue.RESPONSES],
    'cloud': [*cloud.FAULTS],
    'disks': [*disks.FAULTS],
    'files': [*files.FAULTS, files.ON_FINAL],
    'processes': [*processes.SHARED_PATH],
    'signals': [*processes.SIGNALS, processes.SILENT],
}


class TestFaults(base.TestCase):
    """Each fault stands once, and expects what there is."""

    @base.for_each(LISTS)
    def test_names_are_unique(self, faults: list[_base.Fault]) -> None:
        """A test is found by the name of its fault."""
        names = collections.Counter(fault.name for fault in faults)
        self.assertEqual([], [name for name, n in names.items() if n > 1])

    def test_titles_are_unique(self) -> None:
        """The table has a row for each."""
        titles = collections.Counter(
            fault.title for fault in itertools.chain(*LISTS.values())
        )
        self.assertEqual([], [title for title, n in titles.items() if n > 1])

    def test_errors_exist(self) -> None:
        """What is expected is an error that a download can end in."""
        for fault in catalogue.RESPONSES:
            for name in filter(None, [fault.error, *fault.errors.values()]):
                self.assertTrue(
                    hasattr(exceptions, name) or hasattr(sdk_exceptions, name),
                    (fault.name, name),
                )

    def test_modes_exist(self) -> None:
        """What is said of a mode is said of one that is run."""
        for fault in catalogue.RESPONSES:
            named = {*fault.errors, *fault.keeps, *fault.modes}
            self.assertLessEqual(named, clients.PLUGIN.keys(), fault.name)


class TestChanges(base.TestCase):
    """Changes of one response."""

    def change(self, change: changes.Change) -> responses.Response:
        """Change a response of ten bytes, at byte 5 by default."""
        return change(
            responses.Response(body=b'0123456789'), changes.Context(at=5)
        )

    def test_byte_of_the_context(self) -> None:
        """By default a change is made where the matrix says."""
        self.assertEqual(5, self.change(changes.Cut()).cut_after)

    def test_byte(self) -> None:
        """A whole number is a byte, the last one at the most."""
        self.assertEqual(3, self.change(changes.Cut(3)).cut_after)
        self.assertEqual(9, self.change(changes.Cut(99)).cut_after)

    def test_fraction(self) -> None:
        """Any other number is a fraction of the body."""
        self.assertEqual(2, self.change(changes.Cut(0.25)).cut_after)
        self.assertEqual(9, self.change(changes.Cut(1.0)).cut_after)

    def test_new_byte(self) -> None:
        """A cut that is to bring something new brings a byte."""
        cut = changes.Cut(0.0, least=1)
        self.assertEqual(1, self.change(cut).cut_after)
        self.assertTrue(cut.progresses)
        self.assertFalse(changes.Cut(0.5, reset=True, least=1).progresses)

    def test_no_response(self) -> None:
        """Silence from the start is no response."""
        self.assertEqual(-1, self.change(changes.Silence(-1)).silent_after)
        self.assertEqual(0, self.change(changes.Silence(0.0)).silent_after)
