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

"""What the values of options must be."""

from collections.abc import Callable, Collection
import dataclasses
import re
from typing import Any, Final

#: The number of connections that is measured while downloading.
AUTO: Final = 'auto'

#: The value of validate_checksum that refuses an image without a hash.
REQUIRED: Final = 'required'

#: Characters of the digests that may be expected. Neither MD5 nor SHA-1: for
#: these an attacker can make two images with the same digest.
DIGITS = {'sha224': 56, 'sha256': 64, 'sha384': 96, 'sha512': 128}

#: More than any service would serve, and little enough for the memory of the
#: parts that are fetched at a time.
_MOST_CONNECTIONS = 1000

#: Images that are audited side by side. Each has a thread and connections,
#: and the Image service is the limit long before.
_MOST_JOBS = 64

#: Less is more likely a mistake of the unit than what is meant.
_LEAST_BANDWIDTH = 1024

#: Some eleven days. What a socket takes for a timeout has an end, too.
_MOST_SECONDS = 1_000_000

#: Smaller blocks are more headers than data; of larger ones a few would fill
#: the memory.
_LEAST_BLOCK = 4096
_MOST_BLOCK = 64 * 1024 * 1024

#: What may follow a number of bytes in a text, as with curl.
_UNITS = {'': 1, 'K': 1024, 'M': 1024**2, 'G': 1024**3}

_FLAGS = {
    **dict.fromkeys(('true', 'yes', 'on', '1'), True),
    **dict.fromkeys(('false', 'no', 'off', '0'), False),
}


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a value must be, and how to read it from a text.

    :param words: What must hold, for a message.
    :param holds: Whether it holds.
    :param read: Makes a value of a text. It raises :exc:`ValueError` or
        :exc:`KeyError` for a text that is not one.
    """

    words: str
    holds: Callable[[Any], bool]
    read: Callable[[str], Any]


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    # True is an int to Python, but it does not mean one byte.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_chunk_size(value: Any) -> bool:
    # It has no effect, and upstream takes less than 1 for no limit.
    return value is None or _is_whole(value)


def _is_block_size(value: Any) -> bool:
    return _is_whole(value) and _LEAST_BLOCK <= value <= _MOST_BLOCK


def _is_retries(value: Any) -> bool:
    return _is_whole(value) and value >= 0


def _is_connections(value: Any) -> bool:
    if isinstance(value, str):
        return value == AUTO
    return _is_whole(value) and 0 < value <= _MOST_CONNECTIONS


def _is_jobs(value: Any) -> bool:
    return _is_whole(value) and 0 < value <= _MOST_JOBS


def _is_seconds(value: Any) -> bool:
    # This is never true of what is not a number.
    number = _is_whole(value) or isinstance(value, float)
    return number and 0 < value <= _MOST_SECONDS


def _is_seconds_or_none(value: Any) -> bool:
    return value is None or _is_seconds(value)


def _is_bandwidth(value: Any) -> bool:
    return value is None or (_is_whole(value) and value >= _LEAST_BANDWIDTH)


def _is_rate(value: Any) -> bool:
    return value is None or (_is_whole(value) and value > 0)


def _is_validation(value: Any) -> bool:
    return _is_flag(value) or (isinstance(value, str) and value == REQUIRED)


def _is_digest(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, str):
        return False
    algorithm, _, digits = value.partition(':')
    return (
        len(digits) == DIGITS.get(algorithm.lower())
        and re.fullmatch('[0-9a-fA-F]*', digits) is not None
    )


def _is_formats(value: Any) -> bool:
    # Which names there are is known to the inspector alone.
    return _is_flag(value) or (
        isinstance(value, Collection)
        and not isinstance(value, (str, bytes))
        and all(isinstance(name, str) for name in value)
    )


def _is_certificates(value: Any) -> bool:
    # The rest is seen when they are read.
    return not isinstance(value, (bool, int, float, bytes))


def _is_progress(value: Any) -> bool:
    return value is None or _is_flag(value) or callable(value)


def _read_connections(text: str) -> int | str:
    return AUTO if text.strip().lower() == AUTO else int(text)


def _read_validation(text: str) -> bool | str:
    return REQUIRED if text.strip().lower() == REQUIRED else _read_flag(text)


def _read_formats(text: str) -> bool | list[str]:
    try:
        return _read_flag(text)
    except KeyError:
        return [name.strip() for name in text.split(',')]


def _read_bytes(text: str) -> int:
    found = re.fullmatch('([0-9]{1,20})([KMG]?)', text.strip().upper())
    if found is None:
        raise ValueError(text)
    return int(found[1]) * _UNITS[found[2]]


def _read_flag(text: str) -> bool:
    return _FLAGS[text.strip().lower()]


FLAG = Rule('True or False', _is_flag, _read_flag)
CONNECTIONS = Rule(
    f"a whole number from 1 to {_MOST_CONNECTIONS}, or '{AUTO}'",
    _is_connections,
    _read_connections,
)
JOBS = Rule(f'a whole number from 1 to {_MOST_JOBS}', _is_jobs, int)
RETRIES = Rule('a whole number, 0 or more', _is_retries, int)
SECONDS = Rule(
    f'a positive number of seconds, at most {_MOST_SECONDS:,}',
    _is_seconds,
    float,
)
SECONDS_OR_NONE = Rule(
    f'a positive number of seconds, at most {_MOST_SECONDS:,}, or None',
    _is_seconds_or_none,
    float,
)
BANDWIDTH = Rule(
    f'a whole number of bytes per second, at least {_LEAST_BANDWIDTH}, or '
    'None',
    _is_bandwidth,
    _read_bytes,
)
BYTES_PER_SECOND = Rule(
    'a positive whole number of bytes per second or None',
    _is_rate,
    _read_bytes,
)
PROGRESS = Rule('True, False or a function', _is_progress, _read_flag)
CHUNK_SIZE = Rule('a whole number of bytes or None', _is_chunk_size, int)
BLOCK_SIZE = Rule(
    f'a whole number of bytes from {_LEAST_BLOCK} to {_MOST_BLOCK}',
    _is_block_size,
    int,
)
VALIDATION = Rule(
    f"True, False or '{REQUIRED}'", _is_validation, _read_validation
)
DIGEST = Rule(
    "'sha256:' and 64 hexadecimal digits (or sha224, sha384, sha512 with as "
    'many as they have), or None',
    _is_digest,
    str,
)
FORMATS = Rule(
    'True, False or a list of names of formats', _is_formats, _read_formats
)
CERTIFICATES = Rule(
    'the path of a PEM file, a certificate or a public key of cryptography, '
    'or a list of these',
    _is_certificates,
    str,
)
