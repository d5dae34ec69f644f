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

"""Tests of which module may import which, and use whose private names."""

import ast
from collections.abc import Iterator
import pathlib

import openstack_image_stream
from tests.unit import base

PACKAGE = openstack_image_stream.__name__
ROOT = pathlib.Path(openstack_image_stream.__file__).parent

#: The room of the commands, which is above all others.
COMMANDS = 'osc'

#: The rooms, and what else of the package each may import. The modules above
#: them put the rooms together, and are imported by none but the commands.
ROOMS: dict[str, set[str]] = {
    '_common': set(),
    '_http': {'_common'},
    '_check': {'_common'},
    '_output': {'_common'},
    '_transfer': {'_common'},
    '_sdk': {'_common', '_http'},
    # It uses what is public, as programs of others do.
    COMMANDS: {'_common', '_parameters', 'exceptions', 'progress'},
}

#: Modules above the rooms that every room may import: they import none but
#: _common.
LEAVES = {'exceptions', 'progress', '_config', '_rules'}

#: Which rooms and modules may import a library; all may for the others.
LIBRARIES: dict[str, set[str]] = {
    'openstack': {
        '_sdk',
        '_installation',
        'service',
        'proxy',
        'image',
        COMMANDS,
    },
    'osc_lib': {COMMANDS},
    'cliff': {COMMANDS},
    'keystoneauth1': {'_sdk', 'image', 'exceptions'},
    'fsspec': {'_fsspec'},
    'urllib3': {'_http'},
    'http': {'_http'},
    'socket': {'_http'},
    '_socket': {'_http'},
    'ssl': {'_http'},
}

#: Modules where private names of libraries may stand: those of the compat
#: modules, and the one that overrides private methods of the SDK's proxy.
COMPAT = {'_sdk/compat.py', '_http/compat.py', 'image.py', 'proxy.py'}

#: Private names that are no library's: documented ones of Python.
DOCUMENTED = {'_socket', '_sock'}


def modules() -> Iterator[tuple[pathlib.Path, ast.Module]]:
    """Yield the modules of the package, by their paths in it."""
    for path in sorted(ROOT.rglob('*.py')):
        yield path.relative_to(ROOT), ast.parse(path.read_text())


def place_of(path: pathlib.Path) -> str:
    """Return the room of a module, or its name where it is in none."""
    return path.parts[0] if len(path.parts) > 1 else path.stem


def imports_of(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports, in full."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                yield f'{node.module}.{name.name}'


def names_of(tree: ast.Module) -> Iterator[str]:
    """Yield the private names that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(
            node.ctx, ast.Store
        ):
            yield node.attr


class TestImports(base.TestCase):
    """Each room knows what it is to know, and no more."""

    def test_rooms(self) -> None:
        """Nothing is imported against the order of the rooms."""
        wrong = []
        for path, tree in modules():
            place = place_of(path)
            for name in imports_of(tree):
                parts = name.split('.')
                if parts[0] != PACKAGE or parts == [PACKAGE]:
                    continue
                other = parts[1]
                if other == COMMANDS != place:
                    wrong.append(f'{path} imports {name}')
                allowed = ROOMS.get(place)
                if place in LEAVES:
                    allowed = {'_common'}
                if allowed is None or other == place:
                    continue
                if other in LEAVES and place != COMMANDS:
                    continue
                if other not in allowed:
                    wrong.append(f'{path} imports {name}')
        self.assertEqual([], wrong)

    def test_every_room_is_known(self) -> None:
        """A new one needs a rule."""
        places = {place_of(p) for p, _ in modules() if len(p.parts) > 1}
        self.assertEqual(set(ROOMS), places - LEAVES)

    def test_libraries(self) -> None:
        """A library is used where the rule says."""
        wrong = []
        for path, tree in modules():
            for name in imports_of(tree):
                allowed = LIBRARIES.get(name.split('.')[0])
                if allowed is None or name == 'openstack.exceptions':
                    continue
                if place_of(path) not in allowed:
                    wrong.append(f'{path} imports {name}')
        self.assertEqual([], wrong)


class TestPrivateNames(base.TestCase):
    """Private names of libraries stand in the compat modules."""

    def test_where_they_are(self) -> None:
        """Whatever begins with an underscore is ours anywhere else."""
        trees = dict(modules())
        ours = {name for tree in trees.values() for name in names_of(tree)}
        wrong = []
        for path, tree in trees.items():
            if str(path) in COMPAT:
                continue
            for node in ast.walk(tree):
                if not isinstance(node, ast.Attribute):
                    continue
                name = node.attr
                if (
                    name.startswith('_')
                    and not name.startswith('__')
                    and name not in ours | DOCUMENTED
                ):
                    wrong.append(f'{path}:{node.lineno} uses {name}')
        self.assertEqual([], wrong)
