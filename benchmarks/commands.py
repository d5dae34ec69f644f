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

"""The commands that are compared, as lists of arguments."""

import collections.abc
import dataclasses
import pathlib
import shlex
import sys

#: The cloud that is copied to, in clouds.yaml.
DESTINATION = 'destination'

_OPENSTACK = (sys.executable, '-m', 'openstackclient.shell')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Destination:
    """Where the data of a copy is uploaded to.

    :param url: Of the data of the record.
    :param token_header: As in :class:`Target`.
    """

    url: str
    size: int
    token_header: pathlib.Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """What a command has to download, and what it needs for that.

    :param url: Of the data of the image.
    :param token_header: A file with the header line that has the token.
    :param certificate: What to trust, for HTTPS alone.
    :param stored: The file that the service has the image in.
    :param destination: Where a copy goes, for a record that exists already.
    """

    image_id: str
    url: str
    sha512: str
    output: pathlib.Path
    token_header: pathlib.Path
    certificate: pathlib.Path | None
    stored: pathlib.Path
    destination: Destination | None = None


def _curl(target: Target, *options: str) -> list[str]:
    arguments = ['curl', '--fail', '--silent', '--show-error', *options]
    if target.certificate:
        arguments += ['--cacert', str(target.certificate)]
    return [*arguments, '--header', f'@{target.token_header}', target.url]


def curl_to_null(target: Target) -> list[str]:
    """Receive, and nothing else."""
    return _curl(target, '--output', '/dev/null')


def curl_and_fsync(target: Target) -> list[str]:
    """Receive and write, unverified."""
    output = str(target.output)
    # Given a file, sync makes one fsync of it.
    return [
        *('sh', '-c', '"$@" && sync "$0"', output),
        *_curl(target, '--output', output),
    ]


def curl_and_tee(target: Target) -> list[str]:
    """Receive, write and verify by a pipeline."""
    return [
        *('bash', '-c'),
        'set -o pipefail; test "$("${@:3}" | tee "$1" | sha512sum)" = "$2  -"',
        *('bash', str(target.output), target.sha512),
        *_curl(target),
    ]


def aria2(connections: int) -> collections.abc.Callable[[Target], list[str]]:
    """Return what makes the command of aria2c."""

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


def openstack_save(target: Target) -> list[str]:
    """Save with openstackclient."""
    return [
        *(*_OPENSTACK, 'image', 'save'),
        *('--file', str(target.output), target.image_id),
    ]


def openstack_show(target: Target) -> list[str]:
    """Start openstackclient, log in, and get the metadata of the image."""
    return [*_OPENSTACK, 'image', 'show', target.image_id]


def openstack_copy(target: Target) -> list[str]:
    """Copy with the plugin's command."""
    return [
        *(*_OPENSTACK, 'image', 'copy'),
        *('--to-cloud', DESTINATION, target.image_id),
    ]


def openstack_save_and_create(target: Target) -> list[str]:
    """Copy by way of a file."""
    return [
        *('bash', '-c'),
        '"${@:4}" image save --file "$1" "$2" && "${@:4}" --os-cloud "$3"'
        ' image create --file "$1" --disk-format raw'
        ' --container-format bare copy',
        *('bash', str(target.output), target.image_id, DESTINATION),
        *_OPENSTACK,
    ]


def curl_to_curl(
    *, chunked: bool
) -> collections.abc.Callable[[Target], list[str]]:
    """Return what makes a pipeline that uploads what it downloads.

    :param chunked: Whether with ``Transfer-Encoding: chunked``, as curl
        uploads a pipe by default, and not with a ``Content-Length``.
    """

    def arguments(target: Target) -> list[str]:
        assert target.destination is not None
        length = [
            *('--header', 'Transfer-Encoding:'),
            *('--header', f'Content-Length: {target.destination.size}'),
        ]
        return [
            *('bash', '-c'),
            'set -o pipefail; '
            + shlex.join(_curl(target))
            + ' | '
            + shlex.join(
                [
                    *('curl', '--fail', '--silent', '--show-error'),
                    # It would wait a second for a 100, which uwsgi does
                    # not send.
                    *('--header', 'Expect:'),
                    *('--upload-file', '-', *([] if chunked else length)),
                    *('--header', f'@{target.destination.token_header}'),
                    *('--header', 'Content-Type: application/octet-stream'),
                    target.destination.url,
                ]
            ),
        ]

    return arguments


def sha512sum(target: Target) -> list[str]:
    """Hash the file that the service has."""
    return ['sha512sum', str(target.stored)]


def glance(target: Target) -> list[str]:
    """Download with glanceclient."""
    return [
        *(sys.executable, '-c'),
        'import sys; from glanceclient import shell; sys.exit(shell.main())',
        *('image-download', '--file', str(target.output), target.image_id),
    ]
