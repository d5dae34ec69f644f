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

"""What a soak has counted so far."""

import collections
import dataclasses
import time


@dataclasses.dataclass
class Totals:
    """Counts; they can be added up.

    :param cases: Cases that are over.
    :param downloads: Downloads that were begun.
    :param bytes: Bytes of images that arrived whole.
    :param faults: Faults that servers made.
    :param retries: Waits before further attempts.
    :param killed: Processes that were killed.
    :param wrong: Flaws that were found.
    :param errors: Errors that were to be expected, by class.
    """

    cases: int = 0
    downloads: int = 0
    bytes: int = 0
    faults: int = 0
    retries: int = 0
    killed: int = 0
    wrong: int = 0
    errors: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )

    def add(self, other: 'Totals') -> None:
        """Add the counts of another."""
        for field in dataclasses.fields(self):
            own = getattr(self, field.name)
            setattr(self, field.name, own + getattr(other, field.name))

    def line(self, since: float) -> str:
        """Return the counts in one line.

        :param since: When it began, by the monotonic clock.
        """
        return (
            f'{time.monotonic() - since:6.0f} s  '
            f'{self.downloads} downloads  '
            f'{self.bytes / 1024**3:.1f} GiB  '
            f'{self.faults} faults  '
            f'{self.retries} retries  '
            f'{self.killed} killed  '
            f'{self.errors.total()} errors expected  '
            f'wrong results {self.wrong}'
        )

    def summary(self) -> str:
        """Return the errors by class, a line for each."""
        return '\n'.join(
            f'{count:8}  {name}' for name, count in self.errors.most_common()
        )
