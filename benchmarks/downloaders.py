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

"""The downloaders that are compared: calls and commands, as data."""

import collections.abc
import dataclasses
import typing

from benchmarks import commands
from benchmarks import plan as planning


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """A call of an API in a process that is connected already.

    :param title: For tables.
    :param cloud: ``plain``, ``stream`` (the plugin), or none to connect to.
    :param way: The function of :mod:`benchmarks.ways`.
    :param options: Of ``download_image`` or of the way. Names in braces in
        them stand for what the image has, see :class:`.services.Image`.
    :param writes: Whether it leaves the image at the output.
    :param copies: How often the image fits into the memory that it takes.
    """

    title: str
    way: str
    cloud: str = ''
    options: collections.abc.Mapping[str, typing.Any] = dataclasses.field(
        default_factory=dict
    )
    writes: bool = True
    copies: float = 0.0
    #: How many of it there are at a time.
    at_once: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """A command, from its start to its end.

    :param arguments: Makes the command for a target.
    :param cloud: As of a call; without one the environment's variables name
        the cloud.
    :param record: Whether it uploads into a record that exists.
    """

    title: str
    arguments: collections.abc.Callable[[commands.Target], list[str]]
    cloud: str = 'plain'
    writes: bool = True
    copies: float = 0.0
    record: bool = False


Downloader = Call | Command


def _to_path(title: str, **options: typing.Any) -> Call:
    return Call(
        title=f'plugin, {title}', cloud='stream', way='path', options=options
    )


def _looking(title: str, way: str, **options: typing.Any) -> Call:
    return Call(
        title=title, cloud='stream', way=way, options=options, writes=False
    )


_PLUGIN: dict[str, Downloader] = {
    'plugin-path': _to_path('path'),
    **{
        f'plugin-path-{n}': _to_path(f'path, {n} connections', connections=n)
        for n in planning.CONNECTIONS[1:]
    },
    'plugin-path-auto': _to_path('path, auto', connections='auto'),
    'plugin-path-format': _to_path('path, check_format', check_format=True),
    'plugin-path-sha512': _to_path(
        'path, expected SHA-512', expected_digest='sha512:{sha512}'
    ),
    'plugin-path-sha256': _to_path(
        'path, expected SHA-256', expected_digest='sha256:{sha256}'
    ),
    'plugin-path-signed': _to_path('path, signed_by', signed_by='{signer}'),
    'plugin-stream': Call(
        title='plugin, stream',
        cloud='stream',
        way='stream',
        writes=False,
    ),
    'plugin-memory': Call(
        title='plugin, memory',
        cloud='stream',
        way='memory',
        writes=False,
        copies=1.1,
    ),
    **{
        f'plugin-at-once-{n}': Call(
            title=f'plugin, stream, {n} at a time',
            cloud='stream',
            way='at-once',
            writes=False,
            at_once=n,
        )
        for n in planning.AT_ONCE
    },
}

_PEERS: dict[str, Downloader] = {
    'sdk-stream': Call(
        title='SDK, stream', cloud='plain', way='stream', writes=False
    ),
    'sdk-stream-path': Call(
        title='SDK, path, stream=True',
        cloud='plain',
        way='path',
        options={'stream': True},
    ),
    'sdk-path': Call(title='SDK, path', cloud='plain', way='path', copies=2.2),
    **{
        f'sdk-at-once-{n}': Call(
            title=f'SDK, stream, {n} at a time',
            cloud='plain',
            way='at-once',
            writes=False,
            at_once=n,
        )
        for n in planning.AT_ONCE
    },
    'osc-plugin': Command(
        title='openstack image save, plugin',
        arguments=commands.openstack_save,
        cloud='stream',
    ),
    'osc': Command(
        title='openstack image save', arguments=commands.openstack_save
    ),
    'osc-show': Command(
        title='openstack image show',
        arguments=commands.openstack_show,
        cloud='stream',
        writes=False,
    ),
    'glanceclient': Command(
        title='glance image-download', arguments=commands.glance, cloud=''
    ),
    'curl-tee': Command(
        title='curl | tee | sha512sum', arguments=commands.curl_and_tee
    ),
    'aria2-1': Command(
        title='aria2c, 1 connection', arguments=commands.aria2(1)
    ),
    'aria2-8': Command(
        title='aria2c, 8 connections', arguments=commands.aria2(8)
    ),
    'curl-fsync': Command(
        title='curl and fsync, unverified', arguments=commands.curl_and_fsync
    ),
    'curl-null': Command(
        title='curl to /dev/null',
        arguments=commands.curl_to_null,
        writes=False,
    ),
    'hash': Call(
        title='SHA-512 in memory', way='digest', writes=False, copies=1.0
    ),
}

_COPIES: dict[str, Downloader] = {
    'copy-plugin': _looking('plugin, copy_image', 'copy'),
    'copy-osc-plugin': Command(
        title='openstack image copy, plugin',
        arguments=commands.openstack_copy,
        cloud='stream',
        writes=False,
    ),
    'copy-osc': Command(
        title='openstack image save, create',
        arguments=commands.openstack_save_and_create,
    ),
    'copy-curl': Command(
        title='curl | curl, unverified',
        arguments=commands.curl_to_curl(chunked=False),
        writes=False,
        record=True,
    ),
    'copy-curl-chunked': Command(
        title='the same, chunked',
        arguments=commands.curl_to_curl(chunked=True),
        writes=False,
        record=True,
    ),
}

_READERS: dict[str, Downloader] = {
    'audit-plugin': _looking('plugin, audit_images', 'audit', jobs=2),
    'hash-files': Call(
        title='SHA-512 of local files', way='hash-files', writes=False
    ),
    'verify-plugin': _looking('plugin, verify_image', 'verify'),
    'sha512sum': Command(
        title='sha512sum', arguments=commands.sha512sum, writes=False
    ),
    'open-header': _looking('open_image, qcow2 header', 'header'),
    'open-partitions': _looking('open_image, partitions', 'partitions'),
    'open-zip': _looking('open_image, zip directory', 'zip'),
    'open-random': _looking('open_image', 'reads', verified=False),
    'open-random-verified': _looking(
        'open_image, verified=True', 'reads', verified=True
    ),
    'local-random': Call(title='local file', way='local-reads', writes=False),
}

DOWNLOADERS: dict[str, Downloader] = {
    **_PLUGIN,
    **_PEERS,
    **_COPIES,
    **_READERS,
}
