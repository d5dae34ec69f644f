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

"""Copies from one real cloud to another one that does not know the first."""

import collections.abc
import os
import signal

from openstack import exceptions as sdk_exceptions
import pytest

import openstack_image_stream
from tests import conftest as tests_conftest
from tests.functional import conftest
from tests.functional import destinations
from tests import processes
from tests.servers import cloud
from tests.servers import fault_proxy
from tests.servers import upload_proxy

MIB = 1024 * 1024

#: Some parts for several connections, and one that is not full.
DATA = os.urandom(24 * MIB + 17)

#: Bytes of an image that the other cloud takes at the most.
CAP = 32 * MIB

Fault = upload_proxy.Fault

#: Copies an image, and says when the first bytes are on their way. It does not
#: end before it is told to.
_PROGRAM = """
import signal
import sys
import openstack
import openstack.connection

def connect(path, name, **options):
    config = openstack.config.OpenStackConfig(
        config_files=[path], secure_files=[], load_envvars=False
    )
    return openstack.connection.Connection(
        config=config.get_one(cloud=name, **options)
    )

source, url, destination, image_id = sys.argv[1:]
# It is ignored where the tests run in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)

def show(snapshot):
    if snapshot.done:
        print('copying', flush=True)

conn = connect(
    source, 'stream', image_endpoint_override=url, image_api_version='2'
)
try:
    conn.image.copy_image(
        image_id, to=connect(destination, 'plain'), progress=show
    )
except KeyboardInterrupt:
    sys.exit(3)
"""

#: Prints by how many bytes the peak of the process grew in a copy.
_MEMORY = """
import sys
import openstack

def status(field):
    with open('/proc/self/status') as lines:
        for line in lines:
            if line.startswith(field):
                return int(line.split()[1]) * 1024

conn = openstack.connect()
to = openstack.connect(cloud='plain')
for connection in (conn, to):
    list(connection.image.images(limit=1))
conn.image.copy_image(sys.argv[1], to=to)
before = status('VmRSS')
conn.image.copy_image(sys.argv[2], to=to)
print(status('VmHWM') - before)
"""

Other = destinations.Destination


@pytest.fixture(scope='module')
def other_cloud(
    kept_directory: tests_conftest.KeptDirectory,
) -> collections.abc.Iterator[cloud.Cloud]:
    """A cloud with a Keystone of its own and another hash algorithm."""
    with cloud.Cloud.start(
        kept_directory('other'),
        hashing_algorithm='sha256',
        image_size_cap=CAP,
        token_cache=-1,
    ) as running:
        # By it the algorithm is known before anything is copied.
        running.upload('first', b'first')
        yield running


@pytest.fixture
def other(other_cloud: cloud.Cloud) -> collections.abc.Iterator[Other]:
    """The same, and what a test connected to it."""
    made = Other(other_cloud)
    yield made
    made.close()


@pytest.fixture
def unchanged(other: Other) -> collections.abc.Iterator[None]:
    """Checks that a test leaves no image and no file there."""
    ids, stored = other.ids(), other.stored()
    yield
    assert other.ids() == ids
    assert other.stored() == stored


@pytest.fixture(scope='module')
def image_id(running_cloud: cloud.Cloud) -> str:
    """The image that most of them copy."""
    return running_cloud.upload(
        'copied', DATA, os_distro='debian', min_disk=3, tags=['a', 'b']
    )


@pytest.fixture
def damaged(running_cloud: cloud.Cloud) -> str:
    """An image whose store has lost a bit of its end."""
    found = running_cloud.upload('damaged', DATA)
    with running_cloud.stored_file(found).open('r+b') as stored:
        stored.seek(-1, os.SEEK_END)
        stored.write(bytes([DATA[-1] ^ 1]))
    return found


