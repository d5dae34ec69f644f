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
"""The commands ``check`` and ``run``."""

import argparse
from collections.abc import Sequence
import sys

from openstack_image_stream import _cloud_check
from openstack_image_stream import _installation
from openstack_image_stream import _programs
from openstack_image_stream._sdk import clouds
from openstack_image_stream import exceptions
from openstack_image_stream import service

_RUN = 'run'

_RUN_USAGE = (
    'python -m openstack_image_stream run [-h] -- PROGRAM [ARGUMENT...]'
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'python -m openstack_image_stream',
        description='Image downloads for openstacksdk that stream, verified.',
    )
    parser.add_argument(
        '--version', action='store_true', help='print the version and exit'
    )
    commands = parser.add_subparsers(dest='command', metavar='COMMAND')
    check = commands.add_parser(
        'check',
        help='say whether connections to a cloud have the plugin',
        description='Say whether connections to a cloud have the plugin, and '
        'if not, why. No request is made to the cloud.',
        epilog='Exit status: 0 they have it, 1 they have not, 2 there is no '
        'such cloud, or its configuration cannot be read.',
    )
    check.add_argument(
        '--os-cloud',
        metavar='NAME',
        help='name of the cloud; by default that of OS_CLOUD, or the one '
        'that the other OS_* variables describe',
    )
    run = commands.add_parser(
        _RUN,
        usage=_RUN_USAGE,
        help='run a Python program with the plugin in all its connections',
        description='Run a Python program in this process, with the plugin '
        'in all its connections.',
        epilog='Exit status: that of the program; 2 if it is not found, is '
        'not a Python program, or cannot have the plugin.',
    )
    run.add_argument(
        'words',
        nargs='*',
        metavar='PROGRAM [ARGUMENT...]',
        help='path of a script, name of a console script, or -m MODULE',
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute a command.

    :param arguments: Those of the command line by default.
    :returns: The exit status.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    if given[:1] == [_RUN] and given[1:2] not in (['-h'], ['--help']):
        # What follows is the program's, whatever it looks like.
        words = given[2:] if given[1:2] == ['--'] else given[1:]
        if not words or (words[0].startswith('-') and words[0] != '-m'):
            parser.error(f'no program is given: {_RUN_USAGE}')
        return _run(words)
    options = parser.parse_args(given)
    if options.version:
        print(service.version())
        return 0
    if options.command is None:
        parser.error('no command is given: check or run')
    return _check(options.os_cloud)


def _run(words: Sequence[str]) -> int:
    try:
        program = _programs.prepared(words)
        _installation.install()
    except exceptions.ImageStreamError as exc:
        print(f'run: {exc}', file=sys.stderr)
        return 2
    program()
    return 0


def _check(name: str | None) -> int:
    try:
        service.check_platform()
        region = clouds.read(name)
    except exceptions.UnsupportedPlatformError as exc:
        print(f'check: {exc}', file=sys.stderr)
        return 1
    except exceptions.ImageStreamError as exc:
        print(f'check: {exc}', file=sys.stderr)
        return 2
    problems = _cloud_check.problems(region)
    print(_headline(region.name, not problems))
    for problem in problems:
        print(f'  - {problem}')
    return 1 if problems else 0


def _headline(cloud: str, has_it: bool) -> str:
    verb = 'have' if has_it else 'do not have'
    return (
        f'connections to the cloud {cloud!r} {verb} the plugin '
        f'(Python: {sys.executable})'
    )


if __name__ == '__main__':
    sys.exit(main())
