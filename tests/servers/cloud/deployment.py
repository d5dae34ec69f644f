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
import time
import types
import typing

from tests.servers.cloud import accounts
from tests.servers.cloud import configuration
from tests.servers.cloud import installation
from tests.servers.cloud import interruption
from tests.servers.cloud import service
from tests.servers.cloud import sources
from tests.servers.cloud import startup

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
        #: The services, for tests that make them fail.
        self.image_service = services.glance
        self.identity_service = services.keystone
        #: What has the images, if the cloud has an object store.
        self.object_store = services.objects
        self.clouds_yaml = directory / 'clouds.yaml'
        self._session = accounts.connect(services.user, self.identity_url)
        self._admin = accounts.connect(services.admin, self.identity_url)
        self._resources = resources
        self._owner = os.getpid()

    @classmethod
    def start(
        cls,
        directory: str | os.PathLike[str] | None = None,
        token_expiration: int = 3600,
        **settings: typing.Any,
    ) -> 'Cloud':
        """Start a cloud of its own, and wait until it responds.

        :param directory: Where everything goes, the images included; made
            if it is missing, left behind at the end. By default a temporary
            directory, removed at the end.
        :param token_expiration: For how many seconds a token is good.
        :param settings: Further
            :class:`~tests.servers.cloud.configuration.Settings`.
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
            services.run(
                configuration.Settings(
                    token_expiration=token_expiration, **settings
                )
            )
            cloud = cls(path, services, resources.pop_all())
        # The last resort, where it is not stopped.
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
        self,
        name: str,
        source: sources.Source | None,
        **properties: typing.Any,
    ) -> str:
        """Make an image, without the help of the SDK's image service.

        The data is sent as it is read, with a ``Content-Length``.

        :param name: The name of the image.
        :param source: The data: bytes, the path of a file, or a callable
            that opens a binary file, which need not be a real one: ``read``
            and ``close`` do, and a ``__len__`` where it cannot ``seek``.
            ``None`` for none at all.
        :param properties: Further attributes of the image; by default it
            is a ``raw`` one in a ``bare`` container.
        :returns: The id of the image, which is active if it has data.
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
        if source is None:
            return image_id
        with sources.opened(source) as body:
            self._session.put(
                f'{images}/{image_id}/file',
                data=body,
                headers={'Content-Type': 'application/octet-stream'},
            )
        return image_id

    def link(self, name: str, url: str, sha512: str) -> str:
        """Make an image of what a web server has.

        Its store is the one called ``http``, which serves no ranges.

        :param name: The name of the image.
        :param url: Where the data is, on this machine.
        :param sha512: The digest of the data, in hexadecimal.
        :returns: The id of the image, which is active.
        :raises keystoneauth1.exceptions.HttpError: Glance refused it.
        :raises CloudError: It could not read the data.
        """
        image_id = self.upload(name, None)
        image_url = f'{self.image_url}/v2/images/{image_id}'
        self._session.post(
            f'{image_url}/locations',
            json={
                'url': url,
                'validation_data': {
                    'os_hash_algo': 'sha512',
                    'os_hash_value': sha512,
                },
            },
        )
        # Glance reads all of it, to compute the hashes by itself.
        end = time.monotonic() + service.TIMEOUT
        while self._session.get(image_url).json()['status'] != 'active':
            if time.monotonic() > end:
                raise self.image_service.error(f'did not take {url}')
            time.sleep(0.1)
        return image_id

    def deactivate(self, image_id: str) -> None:
        """Keep everybody but the administrator from the data of an image."""
        self._admin.post(
            f'{self.image_url}/v2/images/{image_id}/actions/deactivate'
        )

    def delete(self, image_id: str) -> None:
        """Delete an image."""
        self._session.delete(f'{self.image_url}/v2/images/{image_id}')

    def revoke(self, token: str) -> None:
        """Make a token of the user worthless before its time."""
        self._session.delete(
            f'{self.identity_url}/auth/tokens',
            headers={'X-Subject-Token': token},
        )

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
