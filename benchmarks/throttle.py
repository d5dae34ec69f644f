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

"""A TCP proxy that limits the bandwidth of each connection.

nginx limits requests, not connections: a client that requests one range after
the other over the same connection has a new allowance with each. So this
proxy stands before it, and counts the bytes of a connection.
"""

import argparse
import contextlib
import socket
import threading
import time

HOST = '127.0.0.1'

#: Bytes that are forwarded at a time.
_CHUNK = 64 * 1024


def main() -> None:
    """Forward connections until the process is ended."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.throttle')
    parser.add_argument('port', type=int, help='to listen at')
    parser.add_argument('target', type=int, help='to forward to')
    parser.add_argument('rate', type=int, help='bytes/s of a connection')
    arguments = parser.parse_args()
    with socket.create_server((HOST, arguments.port)) as listener:
        while True:
            client, _ = listener.accept()
            server = socket.create_connection((HOST, arguments.target))
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # What waits in a buffer was not delivered.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CHUNK)
            _start(client, server, None)
            _start(server, client, arguments.rate)


def _start(
    source: socket.socket, target: socket.socket, rate: int | None
) -> None:
    threading.Thread(
        target=_hand_on, args=(source, target, rate), daemon=True
    ).start()


def _hand_on(
    source: socket.socket, target: socket.socket, rate: int | None
) -> None:
    due = 0.0
    # When either side closes, the other side is closed, too.
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
            if rate is not None:
                # An idle line saves nothing up.
                due = max(due, time.monotonic()) + len(chunk) / rate
                time.sleep(max(0.0, due - time.monotonic()))
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


if __name__ == '__main__':
    main()
