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
"""Why the connections to a cloud have the plugin, or have not."""

from collections.abc import Iterator, Mapping
import difflib
from importlib import metadata
import os
from typing import Any

from openstack_image_stream._sdk import clouds
from openstack_image_stream._sdk import compat
from openstack_image_stream import _settings
from openstack_image_stream import exceptions
from openstack_image_stream import service

HOOK = 'openstack_image_stream:load'

_KEY = 'vendor_hook'
_VARIABLE = 'OS_VENDOR_HOOK'

#: What the SDK calls a cloud from environment variables.
_ENVIRONMENT = 'envvars'

#: How similar a name must be to be taken for a misspelt one, 0 to 1.
_SIMILAR = 0.75


def problems(region: Any) -> list[str]:
    """Find out why connections to a cloud do not have the plugin.

    The same is done as by a program that connects, so hooks are executed. No
    request is made.

    :param region: The configuration of the cloud.
    :returns: The reasons, with what to do; empty if they have the plugin and
        its settings are right.
    """
    found = list(_hook_problems(region.config, region.name))
    if not found:
        found.extend(_connection_problems(region))
    try:
        _settings.from_cloud(
            region.config, region.name, compat.written_settings(region)
        )
    except exceptions.InvalidArgumentError as exc:
        found.append(f'downloads are refused: {exc}')
    found.extend(_service_problems(region))
    return found


def _hook_problems(config: Mapping[str, Any], cloud: str) -> Iterator[str]:
    """Yield why the SDK could not execute the hook."""
    hook = config.get(_KEY)
    if not hook:
        yield from _missing_hook(config, cloud)
        return
    reason = _reason_not_to_load(hook)
    if reason is not None:
        advice = f'write {_KEY}: {HOOK}'
        yield f'{_KEY} {hook!r} cannot be executed, {reason}: {advice}'


def _missing_hook(config: Mapping[str, Any], cloud: str) -> Iterator[str]:
    similar = difflib.get_close_matches(_KEY, config, cutoff=_SIMILAR)
    if similar:
        yield f'it has no {_KEY}, but {similar[0]!r}: correct the name'
        return
    if cloud == _ENVIRONMENT:
        yield f'it has no hook: set {_VARIABLE}={HOOK}'
        return
    text = f'it has no {_KEY}: add "{_KEY}: {HOOK}" to the cloud'
    if os.environ.get(_VARIABLE):
        text += (
            f' ({_VARIABLE} is set, but applies only to clouds from '
            'environment variables)'
        )
    yield text


def _reason_not_to_load(hook: Any) -> str | None:
    if not isinstance(hook, str):
        return 'it is not text'
    parts = hook.split(':')
    if len(parts) != 2 or not all(parts):
        return 'it is not of the form module:function'
    try:
        loaded = metadata.EntryPoint(_KEY, hook, _KEY).load()
    except exceptions.ImageStreamError as exc:
        return str(exc)
    # What the SDK makes a line of the log.
    except (ImportError, TypeError, AttributeError, ValueError) as exc:
        return str(exc)
    return None if callable(loaded) else 'it is not a function'


def _connection_problems(region: Any) -> Iterator[str]:
    """Connect, and yield why the connection is without the plugin."""
    try:
        with clouds.connection_to(region) as (conn, warnings):
            has_it = service.is_loaded(conn)
    except Exception as exc:
        yield f'a connection cannot be made: {exc}'
        return
    if not has_it:
        hook = region.config[_KEY]
        reason = '; '.join(warnings) or 'it does not load the plugin'
        yield (
            f'{_KEY} is {hook!r}, of other software, and afterwards the '
            f'connection has no plugin ({reason}): call '
            'openstack_image_stream.load(conn) in it, there can be only one '
            'hook'
        )


def _service_problems(region: Any) -> Iterator[str]:
    version = clouds.image_version(region)
    if version is not None and str(version).startswith('1'):
        yield (
            f'image_api_version is {version!r}, and version 1 of the Image '
            'API stays that of the SDK: set it to 2, or leave it out'
        )
    if not clouds.has_image_service(region):
        yield 'its Image service is disabled (has_image: false)'
