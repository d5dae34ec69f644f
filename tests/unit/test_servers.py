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

"""Nothing but ``tests/servers`` listens on a socket."""

import ast
import pathlib

import tests
from tests.unit import base

ROOT = pathlib.Path(tests.__file__).parent

#: Functions and classes that listen, and modules that have such classes.
LISTENERS = {
    'create_server',
    'listen',
    'start_server',
    'HTTPServer',
    'ThreadingHTTPServer',
    'TCPServer',
    'ThreadingTCPServer',
    'http.server',
    'socketserver',
    'wsgiref',
}


def listeners(source: str) -> set[str]:
    """Return what a module has that listens.

    :param source: The text of the module.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or '', *(a.name for a in node.names)}
        elif isinstance(node, ast.Attribute):
            # A listening socket; other things may listen to anything.
            chain = ast.unparse(node)
            if 'socket' in chain or node.attr != 'listen':
                found.add(node.attr)
    return found & LISTENERS


class TestListeners(base.TestCase):
    """A server stands once, where all tests find it."""

    def test_are_all_in_one_package(self) -> None:
        """No other module of the tests makes one."""
        found = {
            str(path.relative_to(ROOT)): names
            for path in ROOT.rglob('*.py')
            if path.relative_to(ROOT).parts[0] != 'servers'
            and path != pathlib.Path(__file__)
            and (names := listeners(path.read_text()))
        }
        self.assertEqual({}, found)

    def test_would_be_found(self) -> None:
        """Each kind of listener is seen."""
        for source in (
            'import socket\nsocket.create_server(("127.0.0.1", 0))',
            'import socket\nmy_socket = socket.socket()\nmy_socket.listen()',
            'import http.server',
            'from http import server\nserver.HTTPServer',
            'from socketserver import TCPServer',
            'import asyncio\nasyncio.start_server',
        ):
            self.assertNotEqual(set(), listeners(source), source)

    def test_servers_have_them(self) -> None:
        """The modules of the package are not looked at in vain."""
        source = ROOT.joinpath('servers', 'server.py').read_text()
        self.assertEqual({'create_server'}, listeners(source))
