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

"""Serves moto's S3 at a listening socket that it inherits.

A program of its own, in the virtual environment of the tests, which moto has
to be installed in. moto's own command can only open a port by itself.

Usage: object_server.py DESCRIPTOR
"""

import sys
import typing

from moto.moto_server import werkzeug_app
from werkzeug import serving


class _Handler(serving.WSGIRequestHandler):
    """Handles requests of HTTP/1.1."""

    # With this boto3 is told at once that it may send the body of an upload.
    protocol_version = 'HTTP/1.1'


def main(arguments: list[str]) -> typing.NoReturn:
    """Serve until a signal comes.

    :param arguments: The number of the listening socket.
    """
    server = serving.make_server(
        '127.0.0.1',
        0,
        werkzeug_app.DomainDispatcherApplication(
            werkzeug_app.create_backend_app
        ),
        threaded=True,
        request_handler=_Handler,
        fd=int(arguments[0]),
    )
    server.serve_forever()
    raise SystemExit


if __name__ == '__main__':
    main(sys.argv[1:])
