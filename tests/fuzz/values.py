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

"""Values that come from elsewhere: texts, numbers, documents, anything."""

import decimal
import fractions
import pathlib
from typing import Any

from hypothesis import strategies

#: More digits than Python converts.
LONG = '9' * 5000

#: What looks like a number.
NUMBERS = strategies.one_of(
    strategies.integers().map(str),
    strategies.integers(0, 2**70).map(str),
    strategies.floats().map(str),
    strategies.text('0123456789', min_size=1),
    # Arabic, fullwidth and superscript digits are digits to Python.
    strategies.text('0\u0665\uff15\u00b2', min_size=1),
    strategies.sampled_from(
        [LONG, '-0', '+5', '1_0', ' 5 ', '0x10', '1e3', '5.0', '5, 5', '']
    ),
)

#: Any text that can be sent as a header.
TEXTS = strategies.one_of(
    strategies.text(max_size=50),
    strategies.text(strategies.characters(max_codepoint=255), max_size=50),
    strategies.sampled_from(['\0', '\ud800', 'x' * 70_000, '\r\n', '\t;,=']),
)


@strategies.composite
def mutated(draw: Any, valid: strategies.SearchStrategy[str]) -> str:
    """Return valid texts of which a chunk was exchanged.

    :param valid: The valid texts.
    """
    text: str = draw(valid)
    start = draw(strategies.integers(0, len(text)))
    stop = draw(strategies.integers(start, min(len(text), start + 3)))
    return text[:start] + draw(NUMBERS | TEXTS) + text[stop:]


def near(valid: strategies.SearchStrategy[str]) -> Any:
    """Return texts that are valid, nearly valid, or nothing of the kind.

    :param valid: The valid texts.
    """
    return strategies.one_of(valid, mutated(valid), NUMBERS, TEXTS)


#: What stands for itself in a JSON document as Python reads it, NaN included.
SCALARS = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(),
    strategies.integers(0, 5000),
    strategies.sampled_from([10**30, -(10**30), 10**400, 2**63, -1, 0]),
    strategies.floats(),
    NUMBERS.filter(lambda text: len(text) < 1000),
    TEXTS,
)

#: Any JSON value, also one that is nested as deeply as the parser goes.
JSON = strategies.one_of(
    SCALARS,
    strategies.recursive(
        SCALARS,
        lambda inner: (
            strategies.lists(inner, max_size=3)
            | strategies.dictionaries(
                strategies.text(max_size=5), inner, max_size=3
            )
        ),
        max_leaves=8,
    ),
    strategies.integers(1, 900).map(lambda depth: _nest(depth)),
)


def take_anything(*args: Any, **kwargs: Any) -> None:
    """Do nothing with whatever it is called with."""


#: Any value of Python's that a caller could give.
ANYTHING = strategies.one_of(
    JSON,
    strategies.binary(max_size=20),
    strategies.sets(strategies.integers(), max_size=3),
    strategies.tuples(SCALARS),
    strategies.complex_numbers(),
    strategies.builds(object),
    strategies.builds(bytearray),
    strategies.text(max_size=10).map(pathlib.PurePosixPath),
    strategies.sampled_from(
        [
            take_anything,
            decimal.Decimal('NaN'),
            decimal.Decimal(5),
            fractions.Fraction(1, 3),
            range(3),
            NotImplemented,
            ...,
        ]
    ),
)


def _nest(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value
