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

"""Audits of a real Glance, whose store is damaged in between."""

import collections.abc
import json
import os
import pathlib
import signal
import textwrap
import time
from typing import Any

from openstack import connection
import pytest

from examples.image import audit as example
import openstack_image_stream
from tests.faults.catalogue import verdicts
from tests.functional import conftest
from tests import processes
from tests.servers import cloud

MIB = 1024 * 1024

#: Several chunks, and one that is not full.
DATA = os.urandom(3 * MIB + 5)

SAFE = verdicts.image_like('qcow2')[:MIB]
UNSAFE = verdicts.image_like('qcow2-backing')[:MIB]

#: Uploads an image; returns its ID.
Upload = collections.abc.Callable[..., str]


@pytest.fixture
def conn(connect: conftest.Connect) -> connection.Connection:
    """A connection with the plugin."""
    return connect('stream')


@pytest.fixture
def upload(upload: conftest.Upload) -> Upload:
    """Upload images, which are deleted at the end."""

    def make(data: bytes | None = DATA, **properties: Any) -> str:
        return upload('audited', data, **properties)

    return make


def flip(path: pathlib.Path, position: int) -> None:
    """Have a store lose a bit."""
    with path.open('r+b') as stored:
        stored.seek(position)
        byte = stored.read(1)[0]
        stored.seek(position)
        stored.write(bytes([byte ^ 1]))


class TestAudit:
    """What is found, in one audit of many images."""

    def test_verdicts(
        self,
        running_cloud: cloud.Cloud,
        conn: connection.Connection,
        upload: Upload,
    ) -> None:
        """Each image has its own, whatever is wrong with the others."""
        stored = running_cloud.stored_file
        flipped = upload()
        flip(stored(flipped), MIB)
        truncated = upload()
        os.truncate(stored(truncated), 2 * MIB)
        lost = upload()
        stored(lost).unlink()
        no_hash = upload()
        running_cloud.set_image_hash(
            no_hash, checksum=None, os_hash_algo=None, os_hash_value=None
        )
        unsafe = upload(SAFE, disk_format='qcow2')
        # Glance does not take one, so that it has to change in its store.
        stored(unsafe).write_bytes(UNSAFE)
        mislabelled = upload(DATA[:MIB], disk_format='raw')
        stored(mislabelled).write_bytes(SAFE)
        deactivated = upload()
        running_cloud.deactivate(deactivated)
        expected = {
            upload(): ('good', len(DATA)),
            upload(SAFE, disk_format='qcow2'): ('good', MIB),
            upload(b''): ('good', 0),
            upload(None): ('no data', 0),
            flipped: ('mismatch', len(DATA)),
            truncated: ('incomplete', 2 * MIB),
            lost: ('incomplete', 0),
            no_hash: ('no hash', len(DATA)),
            deactivated: ('error', 0),
        }
        found = {
            result.image_id: result
            for result in conn.image.audit_images(
                [*expected, unsafe, mislabelled], check_format=True, retries=1
            )
        }
        assert found.pop(unsafe).verdict == 'unsafe'
        assert found.pop(mislabelled).verdict == 'mislabelled'
        assert {
            image_id: (result.verdict, result.bytes)
            for image_id, result in found.items()
        } == expected
        assert {result.name for result in found.values()} == {'audited'}

    @pytest.mark.usefixtures('no_images')
    def test_deleted_meanwhile(
        self,
        running_cloud: cloud.Cloud,
        conn: connection.Connection,
        upload: Upload,
    ) -> None:
        """What the list had and the service has no more is gone."""
        ids = {upload() for _ in range(4)}
        with conn.image.audit_images(jobs=1) as audit:
            results = [next(audit)]
            deleted = ids - {results[0].image_id}
            # Two of them may be on their way.
            for image_id in deleted:
                running_cloud.delete(image_id)
            results += audit
        found = {result.image_id: result.verdict for result in results}
        assert ids <= found.keys()
        verdicts_found = [found[image_id] for image_id in deleted]
        assert verdicts_found.count('gone') >= 1
        assert set(verdicts_found) <= {'gone', 'good'}

    def test_pickles(
        self, conn: connection.Connection, upload: Upload
    ) -> None:
        """Nothing of the connection is in a result."""
        (result,) = conn.image.audit_images([upload()])
        assert isinstance(result, openstack_image_stream.AuditResult)
        assert set(map(type, result.as_dict().values())) <= {
            str,
            int,
            float,
            bool,
        }


class TestExample:
    """The example of the guide."""

    @pytest.mark.usefixtures('no_images')
    def test_as_a_program(
        self, running_cloud: cloud.Cloud, upload: Upload
    ) -> None:
        """It prints a line for each image; its status says if one is bad."""
        good, damaged = upload(), upload()
        flip(running_cloud.stored_file(damaged), MIB)

        status, output, errors = self.run(running_cloud)

        assert (status, errors) == (3, '')
        found = {
            line['image_id']: line['verdict']
            for line in map(json.loads, output.splitlines())
        }
        assert (found[good], found[damaged]) == ('good', 'mismatch')
        running_cloud.delete(damaged)
        assert self.run(running_cloud)[0] == 0

    def run(self, running_cloud: cloud.Cloud) -> tuple[int, str, str]:
        """Run it; return its status and what it prints."""
        environment = running_cloud.environment('stream')
        with processes.Program(
            example.__file__, '--jobs', 2, env=environment
        ) as program:
            return program.end()


class TestInterrupted:
    """An audit as a program, and Ctrl-C."""

    def test_ends(self, running_cloud: cloud.Cloud, upload: Upload) -> None:
        """All ends within a second, and so does the program."""
        # As much as takes a while.
        ids = [upload(bytes(64 * MIB)) for _ in range(2)] * 20
        code = f"""
            import threading
            import time

            import openstack

            with openstack.connect() as conn:
                audit = conn.image.audit_images({ids}, jobs=2)
                try:
                    with audit:
                        for result in audit:
                            print(result.verdict, flush=True)
                except KeyboardInterrupt:
                    print(
                        'left:',
                        [
                            thread.name
                            for thread in threading.enumerate()
                            if 'openstack-image-stream' in thread.name
                        ],
                    )
        """
        environment = running_cloud.environment('stream')
        with processes.Program(
            '-c', textwrap.dedent(code), env=environment
        ) as program:
            program.wait_for_line('good')
            program.signal(signal.SIGINT)
            began = time.monotonic()
            status, output, errors = program.end()
            assert (status, errors) == (0, '')
            assert output.splitlines()[-1] == 'left: []'
            assert len(output.splitlines()) < len(ids)
            assert time.monotonic() - began < 5
