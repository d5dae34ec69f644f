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

"""Copies during which real tokens expire."""

import collections.abc
import contextlib
import os
import time
import typing

from keystoneauth1.identity import v3
from keystoneauth1 import session
import openstack.connection
import pytest
import requests

import openstack_image_stream
from tests import conftest as tests_conftest
from tests.functional import conftest
from tests.functional import destinations
from tests import processes
from tests.servers import cloud
from tests.servers.cloud import accounts
from tests.servers import fault_proxy
from tests.servers import upload_proxy

MIB = 1024 * 1024

DATA = os.urandom(9 * MIB + 17)

#: Seconds that a token is good for.
EXPIRATION = 6

_TokenOnly = collections.abc.Callable[
    [upload_proxy.UploadProxy], openstack.connection.Connection
]

#: A client whose clock is late takes every token for good, and learns that it
#: is not from a response with 401. Another one renews it in time.
CLOCKS = pytest.mark.parametrize('late', [False, True], ids=['', 'late'])


@pytest.fixture(scope='module')
def brief_cloud(
    kept_directory: tests_conftest.KeptDirectory,
) -> collections.abc.Iterator[cloud.Cloud]:
    """A cloud whose tokens soon expire."""
    with cloud.Cloud.start(
        kept_directory('brief'), token_expiration=EXPIRATION, token_cache=-1
    ) as running:
        yield running


@pytest.fixture
def brief(
    brief_cloud: cloud.Cloud,
) -> collections.abc.Iterator[destinations.Destination]:
    """The same, and what a test connected to it."""
    made = destinations.Destination(brief_cloud)
    yield made
    made.close()


@pytest.fixture
def unchanged(
    brief: destinations.Destination,
) -> collections.abc.Iterator[None]:
    """Checks that a test leaves no image and no file there."""
    ids, stored = brief.ids(), brief.stored()
    yield
    assert brief.ids() == ids
    assert brief.stored() == stored


@pytest.fixture(scope='module')
def brief_image_id(brief_cloud: cloud.Cloud) -> str:
    """An image in that cloud."""
    return brief_cloud.upload('brief', DATA)


@pytest.fixture(scope='module')
def image_id(running_cloud: cloud.Cloud) -> str:
    """The same image in the other one."""
    return running_cloud.upload('copied', DATA)


def wait_for_expiration(running: cloud.Cloud, token: str) -> None:
    """Wait until Glance does not accept a token any more."""
    processes.wait_for(
        lambda: (
            requests.get(
                f'{running.image_url}/v2/images',
                headers={'X-Auth-Token': token},
                timeout=processes.DEADLINE,
            ).status_code
            == 401
        )
    )


class Expiration:
    """Holds a copy until the token of a request for data has expired.

    :param running: The cloud of the token.
    :param tokens: Tokens that the proxy saw.
    :param each: Whether to hold each request, and not the first one only.
    """

    def __init__(
        self, running: cloud.Cloud, tokens: list[str], each: bool = False
    ) -> None:
        #: The token.
        self.token = ''
        #: When that was, by the monotonic clock.
        self.ended = 0.0
        self._running = running
        self._tokens = tokens
        self._each = each

    def __call__(self, snapshot: openstack_image_stream.Progress) -> None:
        """Take what the progress of the copy is."""
        if not snapshot.done or not self._tokens:
            return
        if not self.token or (self._each and self.token != self._tokens[-1]):
            self.token = self._tokens[-1]
            wait_for_expiration(self._running, self.token)
            self.ended = time.monotonic()


def set_clock(connection: typing.Any, late: bool) -> None:
    """Have a client see the tokens expire, or not."""
    if late:
        connection.session.auth.MIN_TOKEN_LIFE_SECONDS = -3600


@CLOCKS
def test_source(
    connect: conftest.Connect,
    running_cloud: cloud.Cloud,
    brief: destinations.Destination,
    brief_image_id: str,
    late: bool,
) -> None:
    """A source that breaks is resumed with a new token."""
    with fault_proxy.FaultProxy(
        brief.running.image_url, cuts=[5 * MIB]
    ) as proxy:
        conn = brief.behind(proxy, 'stream')
        set_clock(conn, late)
        expiration = Expiration(brief.running, proxy.tokens)
        made = conn.image.copy_image(
            brief_image_id, to=connect('plain'), progress=expiration
        )

        resumed = [200, 401, 206] if late else [200, 206]
        assert proxy.statuses[-len(resumed) :] == resumed
        assert proxy.tokens[-1] != expiration.token
    assert running_cloud.stored_file(made.id).read_bytes() == DATA


