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

"""Keystone and Glance in a virtual environment of their own.

It is made in ``.tox/cloud-services``, or wherever the environment variable
``OPENSTACK_IMAGE_STREAM_CLOUD_VENV`` says, when it is first needed, and again
when the requirements or the Python that asks for it have changed.
"""

import collections.abc
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import sys
import typing

from tests.servers.cloud import process

_REQUIREMENTS = pathlib.Path(__file__).with_name('requirements.txt')
_REPOSITORY = pathlib.Path(__file__).parents[3]
_VARIABLE = 'OPENSTACK_IMAGE_STREAM_CLOUD_VENV'

# pip may have to build a wheel, or to wait for a slow mirror.
_TIMEOUT = 1800.0


def location() -> pathlib.Path:
    """Return where the virtual environment is, or is to be."""
    named = os.environ.get(_VARIABLE)
    default = _REPOSITORY / '.tox' / 'cloud-services'
    return pathlib.Path(named or default).absolute()


@contextlib.contextmanager
def installed() -> collections.abc.Iterator[pathlib.Path]:
    """Provide the virtual environment, installing it if need be.

    While the context lasts no other process replaces the environment; any
    number of test runs may use it together.

    :returns: The directory of the virtual environment.
    :raises CloudError: The installation failed.
    """
    venv = location()
    venv.parent.mkdir(parents=True, exist_ok=True)
    with _beside(venv, '.lock').open('w') as lock:
        # Between giving up one kind of lock and getting the other anything
        # may have happened, so look again.
        while True:
            _lock(lock, fcntl.LOCK_SH)
            if _is_complete(venv):
                break
            _lock(lock, fcntl.LOCK_EX)
            if not _is_complete(venv):
                _install(venv)
        yield venv


def _lock(lock: typing.TextIO, kind: int) -> None:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        _say(f'waiting for another test run that uses {lock.name} ...')
        fcntl.flock(lock, kind)


def _install(venv: pathlib.Path) -> None:
    _say('installing Keystone and Glance, once, about a minute ...')
    _remove(venv)
    _run(venv, sys.executable, '-m', 'venv', venv)
    python = venv / 'bin' / 'python'
    _run(venv, python, '-m', 'pip', 'install', '-r', _REQUIREMENTS)
    # Written last: an installation that was interrupted has no marker.
    _marker(venv).write_text(_digest())


def _run(venv: pathlib.Path, *arguments: str | pathlib.Path) -> None:
    command = process.Process(arguments, _beside(venv, '-install.log'))
    try:
        command.finish(_TIMEOUT)
    finally:
        command.stop()


def _remove(venv: pathlib.Path) -> None:
    """Remove an old or half environment, but nothing else by mistake."""
    if not venv.exists():
        return
    if any(venv.iterdir()) and not (venv / 'pyvenv.cfg').exists():
        raise process.CloudError(
            f'{venv} is not a virtual environment: not replacing it'
        )
    # What is left when this is interrupted must not be in the way.
    old = _beside(venv, '.old')
    shutil.rmtree(old, ignore_errors=True)
    venv.rename(old)
    shutil.rmtree(old)


def _is_complete(venv: pathlib.Path) -> bool:
    try:
        return _marker(venv).read_text() == _digest()
    except FileNotFoundError:
        return False


def _digest() -> str:
    """Identify what has to be installed, and for which interpreter."""
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes())
    digest.update(f'{sys.version} {sys.base_prefix}'.encode())
    return digest.hexdigest()


def _marker(venv: pathlib.Path) -> pathlib.Path:
    return venv / 'installed'


def _beside(venv: pathlib.Path, suffix: str) -> pathlib.Path:
    return venv.with_name(venv.name + suffix)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
