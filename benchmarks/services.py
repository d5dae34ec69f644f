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

import yaml

from benchmarks import commands
from benchmarks import destination
from benchmarks import images
from benchmarks import origins
from benchmarks import traffic
from benchmarks import web_server
from tests.servers import cloud

#: Seconds that a token is good for; longer than any run.
_EXPIRATION = 24 * 3600


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


class Services:
    """A real Keystone, a real Glance, and an nginx. Made by :meth:`open`.

    :param uploaded: The images by content and size in MiB.
    :param other: The cloud that is copied to, if there is one.
    """

    def __init__(
        self,
        running: cloud.Cloud,
        uploaded: collections.abc.Mapping[tuple[str, int], list[images.Image]],
        server: web_server.WebServer,
        directory: pathlib.Path,
        token_header: pathlib.Path,
        other: destination.Destination | None,
    ) -> None:
        self.images = uploaded
        self.destination = other
        #: The header that curl and aria2c are given, in a file.
        self.token_header = token_header
        self._server = server
        self._directory = directory
        self._clouds = destination.clouds(running)
        self._origins = {
            ('glance', 'http'): self._origin(
                'glance',
                'http',
                running.image_url,
                traffic.UwsgiLog(running.directory / 'glance.log'),
            ),
            **{
                port: self._origin(*port, server.url(*port), server.log(*port))
                for port in origins.PORTS
            },
        }

    @classmethod
    @contextlib.contextmanager
    def open(
        cls,
        directory: pathlib.Path,
        needed: collections.abc.Mapping[tuple[str, int], int],
        report: collections.abc.Callable[[str], None],
        *,
        copies: bool,
    ) -> collections.abc.Iterator['Services']:
        """Start everything, and take it down at the end.

        :param directory: For everything that it writes; exists, and is
            empty.
        :param needed: How many images, by content and size in MiB.
        :param report: Called with a text for each step.
        :param copies: Whether there is a second cloud, to copy to.
        :raises CloudError: Something could not be started.
        """
        settings = directory / 'nginx'
        settings.mkdir()
        with contextlib.ExitStack() as stack:
            report('Starting a real Keystone and a real Glance')
            running = stack.enter_context(
                cloud.Cloud.start(directory / 'cloud', _EXPIRATION)
            )
            other = None
            if copies:
                report('Starting the same again, to copy to')
                second = stack.enter_context(
                    cloud.Cloud.start(directory / 'destination', _EXPIRATION)
                )
                other = destination.Destination(second, settings)
            client = destination.connect(running)
            uploaded = images.upload_all(
                images.Uploader(running, client, settings), needed, report
            )
            token_header = directory / 'token'
            destination.write_token(client, token_header)
            server = stack.enter_context(
                web_server.WebServer(
                    settings,
                    running.directory / 'images',
                    running.image_url,
                    {
                        image.id: image.md5
                        for each in uploaded.values()
                        for image in each
                    },
                )
            )
            yield cls(running, uploaded, server, settings, token_header, other)

    def origin(self, name: str, scheme: str) -> Origin:
        """Return where to download from.

        :param name: One of :data:`.origins.ORIGINS`. nginx does the TLS for
            Glance.
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
        if self.destination is not None:
            clouds[commands.DESTINATION] = self.destination.cloud
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
