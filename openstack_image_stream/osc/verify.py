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

"""``openstack image verify``."""

import argparse
from typing import Any

from osc_lib.command import command

from openstack_image_stream._common import printing
from openstack_image_stream.osc import base
from openstack_image_stream.osc import options


class Verify(base.ImageCommand, command.Command):
    """Verify that a local file is an image, without downloading it.

    The length of the file and its hash are compared with those that the Image
    service has.
    """

    _epilog: Any = """\
Examples::

  openstack image verify ubuntu-24.04 ubuntu.qcow2
  openstack image verify --signed-by release.pem ubuntu-24.04 ubuntu.qcow2

Exit status: 0 if the file is the image; 1 for other errors, 2 for a command
that cannot work, 3 if it is not the image, or nothing can show that it is.
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command line."""
        parser = base.laid_out(super().get_parser(prog_name))
        base.add_image(parser)
        parser.add_argument('path', metavar='<path>', help='File to verify')
        options.add_to(parser, 'verify_image')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Verify the file."""
        conn = self.connect()
        conn.image.verify_image(
            base.find_image(conn, parsed_args.image),
            parsed_args.path,
            **self.options_of(parsed_args, 'verify_image', conn),
        )
        if not self.is_quiet:
            # As sha512sum --check has it.
            path = printing.printable(parsed_args.path)
            self.app.stdout.write(f'{path}: OK\n')
