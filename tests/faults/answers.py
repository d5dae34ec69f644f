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

"""A fault of answers, and the ways to spoil an answer that was right."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import gzip
import hashlib
import random
from typing import Any

from tests.faults import table
from tests.servers import responses

MIB = 1024 * 1024

#: Three ranges of a download over several connections, the last not full.
DATA = random.Random(17).randbytes(17 * MIB + 17)

#: An image of the same length, with every byte another.
OTHER_DATA = DATA.translate(bytes(range(255, -1, -1)))

MD5, OTHER_MD5 = (hashlib.md5(data).hexdigest() for data in (DATA, OTHER_DATA))


@dataclasses.dataclass(frozen=True)
class Scene:
    """Where a fault happens.

    :param at: Byte of the answer, or its last one where it has fewer.
    :param elsewhere: URL of another server.
    """

    at: int
    elsewhere: str


Spoiler = Callable[[responses.Response, Scene], responses.Response]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnswerFault(table.Fault):
    """A fault of the answers of an Image service.

    :param spoilers: What becomes of the answers to requests for the data, in
        their order; those that follow are honest.
    :param descriptions: Likewise, to requests for the metadata.
    :param for_ever: Whether the last of these happens again and again.
    :param metadata: What the metadata say otherwise.
    :param error: The class of the error that the plugin gives, ``None``
        where it gives the image.
    :param errors: Likewise, for the modes in which it is another.
    :param keeps: The modes that keep a partial file.
    :param modes: The modes in which it can happen, ``()`` for all.
    :param places: At how many places it is tried, at the most.
    :param brief: Whether it is part of the short selection.
    :param options: Options of the plugin.
    """

    spoilers: tuple[Spoiler, ...] = ()
    descriptions: tuple[Spoiler, ...] = ()
    for_ever: bool = False
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    error: str | None = None
    errors: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    keeps: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    places: int = 1
    brief: bool = True
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def honest(answer: responses.Response, scene: Scene) -> responses.Response:
    """Leave it as it is."""
    return answer


def change(**changes: Any) -> Spoiler:
    """Change the answer in the same way wherever it is."""
    return lambda answer, scene: dataclasses.replace(answer, **changes)


def cut(at: int | None = None, **changes: Any) -> Spoiler:
    """End the answer early.

    :param at: Behind this byte, instead of that of the scene.
    :param changes: What is different beside.
    """
    return lambda answer, scene: dataclasses.replace(
        answer,
        cut_after=_within(answer, scene.at if at is None else at),
        **changes,
    )


def cut_every(amount: int) -> Spoiler:
    """End every answer that is longer than this."""
    return lambda answer, scene: dataclasses.replace(
        answer, cut_after=amount if amount < len(answer.body) else None
    )


def silence(answer: responses.Response, scene: Scene) -> responses.Response:
    """Send nothing any more from a byte on."""
    return dataclasses.replace(answer, silent_after=_within(answer, scene.at))


def flip(answer: responses.Response, scene: Scene) -> responses.Response:
    """Flip a bit."""
    body = bytearray(answer.body)
    body[_within(answer, scene.at)] ^= 0x10
    return dataclasses.replace(answer, body=bytes(body))


def replace(answer: responses.Response, scene: Scene) -> responses.Response:
    """Send as many bytes of another image."""
    start = DATA.index(answer.body[:64])
    stop = start + len(answer.body)
    return dataclasses.replace(answer, body=OTHER_DATA[start:stop])


def lengthen(**changes: Any) -> Spoiler:
    """Send a byte too much."""
    return lambda answer, scene: dataclasses.replace(
        answer, body=answer.body + b'+', **changes
    )


def announce(difference: int) -> Spoiler:
    """Announce another length than the body has."""
    return lambda answer, scene: dataclasses.replace(
        answer, framing=len(answer.body) + difference
    )


def headers(**values: str | None) -> Spoiler:
    """Send other headers.

    :param values: The values by the names, with ``_`` for ``-``; ``None`` to
        leave one out.
    """
    named = {name.replace('_', '-'): value for name, value in values.items()}

    def spoil(answer: responses.Response, scene: Scene) -> responses.Response:
        changed = {
            name: value.format(elsewhere=scene.elsewhere)
            for name, value in {**answer.headers, **named}.items()
            if value is not None
        }
        return dataclasses.replace(answer, headers=changed)

    return spoil


def compress(**changes: Any) -> Spoiler:
    """Compress the body, as something on the way may do."""

    def spoil(answer: responses.Response, scene: Scene) -> responses.Response:
        return dataclasses.replace(
            headers(Content_Encoding='gzip')(answer, scene),
            body=_compressed(answer.body),
            **changes,
        )

    return spoil


def status(code: int, *, body: bytes = b'', **values: str) -> Spoiler:
    """Answer with another status, and no image.

    :param code: The status.
    :param body: Text of the answer, instead of a short one.
    :param values: Headers, as for :func:`headers`.
    """

    def spoil(answer: responses.Response, scene: Scene) -> responses.Response:
        text = b'<html><body>%d Scripted</body></html>' % code
        error = responses.Response(
            status=code,
            headers={'Content-Type': 'text/html'},
            body=body or text,
        )
        return headers(**values)(error, scene)

    return spoil


def enlarge_total(
    answer: responses.Response, scene: Scene
) -> responses.Response:
    """Let the range be one of an image that is a byte longer."""
    span = answer.headers['Content-Range'].partition('/')[0]
    return headers(Content_Range=f'{span}/{len(DATA) + 1}')(answer, scene)


def refuse_ranges(
    answer: responses.Response, scene: Scene
) -> responses.Response:
    """Do as a store that serves an image only as a whole."""
    return status(400)(answer, scene) if answer.status == 206 else answer


def ignore_ranges(
    answer: responses.Response, scene: Scene
) -> responses.Response:
    """Send the whole image to whoever asks for a range of it."""
    whole = headers(Content_Range=None)(answer, scene)
    return dataclasses.replace(whole, status=200, body=DATA)


def refuse_ranges_and_cut(
    answer: responses.Response, scene: Scene
) -> responses.Response:
    """Serve no range, nor the whole at a time."""
    if answer.status == 206:
        return status(400)(answer, scene)
    return cut()(answer, scene)


def _within(answer: responses.Response, at: int) -> int:
    return max(0, min(at, len(answer.body) - 1))


@functools.lru_cache(maxsize=4)
def _compressed(data: bytes) -> bytes:
    return gzip.compress(data, 1)
