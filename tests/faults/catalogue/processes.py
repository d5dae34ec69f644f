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

"""Faults of processes: several at one path, and signals that end one."""

from collections.abc import Callable
import dataclasses
import errno
import functools
import signal

from tests.faults.catalogue import base
from tests.faults import machine


@dataclasses.dataclass(frozen=True, kw_only=True)
class SharedPath(base.Fault):
    """Several processes with one output path.

    :param count: How many.
    :param killed: How many of them are killed.
    :param prepare: Called in each before it downloads.
    """

    count: int = 2
    killed: int = 0
    prepare: Callable[[], None] | None = None
    promise: str = 'each delivers the image, nothing else is left'


SHARED_PATH = [
    SharedPath(name='two', title='two processes with one output path'),
    SharedPath(
        name='ten', title='ten processes with one output path', count=10
    ),
    SharedPath(
        name='ten-killed',
        title='ten processes with one output path, five of them killed',
        promise='each of the others delivers the image',
        count=10,
        killed=5,
    ),
    SharedPath(
        name='useless-locks',
        title='two processes with one output path, and locks do nothing',
        prepare=machine.have_useless_locks,
    ),
    SharedPath(
        name='enolck',
        title='two processes with one output path, and locks fail (ENOLCK)',
        prepare=functools.partial(machine.have_no_locks, errno.ENOLCK),
    ),
    SharedPath(
        name='enotsup',
        title='two processes with one output path, and locks fail (ENOTSUP)',
        prepare=functools.partial(machine.have_no_locks, errno.ENOTSUP),
    ),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignalFault(base.Fault):
    """A signal that ends the process.

    :param number: The signal.
    :param ends: The error that the process ends in.
    """

    number: int
    ends: str
    promise: str = (
        'the old file stays, the same call completes the partial file'
    )


SIGNALS = [
    SignalFault(
        name='sigkill',
        title='SIGKILL at any moment',
        number=signal.SIGKILL,
        ends='died',
    ),
    SignalFault(
        name='sigterm',
        title='SIGTERM at any moment',
        number=signal.SIGTERM,
        ends='died',
    ),
    SignalFault(
        name='sigint',
        title='Ctrl-C at any moment',
        number=signal.SIGINT,
        ends='KeyboardInterrupt',
    ),
]

SILENT = SignalFault(
    name='sigint-silent',
    title='Ctrl-C while the server is silent',
    promise='ends at once; the same call completes the partial file',
    number=signal.SIGINT,
    ends='KeyboardInterrupt',
)
