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

"""``openstack image audit``, as a program, with a real cloud."""

import json
import os
import pathlib
import uuid

import pytest

from tests.functional import conftest
from tests.functional import openstack_program
from tests.servers import cloud

MIB = 1024 * 1024
DATA = os.urandom(MIB + 17)

run = openstack_program.run


def damage(running_cloud: cloud.Cloud, image_id: str) -> None:
    """Damage the data of an image, in the store of the cloud."""
    with running_cloud.stored_file(image_id).open('r+b') as stored:
        stored.write(bytes([DATA[0] ^ 1]))


class TestAudit:
    """Several images."""

    def test_good(
        self, running_cloud: cloud.Cloud, upload: conftest.Upload
    ) -> None:
        """A row for each, by names and IDs; status 0."""
        name = f'audited-{uuid.uuid4()}'
        first = upload(name, DATA)
        second = upload('audited', DATA)
        done = run(
            running_cloud,
            *('audit', name, second, '--jobs', '1', '-f', 'json'),
        )
        assert (done.returncode, done.stderr) == (0, b'')
        rows = json.loads(done.stdout)
        assert [row['ID'] for row in rows] == [first, second]
        assert rows[0].pop('Seconds') > 0
        assert rows[0] == {
            'ID': first,
            'Name': name,
            'Verdict': 'good',
            'Size': len(DATA),
            'Bytes': len(DATA),
            'Message': '',
        }

    def test_bad(
        self, running_cloud: cloud.Cloud, upload: conftest.Upload
    ) -> None:
        """Status 3, and the rows of the others are there."""
        good = upload('good', DATA)
        bad = upload('bad', DATA)
        damage(running_cloud, bad)
        gone = str(uuid.uuid4())
        done = run(running_cloud, 'audit', good, bad, gone, '-f', 'json')
        assert (done.returncode, done.stderr) == (3, b'')
        assert {
            row['ID']: row['Verdict'] for row in json.loads(done.stdout)
        } == {good: 'good', bad: 'mismatch', gone: 'gone'}
        done = run(running_cloud, 'audit', good, bad)
        assert done.returncode == 3
        assert b'| mismatch ' in done.stdout

    def test_incomplete(
        self, running_cloud: cloud.Cloud, upload: conftest.Upload
    ) -> None:
        """Status 4, unless another is bad."""
        short = upload('short', DATA)
        bad = upload('bad', DATA)
        damage(running_cloud, bad)
        os.truncate(running_cloud.stored_file(short), MIB // 2)
        words = ('audit', '--retries', '0', '--jobs', '1')
        assert [
            run(running_cloud, *words, *ids).returncode
            for ids in ((short,), (bad, short), (short, bad))
        ] == [4, 3, 3]

    @pytest.mark.usefixtures('no_images')
    def test_all(
        self,
        running_cloud: cloud.Cloud,
        connect: conftest.Connect,
        upload: conftest.Upload,
    ) -> None:
        """Without arguments each image that is listed has a row."""
        upload('listed', DATA)
        listed = {image.id for image in connect('plain').image.images()}
        done = run(running_cloud, 'audit', '-f', 'value', '-c', 'ID')
        assert set(done.stdout.decode().split()) == listed

    def test_on_a_terminal(
        self,
        upload: conftest.Upload,
        running_cloud: cloud.Cloud,
        tmp_path: pathlib.Path,
    ) -> None:
        """How many are done is shown until the table is."""
        ids = [upload('audited', DATA) for _ in range(2)]
        status, shown = openstack_program.run_on_terminal(
            running_cloud, 'audit', *ids, directory=tmp_path
        )
        assert status == 0
        before, erased, table = shown.rpartition('\r\033[K')
        assert erased
        assert '\r2 audited, 0 bad' in before
        assert all(image_id in table for image_id in ids)
        assert 'audited, ' not in table

    def test_required(
        self, running_cloud: cloud.Cloud, upload: conftest.Upload
    ) -> None:
        """Without a hash an image is bad only where one is required."""
        image_id = upload('audited', DATA)
        running_cloud.set_image_hash(
            image_id, checksum=None, os_hash_algo=None, os_hash_value=None
        )
        assert [
            run(running_cloud, 'audit', image_id, *words).returncode
            for words in ((), ('--validate-checksum', 'required'))
        ] == [0, 3]

    def test_usage(self, running_cloud: cloud.Cloud) -> None:
        """Status 2 for what cannot work, 1 for a name that is wrong."""
        assert [
            run(running_cloud, 'audit', *words).returncode
            for words in (('--jobs', '0'), ('--jobs', 'x'), ('absent',))
        ] == [2, 2, 1]

    def test_help(self, running_cloud: cloud.Cloud) -> None:
        """--help has two examples and the exit statuses."""
        shown = run(running_cloud, 'audit', '--help').stdout.decode()
        assert shown.count('\n  openstack image audit') == 2
        assert '\nExit status: 0 ' in shown
        assert '--check-format' in shown
