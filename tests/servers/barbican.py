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

"""A real Barbican beside a test cloud, with SQLite and ``simple_crypto``.

It has to be installed, with uwsgi, in the environment of the tests.
"""

import base64
import collections.abc
import configparser
import contextlib
import os
import pathlib
import sys
import tempfile
import typing

import openstack.config
import openstack.connection

from tests.servers import cloud
from tests.servers.cloud import accounts
from tests.servers.cloud import service

#: The pipelines that Barbican comes with, without what audits and checks.
_PASTE = """\
[composite:main]
use = egg:Paste#urlmap
/: versions
/v1: secrets

[pipeline:versions]
pipeline = microversion versions_application

[pipeline:secrets]
pipeline = authtoken context microversion secrets_application

[app:versions_application]
paste.app_factory = barbican.api.app:create_version_app

[app:secrets_application]
paste.app_factory = barbican.api.app:create_main_app

[filter:context]
paste.filter_factory = \
barbican.api.middleware.context:ContextMiddleware.factory

[filter:microversion]
paste.filter_factory = \
barbican.api.middleware.microversion:MicroversionMiddleware.factory

[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
"""

#: Barbican's own module reads the pipelines in /etc only.
_MODULE = """\
from barbican.api import app
from paste import deploy

application = deploy.loadapp('config:{paste}')
"""


@contextlib.contextmanager
def started(running: cloud.Cloud) -> collections.abc.Iterator[str]:
    """Start Barbican, and put it into the catalog of a cloud.

    :param running: The cloud. It knows of Barbican from then on.
    :returns: The URL of Barbican.
    :raises CloudError: It could not be started.
    """
    config = openstack.config.OpenStackConfig(
        config_files=[str(running.clouds_yaml)],
        secure_files=[],
        load_envvars=False,
    ).get_one(cloud='admin')
    with contextlib.ExitStack() as resources:
        directory = pathlib.Path(
            resources.enter_context(
                tempfile.TemporaryDirectory(prefix='test-barbican-')
            )
        )
        admin = openstack.connection.Connection(config=config)
        resources.callback(admin.close)
        served = service.Service('barbican', directory)
        resources.callback(served.stop)
        _write(directory, served.url, config.get_auth_args())
        served.start(
            pathlib.Path(sys.prefix),
            processes=1,
            threads=4,
            # It looks for its configuration in the home directory.
            environment={'HOME': str(directory)},
            options={
                'module': 'barbican_application:application',
                'pythonpath': directory,
            },
        )
        served.wait()
        accounts.add_endpoint(
            admin.session, running.identity_url, 'key-manager', served.url
        )
        _tell_glance(running, served.url)
        yield served.url


def _tell_glance(running: cloud.Cloud, url: str) -> None:
    """Have Glance get the certificates of signed images from Barbican."""
    path = running.directory / 'glance-api.conf'
    parser = configparser.RawConfigParser()
    parser.read(path)
    parser['barbican'] = {
        'auth_endpoint': running.identity_url,
        'barbican_endpoint': url,
    }
    with path.open('w') as file:
        parser.write(file)
    running.image_service.reload()
    running.image_service.wait()


def _write(
    directory: pathlib.Path, url: str, credentials: dict[str, typing.Any]
) -> None:
    paste = directory / 'paste.ini'
    paste.write_text(_PASTE)
    module = directory / 'barbican_application.py'
    module.write_text(_MODULE.format(paste=paste))
    home = directory / '.barbican'
    home.mkdir()
    parser = configparser.RawConfigParser()
    parser.read_dict(
        {
            'DEFAULT': {'host_href': url, 'db_auto_create': True},
            'database': {
                # Seconds to wait for other requests that write.
                'connection': f'sqlite:///{directory}/barbican.sqlite'
                '?timeout=60'
            },
            'secretstore': {'enabled_secretstore_plugins': 'store_crypto'},
            'crypto': {'enabled_crypto_plugins': 'simple_crypto'},
            'simple_crypto_plugin': {
                'kek': base64.b64encode(os.urandom(32)).decode()
            },
            'keystone_authtoken': {
                'auth_type': 'password',
                'www_authenticate_uri': credentials['auth_url'],
                **credentials,
            },
        }
    )
    with (home / 'barbican.conf').open('w') as file:
        parser.write(file)
