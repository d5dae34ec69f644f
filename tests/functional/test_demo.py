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

"""The demonstration shows what the README says."""

import os
import pathlib

import pytest

from tests.functional import conftest
from tests.servers import cloud
from tools import demo
from tools import demo_commands

MIB = 1024 * 1024

NAMES = (demo_commands.GOOD, demo_commands.DAMAGED)


class TestDemo:
    """A short run, with a small image."""

    def test_tables(
        self,
        running_cloud: cloud.Cloud,
        capsys: pytest.CaptureFixture[str],
        tmp_path: pathlib.Path,
    ) -> None:
        """Only a stream of the SDK is unverified, and nothing is left."""
        demo.Demo(running_cloud, 16 * MIB, tmp_path, runs=1).run()

        printed = capsys.readouterr().out
        lines = printed.splitlines()
        sdk = [line for line in lines if line.startswith('  openstacksdk')]
        ours = [line for line in lines if line.startswith('  with the plugin')]
        assert [' NO ' in line for line in sdk] == [False, True, False]
        assert sdk[0].endswith('yes       SDKException, and a bad file')
        assert sdk[1].endswith('NO        not noticed: a bad file')
        assert [' yes' in line for line in ours] == [True, True, True]
        assert ours[0].endswith('ChecksumMismatchError, no file')
        assert ours[1].endswith('ChecksumMismatchError before the last chunk')
        assert list(tmp_path.iterdir()) == []

    def test_commands(
        self,
        running_cloud: cloud.Cloud,
        upload: conftest.Upload,
        capsys: pytest.CaptureFixture[str],
        tmp_path: pathlib.Path,
    ) -> None:
        """One image is copied, the damaged one is not, and the audit says it.

        The commands take IDs, since other tests have images of these names.
        """
        good, damaged = (upload(name, os.urandom(MIB)) for name in NAMES)
        running_cloud.stored_file(damaged).write_bytes(os.urandom(MIB))
        with cloud.Cloud.start(hashing_algorithm='sha256') as other:
            demo_commands.Commands(
                running_cloud, other, tmp_path, (good, damaged)
            ).run()

        printed = capsys.readouterr().out
        assert [
            line[: len('(status 0')]
            for line in printed.splitlines()
            if line.startswith('(status ')
        ] == [f'(status {number}' for number in (0, 3, 0, 3, 3)]
        listed = printed.partition('image list')[2].partition('$ ')[0]
        assert f'| {NAMES[0]} ' in listed
        assert NAMES[1] not in listed
        assert f'| {NAMES[1]} | mismatch ' in printed
        assert 'Traceback' not in printed
        assert os.listdir(tmp_path) == ['clouds.yaml']
