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
"""Tests of running programs with the plugin."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
from typing import Any
import zipfile

from tests.unit import base

ROOT = pathlib.Path(__file__).parents[2]

#: Prints what a program can see of how it was started.
PROGRAM = """
    import json, os, sys, __main__
    print(json.dumps({
        'argv': sys.argv,
        'name': __name__,
        'path': sys.path,
        'file': __file__,
        'package': __package__,
        'cached': __cached__,
        'spec': getattr(__spec__, 'name', None),
        'loader': type(__loader__).__name__,
        'doc': __doc__,
        'main': __main__.__dict__ is globals(),
        'builtins': __builtins__.__name__,
        'cwd': os.getcwd(),
    }))
    import openstack
    found = openstack.connection.Connection.image
    print(type(found).__module__, file=sys.stderr)
"""


class TestRun(base.TestCase):
    """Programs in the same process, with the plugin."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.path('folder'))
        self.folder.mkdir()

    def script(self, text: str, name: str = 'program.py') -> str:
        """Write a script; return its path."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
        path.chmod(0o755)
        return str(path)

    def _python(
        self, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env={**os.environ, 'PYTHONPATH': str(ROOT), **environment},
            capture_output=True,
            text=True,
        )

    def run_program(
        self, *words: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program with the plugin."""
        return self._python(
            '-m', 'openstack_image_stream', 'run', '--', *words, **environment
        )

    def assert_same_as_python(
        self, *words: str, **environment: str
    ) -> dict[str, Any]:
        """Check that a program sees what it sees when Python runs it."""
        expected = self._python(*words, **environment)
        actual = self.run_program(*words, **environment)
        self.assertEqual(0, actual.returncode, actual.stderr)
        self.assertEqual(
            json.loads(expected.stdout), json.loads(actual.stdout)
        )
        self.assertIn('openstack.image.image_service', expected.stderr)
        self.assertIn('openstack_image_stream._installation', actual.stderr)
        seen: dict[str, Any] = json.loads(actual.stdout)
        return seen

    def test_script(self) -> None:
        """A script sees what it sees when Python runs it."""
        path = self.script(PROGRAM)
        seen = self.assert_same_as_python(path, '-x', '--', '--help')
        self.assertEqual([path, '-x', '--', '--help'], seen['argv'])
        self.assertEqual('__main__', seen['name'])
        self.assertEqual(str(self.folder), seen['path'][0])

    def test_relative_script(self) -> None:
        """So does one whose path is relative."""
        self.script(PROGRAM)
        self.assert_same_as_python('folder/program.py')

    def test_linked_script(self) -> None:
        """Modules are looked for where the script really is."""
        os.symlink(self.script(PROGRAM), self.path('link.py'))
        seen = self.assert_same_as_python('link.py')
        self.assertEqual(os.path.realpath(self.folder), seen['path'][0])

    def test_safe_path(self) -> None:
        """With a safe path no directory is added."""
        self.assert_same_as_python(self.script(PROGRAM), PYTHONSAFEPATH='1')

    def test_module(self) -> None:
        """A module sees what it sees when Python runs it."""
        self.script(PROGRAM, 'module.py')
        self.script('', '__init__.py')
        seen = self.assert_same_as_python('-m', 'folder.module', '-x')
        self.assertEqual('folder.module', seen['spec'])
        self.assertEqual('folder', seen['package'])

    def test_package(self) -> None:
        """So does the main module of a package."""
        self.script('', '__init__.py')
        self.script(PROGRAM, '__main__.py')
        seen = self.assert_same_as_python('-m', 'folder', '-x')
        self.assertEqual('folder.__main__', seen['spec'])

    def test_folder(self) -> None:
        """A folder with a main module is run by its path."""
        self.script(
            'import openstack, os, sys, helper\n'
            'print(__name__, os.path.basename(sys.argv[0]), helper.X)\n',
            '__main__.py',
        )
        self.script('X = 5', 'helper.py')
        done = self.run_program(str(self.folder))
        self.assertEqual('__main__ folder 5\n', done.stdout, done.stderr)

    def test_archive(self) -> None:
        """So is an archive."""
        with zipfile.ZipFile(self.path('program.pyz'), 'w') as archive:
            archive.writestr('__main__.py', 'import helper; print(helper.X)')
            archive.writestr('helper.py', 'X = 5')
        done = self.run_program('./program.pyz')
        self.assertEqual('5\n', done.stdout, done.stderr)

    def test_console_script(self) -> None:
        """A console script is found in PATH."""
        self.script(f'#!{sys.executable}\nprint("console")', 'a-program')
        path = f'{self.folder}{os.pathsep}{os.environ["PATH"]}'
        done = self.run_program('a-program', PATH=path)
        self.assertEqual('console\n', done.stdout, done.stderr)

    def test_console_script_of_this_python(self) -> None:
        """One beside this Python comes first."""
        self.script('print("not this")', 'stestr')
        path = f'{self.folder}{os.pathsep}{os.environ["PATH"]}'
        done = self.run_program('stestr', '--version', PATH=path)
        self.assertIn('stestr', done.stdout, done.stderr)

    @base.for_each(
        {
            'env': '#!/usr/bin/env python3\n',
            'split': '#!/usr/bin/env -S python3 -u\n',
            'versioned': '#!/opt/service/bin/python3.11\n',
            'long_path': "#!/bin/sh\n'''exec' /python \"$0\" \"$@\"\n' '''\n",
            'nothing': '',
        }
    )
    def test_first_line(self, line: str) -> None:
        """Whatever says that it is Python is run."""
        path = self.script(line + 'print("ran")\n', 'program')
        done = self.run_program(path)
        self.assertEqual('ran\n', done.stdout, done.stderr)

    @base.for_each(
        {
            'shell': (b'#!/bin/sh\nexit 0\n', "first line is '#!/bin/sh'"),
            'text': (b'echo hello\n', 'is not a Python program'),
            'binary': (b'\x7fELF\x00\x00', 'it is not text'),
        }
    )
    def test_not_python(self, case: Any) -> None:
        """What is not a Python program is refused, with status 2."""
        content, words = case
        path = self.script('', 'program')
        pathlib.Path(path).write_bytes(content)
        done = self.run_program(path)
        self.assertEqual(2, done.returncode, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertIn(path, done.stderr)
        self.assertNotIn('Traceback', done.stderr)

    @base.for_each(
        {
            'program': (['nonesuch'], "program 'nonesuch' is not found"),
            'path': (['./nonesuch'], "program './nonesuch' is not found"),
            'module': (['-m', 'nonesuch'], "no module 'nonesuch'"),
            'submodule': (['-m', 'json.nonesuch'], "'json.nonesuch'"),
            'of_none': (['-m', 'nonesuch.x'], "no module 'nonesuch.x'"),
            'package': (['-m', 'email'], "no module 'email.__main__'"),
        }
    )
    def test_not_found(self, case: Any) -> None:
        """What is not there is said to be, with status 2."""
        words, text = case
        done = self.run_program(*words)
        self.assertEqual(2, done.returncode)
        self.assertIn(text, done.stderr)
        self.assertNotIn('Traceback', done.stderr)

    @base.for_each(
        {
            'end': ('', 0, ''),
            'number': ('import sys; sys.exit(7)', 7, ''),
            'text': ('raise SystemExit("over")', 1, 'over'),
            'error': ('1 / 0', 1, 'ZeroDivisionError'),
            'syntax': ('1 1', 1, 'SyntaxError'),
            'at_exit': (
                'import atexit, os; atexit.register(os._exit, 5)',
                5,
                '',
            ),
            'interrupted': (
                'raise KeyboardInterrupt',
                -signal.SIGINT,
                'KeyboardInterrupt',
            ),
            'our_error': (
                'import openstack_image_stream as ois\n'
                'raise ois.InvalidArgumentError("of the program")\n',
                1,
                'InvalidArgumentError',
            ),
        }
    )
    def test_exit_status(self, case: Any) -> None:
        """The exit status is the program's own."""
        text, status, words = case
        done = self.run_program(self.script(text))
        self.assertEqual(status, done.returncode, done.stderr)
        self.assertIn(words, done.stderr)

    def test_after_its_last_line(self) -> None:
        """Threads and exit handlers find the program as it was."""
        done = self.run_program(
            self.script("""
                import atexit, pickle, threading

                class Mine:
                    pass

                data = pickle.dumps(Mine())
                ended = threading.Event()

                def work():
                    threading.main_thread().join()
                    print(type(pickle.loads(data)) is Mine)

                threading.Thread(target=work).start()
                atexit.register(lambda: print(Mine.__module__))
            """)
        )
        self.assertEqual('True\n__main__\n', done.stdout, done.stderr)
