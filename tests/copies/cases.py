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

"""One copy and its faults, all drawn from a number."""

import dataclasses
import random
from typing import Any

from tests.servers import upload_proxy

#: Sizes of the images that are copied, in bytes.
SIZES = (70_001, 1_048_576, 2_500_000, 9_000_000)


class Stop(Exception):
    """Raised by a program into its own copy."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """What is copied how, and what goes wrong.

    :param size: Which of the images.
    :param damaged: Whether the one with a wrong byte in its store.
    :param cuts: Where connections to the source break.
    :param reset: Whether by resets.
    :param ranged: Whether the source serves byte ranges.
    :param faults: What becomes of the uploads.
    :param statuses: Error statuses for other requests to the destination.
    :param stop_after: Bytes after which the program raises something.
    :param kind: What it raises.
    :param options: Keywords of the copy.
    """

    size: int
    damaged: bool
    cuts: tuple[int, ...]
    reset: bool
    ranged: bool
    faults: tuple[upload_proxy.Fault, ...]
    statuses: dict[bytes, list[int]]
    stop_after: int | None
    kind: type[BaseException]
    options: dict[str, Any]


def draw(seed: int, number: int) -> Case:
    """Draw a case.

    :param seed: Of the run.
    :param number: Of the case.
    """
    dice = random.Random(f'{seed}:{number}')
    size = dice.choice(SIZES)
    options: dict[str, Any] = {
        'retries': dice.choice((0, 1, 3, 5)),
        'connections': dice.choice((1, 1, 3, 'auto')),
        'timeout': 20,
    }
    if dice.random() < 0.15:
        options['stores'] = dice.choice((['second'], ['file', 'second']))
    if dice.random() < 0.1:
        options['protected'] = True
    return Case(
        size=size,
        damaged=dice.random() < 0.15,
        cuts=tuple(
            dice.randrange(size) for _ in range(dice.choice((0, 0, 1, 2)))
        ),
        reset=dice.random() < 0.5,
        ranged=dice.random() < 0.7,
        faults=tuple(
            _fault(dice, size) for _ in range(dice.choice((0, 0, 1, 1, 2)))
        ),
        statuses={
            method: [dice.choice((500, 502, 503))]
            for method in (b'POST', b'GET', b'DELETE', b'PATCH')
            if dice.random() < 0.1
        },
        stop_after=dice.randrange(size) if dice.random() < 0.1 else None,
        kind=dice.choice((Stop, KeyboardInterrupt, BrokenPipeError)),
        options=options,
    )


def _fault(dice: random.Random, size: int) -> upload_proxy.Fault:
    after = dice.choice((None, 0, size - 1, dice.randrange(size)))
    return dice.choice(
        (
            upload_proxy.Fault(after=after),
            upload_proxy.Fault(after=after, reset=True),
            upload_proxy.Fault(after=after, status=503),
            upload_proxy.Fault(after=after, status=dice.choice((403, 500))),
            upload_proxy.Fault(flip=dice.randrange(size)),
        )
    )
