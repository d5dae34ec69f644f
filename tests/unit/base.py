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

"""What the unit tests have in common."""

from collections.abc import Callable, Mapping
import functools
import gc
import hashlib
import os
import random
import threading
from typing import Any

import fixtures
import hypothesis
import openstack
import requests
import testtools

from openstack_image_stream._check import hashes
from openstack_image_stream._common import retry
from openstack_image_stream._transfer import coordination
from openstack_image_stream import service
from tests.servers import scripted

#: Name of the threads that hash.
OBSERVER_THREAD = 'openstack-image-stream-observers'

#: How examples are made up. A shared machine stalls when it likes, so none has
#: to be ready in time; the same ones come at every run.
EXAMPLES = hypothesis.settings(
    deadline=None, derandomize=True, max_examples=60, database=None
)


def some_bytes(size: int) -> bytes:
    """Return bytes that look random and are the same at every run."""
    return random.Random(size).randbytes(size)


def sha512(data: bytes) -> hashes.Expected:
    """Return the digest that these bytes have."""
    return hashes.Expected('sha512', hashlib.sha512(data).hexdigest())


def observer_threads() -> list[threading.Thread]:
    """Return the threads of observers that there are."""
    return [t for t in threading.enumerate() if t.name == OBSERVER_THREAD]


def for_each(cases: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Make one test of each case, out of a test that takes a case.

    :param cases: The cases, by the word that ends the name of their test.
    """

    def mark(function: Any) -> Any:
        function.cases = cases
        return function

    return mark


def _test_of(function: Any, case: Any) -> Any:
    def test(self: Any) -> None:
        function(self, case)

    test.__doc__ = function.__doc__
    return test


def close_idle(session: requests.Session) -> None:
    """Close the connections that wait in the pools of a session.

    Closing the session does not, as long as a response is held.
    """
    for adapter in session.adapters.values():
        pools = adapter.poolmanager.pools  # type: ignore[attr-defined]
        for key in pools.keys():  # noqa: SIM118 - it cannot be iterated over
            pools[key].close()


class TestCase(testtools.TestCase):
    """A test that sees nothing of the machine's clouds and leaves nothing."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, function in list(vars(cls).items()):
            cases = getattr(function, 'cases', None)
            if cases is not None:
                delattr(cls, name)
                for word, case in cases.items():
                    setattr(cls, f'{name}_{word}', _test_of(function, case))

    def setUp(self) -> None:
        super().setUp()
        # First, so that it is what is looked at last.
        self.addCleanup(self._check_threads)
        for name in os.environ:
            if name.startswith('OS_'):
                self.useFixture(fixtures.EnvironmentVariable(name, None))
        # A proxy that the machine uses knows nothing of its loopback.
        self.useFixture(fixtures.EnvironmentVariable('no_proxy', '*'))
        # A download that tries again does so at once.
        self.waits: list[float] = []
        self.useFixture(
            fixtures.MockPatchObject(
                retry,
                'RetryPolicy',
                functools.partial(retry.RetryPolicy, wait=self._wait),
            )
        )
        self.log = self.useFixture(fixtures.FakeLogger())
        self.directory = self.useFixture(fixtures.TempDir()).path

    def _wait(
        self, coordinator: coordination.Coordinator, seconds: float
    ) -> bool:
        self.waits.append(seconds)
        return coordinator.ended

    def _check_threads(self) -> None:
        if observer_threads():
            # A download that is part of a cycle ends when that is found.
            gc.collect()
        self.assertEqual([], observer_threads())

    def assert_same(self, expected: bytes, actual: bytes) -> None:
        """Check that bytes are the same, without printing them all."""
        if expected != actual:
            pairs = enumerate(zip(expected, actual, strict=False))
            where = next((i for i, (a, b) in pairs if a != b), 'the end')
            self.fail(
                f'{len(actual)} bytes are not the {len(expected)} that they '
                f'should be, the first difference is at {where}'
            )

    def path(self, name: str = 'image') -> str:
        """Return a path in the directory of this test."""
        return os.path.join(self.directory, name)

    def write(self, content: bytes, name: str = 'image') -> str:
        """Make a file in the directory of this test; return its path."""
        path = self.path(name)
        with open(path, 'wb') as file:
            file.write(content)
        return path

    def content(self, name: str = 'image') -> bytes:
        """Return the bytes of a file in the directory of this test."""
        with open(self.path(name), 'rb') as file:
            return file.read()

    def files(self) -> list[str]:
        """Return the names in the directory of this test."""
        return sorted(os.listdir(self.directory))

    def warnings(self) -> list[str]:
        """Return the lines of the log that are ours."""
        return [
            line
            for line in self.log.output.splitlines()
            if line.startswith('image ')
        ]


class GlanceTestCase(TestCase):
    """A test with a scripted Glance, and connections that have the plugin."""

    def serve(
        self, data: bytes = b'', **metadata: Any
    ) -> scripted.ScriptedGlance:
        """Start a Glance that has this image."""
        glance = scripted.ScriptedGlance(data, **metadata)
        self.addCleanup(glance.__exit__)
        return glance.__enter__()

    def connect(
        self, glance: scripted.ScriptedGlance, **kwargs: Any
    ) -> openstack.connection.Connection:
        """Connect to a Glance, with the plugin unless kwargs say otherwise."""
        if 'vendor_hook' not in kwargs:
            kwargs['vendor_hook'] = 'openstack_image_stream:load'
            # To find the entry point among all packages takes longer than
            # to download; what is about that asks for the hook by itself.
            self.useFixture(
                fixtures.MockPatchObject(
                    service,
                    '_registered',
                    return_value=service.ImageStreamService,
                )
            )
        # keystoneauth repeats a 503 five times, and waits in between.
        conn = glance.connect(image_status_code_retries=0, **kwargs)
        self.addCleanup(conn.close)
        return conn

    def assert_nothing_open(
        self,
        glance: scripted.ScriptedGlance,
        conn: openstack.connection.Connection,
    ) -> None:
        """Check that no connection is held but by the pool, and no thread."""
        close_idle(conn.session.session)
        self.assertTrue(
            glance.wait_until_left(), 'a connection to Glance is still open'
        )
        self.assertEqual([], observer_threads())
