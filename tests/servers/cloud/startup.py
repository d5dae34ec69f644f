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

"""The way from an empty directory to services that respond."""

import collections.abc
import contextlib
import pathlib

from keystoneauth1 import exceptions

from tests.servers.cloud import accounts
from tests.servers.cloud import configuration
from tests.servers.cloud import object_store
from tests.servers.cloud import process
from tests.servers.cloud import service

_ADMIN = 'admin'
_USER = 'tester'

_TRANSACTIONS = pathlib.Path(__file__).with_name('transactions.py')


class Startup:
    """Starts Keystone and Glance, and owns what it has started."""

    def __init__(self, directory: pathlib.Path, venv: pathlib.Path) -> None:
        """Take the ports.

        :param directory: An empty directory, for everything.
        :param venv: The virtual environment of the services.
        """
        self._directory = directory
        self._venv = venv
        self._commands: list[process.Process] = []
        self.keystone = service.Service('keystone', directory)
        self.glance = service.Service('glance', directory)
        self.objects = object_store.ObjectStore(directory)
        self.identity_url = f'{self.keystone.url}/v3'
        self.image_url = self.glance.url
        self.admin = accounts.Account(_ADMIN, _ADMIN)
        self.user = accounts.Account(_USER, _USER)

    def run(self, settings: configuration.Settings) -> None:
        """Start everything, and wait until it responds.

        :param settings: How it is to be.
        :raises CloudError: A command or a service failed.
        """
        configuration.write_keystone(self._directory, settings)
        configuration.write_glance(
            self._directory,
            self._venv / 'etc' / 'glance' / 'glance-api-paste.ini',
            self.admin.credentials(self.identity_url),
            settings,
            self.objects.url,
        )
        if settings.object_store:
            self.objects.start_program()
        # Each of these spends two to four seconds of one core on imports
        # and migrations. Only Keystone's own three have an order, so what
        # Glance needs is done beside them: that fills two cores.
        keystone_tables = self._manage('keystone', 'db_sync')
        glance_tables = self._manage('glance', 'db_sync')
        keystone_tables.finish(service.TIMEOUT)
        bootstrap = self._bootstrap()
        glance_tables.finish(service.TIMEOUT)
        self.glance.start(
            self._venv,
            processes=2,
            threads=8,
            environment={'OS_GLANCE_CONFIG_DIR': str(self._directory)},
            options={
                # Not for Keystone: some releases begin a transaction inside
                # another, which would wait for itself.
                'shared-import': _TRANSACTIONS,
                'socket-timeout': settings.client_timeout,
            },
        )
        # It looks into its tables when it is first asked, not before.
        # One process: loading a second one would cost more than it gives.
        self.keystone.start(
            self._venv,
            processes=1,
            threads=8,
            environment={'OS_KEYSTONE_CONFIG_DIR': str(self._directory)},
        )
        bootstrap.finish(service.TIMEOUT)
        self.keystone.wait()
        try:
            self._fill()
        except exceptions.ClientException as exc:
            raise self.keystone.error(f'was no help: {exc}') from exc
        self.glance.wait()
        if settings.object_store:
            self.objects.wait()

    def stop(self) -> None:
        """Take everything down, also what has come half way only."""
        with contextlib.ExitStack() as stack:
            # First all are asked, then all are waited for.
            for command in self._commands:
                stack.callback(command.stop)
                command.request_stop()
            for served in (self.keystone, self.glance, self.objects):
                stack.callback(served.stop)
                served.request_stop()

    def _fill(self) -> None:
        """Tell Keystone of the user and of Glance."""
        admin = accounts.connect(self.admin, self.identity_url)
        accounts.add_user(admin, self.identity_url, self.user)
        accounts.add_endpoint(
            admin, self.identity_url, 'image', self.image_url
        )
        configuration.write_clouds(
            self._directory / 'clouds.yaml',
            self.identity_url,
            self.admin,
            self.user,
        )

    def _bootstrap(self) -> process.Process:
        return self._manage(
            'keystone',
            'bootstrap',
            # By the environment, as arguments are for all to see.
            environment={
                'OS_BOOTSTRAP_USERNAME': self.admin.username,
                'OS_BOOTSTRAP_PROJECT_NAME': self.admin.project_name,
                'OS_BOOTSTRAP_PASSWORD': self.admin.password,
                'OS_BOOTSTRAP_REGION_ID': accounts.REGION,
                'OS_BOOTSTRAP_PUBLIC_URL': self.identity_url,
                # Glance asks the catalog for the internal one.
                'OS_BOOTSTRAP_INTERNAL_URL': self.identity_url,
            },
        )

    def _manage(
        self,
        name: str,
        action: str,
        environment: collections.abc.Mapping[str, str] | None = None,
    ) -> process.Process:
        """Start keystone-manage or glance-manage."""
        files = {'keystone': 'keystone.conf', 'glance': 'glance-api.conf'}
        command = process.Process(
            [
                self._venv / 'bin' / f'{name}-manage',
                '--config-file',
                self._directory / files[name],
                action,
            ],
            self._directory / f'{name}-{action}.log',
            extra_environment=environment,
        )
        self._commands.append(command)
        return command
