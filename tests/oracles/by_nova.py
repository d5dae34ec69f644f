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

"""Judges images as nova does before it starts a server from one."""

import pathlib
import shutil
import tempfile
from typing import Any

import nova.conf
from nova import exception
from nova.virt import images

from tests.oracles import judging

_REFUSED = (
    exception.ImageUnacceptable,
    exception.InvalidDiskInfo,
    # The disk is there; it is a file that the image refers to.
    exception.DiskNotFound,
)


class ImageService:
    """Stands for nova's client of Glance, which has one image."""

    def __init__(self, path: pathlib.Path, disk_format: str) -> None:
        self._path = path
        self._disk_format = disk_format

    def get(self, context: Any, image_id: str) -> dict[str, str]:
        """Return what is known about the image."""
        return {'disk_format': self._disk_format}

    def download(self, context: Any, image_id: str, **kwargs: Any) -> None:
        """Write the image to a path."""
        shutil.copyfile(self._path, kwargs['dest_path'])


def by_inspection(path: pathlib.Path, disk_format: str) -> str | None:
    """Say why nova's inspection refuses an image."""
    try:
        images.do_image_deep_inspection(
            {'disk_format': disk_format}, 'ID', str(path)
        )
    except _REFUSED as exc:
        return str(exc)
    return None


def by_download(path: pathlib.Path, disk_format: str) -> str | None:
    """Say why nova refuses an image that it downloads.

    That is the inspection, and what qemu-img makes of the image.
    """
    images.IMAGE_API = ImageService(path, disk_format)
    with tempfile.TemporaryDirectory() as folder:
        try:
            images.fetch_to_raw(None, 'ID', f'{folder}/image')
        except _REFUSED as exc:
            return str(exc)
    return None


def main() -> None:
    """Print the verdicts about the images in a folder."""
    nova.conf.CONF([], project='nova', default_config_files=[])
    # What the image is converted to is another matter.
    nova.conf.CONF.set_override('force_raw_images', False)
    judges = {'nova-inspection': by_inspection}
    if shutil.which('qemu-img'):
        judges['nova-download'] = by_download
    judging.main(judges, judging.version('nova', 'oslo.utils'))


if __name__ == '__main__':
    main()
