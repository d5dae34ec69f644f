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

"""Ratios of medians that are to be reached, as data."""

import dataclasses

from benchmarks import plan as planning


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A median over another one.

    :param scenario: Origin, scheme, place, the name of a size, and the task
        if it is not a download.
    :param below: Contenders, of which the one that takes longest counts.
    :param limit: What the ratio is not to exceed, or to reach.
    """

    title: str
    scenario: tuple[str, ...]
    above: str
    below: tuple[str, ...]
    limit: float
    at_least: bool = False


#: Scenarios: origin, scheme, place, name of the size, task.
LARGE = ('nginx', 'http', 'tmpfs', 'large')
LARGE_TO_DISK = ('nginx', 'http', 'disk', 'large')
TLS = ('nginx', 'https', 'tmpfs', 'large')
GLANCE_TO_DISK = ('glance', 'http', 'disk', 'large')
SMALL = ('nginx', 'http', 'tmpfs', 'small')
SEQUENCE = (*SMALL, 'sequence')
COPY = (*GLANCE_TO_DISK, 'copy')
CAPPED = ('capped', 'http', 'tmpfs', 'large')

#: Where what is found out is compared with fixed numbers of connections.
AUTO = (
    (LARGE, 'nginx to tmpfs'),
    (GLANCE_TO_DISK, 'Glance to disk'),
    (CAPPED, 'capped nginx'),
    (('delayed', 'http', 'tmpfs', 'some'), '50 ms of delay'),
    (('single', 'http', 'tmpfs', 'some'), 'one worker'),
    (('unranged', 'http', 'tmpfs', 'some'), 'no ranges'),
)

RATIOS = (
    Ratio(
        'path, nginx to tmpfs, over the floor',
        *(LARGE, 'plugin-path', planning.FLOOR, 1.05),
    ),
    Ratio(
        'path, nginx to disk, over the floor',
        *(LARGE_TO_DISK, 'plugin-path', planning.FLOOR, 1.10),
    ),
    *(
        Ratio(
            f'nginx to tmpfs, {number} connections over 1',
            *(LARGE, f'plugin-path-{number}', ('plugin-path',), 1.05),
        )
        for number in (4, 8)
    ),
    Ratio(
        'Glance to disk, SDK with stream=True over path',
        *(GLANCE_TO_DISK, 'sdk-stream-path', ('plugin-path',), 2.0, True),
    ),
    Ratio(
        'Glance to disk, SDK by default over path',
        *(GLANCE_TO_DISK, 'sdk-path', ('plugin-path',), 4.0, True),
    ),
    Ratio(
        'openstack image save, Glance to disk, without over with',
        *(GLANCE_TO_DISK, 'osc', ('osc-plugin',), 4.0, True),
    ),
    Ratio(
        'openstack image save, nginx to tmpfs, without over with',
        *(LARGE, 'osc', ('osc-plugin',), 2.8, True),
    ),
    Ratio(
        'stream, over the longer of the SDK\'s and the hash',
        *(LARGE, 'plugin-stream', ('sdk-stream', 'hash'), 1.05),
    ),
    Ratio(
        'small image, plugin-stream over sdk-stream, unverified',
        *(SMALL, 'plugin-stream', ('sdk-stream',), 1.10),
    ),
    Ratio(
        '1,000 small images, plugin-path over sdk-path',
        *(SEQUENCE, 'plugin-path', ('sdk-path',), 1.0),
    ),
    Ratio(
        '1,000 small images, plugin-stream over sdk-stream, unverified',
        *(SEQUENCE, 'plugin-stream', ('sdk-stream',), 1.0),
    ),
    Ratio(
        'copy, openstack image save and create over copy_image',
        *(COPY, 'copy-osc', ('copy-plugin',), 2.5, True),
    ),
    Ratio(
        'copy, copy_image over curl | curl, unverified',
        *(COPY, 'copy-plugin', ('copy-curl',), 1.15),
    ),
    Ratio(
        'capped nginx, 1 connection over 8',
        *(CAPPED, 'plugin-path', ('plugin-path-8',), 7.5, True),
    ),
    Ratio(
        'capped nginx, 8 connections over aria2c\'s 8',
        *(CAPPED, 'plugin-path-8', ('aria2-8',), 1.0),
    ),
)
