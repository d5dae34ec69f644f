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

"""What is done in one case, drawn from a seed."""

from collections.abc import Callable
import dataclasses
import random
from typing import Any

from tests.callers import actions
from tests import ways

MIB = 1024 * 1024

#: The kinds of processes, and how many cases of a hundred each gets.
KINDS = {'plain': 84, 'eventlet': 8, 'gevent': 8}

#: What happens to a download, and how often. ``raise`` is an exception out of
#: a signal handler or of a green thread's time limit.
_BEHAVIOURS = {
    'plain': {
        'raise': 30,
        'close': 14,
        'close_in_handler': 4,
        'close_in_progress': 4,
        'fork': 14,
        'collect': 10,
        'two': 14,
        'forget': 6,
        'break': 4,
    },
    'eventlet': {
        'none': 30,
        'raise': 25,
        'close': 15,
        'close_in_progress': 5,
        'two': 10,
        'forget': 7,
        'break': 8,
    },
}
_BEHAVIOURS['gevent'] = _BEHAVIOURS['eventlet']

#: Behaviours that only a response that is still read can have.
STREAMED = (
    'close',
    'close_in_handler',
    'close_in_progress',
    'forget',
    'break',
)

#: How the service behaves, and how often.
_SERVERS = {
    'fast': 40,
    'slow': 20,
    'cuts': 14,
    'pauses': 8,
    'silent': 4,
    'no_ranges': 14,
}

#: Sizes of images, and how often. Several connections are used from 8 MiB on.
SIZES = {
    MIB + 5: 20,
    8 * MIB: 10,
    9 * MIB + 1: 25,
    17 * MIB + 17: 25,
    25 * MIB + 7: 12,
    40 * MIB: 8,
}

#: Seeds of images.
SEEDS = (1, 2)

#: What a signal handler raises.
_RAISED = (
    'TimeoutError',
    'OSError',
    'ValueError',
    'KeyboardInterrupt',
    'RuntimeError',
    'ConnectionResetError',
    'Limit',
    'HardLimit',
)

#: What a forked child does.
_CHILDREN = ('exit', 'collect', 'download', 'close', 'read')

#: What there is at the path.
_BEFORE = {'nothing': 50, 'content': 25, 'empty': 25}

#: What two writers share.
_SHARED = {'path': 45, 'empty': 35, 'file': 20}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A download, a server, and a bad caller.

    :param seed: Of the sweep.
    :param number: Of the case.
    :param kind: Kind of the process.
    :param behaviour: What the caller does.
    :param server: How the server behaves.
    :param mode: Where the image goes.
    :param connections: Option of the download.
    :param images: Seeds and sizes of the images; the second is for another
        download, where there is one.
    :param script: How the image is served.
    :param moment: Seconds after which the caller does it.
    :param amount: Bytes after which the caller does it, where that decides.
    :param raised: Name of what is raised.
    :param child: What the child does.
    :param from_main: Whether it is the main thread that acts, and another one
        that downloads.
    :param before: What there is at the path.
    :param shared: What two writers share.
    :param read: How a response is read.
    :param options: Further options of the download.
    :param again: Whether the same download is done again if it failed.
    """

    seed: int
    number: int
    kind: str
    behaviour: str
    server: str
    mode: str
    connections: int | str
    images: tuple[tuple[int, int], tuple[int, int]]
    script: dict[str, Any]
    moment: float
    amount: int
    raised: str
    child: str
    from_main: bool
    before: str
    shared: str
    read: str
    options: dict[str, Any]
    again: bool

    @property
    def size(self) -> int:
        """Bytes of the image."""
        return self.images[0][1]


def _pick(dice: random.Random, weights: dict[Any, int]) -> Any:
    return dice.choices([*weights], [*weights.values()])[0]


def draw(seed: int, number: int) -> Case:
    """Return a case; always the same one for the same numbers.

    :param seed: Of the sweep.
    :param number: Of the case.
    """
    dice = random.Random(f'{seed}:{number}')
    kind = _pick(dice, KINDS)
    behaviour = _pick(dice, _BEHAVIOURS[kind])
    server = _pick(dice, _SERVERS)
    mode = 'stream' if behaviour in STREAMED else dice.choice(actions.MODES)
    shared = _pick(dice, _SHARED)
    child = dice.choice(_CHILDREN)
    if behaviour == 'fork' and child in ('close', 'read'):
        mode = 'stream'
    if behaviour == 'two':
        mode = 'file' if shared == 'file' else 'path'
    seeds = [dice.choice(SEEDS), dice.choice(SEEDS)]
    size = _pick(dice, SIZES)
    timeout = 0.5 if server == 'silent' else 20.0
    return Case(
        seed=seed,
        number=number,
        kind=kind,
        behaviour=behaviour,
        server=server,
        mode=mode,
        connections=dice.choice((1, 3, 'auto')),
        images=((seeds[0], size), (seeds[1], size)),
        script=_SCRIPTS[server](dice, size),
        moment=_moment(dice, server),
        amount=int(size * dice.random()),
        raised=dice.choice(_RAISED),
        child=child,
        from_main=dice.random() < 0.5,
        before=_pick(dice, _BEFORE),
        shared=shared,
        read=dice.choice([*ways.READS]),
        options={'retries': 12, 'timeout': timeout},
        again=dice.random() < 0.5,
    )


def _moment(dice: random.Random, server: str) -> float:
    if dice.random() < 0.3:
        # Where a download begins most lines are passed in a short time.
        return dice.uniform(0.00005, 0.02)
    return dice.uniform(0.0, 0.4 if server in ('slow', 'pauses') else 0.15)


def _slow(dice: random.Random, size: int) -> dict[str, Any]:
    steps = size / (256 * 1024)
    return {
        'always': {'throttle': [256 * 1024, dice.uniform(0.1, 0.5) / steps]}
    }


def _cuts(dice: random.Random, size: int) -> dict[str, Any]:
    changes: list[dict[str, Any]] = [{} for _ in range(6)]
    for _ in range(dice.randint(1, 3)):
        changes[dice.randrange(len(changes))] = {
            'cut_after': dice.randrange(min(size, 8 * MIB)),
            'reset': dice.random() < 0.5,
        }
    return {'changes': changes}


def _pauses(dice: random.Random, size: int) -> dict[str, Any]:
    amount = dice.randrange(size // 4, size // 2)
    return {'changes': [{'throttle': [amount, 0.15]}] * 3}


def _silent(dice: random.Random, size: int) -> dict[str, Any]:
    changes: list[dict[str, Any]] = [{} for _ in range(4)]
    changes[dice.randrange(len(changes))] = {
        'silent_after': dice.randrange(-1, min(size, 8 * MIB))
    }
    return {'changes': changes}


def _no_ranges(dice: random.Random, size: int) -> dict[str, Any]:
    changes = []
    if dice.random() < 0.3:
        changes = [{'cut_after': dice.randrange(size)}]
    return {'ranged': False, 'changes': changes}


_SCRIPTS: dict[str, Callable[[random.Random, int], dict[str, Any]]] = {
    'fast': lambda dice, size: {},
    'slow': _slow,
    'cuts': _cuts,
    'pauses': _pauses,
    'silent': _silent,
    'no_ranges': _no_ranges,
}
