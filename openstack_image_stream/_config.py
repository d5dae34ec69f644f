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

"""What a download was asked to do, checked once."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import inspect
import reprlib
from typing import Any, Final, Literal, TypeVar

from openstack_image_stream._common import signals
from openstack_image_stream import exceptions

#: Bytes in a mebibyte.
MIB = 1024 * 1024

#: What an option is called in the configuration of a cloud begins with this,
#: in the manner of openstacksdk: ``<service>_<option>``.
_PREFIX = 'image_stream_'

#: The number of connections that is found out.
AUTO: Final = 'auto'

#: More than any service would serve, and little enough for the memory of a
#: window of them.
_MOST_CONNECTIONS = 1000

#: Some eleven days. What a socket takes for a timeout has an end, too.
_MOST_SECONDS = 1_000_000

_FLAGS = {
    **dict.fromkeys(('true', 'yes', 'on', '1'), True),
    **dict.fromkeys(('false', 'no', 'off', '0'), False),
}

_Function = TypeVar('_Function', bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """The options of one download.

    :param chunk_size: Bytes that a user wants to see at a time, positive;
        ``None`` for as many as come.
    :param validate_checksum: Whether the digest is compared.
    :param allow_md5_fallback: Whether MD5 may stand in for a hash that cannot
        be used.
    :param connections: Ranges to ask for at a time, positive, or ``'auto'``.
    :param retries: Attempts that may follow a failed one without a single new
        byte, not negative.
    :param timeout: Longest silence of a connection in seconds, positive.
    :param resume: Whether partial files are kept and looked for.
    :param sparse: Whether runs of zeros become holes in files.
    :param progress: ``True`` for a bar on the terminal, or a function that
        is called with a :class:`~openstack_image_stream.Progress`.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when an option is not what it must be.
    """

    chunk_size: int | None = MIB
    validate_checksum: bool = True
    allow_md5_fallback: bool = False
    connections: int | Literal['auto'] = 1
    retries: int = 5
    timeout: float = 60
    resume: bool = True
    sparse: bool = True
    progress: Any = None

    def __post_init__(self) -> None:
        for name, rule in _RULES.items():
            value = getattr(self, name)
            if not rule.holds(value):
                raise exceptions.InvalidArgumentError(
                    f'{name} must be {rule.words}, not {_shown(value)}'
                )


@dataclasses.dataclass(frozen=True)
class _Rule:
    """What a value must be, and how to read it from a text."""

    words: str
    holds: Callable[[Any], bool]
    read: Callable[[str], Any]


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    # True is an int to Python, but nobody means one byte by it.
    return _is_whole(value) and value > 0


def _is_chunk_size(value: Any) -> bool:
    return value is None or _is_count(value)


def _is_retries(value: Any) -> bool:
    return _is_whole(value) and value >= 0


def _is_connections(value: Any) -> bool:
    if isinstance(value, str):
        return value == AUTO
    return _is_whole(value) and 0 < value <= _MOST_CONNECTIONS


def _is_seconds(value: Any) -> bool:
    # This is never true of what is not a number.
    number = _is_whole(value) or isinstance(value, float)
    return number and 0 < value <= _MOST_SECONDS


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_progress(value: Any) -> bool:
    return value is None or _is_flag(value) or callable(value)


def _read_connections(text: str) -> int | str:
    return AUTO if text.strip().lower() == AUTO else int(text)


def _read_flag(text: str) -> bool:
    return _FLAGS[text.strip().lower()]


_FLAG = _Rule('True or False', _is_flag, _read_flag)
_RULES = {
    'chunk_size': _Rule(
        'a positive whole number of bytes or None', _is_chunk_size, int
    ),
    'validate_checksum': _FLAG,
    'allow_md5_fallback': _FLAG,
    'connections': _Rule(
        f"a whole number from 1 to {_MOST_CONNECTIONS}, or '{AUTO}'",
        _is_connections,
        _read_connections,
    ),
    'retries': _Rule('a whole number, 0 or more', _is_retries, int),
    'timeout': _Rule(
        f'a positive number of seconds, at most {_MOST_SECONDS:,}',
        _is_seconds,
        float,
    ),
    'resume': _FLAG,
    'sparse': _FLAG,
    'progress': _Rule('True, False or a function', _is_progress, _read_flag),
}


def checked_stores(store_preferences: Any) -> tuple[str, ...]:
    """Check the names of stores to read from.

    :param store_preferences: As a caller gave them.
    :returns: The names, none for ``None``.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when they are no sequence of names.
    """
    if store_preferences is None:
        return ()
    names = None
    # A text is a sequence of texts to Python.
    if not isinstance(store_preferences, (str, bytes)):
        with signals.suppress(TypeError):
            names = tuple(store_preferences)
    if names is None or not all(isinstance(name, str) for name in names):
        raise exceptions.InvalidArgumentError(
            'store_preferences must be a list of names of stores, not '
            f'{_shown(store_preferences)}'
        )
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            # What os.fsdecode() makes of bytes that are no UTF-8, say.
            raise exceptions.InvalidArgumentError(
                'store_preferences must be names that can be written as '
                f'UTF-8, not {_shown(name)}'
            ) from None
    return names


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except ValueError as exc:
        if signals.find_raised(exc) is not None:
            raise
        # Python writes no number of more than some thousand digits.
        return f'a very long {type(value).__name__}'


def from_cloud(config: Mapping[str, Any], cloud: str) -> dict[str, Any]:
    """Read the options that the configuration of a cloud sets.

    :param config: Configuration of the cloud; only ``api_timeout`` and what
        begins with ``image_stream_`` is looked at.
    :param cloud: Name of the cloud, for messages.
    :returns: The options that are set, by their names as parameters.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when one is unknown or has a value that it must not have.
    """
    found: dict[str, Any] = {}
    for key, value in sorted(config.items()):
        if key == 'api_timeout':
            # The SDK takes every key that ends in timeout, so also
            # image_stream_timeout, for this one.
            name = 'timeout'
        elif key.startswith(_PREFIX):
            name = key[len(_PREFIX) :]
        else:
            continue
        if value is None:
            continue
        where = f'{key} in the configuration of the cloud {cloud!r}'
        if name not in _RULES:
            known = ', '.join(_PREFIX + option for option in _RULES)
            raise exceptions.InvalidArgumentError(
                f'{where} is not known, there are: {known}'
            )
        rule = _RULES[name]
        read = value
        if isinstance(value, str):
            # Whatever comes from the environment is a text.
            with signals.suppress(ValueError, KeyError):
                read = rule.read(value)
        # A function can be given in a call alone.
        if callable(read) or not rule.holds(read):
            raise exceptions.InvalidArgumentError(
                f'{where} must be {rule.words}, not {_shown(value)}'
            )
        found[name] = read
    return found


def with_cloud_defaults(
    connection_of: Callable[[Mapping[str, Any]], Any],
) -> Callable[[_Function], _Function]:
    """Let the configuration of a cloud give the defaults of a method.

    What the caller names stands, also where it is the same as the default in
    the signature.

    :param connection_of: Finds the connection of a call in its arguments, by
        their names.
    :returns: A decorator.
    """

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            named = signature.bind(*args, **kwargs).arguments
            connection = connection_of(named)
            if connection is None:
                return function(*args, **kwargs)
            config = connection.config
            for name, value in from_cloud(config.config, config.name).items():
                if name not in named:
                    kwargs[name] = value
            return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    return decorate
