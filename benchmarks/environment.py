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

"""The programs that a benchmark needs, their versions, and the machine."""

import collections.abc
from importlib import metadata
import os
import pathlib
import platform
import shutil
import subprocess

from benchmarks import capacity
from benchmarks import errors

#: Where Debian has programs that are not in every user's PATH.
_FURTHER = '/usr/sbin'

#: A program, how to get it, and what prints its version.
_NEEDED = {
    'nginx': ('nginx-light', ('-v',)),
    'aria2c': ('aria2', ('--version',)),
    'curl': ('curl', ('--version',)),
    'openssl': ('openssl', ('version',)),
}

_DISTRIBUTIONS = (
    'openstack-image-stream',
    'openstacksdk',
    'python-openstackclient',
    'python-glanceclient',
    'requests',
    'urllib3',
)


def check() -> None:
    """Check that everything is installed.

    :raises BenchmarkError: Something is missing; says how to get it.
    """
    if missing := _missing_packages():
        raise errors.BenchmarkError(
            'Programs are missing. On Debian and Ubuntu:\n  apt-get install '
            + ' '.join(missing)
        )
    if missing := [name for name in _DISTRIBUTIONS if not _version(name)]:
        raise errors.BenchmarkError(
            f'{", ".join(missing)} cannot be imported here. Run this as'
            ' "tox -e bench", or install this package and the ones in'
            ' benchmarks/requirements.txt with pip.'
        )


def find(name: str) -> str | None:
    """Return the path of a program."""
    return shutil.which(name) or shutil.which(name, path=_FURTHER)


def describe(
    places: collections.abc.Mapping[str, pathlib.Path],
) -> dict[str, str]:
    """Return what is measured, and on what."""
    return {
        'commit': _commit(),
        'processor': _processor(),
        'cores': str(len(os.sched_getaffinity(0))),
        'kernel': platform.release(),
        'python': platform.python_version(),
        **{name: capacity.file_system(path) for name, path in places.items()},
        **{name: _version(name) for name in _DISTRIBUTIONS},
        **{name: _program_version(name) for name in _NEEDED},
    }


def _missing_packages() -> list[str]:
    return [
        package for name, (package, _) in _NEEDED.items() if find(name) is None
    ]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ''


def _commit() -> str:
    """Return the commit that is measured, marked if there are changes."""
    try:
        return subprocess.run(
            ['git', 'describe', '--always', '--dirty'],
            cwd=pathlib.Path(__file__).parent,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return 'unknown, there is no git'


def _program_version(name: str) -> str:
    _, options = _NEEDED[name]
    # nginx writes it to standard error.
    printed = subprocess.run(
        [find(name) or name, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ).stdout
    # Libraries and build options follow.
    return printed.partition('\n')[0].partition(' (')[0]


def _processor() -> str:
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        name, _, value = line.partition(':')
        if name.strip() == 'model name':
            return value.strip()
    return platform.machine()
