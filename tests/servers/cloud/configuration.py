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

"""The files that Keystone, Glance, uwsgi and the clients read."""

import base64
import collections.abc
import configparser
import contextlib
import dataclasses
import os
import pathlib
import sqlite3
import typing

import yaml

from tests.servers.cloud import accounts

#: Where Glance puts images in an object store.
BUCKET = 'images'

_Sections = dict[str, dict[str, object]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What one cloud may have otherwise than another.

    :param token_expiration: For how many seconds a token is good.
    :param token_cache: For how many seconds Glance takes a token for good
        without asking Keystone again; -1 for none.
    :param client_timeout: For how many seconds Glance waits for a client
        that does not read.
    :param hashing_algorithm: Of the multihash that Glance computes.
    :param image_size_cap: Bytes of an image that Glance takes at the most.
    :param storage_quota: Bytes of all images of a project together; 0 for any
        number.
    :param policies: Rules of Glance that are not the default ones.
    :param object_store: Whether the default store is an S3 one, in place of
        the file system.
    """

    token_expiration: int = 3600
    token_cache: int = 300
    client_timeout: int = 600
    hashing_algorithm: str = 'sha512'
    image_size_cap: int = 1 << 40
    storage_quota: int = 0
    policies: collections.abc.Mapping[str, str] = dataclasses.field(
        default_factory=dict
    )
    object_store: bool = False


def write_keystone(
    directory: pathlib.Path, settings: Settings
) -> pathlib.Path:
    """Write keystone.conf and the keys that it names.

    :param settings: How long a token is good.
    """
    keys = _write_keys(directory / 'keys')
    return _write_ini(
        directory / 'keystone.conf',
        {
            'database': _database(directory / 'keystone.sqlite'),
            'token': {
                'expiration': settings.token_expiration,
                # Expired is expired, whichever service passes a token on.
                'allow_expired_window': 0,
            },
            # The three may share keys; there is nothing to protect.
            'fernet_tokens': {'key_repository': keys},
            'fernet_receipts': {'key_repository': keys},
            'credential': {'key_repository': keys},
            # Good hashes are slow, and bad ones do here.
            'identity': {'password_hash_rounds': 4},
        },
    )


def write_glance(
    directory: pathlib.Path,
    paste: pathlib.Path,
    credentials: dict[str, typing.Any],
    settings: Settings,
    object_store_url: str,
) -> pathlib.Path:
    """Write glance-api.conf and make the directories that it names.

    :param paste: The WSGI pipelines that came with Glance.
    :param credentials: What Glance asks Keystone about tokens with.
    :param settings: How it is to be.
    :param object_store_url: Where the object store is, if there is one.
    """
    policies = directory / 'glance-policies.yaml'
    policies.write_text(yaml.safe_dump(dict(settings.policies)))
    backends = 'file:file, second:file, web:http'
    stores: _Sections = {}
    if settings.object_store:
        backends += ', objects:s3'
        stores['objects'] = _objects(object_store_url)
    for section, name in (
        ('file', 'images'),
        ('second', 'second-images'),
        ('os_glance_staging_store', 'staging'),
        ('os_glance_tasks_store', 'tasks'),
    ):
        store = directory / name
        store.mkdir()
        stores[section] = {'filesystem_store_datadir': store}
    return _write_ini(
        directory / 'glance-api.conf',
        {
            'DEFAULT': {
                'enabled_backends': backends,
                'hashing_algorithm': settings.hashing_algorithm,
                'image_size_cap': settings.image_size_cap,
                'user_storage_quota': settings.storage_quota,
            },
            'glance_store': {
                'default_backend': (
                    'objects' if settings.object_store else 'file'
                )
            },
            'oslo_policy': {'policy_file': policies},
            **stores,
            'oslo_concurrency': {'lock_path': directory / 'locks'},
            # Images may also be at a web server of this machine, which by
            # default is the last thing that Glance would let one ask for.
            'import_filtering_opts': {
                'allowed_hosts': '[127.0.0.1]',
                'allowed_ports': '[]',
            },
            'database': _database(directory / 'glance.sqlite'),
            'paste_deploy': {'config_file': paste, 'flavor': 'keystone'},
            'keystone_authtoken': {
                'auth_type': 'password',
                'www_authenticate_uri': credentials['auth_url'],
                'token_cache_time': settings.token_cache,
                **credentials,
            },
        },
    )


def write_uwsgi(
    path: pathlib.Path,
    module: str,
    descriptor: int,
    *,
    python: pathlib.Path,
    processes: int,
    threads: int,
    options: collections.abc.Mapping[str, object],
) -> pathlib.Path:
    """Write what uwsgi serves and how.

    :param module: The WSGI application.
    :param descriptor: The number of the listening socket, inherited.
    :param python: What runs uwsgi.
    :param options: Further settings.
    """
    return _write_ini(
        path,
        {
            'uwsgi': {
                'http-socket': f'fd://{descriptor}',
                'module': module,
                'master': 'true',
                'processes': processes,
                'threads': threads,
                'enable-threads': 'true',
                # Neither SQLite connections nor threads survive a fork.
                'lazy-apps': 'true',
                'need-app': 'true',
                'die-on-term': 'true',
                # What it would run at a reload is the Python that the virtual
                # environment was made of, which has no uwsgi.
                'binary-path': python,
                'no-orphans': 'true',
                'buffer-size': 65535,
                # uwsgi closes every connection, but would not tell.
                'add-header': 'Connection: close',
                # A chunk of an upload may be as large as the chunks that
                # a client is given; by default more than 1 MiB fails.
                'chunked-input-limit': 300_000_000,
                # By default a reload waits a minute for slow requests.
                'worker-reload-mercy': 1,
                # By default a client that does not read for four seconds
                # is cut off. Tests that want that say so.
                'socket-timeout': 600,
                **options,
            }
        },
    )


def write_clouds(
    path: pathlib.Path,
    identity_url: str,
    admin: accounts.Account,
    user: accounts.Account,
) -> pathlib.Path:
    """Write clouds.yaml: ``plain``, ``stream`` (our hook) and ``admin``."""

    def cloud(
        account: accounts.Account, **options: str
    ) -> dict[str, typing.Any]:
        return {
            'auth': account.credentials(identity_url),
            'region_name': accounts.REGION,
            **options,
        }

    clouds = {
        'plain': cloud(user),
        'stream': cloud(user, vendor_hook='openstack_image_stream:load'),
        'admin': cloud(admin),
    }
    path.write_text(yaml.safe_dump({'clouds': clouds}, sort_keys=False))
    return path


def _objects(url: str) -> dict[str, object]:
    return {
        's3_store_host': url,
        's3_store_access_key': 'access',
        's3_store_secret_key': 'secret',
        's3_store_bucket': BUCKET,
        's3_store_create_bucket_on_put': True,
        's3_store_bucket_url_format': 'path',
        # In MiB: larger images are uploaded in parts, of so many.
        's3_store_large_object_size': 16,
        's3_store_large_object_chunk_size': 5,
    }


def _database(path: pathlib.Path) -> dict[str, object]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        # Keystone 29 writes while another connection of the same request
        # still reads. Without a write-ahead log it would wait for itself.
        database.execute('PRAGMA journal_mode = WAL')
    return {
        # Seconds to wait for other requests that write.
        'connection': f'sqlite:///{path}?timeout=60',
        # Nothing here has to survive a power cut: do not wait for the disk.
        'sqlite_synchronous': False,
    }


def _write_keys(directory: pathlib.Path) -> pathlib.Path:
    """Write a staged and a primary Fernet key, as keystone-manage does.

    Starting keystone-manage for it would take some three seconds.
    """
    directory.mkdir(mode=0o700)
    for name in ('0', '1'):
        key = base64.urlsafe_b64encode(os.urandom(32))
        (directory / name).write_bytes(key)
    return directory


def _write_ini(path: pathlib.Path, sections: _Sections) -> pathlib.Path:
    parser = configparser.RawConfigParser()
    parser.read_dict(sections)
    with path.open('w') as file:
        parser.write(file)
    return path
