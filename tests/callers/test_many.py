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

"""Programs that download all day through one connection."""

import collections
import gc
import os
from typing import Any

from keystoneauth1 import session as ksa_session
import pytest
import requests
import yaml

from tests.callers import actions
from tests import processes
from tests import resources
from tests.servers import control
from tests.servers import images

MIB = 1024 * 1024

#: Bytes of the images. Several connections are used for the large one, which
#: is a small part of them.
_SMALL, _LARGE = 50_000, 9 * MIB
_ONE_IN = 30


def _objects() -> collections.Counter[str]:
    gc.collect()
    return collections.Counter(
        f'{type(found).__module__}.{type(found).__qualname__}'
        for found in gc.get_objects()
    )


def _sessions() -> list[Any]:
    kinds = (ksa_session.Session, requests.Session)
    return [found for found in gc.get_objects() if type(found) in kinds]


def _download_all_day(remote: control.Remote, times: int) -> None:
    small, large = images.new_id(), images.new_id()
    remote.show(small, seed=1, size=_SMALL)
    remote.show(large, seed=1, size=_LARGE)
    whole = images.data(1, _SMALL), images.data(1, _LARGE)
    closed: list[str] = []
    with actions.temporary() as directory, actions.connected(remote) as conn:
        session = conn.session.session
        close = session.close

        def note() -> None:
            closed.append('the session of the caller was closed')
            close()

        session.close = note
        adapters = dict(session.adapters)

        def download(number: int) -> None:
            mode = actions.MODES[number % len(actions.MODES)]
            connections = (1, 3, 'auto')[number % 3]
            is_large = number % _ONE_IN == 0
            content = actions.download(
                conn,
                large if is_large else small,
                mode,
                directory,
                connections=connections,
            )
            assert content == whole[is_large]

        # What is made once is there by then.
        for number in range(2 * _ONE_IN):
            download(number)
        gc.collect()
        before, held = _objects(), resources.now()
        sessions = len(_sessions())
        for number in range(times):
            download(number)
        # The SDK remembers some hundred of its own.
        found = _sessions()
        assert len(found) <= sessions + 2, f'{sessions}, then {len(found)}'
        del found
        grown = _objects() - before
        # Nothing is kept for each of them.
        leaks = {
            name: count
            for name, count in grown.items()
            if count > max(20, times / 10)
        }
        assert not leaks, f'after {times} more downloads: {leaks}'
        left = resources.left(held)
        # Idle connections are replaced, the pool is as large as before.
        assert len(left.pop('sockets', [])) <= 10
        assert not left, left
        assert closed == []
        assert dict(session.adapters) == adapters
        session.close = close


class TestThousandsOfDownloads:
    """Many downloads, one after the other, through one connection."""

    def test_nothing_grows(self, remote: control.Remote, every: bool) -> None:
        """Neither sessions nor anything else; the caller's is not closed."""
        times = 3000 if every else 300
        processes.run_function(_download_all_day, remote, times, deadline=240)


def _download_beside_cache(
    remote: control.Remote, mode: str, connections: int | str
) -> None:
    image_id, other = images.new_id(), images.new_id()
    remote.show(image_id, seed=1, size=_SMALL)
    remote.show(other, seed=2, size=_LARGE)
    with actions.temporary() as directory:
        path = os.path.join(directory, 'clouds.yaml')
        cloud = {
            'auth_type': 'none',
            'auth': {'endpoint': remote.url},
            'image_endpoint_override': f'{remote.url}/v2',
            'image_api_version': '2',
            'vendor_hook': 'openstack_image_stream:load',
        }
        with open(path, 'w') as file:
            yaml.safe_dump(
                {
                    'clouds': {'cached': cloud},
                    'cache': {
                        'class': 'dogpile.cache.memory',
                        'expiration_time': 3600,
                        'expiration': {'image.image': 3600},
                    },
                },
                file,
            )
        os.environ['OS_CLIENT_CONFIG_FILE'] = path
        with actions.connected(
            remote,
            cloud='cached',
            load_yaml_config=True,
            load_envvars=True,
            auth_type=None,
            auth=None,
            image_endpoint_override=None,
            image_api_version=None,
            vendor_hook=None,
        ) as conn:
            assert conn.cache_enabled
            for _ in range(3):
                conn.image.get_image(image_id)
            assert remote.looked_up(image_id) == 1, 'there is no cache'
            content = actions.download(
                conn, other, mode, directory, connections=connections
            )
            assert content == images.data(2, _LARGE)
            conn.image.get_image(image_id)
            assert remote.looked_up(image_id) == 1, 'the cache was emptied'


class TestResponseCache:
    """A cloud whose responses the SDK caches."""

    @pytest.mark.parametrize('mode', actions.MODES)
    @pytest.mark.parametrize('connections', [1, 3])
    def test_is_not_emptied(
        self, remote: control.Remote, mode: str, connections: int
    ) -> None:
        """What was cached before a download is cached after it."""
        processes.run_function(
            _download_beside_cache, remote, mode, connections
        )


def _iterate(remote: control.Remote, connections: int | str) -> None:
    image_id = images.new_id()
    remote.show(image_id, seed=1, size=images.LARGE)
    with actions.connected(remote) as conn:
        response = conn.image.download_image(
            image_id, stream=True, connections=connections
        )
        chunks = list(response)
        response.close()
    assert b''.join(chunks) == images.data(1, images.LARGE)
    sizes = {len(chunk) for chunk in chunks[:-1]}
    assert sizes == {MIB}, sizes


class TestIteration:
    """``for chunk in response``, as programs of OpenStack have it."""

    @pytest.mark.parametrize('connections', [1, 3, 'auto'])
    def test_yields_large_chunks(
        self, remote: control.Remote, connections: int | str
    ) -> None:
        """They are of 1 MiB, not of requests' 128 bytes."""
        processes.run_function(_iterate, remote, connections)
