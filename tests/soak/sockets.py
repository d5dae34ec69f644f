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

"""The sockets that somebody on this machine holds to a server on it."""

import time

#: Seconds; threads that were told to end let go of theirs a little later.
_PATIENCE = 10.0
_PAUSE = 0.05

#: Columns of the table of TCP sockets.
_REMOTE, _INODE = 2, 9


def let_go(port: int) -> bool:
    """Wait until nobody holds a socket to a port; tell whether so.

    The server does not know: its side of a connection may stand for some time
    after the client's was closed, until its system asks.

    :param port: Of the server, on loopback.
    """
    until = time.monotonic() + _PATIENCE
    while is_held(port):
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True


def is_held(port: int) -> bool:
    """Tell whether anybody holds a socket to a port at this moment.

    :param port: Of the server, on loopback.
    """
    remote = f'0100007F:{port:04X}'
    with open('/proc/self/net/tcp') as table:
        for line in table:
            columns = line.split()
            # One that was closed has no inode any more.
            if columns[_REMOTE] == remote and columns[_INODE] != '0':
                return True
    return False
