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
"""The configuration of a cloud, as programs of the SDK read it."""

from collections.abc import Iterator
import contextlib
import logging
from typing import Any, TYPE_CHECKING

import openstack
from openstack import config

from openstack_image_stream import exceptions

if TYPE_CHECKING:
    from openstack.config import cloud_region
    from openstack import connection


def read(name: str | None) -> 'cloud_region.CloudRegion':
    """Read the configuration of a cloud. Nothing is asked of the cloud.

    :param name: Name of the cloud, ``None`` for that which the environment
        selects.
    :returns: The configuration.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when there is no such cloud, or its configuration cannot be read.
    """
    try:
        # Whether the credentials are complete is not what is looked for.
        region = config.OpenStackConfig().get_one(cloud=name, validate=False)
    except Exception as exc:
        # Errors of YAML, of files, of vendor profiles behind a URL.
        raise exceptions.InvalidArgumentError(
            f'the configuration cannot be read: {exc}'
        ) from exc
    if region.name in ('', 'defaults'):
        raise exceptions.InvalidArgumentError(
            'no cloud is selected: give --os-cloud NAME, or set OS_CLOUD'
        )
    return region


def connect(name: str | None) -> 'connection.Connection':
    """Connect to a cloud as a program does.

    :param name: Name of the cloud, ``None`` for that which the environment
        selects.
    :returns: The connection.
    """
    return openstack.connect(cloud=name)


@contextlib.contextmanager
def connection_to(
    region: 'cloud_region.CloudRegion',
) -> 'Iterator[tuple[connection.Connection, list[str]]]':
    """Make a connection, by which hooks are executed. No request is made.

    :param region: The configuration of the cloud.
    :returns: The connection, and what the SDK logged as warnings.
    """
    collected = _Collector()
    logger = logging.getLogger('openstack')
    logger.addHandler(collected)
    try:
        conn = openstack.connection.Connection(config=region)
    finally:
        logger.removeHandler(collected)
    with conn:
        yield conn, collected.texts


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def image_version(region: Any) -> str | None:
    """Return the version of the Image API that a cloud is set to."""
    version: str | None = region.get_api_version('image')
    return version


def has_image_service(region: Any) -> bool:
    """Return whether a cloud's Image service is enabled."""
    return bool(region.has_service('image'))
