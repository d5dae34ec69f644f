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
import pathlib
import sys
import typing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """What a command has to download, and what it needs for that.

    :param url: Of the data of the image.
    :param token_header: A file with the header line that has the token.
    :param certificate: What to trust, for HTTPS alone.
    """

    image_id: str
    url: str
    sha512: str
    output: pathlib.Path
    token_header: pathlib.Path
    certificate: pathlib.Path | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """A call of an API in a process that is connected already.

    :param title: For tables.
    :param cloud: ``plain``, ``stream`` (the plugin), or none to connect to.
    :param way: The function of :mod:`benchmarks.measure_call`.
    :param options: Of ``download_image``.
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """A command, from its start to its end.

    :param arguments: Makes the command for a target.
    :param cloud: As of a call; without one the environment's variables name
        the cloud.
    """

    title: str
    arguments: collections.abc.Callable[[Target], list[str]]
    cloud: str = 'plain'
    writes: bool = True
    copies: float = 0.0


Downloader = Call | Command


def _curl(target: Target, *options: str) -> list[str]:
    arguments = ['curl', '--fail', '--silent', '--show-error', *options]
    if target.certificate:
        arguments += ['--cacert', str(target.certificate)]
    return [*arguments, '--header', f'@{target.token_header}', target.url]


def _curl_to_null(target: Target) -> list[str]:
    return _curl(target, '--output', '/dev/null')


def _curl_and_fsync(target: Target) -> list[str]:
    output = str(target.output)
    # Given a file, sync makes one fsync of it.
    return [
        *('sh', '-c', '"$@" && sync "$0"', output),
        *_curl(target, '--output', output),
    ]


def _curl_and_tee(target: Target) -> list[str]:
    return [
        *('bash', '-c'),
        'set -o pipefail; test "$("${@:3}" | tee "$1" | sha512sum)" = "$2  -"',
        *('bash', str(target.output), target.sha512),
        *_curl(target),
    ]


def _aria2(connections: int) -> collections.abc.Callable[[Target], list[str]]:
    def arguments(target: Target) -> list[str]:
        trust = []
        if target.certificate:
            trust = [f'--ca-certificate={target.certificate}']
        return [
            *('aria2c', '--no-conf', '--quiet', *trust),
            f'--header={target.token_header.read_text().strip()}',
            *(f'-x{connections}', f'-s{connections}', '-k1M'),
            # By default it would write every byte twice.
            '--file-allocation=none',
            f'--checksum=sha-512={target.sha512}',
            f'--dir={target.output.parent}',
            f'--out={target.output.name}',
            target.url,
        ]

    return arguments


def _openstack(target: Target) -> list[str]:
    return [
        *(sys.executable, '-m', 'openstackclient.shell'),
        *('image', 'save', '--file', str(target.output), target.image_id),
    ]


def _glance(target: Target) -> list[str]:
    return [
        *(sys.executable, '-c'),
        'import sys; from glanceclient import shell; sys.exit(shell.main())',
        *('image-download', '--file', str(target.output), target.image_id),
    ]


DOWNLOADERS: dict[str, Downloader] = {
    'plugin-path': Call(title='plugin, path', cloud='stream', way='path'),
    'plugin-path-2': Call(
        title='plugin, path, 2 connections',
        cloud='stream',
        way='path',
        options={'connections': 2},
    ),
    'plugin-path-4': Call(
        title='plugin, path, 4 connections',
        cloud='stream',
        way='path',
        options={'connections': 4},
    ),
    'plugin-path-8': Call(
        title='plugin, path, 8 connections',
        cloud='stream',
        way='path',
        options={'connections': 8},
    ),
    'plugin-path-auto': Call(
        title='plugin, path, auto',
        cloud='stream',
        way='path',
        options={'connections': 'auto'},
    ),
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
    'osc-plugin': Command(
        title='openstack image save, plugin',
        arguments=_openstack,
        cloud='stream',
    ),
    'osc': Command(title='openstack image save', arguments=_openstack),
    'glanceclient': Command(
        title='glance image-download', arguments=_glance, cloud=''
    ),
    'curl-tee': Command(
        title='curl | tee | sha512sum', arguments=_curl_and_tee
    ),
    'aria2-1': Command(title='aria2c, 1 connection', arguments=_aria2(1)),
    'aria2-8': Command(title='aria2c, 8 connections', arguments=_aria2(8)),
    'curl-fsync': Command(
        title='curl and fsync, unverified', arguments=_curl_and_fsync
    ),
    'curl-null': Command(
        title='curl to /dev/null', arguments=_curl_to_null, writes=False
    ),
    'hash': Call(
        title='SHA-512 in memory', way='digest', writes=False, copies=1.0
    ),
}
