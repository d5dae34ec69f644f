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

"""An object store with the API of Amazon S3: moto's server."""

import pathlib
import re
import sys

import requests

from tests.servers.cloud import configuration
from tests.servers.cloud import service

#: moto wants to see a signature, and does not look into it.
_HEADERS = {
    'Authorization': 'AWS4-HMAC-SHA256 '
    'Credential=access/20260101/us-east-1/s3/aws4_request',
    'Content-Type': 'application/octet-stream',
}

_PROGRAM = pathlib.Path(__file__).with_name('object_server.py')


class ObjectStore(service.Service):
    """A server that keeps objects in memory.

    :param directory: Where its log is.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__('objects', directory)

    def start_program(self) -> None:
        """Start it without waiting for it."""
        self._launch = self._start_program
        self._launch()

    def _start_program(self) -> None:
        self._serve([sys.executable, _PROGRAM, str(self._socket.fileno())], {})

    def keys(self) -> set[str]:
        """Return the names of all objects: the IDs of the images."""
        return self._listed('list-type=2')

    def begun(self) -> set[str]:
        """Return the names of the objects whose parts are not one yet."""
        return self._listed('uploads')

    def content(self, key: str) -> bytes:
        """Return the data of an object."""
        return self._send(f'/{key}')

    def replace(self, key: str, data: bytes) -> None:
        """Give an object other data."""
        self._send(f'/{key}', data, 'PUT')

    def _listed(self, query: str) -> set[str]:
        listed = self._send(f'?{query}').decode()
        return set(re.findall('<Key>([^<]+)</Key>', listed))

    def _send(
        self, path: str, data: bytes | None = None, method: str = 'GET'
    ) -> bytes:
        with requests.Session() as session:
            # Proxies are for other servers.
            session.trust_env = False
            response = session.request(
                method,
                f'{self.url}/{configuration.BUCKET}{path}',
                data=data,
                headers=_HEADERS,
                timeout=service.TIMEOUT,
            )
        response.raise_for_status()
        return response.content
