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

"""``openstack image fetch``."""

import argparse
import os
import sys
from typing import Any

from osc_lib.command import command
from osc_lib import exceptions as osc_exceptions

from openstack_image_stream import exceptions
from openstack_image_stream.osc import base
from openstack_image_stream.osc import names
from openstack_image_stream.osc import options

#: The path that stands for standard output.
_STDOUT = '-'


class Fetch(base.ImageCommand, command.Command):
    """Download an image to a file, verified.

    The file appears once the image is complete and its hash has been
    verified; what was there before stays until then. A connection that is
    lost is resumed at the next byte. After a failure the same command
    continues with what has arrived already.
    """

    _epilog: Any = """\
Examples::

  openstack image fetch ubuntu-24.04 ubuntu.qcow2
  openstack image fetch ubuntu-24.04 - | zstd -o ubuntu.qcow2.zst

Exit status: 0 if the image was downloaded and verified; 1 for other errors,
2 for a command that cannot work, 3 if the image is not what it should be,
4 if it is incomplete: run the same command again to resume.
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command line."""
        parser = base.laid_out(super().get_parser(prog_name))
        base.add_image(parser)
        parser.add_argument(
            'path',
            metavar='<path>',
            nargs='?',
            help=(
                'File to write; it is replaced if it exists. With - the image '
                'is written to standard output. By default a new file in the '
                'current directory, named after the image and its format; '
                'its name is printed'
            ),
        )
        parser.add_argument(
            '--store-preference',
            dest='store_preferences',
            action='append',
            metavar='<store>',
            help='Store to read from, if the Image service has several '
            '(repeat for more, best first)',
        )
        options.add_to(parser, 'download_image')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Download the image."""
        path = parsed_args.path
        if path == _STDOUT and sys.stdout.isatty():
            raise exceptions.InvalidArgumentError(
                'an image is not written to a terminal: redirect standard '
                'output, or give the path of a file'
            )
        conn = self.connect()
        image = base.find_image(conn, parsed_args.image)
        output: Any = path
        if path is None:
            output = _new_path(image)
        elif path == _STDOUT:
            output = sys.stdout.fileno()
        conn.image.download_image(
            image,
            output=output,
            store_preferences=parsed_args.store_preferences,
            **self.options_of(parsed_args, 'download_image', conn),
        )
        if path is None and not self.is_quiet:
            self.app.stdout.write(f'{output}\n')


def _new_path(image: Any) -> str:
    path = names.default_path(image)
    if os.path.lexists(path):
        raise osc_exceptions.CommandError(
            f'{path!r} exists already: give a path, this one to replace it '
            'or another one'
        )
    return path
