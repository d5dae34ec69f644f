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

"""Options of the commands, made of those of the methods."""

import argparse
from collections.abc import Callable, Collection, Mapping
import importlib.util
import sys
from typing import Any

from openstack_image_stream import _parameters
from openstack_image_stream import exceptions

#: What the help says of an option, where its declaration, which is for
#: programmers, begins otherwise than a user of a shell would expect.
HELP = {
    'validate_checksum': 'Compare the hash of the image: true, which is the '
    'default; false; or required, to refuse an image that nothing can verify',
    'expected_digest': 'Digest that the image must have, from elsewhere: '
    'sha256:<hex>, or sha224, sha384, sha512',
    'check_format': 'Refuse an image whose content is not of its disk format, '
    'or refers to other files; allow certain formats alone, separated by '
    'commas, with --check-format=<formats>',
    'signed_by': 'Refuse an image that is not signed by one of the '
    'certificates or public keys in this PEM file (repeat for more files)',
    'trusted_certificates': 'Refuse an image that is not signed by a '
    'certificate of the key manager whose chain ends in one of this PEM file '
    '(repeat for more files)',
    'allow_md5_fallback': 'Verify by MD5 where the hash of the image cannot '
    'be computed here',
    'connections': 'How many parts of the image to download at a time, 1 by '
    'default; auto adds some while that makes it faster',
    'retries': 'Retries in a row without a new byte, 5 by default',
    'timeout': 'Longest silence of a connection in seconds, 60 by default',
    'max_bandwidth': 'Bytes per second to download at the most, over all '
    'connections together; K, M or G may follow, as in 10M',
    'low_speed_limit': 'Treat a connection as lost that brings fewer bytes '
    'per second than this over --low-speed-time; K, M or G may follow',
    'low_speed_time': 'Seconds over which --low-speed-limit is measured, 30 '
    'by default',
    'deadline': 'Seconds after which the command ends with status 4 if it is '
    'not done',
    'resume': 'Keep what has arrived after a failure, for the same command '
    'to resume; this is the default',
    'sparse': 'Write runs of zeros as holes; this is the default',
    'skip_current': 'Download nothing if the file is the image already, by '
    'its hash',
    'progress': 'Show a progress bar; by default on a terminal, if tqdm is '
    'installed',
}

#: What stands for the value in the help.
_METAVARS = {
    'validate_checksum': '{true,false,required}',
    'expected_digest': '<digest>',
    'check_format': '<formats>',
    'signed_by': '<file>',
    'trusted_certificates': '<file>',
    'connections': '<number>',
    'retries': '<number>',
    'timeout': '<seconds>',
    'max_bandwidth': '<bytes>',
    'low_speed_limit': '<bytes>',
    'low_speed_time': '<seconds>',
    'deadline': '<seconds>',
}


def add_to(
    parser: argparse.ArgumentParser,
    method: str,
    *,
    without: Collection[str] = (),
    texts: Mapping[str, str] | None = None,
) -> None:
    """Add the options of a method to a parser.

    None has a default here, so that what is not given comes from the settings
    of the cloud.

    :param parser: The parser of a command.
    :param method: Name of a method of the proxy.
    :param without: Names of options that make no sense for the command.
    :param texts: What the help says of options, if it is something else than
        for other commands.
    """
    texts = {**HELP, **(texts or {})}
    for parameter in _parameters.parameters_of(method):
        name = parameter.name
        if name in without:
            continue
        flag = f'--{name.replace("_", "-")}'
        text = texts.get(name, parameter.text)
        if parameter.is_flag:
            parser.add_argument(flag, action=Switch, dest=name, help=text)
            continue
        more: dict[str, Any] = {}
        if parameter.is_list:
            more['action'] = 'append'
        if name == 'check_format':
            more.update(nargs='?', const=True)
        parser.add_argument(
            flag,
            dest=name,
            type=_reader(parameter),
            metavar=_METAVARS.get(name, '<value>'),
            help=text,
            **more,
        )


def given(
    parsed_args: argparse.Namespace,
    method: str,
    connection: Any,
    *,
    is_quiet: bool,
) -> dict[str, Any]:
    """Return the options that a user has given, for a call of the method.

    :param parsed_args: What argparse has found.
    :param method: Name of the method.
    :param connection: The connection of the cloud.
    :param is_quiet: Whether no progress is to be shown.
    :returns: The options by their names, those alone that are given; and
        whether to draw a bar, unless the cloud has a setting for that.
    """
    names = [p.name for p in _parameters.parameters_of(method)]
    found = {
        name: value
        for name in names
        if (value := getattr(parsed_args, name, None)) is not None
    }
    if 'progress' in names and 'progress' not in found:
        setting = connection.config.config.get('image_stream_progress')
        if is_quiet:
            found['progress'] = False
        elif setting is None:
            found['progress'] = _can_draw()
    return found


class Switch(argparse.Action):
    """``--name`` and ``--no-name``."""

    # As argparse's BooleanOptionalAction, which adds "(default: None)" to the
    # help in some releases of Python.
    def __init__(
        self, option_strings: list[str], dest: str, **others: Any
    ) -> None:
        (flag,) = option_strings
        super().__init__(
            [flag, f'--no-{flag[2:]}'], dest=dest, nargs=0, **others
        )

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        is_off = (option_string or '').startswith('--no-')
        setattr(namespace, self.dest, not is_off)

    def format_usage(self) -> str:
        return ' | '.join(self.option_strings)


def _reader(parameter: _parameters.Parameter) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parameter.read(text)
        except exceptions.InvalidArgumentError as exc:
            # An argument that follows an option without a value is taken for
            # its value.
            raise argparse.ArgumentTypeError(
                f'{exc} (a value follows an equals sign; an option without a '
                'value comes after the other arguments)'
            ) from exc
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc

    return read


def _can_draw() -> bool:
    return is_terminal() and importlib.util.find_spec('tqdm') is not None


def is_terminal() -> bool:
    """Tell whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()
