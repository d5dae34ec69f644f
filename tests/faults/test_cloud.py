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
"""Faults of a real Keystone, a real Glance, and its stores.

What goes wrong in the middle of a download goes wrong once, for all ways to
download, which are all in the middle of one.
"""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
import hashlib
import pathlib
import random

import pytest

from tests import conftest
from tests.faults import attempt
from tests.faults.catalogue import cloud as catalogue
from tests.faults import clients
from tests.faults import cloud_downloads
from tests.faults import table as _table
from tests import processes
from tests.servers import cloud as _cloud
from tests.servers import scripted

#: Some parts for each of four connections, and one that is not full.
DATA = random.Random(29).randbytes(40 * cloud_downloads.MIB + 17)

#: Seconds of silence that the plugin is told to put up with; more than any
#: service takes to start.
TIMEOUT = 30.0

#: Seconds after which another client is taken to wait for ever. The SDK
#: by itself repeats what gets a 503 for some fifteen.
_PEERS_DEADLINE = 30.0

#: Makes the downloads of a fault.
Prepare = Callable[
    [catalogue.CloudFault],
    contextlib.AbstractContextManager[cloud_downloads.CloudDownloads],
]


class _Clouds:
    """The clouds of this module, each started when it is first needed."""

    def __init__(self, kept_directory: conftest.KeptDirectory) -> None:
        self._kept_directory = kept_directory
        self._resources = contextlib.ExitStack()
        self._clouds: dict[bool, _cloud.Cloud] = {}

    def get(self, short_lived: bool) -> _cloud.Cloud:
        """Return the one with tokens that soon expire, or the other."""
        if short_lived not in self._clouds:
            self._clouds[short_lived] = self._resources.enter_context(
                _cloud.Cloud.start(
                    self._kept_directory(
                        'short-lived' if short_lived else 'faults'
                    ),
                    token_expiration=15 if short_lived else 3600,
                    # Otherwise a token would stay good for minutes.
                    token_cache=-1,
                    client_timeout=3,
                )
            )
        return self._clouds[short_lived]

    def stop(self) -> None:
        """Stop those that were started."""
        self._resources.close()


@pytest.fixture(scope='module')
def clouds(kept_directory: conftest.KeptDirectory) -> Iterator[_Clouds]:
    """Clouds with long tokens and with short ones."""
    clouds = _Clouds(kept_directory)
    yield clouds
    clouds.stop()


@pytest.fixture(scope='module')
def store() -> Iterator[scripted.ScriptedGlance]:
    """A web server that has the image."""
    with scripted.ScriptedGlance(DATA) as store:
        # Glance would use a connection again after the store has closed.
        store.repeat_last = True
        store.changes.append(
            lambda response: dataclasses.replace(
                response, headers={**response.headers, 'Connection': 'close'}
            )
        )
        yield store


def _url(store: scripted.ScriptedGlance) -> str:
    return f'{store.url}/v2/images/{scripted.IMAGE_ID}/file'


@pytest.fixture
def prepare(
    clouds: _Clouds, store: scripted.ScriptedGlance, tmp_path: pathlib.Path
) -> Prepare:
    """Make an image of its own for a fault, and its downloads."""

    def make(fault: catalogue.CloudFault) -> cloud_downloads.CloudDownloads:
        cloud = clouds.get(fault.short_lived)
        if fault.source == 'web':
            image_id = cloud.link(
                fault.name, _url(store), hashlib.sha512(DATA).hexdigest()
            )
        else:
            image_id = cloud.upload(
                fault.name, DATA if fault.source == 'file' else None
            )
        return cloud_downloads.CloudDownloads(
            cloud, store, image_id, DATA, tmp_path, fault.settings
        )

    return make


def _run(
    downloads: cloud_downloads.CloudDownloads,
    fault: catalogue.CloudFault,
    chosen: Mapping[str, clients.Client],
    *,
    deadline: float,
) -> dict[str, attempt.Outcome]:
    """Download in several ways at a time, and have it go wrong."""
    if fault.before is not None:
        fault.before(downloads)
    for mode, way in chosen.items():
        downloads.begin(
            mode,
            way,
            {'timeout': TIMEOUT, 'retries': 2, **fault.options},
            **fault.proxy(mode),
        )
    if fault.during is not None:
        downloads.wait_until(
            lambda proxy: proxy.fetched >= cloud_downloads.HELD
        )
        fault.during(downloads)
        downloads.release()
    return downloads.outcomes(deadline)


@pytest.mark.parametrize(
    'fault',
    [
        pytest.param(
            fault,
            id=fault.name,
            marks=[] if fault.brief else [pytest.mark.thorough],
        )
        for fault in catalogue.FAULTS
    ],
)
def test_plugin(
    fault: catalogue.CloudFault,
    prepare: Prepare,
    table: _table.Table,
    thorough: bool,
) -> None:
    """What is promised holds, in every way to download."""
    chosen = dict(fault.plugin)
    if not thorough:
        # They take the same way but for its end, and the memory.
        chosen.pop('memory', None)
        chosen.pop('file', None)
    with prepare(fault) as downloads:
        outcomes = _run(downloads, fault, chosen, deadline=processes.DEADLINE)
        for mode, outcome in outcomes.items():
            table.note(
                fault,
                f'test_cloud.py::test_plugin[{fault.name}]',
                outcome,
                again=downloads.proxies[mode].fetched - len(DATA),
            )
        for mode, outcome in outcomes.items():
            _check(fault, mode, outcome, downloads.proxies[mode])


def _check(
    fault: catalogue.CloudFault,
    mode: str,
    outcome: attempt.Outcome,
    proxy: cloud_downloads.Proxy,
) -> None:
    seen = (mode, outcome, proxy.statuses)
    if fault.error is None:
        assert outcome.error is None, seen
        assert outcome.content == 'right', seen
    else:
        assert fault.error in outcome.bases, seen
        assert outcome.content == 'none', seen
    kept = [name for name in outcome.others if name.endswith('.part')]
    assert list(outcome.others) == kept, seen
    assert len(kept) == (fault.kept and mode in ('path', 'connections')), seen
    # What should have gone wrong has.
    assert fault.status is None or fault.status in proxy.statuses, seen


@pytest.mark.peers
@pytest.mark.parametrize(
    'fault', catalogue.FAULTS, ids=[fault.name for fault in catalogue.FAULTS]
)
def test_peers(
    fault: catalogue.CloudFault, prepare: Prepare, table: _table.Table
) -> None:
    """What others make of it is written down, whatever it is."""
    with prepare(fault) as downloads:
        outcomes = _run(
            downloads, fault, fault.peers, deadline=_PEERS_DEADLINE
        )
    row = table.row(fault, '')
    for peer, outcome in outcomes.items():
        row.peers[peer] = outcome.summary(len(DATA))
