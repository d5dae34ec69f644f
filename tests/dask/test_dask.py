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

"""The example that uses a Dask cluster, on one of two processes here."""

import collections
import collections.abc
import functools
import os
import pickle
import random
from typing import Any

from dask import distributed
from distributed.protocol import pickle as dask_pickle
from openstack import connection
import pytest

from examples.image import audit_on_dask
import openstack_image_stream
from tests import conftest
from tests.servers import cloud

MIB = 1024 * 1024

#: Images of one size, so that half of them is half of the traffic.
COUNT = 12
DATA = random.Random(1).randbytes(24 * MIB + 5)


@pytest.fixture(scope='module')
def running_cloud(
    kept_directory: conftest.KeptDirectory,
) -> collections.abc.Iterator[cloud.Cloud]:
    """A cloud for all tests."""
    with cloud.Cloud.start(kept_directory('dask')) as running:
        yield running


@pytest.fixture(scope='module')
def conn(
    running_cloud: cloud.Cloud,
) -> collections.abc.Iterator[connection.Connection]:
    """A connection of this process, by what the workers have, too."""
    environment = running_cloud.environment('stream')
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith('OS_'):
                patch.delenv(name)
        for name in ('OS_CLIENT_CONFIG_FILE', 'PYTHONPATH'):
            if name in environment:
                patch.setenv(name, environment[name])
        conn = audit_on_dask.connect('stream')
        yield conn
        conn.close()
        audit_on_dask.connect.cache_clear()


@pytest.fixture(scope='module')
def client(
    conn: connection.Connection,
) -> collections.abc.Iterator[distributed.Client]:
    """A cluster of two processes with one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as made,
    ):
        made.wait_for_workers(2)
        yield made


@pytest.fixture(scope='module')
def image_ids(running_cloud: cloud.Cloud) -> list[str]:
    """Images, the first of which is damaged in its store."""
    ids = [running_cloud.upload(f'on-dask-{n}', DATA) for n in range(COUNT)]
    with running_cloud.stored_file(ids[0]).open('r+b') as stored:
        stored.seek(MIB)
        stored.write(bytes([DATA[MIB] ^ 1]))
    return ids


class TestAudit:
    """An audit on several machines."""

    def test_finds_what_is_bad(
        self, client: distributed.Client, image_ids: list[str]
    ) -> None:
        """Each image is judged once, and both processes have their share."""
        # Once both processes have imported everything and are connected.
        client.run(audit_on_dask.list_images, 'stream')
        with distributed.get_task_stream(client) as stream:
            results = list(
                audit_on_dask.audit_on_cluster(client, 'stream', image_ids)
            )
        assert sorted(result.image_id for result in results) == sorted(
            image_ids
        )
        assert [r.image_id for r in results if r.bad] == [image_ids[0]]
        assert {r.bytes for r in results} == {len(DATA)}
        tasks = collections.Counter(task['worker'] for task in stream.data)
        print({worker: n * len(DATA) for worker, n in tasks.items()})
        assert sum(tasks.values()) == COUNT
        assert len(tasks) == 2
        # Half of the traffic each, if the machine has a core for each.
        assert min(tasks.values()) >= COUNT // 3

    def test_images_of_the_cloud(
        self, client: distributed.Client, image_ids: list[str]
    ) -> None:
        """They are listed without a worker."""
        assert set(audit_on_dask.list_images('stream')) >= set(image_ids)

    def test_options(
        self, client: distributed.Client, image_ids: list[str]
    ) -> None:
        """Those of the call get to the workers; errors come back."""
        with pytest.raises(
            openstack_image_stream.InvalidArgumentError, match='retries must'
        ):
            list(
                audit_on_dask.audit_on_cluster(
                    client, 'stream', image_ids[:1], retries=-1
                )
            )

    def test_no_secret_travels(
        self, conn: connection.Connection, image_ids: list[str]
    ) -> None:
        """Neither a password nor a token is in a task or in a result."""
        secrets = [
            conn.auth_token.encode(),
            conn.config.auth['password'].encode(),
        ]
        task = functools.partial(audit_on_dask.audit_image, 'stream')
        result: Any = task(image_ids[1])
        for travelling in (task, result):
            dumped = dask_pickle.dumps(travelling)
            assert pickle.loads(dumped) is not None
            assert not [secret for secret in secrets if secret in dumped]


class TestCopy:
    """A copy on several machines."""

    def test_copies(
        self,
        client: distributed.Client,
        running_cloud: cloud.Cloud,
        conn: connection.Connection,
        image_ids: list[str],
    ) -> None:
        """Each good image has one copy, with its bytes; a bad one has none."""
        results = {
            image_id: (copy_id, error)
            for image_id, copy_id, error in audit_on_dask.copy_on_cluster(
                client, 'stream', 'plain', image_ids[:4], name='copy'
            )
        }
        assert set(results) == set(image_ids[:4])
        copy_id, error = results.pop(image_ids[0])
        assert copy_id is None
        assert error.startswith('ChecksumMismatchError: ')
        copies = {copy_id for copy_id, _ in results.values()}
        assert {i.id for i in conn.image.images(name='copy')} == copies
        assert len(copies) == 3
        for copy_id in copies:
            assert running_cloud.stored_file(copy_id).read_bytes() == DATA