class TestCopy:
    """What the copy is."""

    @pytest.mark.parametrize('connections', [1, 4])
    def test_to_another_cloud(
        self,
        connect: conftest.Connect,
        other: Other,
        image_id: str,
        connections: int,
    ) -> None:
        """It has the bytes, the attributes and the properties."""
        made = connect('stream').image.copy_image(
            image_id,
            to=other.connect(),
            visibility='shared',
            protected=True,
            properties={'os_version': '12'},
            connections=connections,
        )

        assert other.content(made.id) == DATA
        assert (made.status, made.size) == ('active', len(DATA))
        assert (made.name, made.min_disk) == ('copied', 3)
        assert sorted(made.tags) == ['a', 'b']
        assert made.os_distro == 'debian'
        assert made.os_version == '12'
        assert (made.visibility, made.is_protected) == ('shared', True)
        assert made.hash_algo == 'sha256'

    def test_within_a_cloud(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        image_id: str,
    ) -> None:
        """The other cloud may be the same one, by the same connection."""
        conn = connect('stream')

        made = conn.image.copy_image(image_id, to=conn, name='again')

        assert made.id != image_id
        assert running_cloud.stored_file(made.id).read_bytes() == DATA

    def test_into_stores(
        self, connect: conftest.Connect, other: Other, image_id: str
    ) -> None:
        """Each of them has it, and nothing stays in the staging area."""
        made = connect('stream').image.copy_image(
            image_id,
            to=other.connect(),
            stores=['second', 'file'],
            protected=True,
        )

        for store in ('images', 'second-images'):
            path = other.running.directory / store / made.id
            assert path.read_bytes() == DATA
        assert made.status == 'active'
        assert other.connect().image.get_image(made.id).is_protected
        assert os.listdir(other.running.directory / 'staging') == []

    def test_chosen_id_twice(
        self, connect: conftest.Connect, other: Other, image_id: str
    ) -> None:
        """The first copy stays as it is."""
        conn, to = connect('stream'), other.connect()
        chosen = '11111111-2222-4333-8444-555555555555'
        conn.image.copy_image(image_id, to=to, image_id=chosen)

        with pytest.raises(sdk_exceptions.ConflictException):
            conn.image.copy_image(image_id, to=to, image_id=chosen)

        assert other.content(chosen) == DATA
        assert to.image.get_image(chosen).status == 'active'


class TestSource:
    """A source over a network that breaks, and a bad one."""

    @pytest.mark.parametrize('reset', [False, True])
    @pytest.mark.parametrize('refuse_ranges', [False, True])
    def test_cut(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        other: Other,
        image_id: str,
        reset: bool,
        refuse_ranges: bool,
    ) -> None:
        """It is resumed beneath one upload."""
        with (
            fault_proxy.FaultProxy(
                running_cloud.image_url,
                cuts=[3 * MIB, 7 * MIB],
                reset=reset,
                refuse_ranges=refuse_ranges,
            ) as proxy,
            upload_proxy.UploadProxy(other.running.image_url) as uploads,
        ):
            made = connect(
                'stream',
                image_endpoint_override=proxy.url,
                image_api_version='2',
            ).image.copy_image(image_id, to=other.behind(uploads))

            assert proxy.broken == 2
            assert uploads.uploads == 1
        assert other.content(made.id) == DATA

    @pytest.mark.usefixtures('unchanged')
    @pytest.mark.parametrize('stores', [None, ['second']])
    def test_damaged(
        self,
        connect: conftest.Connect,
        other: Other,
        damaged: str,
        stores: list[str] | None,
    ) -> None:
        """The upload never gets all of it, and nothing is left."""
        with upload_proxy.UploadProxy(other.running.image_url) as uploads:
            with pytest.raises(openstack_image_stream.ChecksumMismatchError):
                connect('stream').image.copy_image(
                    damaged, to=other.behind(uploads), stores=stores
                )

            assert 0 < uploads.handed_on < len(DATA)

    def test_token_revoked(
        self, connect: conftest.Connect, other: Other, image_id: str
    ) -> None:
        """The tokens of both sides are renewed in the middle of a copy."""
        conn, to = connect('stream'), other.connect()
        tokens: list[str] = []

        def revoke(snapshot: openstack_image_stream.Progress) -> None:
            if not tokens and snapshot.done:
                tokens.append(to.authorize())
                other.running.revoke(tokens[0])

        made = conn.image.copy_image(image_id, to=to, progress=revoke)

        assert other.content(made.id) == DATA
        assert to.authorize() != tokens[0]


