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

"""The services that images are downloaded from, and those images."""

import collections.abc
import contextlib
import dataclasses
import os
import pathlib
import random
import typing

from keystoneauth1.identity import v3
from keystoneauth1 import session
import yaml

from benchmarks import traffic
from benchmarks import web_server
from tests.servers import cloud

MIB = 1024 * 1024

#: Seconds that a token is good for; longer than any run.
_EXPIRATION = 24 * 3600


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image:
    """An image of random bytes.

    :param stored: The file that Glance keeps its data in.
    """

    id: str
    size: int
    md5: str
    sha512: str
    stored: pathlib.Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a client downloads from.

    :param url: Of the image service, without a version.
    :param certificate: What to trust, for HTTPS alone.
    :param clouds_yaml: The clouds ``plain`` and ``stream``, with this for
        the image service.
    :param variables: The same in the environment, for a client that knows
        no clouds.yaml.
    """

    url: str
    certificate: pathlib.Path | None
    clouds_yaml: pathlib.Path
    variables: collections.abc.Mapping[str, str]
    log: traffic.Log

    def environment(self, cloud_name: str) -> dict[str, str]:
        """Return an environment for programs that are to download from it.

        :param cloud_name: ``plain`` or ``stream``.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            # Users have Python's bytecode cached.
            if name != 'PYTHONDONTWRITEBYTECODE' and not name.startswith('OS_')
        }
        return {
            **kept,
            'no_proxy': web_server.HOST,
            'PYTHONWARNINGS': 'ignore',
            'OS_CLIENT_CONFIG_FILE': str(self.clouds_yaml),
            'OS_CLOUD': cloud_name,
        }


class RandomBytes:
    """Random bytes, made while they are read, the same in every run.

    :param size: How many there are.
    """

    def __init__(self, size: int) -> None:
        self._left = self._size = size
        self._random = random.Random(size)

    def __len__(self) -> int:
        return self._size

    def read(self, size: int, /) -> bytes:
        """Return at most so many of the next bytes, none at the end."""
        count = min(self._left, size)
        self._left -= count
        return self._random.randbytes(count)

    def close(self) -> None:
        """Do nothing."""


class Services:
    """A real Keystone, a real Glance, and an nginx. Made by :meth:`open`."""

    def __init__(
        self,
        running: cloud.Cloud,
        images: collections.abc.Mapping[int, Image],
        server: web_server.WebServer,
        directory: pathlib.Path,
        token_header: pathlib.Path,
    ) -> None:
        self.images = images
        #: The header that curl and aria2c are given, in a file.
        self.token_header = token_header
        self._server = server
        self._directory = directory
        self._clouds = _clouds(running)
        self._origins = {
            ('glance', 'http'): self._origin(
                'glance',
                'http',
                running.image_url,
                traffic.UwsgiLog(running.directory / 'glance.log'),
            ),
            **{
                port: self._origin(*port, server.url(*port), server.log(*port))
                for port in web_server.PORTS
            },
        }

    @classmethod
    @contextlib.contextmanager
    def open(
        cls,
        directory: pathlib.Path,
        sizes: collections.abc.Iterable[int],
        report: collections.abc.Callable[[str], None],
    ) -> collections.abc.Iterator['Services']:
        """Start everything, and take it down at the end.

        :param directory: For everything that it writes; exists, and is
            empty.
        :param sizes: Of the images, in MiB.
        :param report: Called with a text for each step.
        :raises CloudError: Something could not be started.
        """
        report('Starting a real Keystone and a real Glance')
        with cloud.Cloud.start(directory / 'cloud', _EXPIRATION) as running:
            auth = _clouds(running)['plain']['auth']
            client = session.Session(auth=v3.Password(**auth))
            images = {}
            for size in sorted(sizes):
                report(f'Uploading an image of {size} MiB')
                images[size] = _upload(running, client, size)
            token_header = directory / 'token'
            token_header.touch(mode=0o600)
            token_header.write_text(f'X-Auth-Token: {client.get_token()}\n')
            settings = directory / 'nginx'
            settings.mkdir()
            with web_server.WebServer(
                settings,
                running.directory / 'images',
                running.image_url,
                {image.id: image.md5 for image in images.values()},
            ) as server:
                yield cls(running, images, server, settings, token_header)

    def origin(self, name: str, scheme: str) -> Origin:
        """Return where to download from.

        :param name: ``glance``, ``nginx``, or ``capped``, nginx with a
            limit for each connection. nginx does the TLS for Glance.
        :param scheme: ``http`` or ``https``.
        """
        return self._origins[name, scheme]

    def _origin(
        self, name: str, scheme: str, url: str, log: traffic.Log
    ) -> Origin:
        certificate = self._server.certificate if scheme == 'https' else None
        trust = {'cacert': str(certificate)} if certificate else {}
        clouds = {
            key: {
                **value,
                **trust,
                'image_api_version': '2',
                'image_endpoint_override': f'{url}/v2',
            }
            for key, value in self._clouds.items()
        }
        path = self._directory / f'clouds-{name}-{scheme}.yaml'
        path.write_text(yaml.safe_dump({'clouds': clouds}))
        variables = {
            **self._clouds['plain']['auth'],
            **trust,
            'image_url': url,
            'image_api_version': '2',
        }
        return Origin(
            url=url,
            certificate=certificate,
            clouds_yaml=path,
            variables={
                f'OS_{key.upper()}': str(value)
                for key, value in variables.items()
            },
            log=log,
        )


def _clouds(running: cloud.Cloud) -> dict[str, typing.Any]:
    clouds: dict[str, typing.Any] = yaml.safe_load(
        running.clouds_yaml.read_text()
    )['clouds']
    return clouds


def _upload(running: cloud.Cloud, client: session.Session, size: int) -> Image:
    image_id = running.upload(
        f'random-{size}', lambda: RandomBytes(size * MIB)
    )
    described = client.get(f'{running.image_url}/v2/images/{image_id}').json()
    return Image(
        id=image_id,
        size=size * MIB,
        md5=described['checksum'],
        sha512=described['os_hash_value'],
        stored=running.stored_file(image_id),
    )
