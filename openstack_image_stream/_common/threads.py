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

"""Starting and joining threads, where a signal handler may raise meanwhile."""

import threading
import time

from openstack_image_stream._common import signals

#: How often a thread whose start was interrupted is looked for, and seconds
#: between two looks.
_LOOKS = 50
_PAUSE = 0.01


def start(thread: threading.Thread) -> bool:
    """Start a thread.

    :param thread: The thread. Its owner keeps it before, and joins it also
        where this raises: it may have been started all the same.
    :returns: Whether that was possible; there may be too many threads.
    :raises: what a signal handler raises, as it was raised.
    """
    try:
        # Python may raise a KeyError in place of it.
        with signals.reraised():
            thread.start()
    except RuntimeError as exc:
        if signals.find_raised(exc) is None:
            return False
        _look_for(thread)
        raise
    except BaseException:
        _look_for(thread)
        raise
    return True


def join(thread: threading.Thread, seconds: float | None) -> None:
    """Wait for the end of a thread, if it was ever started.

    :param thread: The thread, as it was given to :func:`start`.
    :param seconds: For how long, ``None`` for no limit.
    """
    if thread.ident is not None:
        thread.join(seconds)


def _look_for(thread: threading.Thread) -> None:
    """Wait for the beginning of a thread that may never begin."""
    for _ in range(_LOOKS):
        begun = thread.ident is not None
        # It can be joined only a moment after it has begun.
        time.sleep(_PAUSE)
        if begun:
            return