class TestDestination:
    """A destination that fails or refuses."""

    @pytest.mark.parametrize(
        'fault',
        [
            Fault(after=0),
            Fault(after=10 * MIB),
            Fault(after=10 * MIB, reset=True),
            Fault(after=10 * MIB, status=503),
            Fault(after=len(DATA) - 1),
        ],
        ids=['at once', 'cut', 'reset', '503', 'last byte'],
    )
    @pytest.mark.parametrize('stores', [None, ['second']])
    def test_broken(
        self,
        connect: conftest.Connect,
        other: Other,
        image_id: str,
        fault: upload_proxy.Fault,
        stores: list[str] | None,
    ) -> None:
        """The second upload is to the same record."""
        ids = other.ids()
        with upload_proxy.UploadProxy(other.running.image_url) as uploads:
            uploads.faults.append(fault)
            made = connect('stream').image.copy_image(
                image_id, to=other.behind(uploads), stores=stores
            )

            assert uploads.uploads == 2
        assert other.ids() - ids == {made.id}
        store = 'second-images' if stores else 'images'
        path = other.running.directory / store / made.id
        assert path.read_bytes() == DATA

    @pytest.mark.parametrize('stores', [None, ['second']])
    def test_lost_response(
        self,
        connect: conftest.Connect,
        other: Other,
        image_id: str,
        stores: list[str] | None,
    ) -> None:
        """The image is there, and is not uploaded twice."""
        with upload_proxy.UploadProxy(other.running.image_url) as uploads:
            uploads.faults.append(Fault())
            made = connect('stream').image.copy_image(
                image_id, to=other.behind(uploads), stores=stores
            )

            assert uploads.uploads == 1
        assert made.status == 'active'

    @pytest.mark.usefixtures('unchanged')
    @pytest.mark.parametrize('stores', [None, ['second']])
    def test_broken_for_good(
        self,
        connect: conftest.Connect,
        other: Other,
        image_id: str,
        stores: list[str] | None,
    ) -> None:
        """Nothing is left of it."""
        with upload_proxy.UploadProxy(other.running.image_url) as uploads:
            uploads.faults.extend([Fault(after=10 * MIB)] * 2)
            with pytest.raises(openstack_image_stream.CopyFailedError) as info:
                connect('stream').image.copy_image(
                    image_id,
                    to=other.behind(uploads),
                    stores=stores,
                    retries=1,
                )

        assert not info.value.left_behind

    @pytest.mark.usefixtures('unchanged')
    @pytest.mark.parametrize('stores', [None, ['second']])
    def test_too_large(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        other: Other,
        stores: list[str] | None,
    ) -> None:
        """Its refusal is raised, in its own words."""
        large = running_cloud.upload('large', bytes(CAP + 1))

        with pytest.raises(sdk_exceptions.HttpException) as info:
            connect('stream').image.copy_image(
                large, to=other.connect(), stores=stores
            )

        assert info.value.status_code == 413

    @pytest.mark.usefixtures('unchanged')
    def test_forbidden(
        self, connect: conftest.Connect, other: Other, image_id: str
    ) -> None:
        """A policy refuses before any data are sent."""
        with pytest.raises(sdk_exceptions.ForbiddenException):
            connect('stream').image.copy_image(
                image_id, to=other.connect(), visibility='public'
            )

    @pytest.mark.usefixtures('unchanged')
    def test_store_that_is_not_there(
        self, connect: conftest.Connect, other: Other, image_id: str
    ) -> None:
        """Staged data are removed as well."""
        with pytest.raises(sdk_exceptions.HttpException):
            connect('stream').image.copy_image(
                image_id, to=other.connect(), stores=['third']
            )

    @pytest.mark.usefixtures('unchanged')
    def test_changed_on_the_way(
        self, connect: conftest.Connect, other: Other, image_id: str
    ) -> None:
        """It is found by the algorithm of the destination, and deleted."""
        with upload_proxy.UploadProxy(other.running.image_url) as uploads:
            uploads.faults.append(Fault(flip=5 * MIB))
            with pytest.raises(
                openstack_image_stream.ChecksumMismatchError
            ) as info:
                connect('stream').image.copy_image(
                    image_id, to=other.behind(uploads)
                )

        assert info.value.algorithm == 'sha256'


class TestEnd:
    """A program that ends in the middle of a copy."""

    @pytest.fixture
    def copying(
        self, running_cloud: cloud.Cloud, other: Other, image_id: str
    ) -> collections.abc.Iterator[processes.Program]:
        """A program that has copied half of an image, and waits for more."""
        with (
            fault_proxy.FaultProxy(
                running_cloud.image_url, hold_after=12 * MIB
            ) as proxy,
            processes.Program(
                '-c',
                _PROGRAM,
                running_cloud.clouds_yaml,
                proxy.url,
                other.running.clouds_yaml,
                image_id,
            ) as program,
        ):
            program.wait_for_line('copying')
            yield program

    @pytest.mark.usefixtures('unchanged')
    def test_ctrl_c(self, copying: processes.Program) -> None:
        """It removes the record before it ends."""
        copying.signal(signal.SIGINT)

        status, _, errors = copying.end()

        assert status == 3, errors

    def test_kill(self, copying: processes.Program, other: Other) -> None:
        """A record without data is left, which is not active."""
        copying.signal(signal.SIGKILL)
        copying.end()

        conn = other.connect()
        processes.wait_for(
            lambda: (
                {'queued'}
                == {i.status for i in conn.image.images()} - {'active'}
            )
        )
        [left] = [i for i in conn.image.images() if i.status == 'queued']
        assert left.size is None
        assert left.id not in other.stored()
        conn.image.delete_image(left.id)


def test_memory(running_cloud: cloud.Cloud) -> None:
    """A copy of any size takes a few chunks."""
    small = running_cloud.upload('small', bytes(9 * MIB))
    large = running_cloud.upload('large', bytes(256 * MIB))

    with processes.Program(
        '-c', _MEMORY, small, large, env=running_cloud.environment('stream')
    ) as program:
        status, printed, errors = program.end()

    assert status == 0, errors
    assert int(printed) < 32 * MIB
