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

"""Telling a user how far a download is."""

from collections.abc import Callable
import dataclasses
import sys
import time
from typing import Any, Protocol

from openstack_image_stream._common import printing
from openstack_image_stream import exceptions

#: Seconds between two reports, so that a fast download does not spend its
#: time on them.
_INTERVAL = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a download is.

    :param done: Bytes of the image that are there, those of a partial file
        included.
    :param total: Size of the image in bytes, ``None`` if it is unknown.
    :param resumed: Bytes that were there already, from a partial file.
    """

    done: int
    total: int | None
    resumed: int = 0


#: What a caller may give: it is called with a snapshot.
Callback = Callable[[Progress], object]


class Reporter(Protocol):
    """Shows snapshots; closed at the end of the download."""

    def __call__(self, snapshot: Progress) -> object:
        """Show a snapshot."""

    def close(self) -> None:
        """Show no more."""


class Meter:
    """Takes note of every chunk, and reports some ten times a second.

    :param reporter: Shows the snapshots, ``None`` for none.
    :param resumed: Bytes that are there before the download begins.
    :param clock: Seconds, from any moment on.
    """

    def __init__(
        self,
        reporter: Reporter | None,
        *,
        resumed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reporter = reporter
        self._resumed = resumed
        self._clock = clock
        self._due = clock()

    def update(self, done: int, total: int | None, *, end: bool) -> None:
        """Take note of where the download is.

        :param done: Bytes of the image that are there.
        :param total: Size of the image in bytes, ``None`` if it is unknown.
        :param end: Whether this was all; that is reported in any case.
        """
        if self._reporter is None or not (end or self._clock() >= self._due):
            return
        self._due = self._clock() + _INTERVAL
        self._reporter(Progress(done=done, total=total, resumed=self._resumed))

    def close(self) -> None:
        """Report no more. May be called more than once."""
        reporter, self._reporter = self._reporter, None
        if reporter is not None:
            reporter.close()


class Bar:
    """A tqdm bar on the terminal.

    :param tqdm: The class of that name.
    :param label: What is written before the bar.
    """

    def __init__(self, tqdm: Any, label: str) -> None:
        self._tqdm = tqdm
        self._label = label
        self._bar: Any = None

    def __call__(self, snapshot: Progress) -> None:
        """Draw the bar."""
        if self._bar is None:
            # A resumed download begins where the partial file ends, and its
            # speed counts what really comes over the wire.
            self._bar = self._tqdm(
                desc=self._label,
                total=snapshot.total,
                initial=snapshot.resumed,
                unit='B',
                unit_scale=True,
                unit_divisor=1024,
                file=sys.stderr,
            )
        self._bar.total = snapshot.total
        self._bar.update(snapshot.done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it is, and the cursor below it."""
        if self._bar is not None:
            self._bar.close()


class _Function:
    """A caller's function as a reporter."""

    def __init__(self, function: Callback) -> None:
        self._function = function

    def __call__(self, snapshot: Progress) -> None:
        self._function(snapshot)

    def close(self) -> None:
        pass


def reporter_for(
    progress: 'bool | Callback | None', label: str
) -> Reporter | None:
    """Find what shows the progress that a caller wants.

    :param progress: ``True`` for a bar on the terminal, or a function.
    :param label: Name of the image, for the bar.
    :returns: The reporter, ``None`` where nothing is to be shown: nothing is
        wanted, or standard error is not a terminal.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when a bar cannot be drawn for want of tqdm.
    """
    if callable(progress):
        return _Function(progress)
    if not progress or sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        import tqdm
    except ImportError:
        raise exceptions.InvalidArgumentError(
            'progress=True draws its bar with tqdm, which is not installed: '
            "pip install 'openstack-image-stream[progress]', or give a "
            'function instead of True'
        ) from None
    return Bar(tqdm.tqdm, printing.printable(label))
