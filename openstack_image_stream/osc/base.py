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

"""What the commands have in common."""

import argparse
import logging
from typing import Any, TYPE_CHECKING
import uuid

import openstack_image_stream
from openstack_image_stream import exceptions
from openstack_image_stream.osc import options
from openstack_image_stream.osc import statuses

_LOG = logging.getLogger('openstack.image_stream')

if TYPE_CHECKING:
    from osc_lib.command import command

    _Base = command.Command
else:
    _Base = object


class _Layout(argparse.RawDescriptionHelpFormatter):
    def format_help(self) -> str:
        # The documentation is made of the same texts, in reStructuredText.
        return super().format_help().replace('Examples::\n', 'Examples:\n')


class ImageCommand(_Base):
    """A command about images, with exit statuses of its own.

    To be the first base of a command, before a class of osc-lib.
    """

    #: The exit status of a command that raises nothing.
    status = 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command, and report what is wrong with an image.

        :returns: The exit status.
        """
        try:
            status = super().run(parsed_args)
        except Exception as exc:
            found = statuses.status_of(exc)
            if found is None:
                raise
            _LOG.error(
                statuses.message_of(exc), exc_info=self.app.options.debug
            )
            return found
        return self.status or status

    @property
    def is_quiet(self) -> bool:
        """Whether the user wants to see errors alone."""
        level: int = self.app.options.verbose_level
        return level == 0

    def connect(self) -> Any:
        """Return the connection to the cloud, with the plugin."""
        conn = self.app.client_manager.sdk_connection
        openstack_image_stream.load(conn)
        if not isinstance(conn.image, openstack_image_stream.ImageProxy):
            raise exceptions.InvalidArgumentError(
                'this command needs version 2 of the Image API'
            )
        return conn

    def options_of(
        self, parsed_args: argparse.Namespace, method: str, conn: Any
    ) -> dict[str, Any]:
        """Return the options for a call of a method of the proxy."""
        return options.given(parsed_args, method, conn, is_quiet=self.is_quiet)


def laid_out(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Have the help show paragraphs and examples as they are written.

    :param parser: The parser of cliff, whose help would be one paragraph.
    """
    of_cliff: Any = parser.formatter_class
    formatter: Any = type('HelpFormatter', (_Layout, of_cliff), {})
    parser.formatter_class = formatter
    return parser


def add_image(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names an image."""
    parser.add_argument('image', metavar='<image>', help='Image (name or ID)')


def find_image(conn: Any, name_or_id: str) -> Any:
    """Find an image by its name or ID.

    :raises: :exc:`~openstack.exceptions.SDKException` when there is none, or
        more than one.
    """
    return conn.image.find_image(name_or_id, ignore_missing=False)


def is_id(text: str) -> bool:
    """Tell whether an argument is an ID that the Image service has made."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
