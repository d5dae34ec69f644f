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

"""Which bytes of which file a download of this process is writing.

What a caller opened cannot be locked: the lock would be the caller's, and
closing a second descriptor would take others of the caller away. So two
downloads to one file are kept apart within the process. Two that write to
different places of it do each other no harm.
"""

import functools
import itertools
import os
import stat
from typing import Final
import weakref

from openstack_image_stream._output import owned
from openstack_image_stream import exceptions

#: Those that are written at the moment, in the order in which they began.
#: Without a lock, since a finalizer may need it at any time; each operation on
#: it is one step of the interpreter. Weak, so that no exception at the wrong
#: moment can leave one behind.
_ACTIVE: 'Final[dict[int, weakref.ref[Region]]]' = {}
_NUMBERS = itertools.count()


class Region:
    """Consecutive bytes of a file, from one position on.

    :param status: Of the file.
    :param start: Position of the first byte.
    :param name: What the caller calls the file.
    """

    def __init__(self, status: os.stat_result, start: int, name: str) -> None:
        self._file = (status.st_dev, status.st_ino)
        self._start = self._end = start
        self._name = name
        self._number = next(_NUMBERS)

    def enter(self) -> None:
        """Begin to write.

        :raises: :exc:`~openstack_image_stream.exceptions.OutputError`
            when another download writes there.
        """
        forget = functools.partial(_forget, self._number)
        _ACTIVE[self._number] = weakref.ref(self, forget)
        for other in self._others():
            if other is self:
                # Those that came later look at this one.
                return
            if other._start <= self._start <= other._end:
                self.leave()
                raise self._taken()

    def extend(self, count: int) -> None:
        """Write further bytes; to be called before.

        :param count: How many.
        :raises: as :meth:`enter`.
        """
        end = self._end + count
        for other in self._others():
            if other is not self and self._end <= other._start < end:
                raise self._taken()
        self._end = end

    def leave(self) -> None:
        """Write no more. May be called again."""
        _ACTIVE.pop(self._number, None)

    def _others(self) -> 'list[Region]':
        found = [reference() for reference in list(_ACTIVE.values())]
        return [
            region
            for region in found
            if region is not None and region._file == self._file
        ]

    def _taken(self) -> exceptions.OutputError:
        return exceptions.OutputError(
            f'another download of this process is writing to {self._name}, at '
            'the same place: wait until it is done, or give another output'
        )


def _forget(number: int, reference: 'weakref.ref[Region]') -> None:
    _ACTIVE.pop(number, None)


def region_of(descriptor: int, position: int, name: str) -> Region | None:
    """Return what a download to an open file will write.

    :param descriptor: Of the file.
    :param position: Where the file stands.
    :param name: What the caller calls the file.
    :returns: The region, or ``None`` for what has no positions.
    """
    status = os.fstat(descriptor)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        return None
    if owned.status_flags(descriptor) & os.O_APPEND:
        # Wherever it stands, it is written to at its end.
        position = status.st_size
    return Region(status, position, name)