@CLOCKS
@pytest.mark.parametrize('stores', [None, ['second']])
def test_destination(
    connect: conftest.Connect,
    brief: destinations.Destination,
    image_id: str,
    stores: list[str] | None,
    late: bool,
) -> None:
    """An upload that outlives its token is taken, and not repeated."""
    with upload_proxy.UploadProxy(brief.running.image_url) as uploads:
        to = brief.behind(uploads)
        set_clock(to, late)
        expiration = Expiration(brief.running, uploads.tokens, each=True)
        made = connect('stream').image.copy_image(
            image_id,
            to=to,
            stores=stores,
            protected=True,
            progress=expiration,
        )

        # There may be one before that found its token just expired.
        assert uploads.tokens[-1] == expiration.token
    store = 'second-images' if stores else 'images'
    assert (brief.running.directory / store / made.id).read_bytes() == DATA
    assert (made.status, made.is_protected) == ('active', True)


def test_both(brief: destinations.Destination, brief_image_id: str) -> None:
    """Both sides use one connection, whose token expires."""
    with (
        fault_proxy.FaultProxy(
            brief.running.image_url, cuts=[5 * MIB]
        ) as proxy,
        upload_proxy.UploadProxy(brief.running.image_url) as uploads,
    ):
        conn, to = brief.behind(proxy, 'stream'), brief.behind(uploads)
        to.session.auth = conn.session.auth
        set_clock(conn, late=True)
        expiration = Expiration(brief.running, uploads.tokens, each=True)
        made = conn.image.copy_image(
            brief_image_id, to=to, progress=expiration
        )

        assert proxy.broken == 1
        assert uploads.tokens[-1] == expiration.token
    assert brief.content(made.id) == DATA


def test_before_the_upload(
    connect: conftest.Connect, brief: destinations.Destination, image_id: str
) -> None:
    """An upload that is refused for its token is repeated with a new one."""
    with upload_proxy.UploadProxy(brief.running.image_url) as uploads:

        def wait(token: str) -> None:
            if uploads.uploads == 1:
                wait_for_expiration(brief.running, token)

        uploads.on_upload = wait
        made = connect('stream').image.copy_image(
            image_id, to=brief.behind(uploads)
        )

        assert uploads.uploads == 2
        assert uploads.tokens[0] != uploads.tokens[1]
    assert brief.content(made.id) == DATA


@pytest.mark.usefixtures('unchanged')
@pytest.mark.parametrize('stores', [None, ['second']])
def test_failure(
    running_cloud: cloud.Cloud,
    connect: conftest.Connect,
    brief: destinations.Destination,
    stores: list[str] | None,
) -> None:
    """What is left of a copy is removed with a new token."""
    damaged = running_cloud.upload('damaged', DATA)
    with running_cloud.stored_file(damaged).open('r+b') as stored:
        stored.write(bytes([DATA[0] ^ 1]))
    with upload_proxy.UploadProxy(brief.running.image_url) as uploads:
        to = brief.behind(uploads)
        set_clock(to, late=True)
        expiration = Expiration(brief.running, uploads.tokens)
        with pytest.raises(openstack_image_stream.ChecksumMismatchError):
            connect('stream').image.copy_image(
                damaged, to=to, stores=stores, progress=expiration
            )

    assert expiration.token


@pytest.fixture
def token_only(
    brief: destinations.Destination,
) -> collections.abc.Iterator[_TokenOnly]:
    """Makes connections to that cloud that have a token and no password."""
    with contextlib.ExitStack() as stack:

        def connect(
            proxy: upload_proxy.UploadProxy,
        ) -> openstack.connection.Connection:
            first = brief.connect()
            connection = openstack.connection.Connection(
                session=session.Session(
                    auth=v3.Token(
                        brief.running.identity_url,
                        first.authorize(),
                        project_id=first.current_project_id,
                    )
                ),
                region_name=accounts.REGION,
                image_endpoint_override=proxy.url,
                image_api_version='2',
            )
            stack.callback(connection.close)
            return connection

        yield connect


def test_no_new_token(
    connect: conftest.Connect,
    brief: destinations.Destination,
    token_only: _TokenOnly,
    image_id: str,
) -> None:
    """Where there can be none the error says at once what is left."""
    with upload_proxy.UploadProxy(brief.running.image_url) as uploads:
        expiration = Expiration(brief.running, uploads.tokens)
        with pytest.raises(openstack_image_stream.CopyFailedError) as info:
            connect('stream').image.copy_image(
                image_id, to=token_only(uploads), progress=expiration
            )
        seconds = time.monotonic() - expiration.ended

    error = info.value
    assert error.left_behind
    assert str(error.image_id) in str(error)
    assert seconds < 10
    # All that is left is whole.
    assert brief.content(str(error.image_id)) == DATA
    brief.connect().image.delete_image(error.image_id)
