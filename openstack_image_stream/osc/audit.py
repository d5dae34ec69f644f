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

"""``openstack image audit``."""

import argparse
from collections.abc import Iterator
import contextlib
import sys
from typing import Any

from osc_lib.command import command

from openstack_image_stream._common import printing
from openstack_image_stream.osc import base
from openstack_image_stream.osc import options
from openstack_image_stream.osc import statuses

#: What is shown of a result, by the heading of its column.
_COLUMNS = {
    'ID': 'image_id',
    'Name': 'name',
    'Verdict': 'verdict',
    'Size': 'size',
    'Bytes': 'bytes',
    'Seconds': 'seconds',
    'Message': 'message',
}

#: The status where an image could not be judged, by its verdict.
_UNKNOWN = {'incomplete': statuses.INCOMPLETE, 'error': 1}


class Audit(base.ImageCommand, command.Lister):
    """Verify many images, without writing them anywhere.

    Each image is downloaded with the checks that are given. Its row says
    whether the content is what it should be. Rows are in the order in which
    the images were finished.
    """

    _epilog: Any = """\
Examples::

  openstack image audit
  openstack image audit --jobs 8 --check-format -f json ubuntu debian

Exit status: 0 if no image is bad; 1 for other errors, also of an image,
2 for a command that cannot work, 3 if any image is not what it should be,
4 if one is incomplete.
"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command line."""
        parser = base.laid_out(super().get_parser(prog_name))
        parser.add_argument(
            'images',
            metavar='<image>',
            nargs='*',
            help='Images (names or IDs); by default all that are listed',
        )
        parser.add_argument(
            '--jobs',
            type=int,
            metavar='<number>',
            help='How many images to download at a time, 1 to 64; 4 by '
            'default',
        )
        options.add_to(
            parser,
            'audit_images',
            texts={
                'max_bandwidth': f'{options.HELP["max_bandwidth"]}; for all '
                'images together',
                'deadline': 'Seconds after which an image that is not '
                'downloaded counts as incomplete',
            },
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
        """Audit the images, as the rows are asked for."""
        conn = self.connect()
        given = self.options_of(parsed_args, 'audit_images', conn)
        if parsed_args.jobs is not None:
            given['jobs'] = parsed_args.jobs
        images = None
        if parsed_args.images:
            # An ID needs no request: the image may be gone, which is a
            # result. A name that is wrong is a mistake.
            images = [
                name if base.is_id(name) else base.find_image(conn, name)
                for name in parsed_args.images
            ]
        results = conn.image.audit_images(images, **given)
        return tuple(_COLUMNS), self._rows(results)

    def _rows(self, results: Any) -> Iterator[tuple[Any, ...]]:
        with contextlib.closing(results):
            for result in self._counted(results):
                self._note(result)
                values = result.as_dict()
                values['seconds'] = round(values['seconds'], 3)
                values['message'] = printing.printable(values['message'])
                yield tuple(values[key] for key in _COLUMNS.values())

    def _counted(self, results: Any) -> Iterator[Any]:
        """Show how many images are done while the next one is waited for."""
        shown = not self.is_quiet and options.is_terminal()
        done = bad = 0
        while True:
            if shown:
                sys.stderr.write(f'\r{done} audited, {bad} bad ')
                sys.stderr.flush()
            try:
                result = next(results, None)
            finally:
                if shown:
                    sys.stderr.write('\r\033[K')
                    sys.stderr.flush()
            if result is None:
                return
            done += 1
            bad += result.bad
            yield result

    def _note(self, result: Any) -> None:
        if result.bad:
            self.status = statuses.BAD_CONTENT
        elif self.status != statuses.BAD_CONTENT:
            found = _UNKNOWN.get(result.verdict, 0)
            # An image that could not be read whole is the more likely one to
            # be mended by another attempt.
            self.status = max(self.status, found)
