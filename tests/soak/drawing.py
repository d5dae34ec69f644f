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

"""Faults of the catalogue by chance, as many in a row as clouds have."""

from collections.abc import Callable
import random

from tests.faults.catalogue import changes
from tests.faults.catalogue import content_changes
from tests.soak import images
from tests.soak import server

_BUSY = (408, 429, 500, 502, 503, 504)

#: What may respond in place of an Image service.
_GARBAGE = (
    b'',
    b'<html>Log in</html>',
    b'{}',
    b'[]',
    b'null',
    b'"x"',
    b'\xff',
)

_Draw = Callable[[random.Random], changes.Change]


def _at(dice: random.Random) -> float:
    # The borders of a response are where mistakes are made.
    return dice.choice((0.0, 1.0, dice.random(), dice.random()))


def _busy(dice: random.Random) -> changes.Change:
    return changes.Status(
        dice.choice(_BUSY), dice.choice(({}, {'Retry-After': '0'}))
    )


def _silence(dice: random.Random) -> changes.Change:
    return changes.Silence(dice.choice((-1, _at(dice))))


def _absence(dice: random.Random) -> changes.Change:
    return changes.HangUp(absent=dice.choice((0.05, 0.1, 0.2)))


def _slow(dice: random.Random) -> changes.Change:
    return changes.Slow(0.01, portions=dice.randrange(2, 20))


def _no_ranges(dice: random.Random) -> changes.Change:
    if dice.random() < 0.5:
        return content_changes.IgnoreRanges()
    return changes.RefuseRanges()


def _resized(dice: random.Random) -> changes.Change:
    by = dice.choice((1, 7, 65536, dice.randrange(1, images.MIB)))
    return content_changes.Resize(by * dice.choice((-1, 1)))


#: Faults that a download has to get over, and how often each is drawn.
_CURABLE: dict[_Draw, int] = {
    lambda dice: changes.Cut(_at(dice), least=1): 6,
    lambda dice: changes.Cut(_at(dice), reset=True): 4,
    lambda dice: changes.HangUp(): 3,
    _busy: 4,
    _slow: 3,
}

#: Faults that a download may end with.
_FATAL: dict[_Draw, int] = {
    lambda dice: changes.Status(dice.choice((204, 403, 404, 416))): 4,
    lambda dice: content_changes.Flip(_at(dice)): 6,
    _resized: 5,
}


def _one_of(dice: random.Random, draws: dict[_Draw, int]) -> changes.Change:
    (draw,) = dice.choices([*draws], [*draws.values()])
    return draw(dice)


def draw(
    dice: random.Random, image: images.Image, *, provable: bool
) -> server.Script:
    """Return a script by chance.

    :param dice: The chance.
    :param image: The image that is served.
    :param provable: Whether the download compares a hash that it knows before
        the first response. Some faults nobody could see without.
    """
    ranges = dice.choices(('served', 'refused', 'ignored'), (7, 2, 1))[0]
    framings = ['length'] * 6 + ['chunked', 'chunked']
    if image.sized:
        # Where nobody knows the size it has no end to tell from a cut.
        framings.append('close')
    return server.Script(
        ranges=ranges,
        framing=dice.choice(framings),
        data_faults=_draw_for_data(dice, image, provable=provable),
        metadata_faults=_draw_for_metadata(dice),
    )


def _draw_for_data(
    dice: random.Random, image: images.Image, *, provable: bool
) -> tuple[changes.Change, ...]:
    if dice.random() < 0.15:
        return ()
    drawn = [_one_of(dice, _CURABLE) for _ in range(dice.randrange(6))]
    if dice.random() < 0.05:
        drawn += [_one_of(dice, _CURABLE) for _ in range(dice.randrange(30))]
    for chance, draw_one in ((0.04, _silence), (0.06, _absence)):
        if dice.random() < chance:
            drawn.append(draw_one(dice))
    if dice.random() < 0.08:
        drawn.append(_no_ranges(dice))
    if dice.random() < 0.2:
        drawn.append(_one_of(dice, _FATAL))
    if dice.random() < 0.05:
        size = image.size + dice.choice((0, 0, -1, 1, images.MIB))
        other = images.draw_of_size(dice, max(size, 0), image.image_id)
        drawn.append(server.Replaced(other))
    dice.shuffle(drawn)
    return tuple(
        fault
        for fault in drawn
        if (provable or not fault.corrupts)
        and (image.sized or not fault.needs_size)
    )


def _draw_for_metadata(dice: random.Random) -> tuple[changes.Change, ...]:
    if dice.random() < 0.8:
        return ()
    kind = dice.random()
    if kind < 0.05:
        return (changes.Status(dice.choice((403, 404))),)
    if kind < 0.15:
        return (content_changes.Body(dice.choice(_GARBAGE)),)
    if kind < 0.2:
        return (_silence(dice),)
    return tuple(_one_of(dice, _CURABLE) for _ in range(dice.randrange(1, 5)))
