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

"""Options in the configuration of a cloud, and in signatures."""

from collections.abc import Callable, Collection, Mapping
import functools
import inspect
import re
import textwrap
from typing import Any, TypeVar

from openstack_image_stream._common import signals
from openstack_image_stream import _config
from openstack_image_stream._sdk import compat
from openstack_image_stream import exceptions

#: What an option is called in the configuration of a cloud begins with this,
#: in the manner of openstacksdk: ``<service>_<option>``.
_PREFIX = 'image_stream_'

_Function = TypeVar('_Function', bound=Callable[..., Any])


#: What the SDK would apply to every service, as all that ends in timeout.
_TIMEOUT = f'{_PREFIX}timeout'


def from_cloud(
    config: Mapping[str, Any],
    cloud: str,
    written: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Read the options that the configuration of a cloud sets.

    :param config: Configuration of the cloud; only ``api_timeout`` and what
        begins with ``image_stream_`` is looked at.
    :param cloud: Name of the cloud, for messages.
    :param written: The configuration before the SDK renamed its keys, where
        that is known.
    :returns: The options that are set, by their names as parameters.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when one is unknown or has a value that it must not have.
    """
    if written and written.get(_TIMEOUT) is not None:
        raise exceptions.InvalidArgumentError(
            f'{_TIMEOUT} in the configuration of the cloud {cloud!r} would '
            'apply to all services, since openstacksdk takes each key that '
            'ends in "timeout" for api_timeout: use api_timeout if that is '
            'meant, or give timeout in the call'
        )
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
        if value is not None:
            found[name] = _read_setting(key, name, value, cloud)
    return found


def _read_setting(key: str, name: str, value: Any, cloud: str) -> Any:
    where = f'{key} in the configuration of the cloud {cloud!r}'
    if key == 'api_timeout':
        # The SDK does not tell under which name a keyword was given.
        where = f'{where} (or {_TIMEOUT}, which openstacksdk takes for it)'
    if name not in _config.SETTINGS:
        known = ', '.join(_PREFIX + option for option in _config.SETTINGS)
        raise exceptions.InvalidArgumentError(
            f'{where} is not known, there are: {known}'
        )
    rule = _config.SETTINGS[name].rule
    read = value
    if isinstance(value, str):
        # The environment has nothing but texts.
        with signals.suppress(ValueError, KeyError):
            read = rule.read(value)
    # A function can be given in a call alone.
    if callable(read) or not rule.holds(read):
        raise exceptions.InvalidArgumentError(
            f'{where} must be {rule.words}, not {_config.shown(value)}'
        )
    return read


def takes_options(
    connection_of: Callable[[Mapping[str, Any]], Any],
    names: Collection[str] = _config.OPTIONS,
) -> Callable[[_Function], _Function]:
    """Let a method take the options as keywords.

    What the caller names stands, also where it is the same as the default.
    The rest comes from the configuration of the cloud, and only then from the
    declarations. The method itself gets all options, checked.

    :param connection_of: Finds the connection of a call in its arguments, by
        their names.
    :param names: Of the options that a caller may give, by default all. The
        method gets the others, too.
    :returns: A decorator. The method has a last parameter ``**options``,
        which is replaced by the options in its signature and docstring.
    """

    def decorate(function: _Function) -> _Function:
        signature = _with_options(inspect.signature(function), names)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            named = signature.bind(*args, **kwargs).arguments
            given = {}
            connection = connection_of(named)
            if connection is not None:
                config = connection.config
                given = from_cloud(
                    config.config,
                    config.name,
                    compat.written_settings(config),
                )
                given = {
                    name: value
                    for name, value in given.items()
                    if _config.SETTINGS[name].applies(named)
                }
            given.update(
                (n, named[n])
                for n in ('chunk_size', *_config.OPTIONS)
                if n in named
            )
            others = {
                n: v for n, v in kwargs.items() if n not in _config.OPTIONS
            }
            return function(*args, **others, **_config.checked(**given))

        wrapper.__signature__ = signature  # type: ignore[attr-defined]
        wrapper.__doc__ = re.sub(
            r'^( *):param options:.*\n',
            lambda found: textwrap.indent(documentation(names), found[1]),
            function.__doc__ or '',
            flags=re.MULTILINE,
        )
        return wrapper  # type: ignore[return-value]

    return decorate


def documentation(names: Collection[str] = _config.OPTIONS) -> str:
    """Return the fields of a docstring that describe the options.

    :param names: Of the options.
    """
    return ''.join(
        f':param {name}: {textwrap.indent(text, "    ").strip()}\n'
        for name, option in _config.OPTIONS.items()
        if name in names and (text := textwrap.dedent(option.text).strip())
    )


def _with_options(
    signature: inspect.Signature, names: Collection[str]
) -> inspect.Signature:
    *own, _ = signature.parameters.values()
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=_config.HINTS[name][0],
        )
        for name, option in _config.OPTIONS.items()
        if name in names
    ]
    return signature.replace(parameters=[*own, *added])
