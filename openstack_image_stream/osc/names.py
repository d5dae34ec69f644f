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

"""Names of files that an image may be written to."""

import os
import re
from typing import Any

#: Bytes of a file name, on all common file systems.
_NAME_MAX = 255


def default_path(image: Any) -> str:
    """Return the file name for an image, in the current directory.

    It is the name of the image, or its ID where the name cannot safely be the
    name of a file, with its format as the suffix.

    :param image: The image resource. Its name is what its owner, who may be
        a stranger, has made it.
    :returns: The name, without any directory.
    """
    name = image.name if isinstance(image.name, str) else ''
    # The service makes IDs, or its users do: what is not an ID is not made
    # part of a path, either.
    image_id = re.sub(r'[^A-Za-z0-9-]', '_', image.id)[:64]
    suffix = _suffix(image.disk_format, image.container_format)
    if not _is_safe(name):
        name = image_id
    if not name.endswith(suffix):
        name += suffix
    if len(os.fsencode(name)) > _NAME_MAX:
        name = image_id + suffix
    return name


def _suffix(disk_format: Any, container_format: Any) -> str:
    # What is in a container is not a disk yet.
    given = (
        disk_format if container_format in (None, 'bare') else container_format
    )
    if isinstance(given, str) and re.fullmatch('[A-Za-z0-9]{1,16}', given):
        return f'.{given}'
    return ''


def _is_safe(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return (
        name != ''
        and name.isprintable()
        and '/' not in name
        and name[0] not in '.-'
    )
