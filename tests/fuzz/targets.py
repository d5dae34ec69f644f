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

"""What was tried, and what came of it."""

from collections.abc import Iterator
import contextlib
import dataclasses
import threading

from openstack import exceptions as sdk_exceptions

from openstack_image_stream import exceptions
from tests import processes

#: Errors that a download may end with, whatever the server does. That of the
#: local machine is for tests that make it fail.
DOCUMENTED = (sdk_exceptions.SDKException, exceptions.ImageStreamError)


class Refused(Exception):
    """A parser found no sense in its input, as it should."""


@dataclasses.dataclass
class Target:
    """What takes foreign input, and a count of what it took.

    :param name: For the table.
    """

    name: str
    tried: int = 0
    refused: int = 0
    accepted: int = 0
    _found: set[tuple[type[Exception], int]] = dataclasses.field(
        default_factory=set
    )

    @property
    def findings(self) -> int:
        """How many different failures there were."""
        return len(self._found)

    @contextlib.contextmanager
    def example(
        self,
        refusals: tuple[type[Exception], ...] = DOCUMENTED,
    ) -> Iterator[None]:
        """Judge one input: what comes out, how long it takes, what is left.

        :param refusals: Errors that are a right response to it.
        """
        self.tried += 1
        try:
            with processes.time_limit():
                yield
            assert not _threads(), 'a thread is left'
        except (*refusals, Refused):
            self.refused += 1
        except Exception as exc:
            # Many inputs lead to the same, while the smallest is looked for.
            self._found.add((type(exc), _line(exc)))
            raise
        else:
            self.accepted += 1


#: All targets, in the order of their tests.
TARGETS: list[Target] = []


def target(name: str) -> Target:
    """Make a target, and a line of it in the table.

    :param name: For the table.
    """
    TARGETS.append(Target(name))
    return TARGETS[-1]


def as_data() -> list[tuple[str, int, int, int, int]]:
    """Return the counts as what another process can be given."""
    return [
        (one.name, one.tried, one.refused, one.accepted, one.findings)
        for one in TARGETS
        if one.tried
    ]


def merge(data: list[tuple[str, int, int, int, int]]) -> None:
    """Add the counts of another process.

    :param data: What :func:`as_data` returned there.
    """
    for name, tried, refused, accepted, findings in data:
        one = Target(name, tried, refused, accepted)
        one._found |= {(Exception, number) for number in range(findings)}
        TARGETS.append(one)


def table() -> list[str]:
    """Return the lines of the table: what was tried, and what came of it."""
    names = ('tried', 'refused', 'accepted', 'findings')
    width = max([len('target'), *(len(one.name) for one in TARGETS)])
    lines = [f'{"target":{width}}' + ''.join(f'{n:>10}' for n in names)]
    for one in TARGETS:
        if one.tried:
            figures = ''.join(f'{getattr(one, n):>10}' for n in names)
            lines.append(f'{one.name:{width}}{figures}')
    return lines


def _line(exc: BaseException) -> int:
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return 0 if trace is None else trace.tb_lineno


def _threads() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith('openstack-image-stream')
    ]
