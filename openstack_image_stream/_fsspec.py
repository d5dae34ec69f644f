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

"""Images as files of fsspec: ``glance://<cloud>/<image>``, read-only."""

import collections
import errno
import functools
import os
from typing import Any

import fsspec

from openstack_image_stream import _config
from openstack_image_stream._sdk import clouds
from openstack_image_stream import service

_SCHEME = 'glance://'


class ImageFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """The images of a cloud, by their names or IDs; pickled by its name.

    :param cloud: Name of the cloud; without one the environment selects it.
    :param verified: As for :meth:`.ImageProxy.open_image`, for files that are
        opened. **By default they are not verified.** ``get_file``, and
        ``cat_file`` of all of an image, are downloads and always verified.
    """

    protocol = 'glance'

    def __init__(
        self, cloud: str | None = None, verified: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._cloud, self._verified = cloud, verified

    @functools.cached_property
    def _images(self) -> Any:
        connection = clouds.connect(self._cloud)
        service.load(connection)
        return connection.image

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, str) and path.startswith(_SCHEME):
            path = path.removeprefix(_SCHEME).partition('/')[2]
        return super()._strip_protocol(path)

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        # Of a chain of URLs fsspec gives what was stripped already, too.
        if not path.startswith(_SCHEME):
            return {}
        cloud = path.removeprefix(_SCHEME).partition('/')[0]
        return {'cloud': cloud} if cloud else {}

    def unstrip_protocol(self, name: str) -> str:
        return f'{_SCHEME}{self._cloud or ""}/{self._strip_protocol(name)}'

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        name = self._strip_protocol(path)
        if not name:
            return {'name': '', 'size': 0, 'type': 'directory'}
        image = self._images.find_image(name)
        if image is None:
            raise FileNotFoundError(errno.ENOENT, 'no such image', path)
        return _described(image, name)

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        if self._strip_protocol(path):
            found = [self.info(path)]
        else:
            images = self._images.images()
            found = [_described(image, image.name) for image in images]
        names = collections.Counter(each['name'] for each in found)
        for each in found:
            if not each['name'] or names[each['name']] > 1:
                each['name'] = each['id']
        return found if detail else [each['name'] for each in found]

    def get_file(self, rpath: str, lpath: Any = None, **kwargs: Any) -> None:
        info = self.info(rpath)
        if info['type'] == 'directory':
            os.makedirs(lpath, exist_ok=True)
            return
        output = kwargs.get('outfile') or lpath
        if isinstance(output, (str, os.PathLike)):
            os.makedirs(os.path.dirname(output) or '.', exist_ok=True)
        callback = kwargs.get('callback') or fsspec.Callback()
        callback.set_size(info['size'])
        self._images.download_image(
            info['id'],
            output=output,
            progress=lambda now: callback.absolute_update(now.done),
        )

    def cat_file(
        self, path: str, start: Any = None, end: Any = None, **kwargs: Any
    ) -> bytes:
        if start is None and end is None:
            response = self._images.download_image(self.info(path)['id'])
            return bytes(response.content)
        with self.open(path) as file:
            first, stop, _ = slice(start, end).indices(file.seek(0, 2))
            file.seek(first)
            return bytes(file.read(max(0, stop - first)))

    def _open(self, path: str, mode: str = 'rb', **kwargs: Any) -> Any:
        if mode != 'rb':
            raise OSError(errno.EROFS, 'images can only be read', path)
        return self._images.open_image(
            self.info(path)['id'],
            verified=self._verified,
            block_size=kwargs.get('block_size') or _config.MIB,
        )


def _described(image: Any, name: str) -> dict[str, Any]:
    size, number = image.size, image.id
    return {'name': name, 'size': size, 'type': 'file', 'id': number}
