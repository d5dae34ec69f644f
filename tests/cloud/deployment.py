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

"""The cloud as the tests see it."""

import atexit
import contextlib
import os
import pathlib
import shutil
import sqlite3
import tempfile
import types
import typing

from tests.cloud import accounts
from tests.cloud import installation
from tests.cloud import interruption
from tests.cloud import sources
from tests.cloud import startup

_HASH_COLUMNS = {'checksum', 'os_hash_algo', 'os_hash_value', 'size'}


_HOW_TO = """\
Keystone is at {identity}, Glance at {image}.
Everything is in {directory}.

To talk to them, in another shell:

  export OS_CLIENT_CONFIG_FILE={clouds_yaml}
  export OS_CLOUD=stream
  openstack image create --file README.rst --disk-format raw readme
  openstack image save --file copy readme

OS_CLOUD=plain is the same user without the plugin, OS_CLOUD=admin the
administrator. Ctrl-C ends it.
"""


class Cloud:
    """A running Keystone and Glance. Made by :meth:`start`.

    A context manager; leaving it is :meth:`stop`.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        services: startup.Startup,
        resources: contextlib.ExitStack,
    ) -> None:
        self.directory = directory
        self.image_url = services.image_url
        self.identity_url = services.identity_url
        self.clouds_yaml = directory / 'clouds.yaml'
        self._session = accounts.connect(services.user, self.identity_url)
        self._resources = resources
        self._owner = os.getpid()

    @classmethod
    def start(
        cls,
        directory: str | os.PathLike[str] | None = None,
        token_expiration: int = 3600,
    ) -> 'Cloud':
        """Start a cloud of its own, and wait until it answers.

        :param directory: Where everything goes, the images included; made
            if it is missing, left behind at the end. By default a temporary
            directory, removed at the end.
        :param token_expiration: For how many seconds a token is good.
        :raises CloudError: A service could not be installed or started.
        :raises FileExistsError: The directory is not empty.
        """
        with contextlib.ExitStack() as resources:
            resources.enter_context(interruption.by_sigterm())
            venv = resources.enter_context(installation.installed())
            if directory is None:
                # A TemporaryDirectory would be removed by a forked child.
                path = pathlib.Path(tempfile.mkdtemp(prefix='test-cloud-'))
                resources.callback(shutil.rmtree, path)
            else:
                path = pathlib.Path(directory).resolve()
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                if any(path.iterdir()):
                    raise FileExistsError(f'{path} is not empty')
            services = startup.Startup(path, venv)
            resources.callback(services.stop)
            services.run(token_expiration)
            cloud = cls(path, services, resources.pop_all())
        # The last resort, for whoever forgets to stop it.
        atexit.register(cloud.stop)
        return cloud

    def __enter__(self) -> 'Cloud':
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the services down and remove a temporary directory.

        Doing so again does nothing, and neither does doing so in a child
        that was forked.
        """
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.stop)
        self._resources.close()

    def how_to(self) -> str:
        """Return how to talk to the cloud, for a person."""
        return _HOW_TO.format(
            identity=self.identity_url,
            image=self.image_url,
            directory=self.directory,
            clouds_yaml=self.clouds_yaml,
        )

    def environment(self, cloud_name: str) -> dict[str, str]:
        """Return an environment for programs that are to use the cloud.

        :param cloud_name: ``plain``, ``stream`` or ``admin``.
        :returns: The present environment with this cloud selected, and
            without any other ``OS_*`` variable.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith('OS_')
        }
        return {
            **kept,
            'OS_CLIENT_CONFIG_FILE': str(self.clouds_yaml),
            'OS_CLOUD': cloud_name,
        }

    def upload(
        self, name: str, source: sources.Source, **properties: typing.Any
    ) -> str:
        """Make an image, without the help of the SDK's image service.

        The data is sent as it is read, with a ``Content-Length``.

        :param name: The name of the image.
        :param source: The data: bytes, the path of a file, or a callable
            that opens a binary file, which need not be a real one: ``read``
            and ``close`` do, and a ``__len__`` where it cannot ``seek``.
        :param properties: Further attributes of the image; by default it
            is a ``raw`` one in a ``bare`` container.
        :returns: The id of the image, which is active.
        :raises keystoneauth1.exceptions.HttpError: Glance refused it.
        """
        attributes = {
            'name': name,
            'disk_format': 'raw',
            'container_format': 'bare',
            **properties,
        }
        images = f'{self.image_url}/v2/images'
        image = self._session.post(images, json=attributes).json()
        image_id: str = image['id']
        with sources.opened(source) as body:
            self._session.put(
                f'{images}/{image_id}/file',
                data=body,
                headers={'Content-Type': 'application/octet-stream'},
            )
        return image_id

    def stored_file(self, image_id: str) -> pathlib.Path:
        """Return the file that Glance keeps the data of an image in."""
        return self.directory / 'images' / image_id

    def set_image_hash(
        self, image_id: str, **columns: str | int | None
    ) -> None:
        """Change what Glance announces about the data of an image.

        :param image_id: The image.
        :param columns: Any of ``checksum``, ``os_hash_algo``,
            ``os_hash_value`` and ``size``; None takes it away.
        :raises LookupError: There is no such image.
        :raises TypeError: There is no such column, or none is given.
        """
        if not columns or not columns.keys() <= _HASH_COLUMNS:
            raise TypeError(
                f'expected some of {sorted(_HASH_COLUMNS)}, '
                f'got {sorted(columns)}'
            )
        changes = ', '.join(f'{column} = ?' for column in columns)
        database = sqlite3.connect(
            self.directory / 'glance.sqlite', timeout=30.0
        )
        with contextlib.closing(database), database:
            cursor = database.execute(
                f'UPDATE images SET {changes} WHERE id = ?',
                (*columns.values(), image_id),
            )
            if cursor.rowcount != 1:
                raise LookupError(f'there is no image {image_id}')
