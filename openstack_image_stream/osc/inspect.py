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

"""``openstack image inspect``."""

import argparse
from typing import Any

from osc_lib.cli import format_columns
from osc_lib.command import command

from openstack_image_stream.osc import base
from openstack_image_stream.osc import options
from openstack_image_stream.osc import statuses


class Inspect(base.ImageCommand, command.ShowOne):
    """Show what format an image really has, and whether it is safe.

    Its beginning is read, mostly 256 KiB and 12 MiB at the most. That is not
    verified by the hash of the image, for which all of it has to be read.
    """

    _epilog: Any = """\
Examples::

  openstack image inspect ubuntu-24.04
  openstack image inspect --whole -f json ubuntu-24.04

Exit status: 0 if the content is safe; 1 for other errors, 2 for a command
that cannot work, 3 if it is not safe, or, with --whole, if it is not what the
Image service says it is, 4 if it could not be read.
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command line."""
        parser = base.laid_out(super().get_parser(prog_name))
        base.add_image(parser)
        parser.add_argument(
            '--whole',
            action='store_true',
            help='Read all of the image, and verify it by its hash',
        )
        options.add_to(parser, 'inspect_image')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """Inspect the image."""
        conn = self.connect()
        image = base.find_image(conn, parsed_args.image)
        found = conn.image.inspect_image(
            image,
            whole=parsed_args.whole,
            **self.options_of(parsed_args, 'inspect_image', conn),
        )
        if found.failures:
            self.status = statuses.BAD_CONTENT
        row = {
            'id': image.id,
            'name': found.name,
            'disk_format': found.disk_format,
            'detected': format_columns.ListColumn(list(found.detected)),
            'virtual_size': found.virtual_size,
            'failures': format_columns.DictColumn(found.failures),
            'bytes_read': found.bytes_read,
        }
        return tuple(row), tuple(row.values())
