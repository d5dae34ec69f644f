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

"""What is done in one case, decided beforehand."""

import dataclasses
import random
from typing import Any

from tests.soak import drawing
from tests.soak import images
from tests.soak import server
from tests.soak import short_waits

#: Ways to download, of :data:`tests.ways.ALL`, and how often each is drawn.
_WAYS = {
    'memory': 4,
    'open_stream': 3,
    'read': 3,
    'readinto': 2,
    'closed_early': 3,
    'forgotten': 2,
    'path': 12,
    'file': 2,
    'raw_file': 2,
    'pipe': 2,
    'broken_pipe': 1,
}

#: What an output path has been before.
_BEFORE = {'nothing': 3, 'file': 3, 'empty': 1}

#: What is there under the name of the partial file.
_PARTIALS = {'none': 12, 'part': 4, 'whole': 1, 'longer': 1, 'garbage': 2}

#: Seconds of silence that a client waits for, where there is some and where a
#: busy machine alone would make it.
_SHORT_TIMEOUT, _LONG_TIMEOUT = 1.5, 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A download and all that happens to it.

    :param image: What is downloaded.
    :param script: How the server serves it.
    :param options: Options of the download but ``progress``.
    :param way: How it is downloaded.
    :param amount: Bytes that a caller reads at a time.
    :param before: What is at the output path.
    :param partial: What is under the name of the partial file.
    :param progress: ``none``, ``watched``, or ``raising`` an error.
    :param again: Whether the same is done again after a failure, with an
        honest server.
    """

    image: images.Image
    script: server.Script
    options: dict[str, Any]
    way: str
    amount: int
    before: str = 'nothing'
    partial: str = 'none'
    progress: str = 'none'
    again: bool = True

    @property
    def resumable(self) -> bool:
        """Whether a partial file is taken up, and kept after a failure."""
        return bool(
            self.way == 'path'
            and self.before != 'empty'
            and self.options['resume']
            and self.options['validate_checksum']
            and self.image.described
        )

    @property
    def whole(self) -> bool:
        """Whether a download without an error brought all bytes."""
        return self.way not in ('closed_early', 'forgotten', 'broken_pipe')

    @property
    def corrupt(self) -> bool:
        """Whether bytes arrive that are not the image's."""
        return any(fault.corrupts for fault in self.script.data_faults)


def _weighted(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices([*weights], [*weights.values()])[0]


def draw(dice: random.Random, way: str | None = None) -> Plan:
    """Return a plan by chance.

    :param dice: The chance.
    :param way: How it is downloaded, if that is settled.
    """
    image = images.draw(dice)
    options = _draw_options(dice, image)
    provable = options['validate_checksum'] and image.described
    script = drawing.draw(dice, image, provable=provable)
    way = way or _weighted(dice, _WAYS)
    return Plan(
        image=image,
        script=script,
        options=_suited(options, script),
        way=way,
        amount=dice.choice((1009, 100_000, images.MIB, 5_000_011)),
        before=_weighted(dice, _BEFORE) if way == 'path' else 'nothing',
        partial=_weighted(dice, _PARTIALS) if way == 'path' else 'none',
        progress=dice.choices(('none', 'watched', 'raising'), (60, 36, 4))[0],
        again=dice.random() < 0.6,
    )


def honest(plan: Plan, image: images.Image) -> Plan:
    """Return a plan for the same again, without a fault.

    :param plan: The plan.
    :param image: What the server has by now.
    """
    return dataclasses.replace(
        plan,
        image=image,
        script=dataclasses.replace(
            plan.script, data_faults=(), metadata_faults=()
        ),
        # A store without ranges takes an attempt for a partial file.
        options={**plan.options, 'retries': plan.options['retries'] + 1},
        progress='none',
    )


#: Limits of rate and time that a download takes note of and does not reach,
#: but for the bandwidth.
_LIMITS: tuple[dict[str, Any], ...] = (
    {'max_bandwidth': 100 * images.MIB},
    {'low_speed_limit': 1, 'low_speed_time': 600},
    {'deadline': 3600},
    {
        'max_bandwidth': 200 * images.MIB,
        'low_speed_limit': 1,
        'low_speed_time': 600,
        'deadline': 3600,
    },
)


def _draw_options(dice: random.Random, image: images.Image) -> dict[str, Any]:
    options: dict[str, Any] = {
        'connections': dice.choice((1, 1, 1, 1, 2, 3, 4, 8, 'auto')),
        'retries': dice.choice((1, 2, 3, 5, 5, 8, 20)),
        'validate_checksum': dice.random() < 0.9 or not image.sized,
        'allow_md5_fallback': dice.random() < 0.5,
        'resume': dice.random() < 0.75,
        'sparse': dice.random() < 0.75,
    }
    if dice.random() < 0.05:
        options['store_preferences'] = ['fast', 'slow']
    if dice.random() < 0.1:
        options.update(dice.choice(_LIMITS))
    return options


def _suited(options: dict[str, Any], script: server.Script) -> dict[str, Any]:
    """Return options with the timeout and retries that the faults need."""
    everything = (*script.data_faults, *script.metadata_faults)
    absent = sum(fault.absent or 0 for fault in everything)
    if absent:
        retries = short_waits.outlived(absent) + len(everything)
        options = {**options, 'retries': options['retries'] + retries}
    silent = any(fault.silent for fault in everything)
    return {
        **options,
        'timeout': _SHORT_TIMEOUT if silent else _LONG_TIMEOUT,
    }
