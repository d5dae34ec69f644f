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

"""One cloud for all examples, and a download that is looked at closely."""

import contextlib
import functools
import os
import socket
import tempfile
from typing import Any
from unittest import mock

import openstack

from openstack_image_stream._common import retry
from openstack_image_stream._output import partial_files
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import image_source
from openstack_image_stream._transfer import parallel
from openstack_image_stream import service
from tests.fuzz import raw_responses
from tests.servers import scripted
from tests.unit import modes

#: Bytes of a part, so that the image has three.
_PART = 1024

_getaddrinfo = socket.getaddrinfo


class Cloud:
    """A cloud with the plugin; a context manager.

    Connections, retries and parts are small and quick. Nothing but this
    machine can be reached, whatever a server says.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> 'Cloud':
        enter = self._stack.enter_context
        self.glance = enter(raw_responses.RawGlance())
        # A proxy that the machine uses knows nothing of its loopback.
        enter(mock.patch.dict(os.environ, no_proxy='*'))
        enter(
            mock.patch.object(
                retry,
                'RetryPolicy',
                functools.partial(retry.RetryPolicy, wait=_wait),
            )
        )
        enter(mock.patch.object(parallel, 'PART', _PART))
        enter(mock.patch.object(image_source, '_BRIEF', 1_000_000))
        enter(mock.patch.object(socket, 'getaddrinfo', _resolve))
        # To find the entry point takes longer than to download.
        enter(
            mock.patch.object(
                service, '_registered', return_value=service.ImageStreamService
            )
        )
        self.conn = self._stack.enter_context(self.connect())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def connect(self, **config: Any) -> openstack.connection.Connection:
        """Connect to the cloud.

        :param config: Further configuration.
        """
        return openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth_type='none',
            auth={'endpoint': self.glance.url},
            image_endpoint_override=f'{self.glance.url}/v2',
            image_api_version='2',
            image_status_code_retries=0,
            vendor_hook='openstack_image_stream:load',
            **config,
        )

    def download(
        self,
        mode: type[modes.Mode] = modes.InMemory,
        *,
        proved: bool = True,
        **options: Any,
    ) -> None:
        """Download the image, and look at what came and what is left.

        :param mode: How.
        :param proved: Whether what comes must be the image.
        :param options: As those of ``download_image``.
        """
        options = {'retries': 2, **options}
        done = False
        with tempfile.TemporaryDirectory() as directory:
            try:
                content = mode(directory).download(self.conn, **options)
                done = True
            finally:
                # No example shall find what the one before left in there.
                self.conn.session.session.close()
                _check_files(directory, done=done)
            assert not proved or content == raw_responses.DATA


def _check_files(directory: str, *, done: bool) -> None:
    left = set(os.listdir(directory))
    partial = partial_files.name('image', scripted.IMAGE_ID)
    assert left <= ({'image'} if done else {partial}), left


def _wait(download: coordination.Coordinator, seconds: float) -> bool:
    assert 0 <= seconds <= retry._LONGEST_ASKED + retry._LONGEST
    return download.ended


def _resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
    if host not in ('127.0.0.1', b'127.0.0.1'):
        raise socket.gaierror(socket.EAI_NONAME, 'not of this machine')
    return _getaddrinfo(host, *args, **kwargs)
