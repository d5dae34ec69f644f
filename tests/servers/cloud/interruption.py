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

"""What ends the harness early."""

import collections.abc
import contextlib
import signal
import threading


@contextlib.contextmanager
def by_sigterm() -> collections.abc.Iterator[None]:
    """Treat SIGTERM as Ctrl-C, so that it unwinds instead of just ending.

    Only where nobody else handles it, and in the main thread, as handlers
    are set there or not at all. Without one the services end all the same,
    as their keepers see to it, but a temporary directory stays.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
