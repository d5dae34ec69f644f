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

"""Processes of eventlet and of gevent."""

import contextlib
import gc
import os
import sys
import time
from typing import Any


def patch(kind: str) -> None:
    """Replace what blocks by what is cooperative.

    Has to come before everything else is imported.

    :param kind: ``eventlet``, ``gevent`` or ``plain``.
    """
    if kind == 'eventlet':
        import eventlet

        eventlet.monkey_patch()
    elif kind == 'gevent':
        # Its usual one has a pool of threads, which live on for some seconds.
        os.environ['GEVENT_RESOLVER'] = 'block'
        from gevent import monkey

        monkey.patch_all()


def time_limit(seconds: float) -> Any:
    """Return a time limit of the library that the process runs with.

    :param seconds: After which an exception is raised into the green thread
        that enters it.
    :returns: A context manager, which is also the exception.
    """
    if 'eventlet' in sys.modules:
        import eventlet

        return eventlet.Timeout(seconds)
    import gevent

    return gevent.Timeout(seconds)


def count() -> int:
    """Return how many green threads there are; 0 without such a library."""
    greenlet = sys.modules.get('greenlet')
    if greenlet is None:
        return 0
    alive = 0
    for found in gc.get_objects():
        with contextlib.suppress(ReferenceError):
            if isinstance(found, greenlet.greenlet) and found:
                alive += 1
    return alive


def wait_for(most: int) -> int:
    """Wait until there are few green threads.

    :param most: How many there may be.
    :returns: How many there are.
    """
    until = time.monotonic() + 5
    while (found := count()) > most and time.monotonic() < until:
        time.sleep(0.02)
    return found
