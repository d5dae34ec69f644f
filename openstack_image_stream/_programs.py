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
"""Running a Python program in this process, as Python itself would."""

import builtins
from collections.abc import Callable, Sequence
import importlib.machinery
import importlib.util
import io
import os
import re
import runpy
import shutil
import sys
import sysconfig
import types
from typing import Any

from openstack_image_stream import exceptions

_NAME = '__main__'

#: The first line of a script that Python executes.
_PYTHON_LINE = re.compile(rb'#!.*\b(python|pypy)[\d.]*w?\b')

#: What pip writes where the path of Python is too long for that line. It is
#: a command to a shell and a text to Python.
_SHELL_LINES = re.compile(rb"#!/bin/sh\s+'''exec' ")

_ARCHIVES = ('.pyz', '.zip')

_ADVICE = 'give a Python script, the name of a console script, or -m MODULE'


def prepared(words: Sequence[str]) -> Callable[[], None]:
    """Find a Python program and make this process ready for it.

    ``sys.argv`` and ``sys.path`` become those of the program.

    :param words: The program and its arguments. The program is ``-m`` and
        the name of a module, the path of a script, or the name of a console
        script that is beside this Python or in ``PATH``.
    :returns: What runs the program to its end. It does not catch what the
        program raises, :exc:`SystemExit` included.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when there is no such program, or it is not a Python program.
    """
    if words[0] == '-m':
        return _module(words[1:])
    path = _find(words[0])
    if os.path.isdir(path) or path.endswith(_ARCHIVES):
        sys.argv[:] = [path, *words[1:]]
        # What runs it adds the path itself.
        _set_first_path(None)
        return lambda: _run_archive(path)
    code = _compiled(path)
    full = os.path.abspath(path)
    sys.argv[:] = [path, *words[1:]]
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    loader = importlib.machinery.SourceFileLoader(_NAME, full)
    return lambda: _execute(code, __file__=full, __loader__=loader)


def _run_archive(path: str) -> None:
    runpy.run_path(path, run_name=_NAME)


def _module(words: Sequence[str]) -> Callable[[], None]:
    if not words:
        raise exceptions.InvalidArgumentError(
            '-m is not followed by the name of a module'
        )
    # As Python has it while it looks for the module.
    sys.argv[:] = ['-m', *words[1:]]
    spec = _spec_of(words[0])
    loader: Any = spec.loader
    code = loader.get_code(spec.name)
    sys.argv[0] = str(spec.origin)
    return lambda: _execute(
        code,
        __file__=spec.origin,
        __loader__=loader,
        __cached__=spec.cached,
        __package__=spec.parent,
        __spec__=spec,
    )


def _spec_of(name: str) -> importlib.machinery.ModuleSpec:
    """Find a module, or the module ``__main__`` of a package.

    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when it cannot be run.
    """
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name = f'{name}.{_NAME}'
            spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as exc:
        # A module that a package imports is missing: that is its own error.
        if not name.startswith(f'{exc.name}.'):
            raise
        spec = None
    except ValueError:
        spec = None
    if spec is None or not hasattr(spec.loader, 'get_code'):
        raise exceptions.InvalidArgumentError(
            f'there is no module {name!r} that can be run with this Python '
            f'({sys.executable}): {_ADVICE}'
        )
    return spec


def _execute(code: types.CodeType, **attributes: Any) -> None:
    # A module that stays, unlike that of runpy: threads and exit handlers may
    # need it after the last line, pickle looks into it by its name.
    module = types.ModuleType(_NAME)
    vars(module).update(
        {'__builtins__': builtins, '__cached__': None, **attributes}
    )
    sys.modules[_NAME] = module
    exec(code, vars(module))  # noqa: S102 - it is what the user asked for


def _set_first_path(directory: str | None) -> None:
    """Replace what Python put first into ``sys.path`` for ``-m``."""
    # With -P, -I or PYTHONSAFEPATH it put nothing there.
    if getattr(sys.flags, 'safe_path', False) or sys.flags.isolated:
        return
    sys.path[:1] = [] if directory is None else [directory]


def _find(program: str) -> str:
    """Return the path of a program.

    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when there is none.
    """
    found: str | None = None
    if os.sep not in program and not program.endswith('.py'):
        # The plugin is in the environment of this Python, so that is where
        # a program comes from that could use it.
        places = (sysconfig.get_path('scripts'), None)
        found = next(
            filter(None, (shutil.which(program, path=p) for p in places)), None
        )
    if found is None and os.path.exists(program):
        found = program
    if found is None:
        raise exceptions.InvalidArgumentError(
            f'program {program!r} is not found: {_ADVICE}'
        )
    return found


def _compiled(path: str) -> types.CodeType:
    """Compile a script.

    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when it is not a Python program.
    """
    with io.open_code(os.path.abspath(path)) as file:
        source = file.read()
    is_marked = path.endswith(('.py', '.pyw')) or bool(
        _PYTHON_LINE.match(source) or _SHELL_LINES.match(source)
    )
    if not is_marked and source.startswith(b'#!'):
        line = source.partition(b'\n')[0].decode(errors='replace')
        raise _not_python(path, f'its first line is {line!r}')
    if b'\0' in source:
        raise _not_python(path, 'it is not text')
    try:
        return compile(
            source, os.path.abspath(path), 'exec', dont_inherit=True
        )
    except SyntaxError as exc:
        # The traceback of a wrong Python program is its own.
        if is_marked:
            raise
        raise _not_python(path, str(exc)) from exc


def _not_python(path: str, reason: str) -> exceptions.InvalidArgumentError:
    return exceptions.InvalidArgumentError(
        f'{path!r} is not a Python program ({reason}): {_ADVICE}'
    )
