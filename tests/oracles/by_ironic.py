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

"""Judges images as Ironic does before it deploys one."""

import pathlib

from ironic.common import exception
from ironic.common import images
from ironic.conf import CONF

from tests.oracles import judging


def by_default(path: pathlib.Path, disk_format: str) -> str | None:
    """Say why Ironic refuses an image, of the formats that it permits."""
    try:
        images.check_if_image_format_is_permitted(
            images.safety_check_image(str(path)), disk_format
        )
    except exception.InvalidImage as exc:
        return str(exc)
    except AttributeError as exc:
        # The inspector raises it where a descriptor is not ASCII, and Ironic
        # lets it through.
        return str(exc)
    return None


def by_all(path: pathlib.Path, disk_format: str) -> str | None:
    """Say why it refuses one where every format is permitted."""
    CONF.set_override(
        'permitted_image_formats', judging.DISK_FORMATS, group='conductor'
    )
    try:
        return by_default(path, disk_format)
    finally:
        CONF.clear_override('permitted_image_formats', group='conductor')


def main() -> None:
    """Print the verdicts about the images in a folder."""
    CONF([], project='ironic', default_config_files=[])
    judging.main(
        {'ironic': by_all, 'ironic-permitted': by_default},
        judging.version('ironic', 'oslo.utils'),
    )


if __name__ == '__main__':
    main()
