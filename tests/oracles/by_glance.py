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

"""Judges images as Glance does when they are uploaded."""

import pathlib
import types
from typing import Any

from glance.common import config
from glance.common import exception
from glance import location

from tests.oracles import judging


class Store:
    """Stands for glance_store, and keeps nothing."""

    def add_to_backend_with_multihash(
        self, conf: Any, image_id: str, data: Any, *args: Any, **kwargs: Any
    ) -> tuple[str, int, str, str, dict[str, Any]]:
        """Read an image as the store in a file system does."""
        size = 0
        while chunk := data.read(64 * 1024):
            size += len(chunk)
        return 'file:///image', size, 'md5', 'sha512', {}


def by_upload(path: pathlib.Path, disk_format: str) -> str | None:
    """Say why Glance refuses the data of an image."""
    image = types.SimpleNamespace(
        image_id='ID',
        status='queued',
        disk_format=disk_format,
        # What is in a container Glance does not look at.
        container_format='bare',
        extra_properties={},
        locations=[],
        size=None,
        checksum=None,
        os_hash_algo='sha512',
        os_hash_value=None,
    )
    proxy = location.ImageProxy(image, None, Store(), None)
    try:
        with path.open('rb') as data:
            proxy.set_data(data)
    except exception.InvalidImageData as exc:
        return str(exc)
    assert image.status == 'active'
    assert image.size == path.stat().st_size
    return None


def main() -> None:
    """Print the verdicts about the images in a folder."""
    config.CONF([], project='glance', default_config_files=[])
    judging.main(
        {'glance': by_upload}, judging.version('glance', 'oslo.utils')
    )


if __name__ == '__main__':
    main()
