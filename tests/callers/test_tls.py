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

"""Sockets that are not those of the standard library."""

import os
from typing import Any

import pytest
from urllib3.contrib import pyopenssl

from openstack_image_stream import exceptions
from tests.callers import actions
from tests.callers import test_close
from tests.callers import test_forgotten
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import images
from tests.servers import tls_proxy

MIB = 1024 * 1024


def _prepare(kind: str, proxy: str) -> None:
    if kind == 'pyopenssl':
        pyopenssl.inject_into_urllib3()
    if kind == 'tls_in_tls':
        os.environ['https_proxy'] = proxy
        os.environ.pop('no_proxy', None)
        os.environ.pop('NO_PROXY', None)


def _download(
    remote: control.Remote,
    kind: str,
    proxy: str,
    connections: int | str,
) -> None:
    _prepare(kind, proxy)
    before = resources.now()
    for mode in actions.MODES:
        image_id = images.new_id()
        remote.show(image_id, seed=1, size=images.LARGE)
        with (
            actions.temporary() as directory,
            actions.connected(remote) as conn,
        ):
            content = actions.download(
                conn, image_id, mode, directory, connections=connections
            )
            assert content == images.data(1, images.LARGE)
            remote.show(
                image_id,
                seed=1,
                size=images.LARGE,
                metadata={'os_hash_value': '0' * 128},
            )
            with pytest.raises(exceptions.ChecksumMismatchError):
                actions.download(
                    conn, image_id, mode, directory, connections=connections
                )
    if kind != 'tls_in_tls':
        actions.assert_nothing_left(before)


def _prepared(
    function: Any, kind: str, proxy: str, *args: Any, **kwargs: Any
) -> None:
    _prepare(kind, proxy)
    function(*args, **kwargs)


_KINDS = ('tls', 'pyopenssl', 'tls_in_tls')


@pytest.mark.parametrize('kind', _KINDS)
class TestTLS:
    """TLS of the standard library, of pyOpenSSL, and through an HTTPS proxy.

    Each is another kind of socket.
    """

    @pytest.mark.parametrize(
        'connections',
        [
            pytest.param(1, marks=pytest.mark.every),
            3,
            pytest.param('auto', marks=pytest.mark.every),
        ],
    )
    def test_image_arrives(
        self,
        secure: control.Remote,
        proxy: str,
        kind: str,
        connections: int | str,
    ) -> None:
        """In every mode, and so does a mismatch."""
        processes.run_function(_download, secure, kind, proxy, connections)

    @pytest.mark.parametrize('connections', [1, 3])
    def test_close_is_told_of(
        self,
        secure: control.Remote,
        proxy: str,
        kind: str,
        connections: int,
    ) -> None:
        """A reader that waits for a silent server is told at once."""
        processes.run_function(
            _prepared,
            test_close._close_elsewhere,
            kind,
            proxy,
            secure,
            'silent',
            connections,
        )

    @pytest.mark.every
    @pytest.mark.parametrize('connections', [1, 3])
    def test_forgotten(
        self,
        secure: control.Remote,
        proxy: str,
        kind: str,
        connections: int,
    ) -> None:
        """A forgotten response leaves nothing, also when it is stalled."""
        processes.run_function(
            _prepared,
            test_forgotten._forget,
            kind,
            proxy,
            secure,
            {'always': {'silent_after': 4 * MIB}},
            connections,
            2 * MIB,
            'read',
        )


@pytest.fixture(scope='module')
def proxy(certificate: str) -> Any:
    """An HTTPS proxy, by its URL."""
    with tls_proxy.started(certificate) as url:
        yield url
