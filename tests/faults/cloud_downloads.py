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
"""Several downloads from a real Glance, which all meet the same fault."""

from collections.abc import Callable, Mapping
import contextlib
import pathlib
import re
import socket
import time
from typing import Any

import requests
import yaml

from tests.faults import attempt
from tests.faults import clients
from tests import processes
from tests.servers import cloud as _cloud
from tests.servers import fault_proxy
from tests.servers import scripted

MIB = 1024 * 1024

#: Bytes that each download has when something goes wrong.
HELD = 12 * MIB

#: Bytes after which a connection is cut; not where a chunk ends.
CUT = 16 * MIB + 12_345


class Proxy(fault_proxy.FaultProxy):
    """A proxy that remembers the token that it saw last."""

    def __init__(self, target: str, **how: Any) -> None:
        self.token: str | None = None
        super().__init__(target, **how)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head = b' '
            while head and b'\r\n\r\n' not in head:
                head = client.recv(64 * 1024, socket.MSG_PEEK)
            found = re.search(rb'(?i)\r\nx-auth-token: (\S+)', head)
            if found:
                self.token = found[1].decode()
        super()._serve(client)


class CloudDownloads:
    """Downloads of one image, each through a proxy of its own.

    A context manager; leaving it ends what still runs.

    :param cloud: Where they download from.
    :param store: The web server that the cloud has images at.
    :param image_id: The image.
    :param data: The bytes of the image.
    :param directory: An empty directory.
    :param settings: Settings of the clouds in clouds.yaml.
    """

    def __init__(
        self,
        cloud: _cloud.Cloud,
        store: scripted.ScriptedGlance,
        image_id: str,
        data: bytes,
        directory: pathlib.Path,
        settings: Mapping[str, Any],
    ) -> None:
        self.cloud = cloud
        self.store = store
        self.image_id = image_id
        self.data = data
        self.proxies: dict[str, Proxy] = {}
        self._directory = directory
        self._settings = settings
        self._running: dict[str, attempt.Running] = {}
        #: Undoes what was done to the cloud.
        self.undo = contextlib.ExitStack()

    def __enter__(self) -> 'CloudDownloads':
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo.close()

    def begin(
        self,
        name: str,
        way: clients.Client,
        options: Mapping[str, Any],
        **how: Any,
    ) -> None:
        """Begin a download.

        :param name: What to call it.
        :param way: How to download.
        :param options: Options of the plugin.
        :param how: How the proxy is to be.
        """
        directory = self._directory / re.sub(r'\W', '-', name)
        (directory / 'out').mkdir(parents=True)
        proxy = Proxy(self.cloud.image_url, **how)
        self.proxies[name] = self.undo.enter_context(proxy)
        self._running[name] = self.undo.enter_context(
            attempt.start(
                way,
                self._place(proxy, directory),
                directory / 'out' / 'image',
                data=self.data,
                options=options,
            )
        )

    def wait_until(self, condition: Callable[[Proxy], object]) -> None:
        """Wait until something is so for each download, or it has ended.

        :param condition: Says so of its proxy.
        """
        for name, proxy in self.proxies.items():
            process = self._running[name].process
            processes.wait_for(
                lambda proxy=proxy, process=process: (
                    condition(proxy) or not process.is_alive()
                )
            )

    def release(self) -> None:
        """Let the proxies that hold their connections go on."""
        for proxy in self.proxies.values():
            proxy.release()

    def outcomes(self, deadline: float) -> dict[str, attempt.Outcome]:
        """Return what came of each, by its name.

        :param deadline: Seconds after which the last of them is killed.
        """
        end = time.monotonic() + deadline
        return {
            name: running.outcome(max(0.1, end - time.monotonic()))
            for name, running in self._running.items()
        }

    def tokens(self) -> list[str]:
        """Return the tokens that the downloads use."""
        return [proxy.token for proxy in self.proxies.values() if proxy.token]

    def is_good(self, token: str) -> bool:
        """Tell whether Glance accepts a token."""
        response = requests.get(
            f'{self.cloud.image_url}/v2/images',
            headers={'X-Auth-Token': token},
            timeout=processes.DEADLINE,
        )
        return response.status_code == 200

    def _place(self, proxy: Proxy, directory: pathlib.Path) -> clients.Place:
        """Describe the cloud, with Glance behind a proxy."""
        clouds = yaml.safe_load(self.cloud.clouds_yaml.read_text())
        for described in clouds['clouds'].values():
            described['image_endpoint_override'] = proxy.url
            described['image_api_version'] = '2'
            described.update(self._settings)
        path = directory / 'clouds.yaml'
        path.write_text(yaml.safe_dump(clouds))
        arguments = ['--os-image-url', proxy.url.removesuffix('/v2')]
        for name, value in clouds['clouds']['plain']['auth'].items():
            arguments += [f'--os-{name.replace("_", "-")}', value]
        return clients.Place(
            clouds_yaml=str(path),
            glance=tuple(arguments),
            image_id=self.image_id,
        )
