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

"""How a download grows: with the size, the connections, and the number."""

from benchmarks import plan as planning

_BY_CONNECTIONS = (
    'plugin-path',
    *(f'plugin-path-{n}' for n in planning.CONNECTIONS[1:]),
)
_BY_DOWNLOADS = tuple(
    f'{who}-at-once-{n}' for n in planning.AT_ONCE for who in ('plugin', 'sdk')
)


def _growth(
    sizes: tuple[int, int, int], each: int, capped: int, rounds: int
) -> planning.Plan:
    """Return how time, CPU, memory and threads grow.

    :param sizes: Of images, in MiB; the middle one is for connections.
    :param each: Size of the images that are downloaded at the same time.
    :param capped: Size of the image from where connections are limited.
    """
    scenarios = [
        *(('nginx', size, planning.MEMORY, 'sizes') for size in sizes),
        ('nginx', sizes[1], _BY_CONNECTIONS, 'connections'),
        ('capped', capped, _BY_CONNECTIONS, 'connections'),
        ('nginx', each, _BY_DOWNLOADS, 'at-once'),
    ]
    return planning.Plan(
        sizes={
            'medium': sizes[0],
            'large': sizes[1],
            'huge': sizes[2],
        },
        scenarios=tuple(
            planning.Scenario(
                origin, 'http', 'tmpfs', size, rounds, names, task
            )
            for origin, size, names, task in scenarios
        ),
    )


GROWTH = _growth((64, 1024, 8192), each=64, capped=512, rounds=3)
QUICK_GROWTH = _growth((4, 64, 256), each=4, capped=64, rounds=1)
