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
"""openstacksdk's own functional tests of images, with the plugin."""

import json
import pathlib
from typing import Any

import pytest
import yaml

from tests import processes
from tests.servers import cloud

#: Seconds that one of openstacksdk's tests may take, and all of them.
ONE = 60
ALL = 600.0

#: What openstacksdk's tests call their clouds, and which account here has
#: their rights.
CLOUDS = {
    'devstack': 'plain',
    'devstack-alt': 'plain',
    'devstack-admin': 'admin',
    'devstack-system-admin': 'admin',
}

PROXY = 'openstack.image.v2._proxy.Proxy'


@pytest.fixture
def environment(
    running_cloud: cloud.Cloud, tmp_path: pathlib.Path
) -> dict[str, str]:
    """The environment of openstacksdk's tests."""
    known = yaml.safe_load(running_cloud.clouds_yaml.read_text())['clouds']
    clouds = {name: known[account] for name, account in CLOUDS.items()}
    path = tmp_path / 'clouds.yaml'
    path.write_text(yaml.safe_dump({'clouds': clouds}))
    running_cloud.upload('any', b'An image that tests can refer to.')
    return {
        **running_cloud.environment('devstack-admin'),
        'OPENSTACKSDK_IMAGE': 'any',
        'OS_CLIENT_CONFIG_FILE': str(path),
        'OS_LOG_CAPTURE': '1',
        'OS_TEST_TIMEOUT': str(ONE),
    }


def _results(
    environment: dict[str, str], path: pathlib.Path, *before: str
) -> dict[str, Any]:
    words = [*before, '-m', 'tests.programs.sdk_tests', path]
    with processes.Program(*words, env=environment) as program:
        status, output, errors = program.end(ALL)
    assert status == 0, output + errors
    results: dict[str, Any] = json.loads(path.read_text())
    return results


class TestImages:
    """All tests of images, with upstream's proxies and with the plugin's."""

    def test_results(
        self, environment: dict[str, str], tmp_path: pathlib.Path
    ) -> None:
        """What passes with upstream passes with the plugin."""
        upstream = _results(environment, tmp_path / 'upstream')
        plugin = _results(
            environment,
            tmp_path / 'plugin',
            *('-m', 'openstack_image_stream', 'run', '--'),
        )
        for side, results in (('upstream', upstream), ('plugin', plugin)):
            print(
                f'openstacksdk, {side}: {results["run"]} tests, '
                f'{len(results["failed"])} failed, '
                f'{len(results["skipped"])} skipped'
            )

        assert upstream['proxies'] == [PROXY]
        assert plugin['proxies'] == ['openstack_image_stream.proxy.ImageProxy']
        assert plugin['run'] == upstream['run'] > 0
        assert plugin['skipped'] == upstream['skipped']
        # None fails today. A test that the cloud is not made for may, but the
        # one that downloads may not.
        added = plugin['failed'].keys() - upstream['failed'].keys()
        assert not added, '\n'.join(plugin['failed'][name] for name in added)
        assert not [each for each in plugin['failed'] if 'download' in each]
