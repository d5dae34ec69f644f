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

"""``openstack image copy``."""

import argparse
import contextlib
from typing import Any

import openstack
from openstack import exceptions as sdk_exceptions
from osc_lib.cli import parseractions
from osc_lib.command import command

from openstack_image_stream import exceptions
from openstack_image_stream.osc import base
from openstack_image_stream.osc import options

#: Nothing is written to a file.
_WITHOUT = ('resume', 'skip_current', 'sparse')

#: What is shown of the copy, by the names of the Image API.
_SHOWN = {
    'id': 'id',
    'name': 'name',
    'status': 'status',
    'visibility': 'visibility',
    'protected': 'is_protected',
    'disk_format': 'disk_format',
    'container_format': 'container_format',
    'size': 'size',
    'os_hash_algo': 'hash_algo',
    'os_hash_value': 'hash_value',
}


class Copy(base.ImageCommand, command.ShowOne):
    """Copy an image to another cloud, verified on both sides.

    The data are uploaded while they are downloaded, without a file. A bad
    image never becomes an active one in the other cloud, and a copy that
    fails is deleted there.
    """

    _epilog: Any = """\
Examples::

  openstack image copy --to-cloud backup ubuntu-24.04
  openstack image copy --to-cloud backup --name base -f value -c id ubuntu

The clouds are those of clouds.yaml: --os-cloud selects the one to copy from,
--to-cloud the one to copy to.

Exit status: 0 if the image was copied and verified; 1 for other errors, among
them those of the other cloud, 2 for a command that cannot work, 3 if the
image is not what it should be, 4 if it could not be read to its end.
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command line."""
        parser = base.laid_out(super().get_parser(prog_name))
        base.add_image(parser)
        _add_destination(parser)
        _add_description(parser)
        options.add_to(
            parser,
            'copy_image',
            without=_WITHOUT,
            texts={
                'connections': f'{options.HELP["connections"]}; for the '
                'download alone',
                'retries': f'{options.HELP["retries"]}; for the upload, '
                'too, which begins again each time',
            },
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """Copy the image."""
        conn = self.connect()
        other = _connect(parsed_args.to_cloud, parsed_args.to_region)
        with contextlib.closing(other):
            copied = conn.image.copy_image(
                base.find_image(conn, parsed_args.image),
                to=other,
                **_description(parsed_args),
                **self.options_of(parsed_args, 'copy_image', conn),
            )
        values = (getattr(copied, name) for name in _SHOWN.values())
        return tuple(_SHOWN), tuple(values)


def _add_destination(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--to-cloud',
        metavar='<name>',
        required=True,
        help='Cloud to copy to, one of clouds.yaml',
    )
    parser.add_argument(
        '--to-region',
        metavar='<region>',
        help='Region of that cloud, if it has several',
    )
    parser.add_argument(
        '--store',
        dest='stores',
        action='append',
        metavar='<store>',
        help='Store of that cloud to put the data into, instead of its '
        'default one (repeat for more)',
    )


def _add_description(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--name', metavar='<name>', help='Name of the copy, if another one'
    )
    parser.add_argument(
        '--image-id', metavar='<id>', help='ID of the copy, a UUID'
    )
    parser.add_argument(
        '--property',
        dest='properties',
        action=parseractions.KeyValueAction,
        metavar='<key=value>',
        help='Property of the copy, in place of that of the original (repeat '
        'for more)',
    )
    parser.add_argument(
        '--remove-property',
        dest='dropped',
        action='append',
        metavar='<key>',
        help='Property that the copy is not to have (repeat for more)',
    )
    parser.add_argument(
        '--keep',
        action='append',
        metavar='<key>',
        help='Property to carry over; no others are then (repeat for more)',
    )
    parser.add_argument(
        '--visibility',
        choices=('private', 'shared', 'community', 'public'),
        help='Who may use the copy; private by default',
    )
    parser.add_argument(
        '--protected',
        action=options.Switch,
        help='Protect the copy from deletion; it is not by default',
    )
    parser.add_argument(
        '--tags',
        action=options.Switch,
        help='Carry over the tags; this is the default',
    )


def _description(parsed_args: argparse.Namespace) -> dict[str, Any]:
    """Return what the user says of the copy, as parameters."""
    given: dict[str, Any] = {
        name: value
        for name in (
            'name',
            'image_id',
            'keep',
            'visibility',
            'protected',
            'tags',
            'stores',
        )
        if (value := getattr(parsed_args, name)) is not None
    }
    properties: dict[str, str | None] = dict(parsed_args.properties or {})
    for name in parsed_args.dropped or ():
        if name in properties:
            raise exceptions.InvalidArgumentError(
                f'the property {name!r} cannot be both set and dropped'
            )
        properties[name] = None
    if properties:
        given['properties'] = properties
    return given


def _connect(cloud: str, region: str | None) -> Any:
    more: dict[str, Any] = {}
    if region is not None:
        more['region_name'] = region
    try:
        return openstack.connect(cloud=cloud, **more)
    except sdk_exceptions.ConfigException as exc:
        raise exceptions.InvalidArgumentError(
            f'--to-cloud {cloud}: {exc}'
        ) from exc
