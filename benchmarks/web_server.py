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

"""An nginx that serves images cheaply, or with limited bandwidth."""

import collections.abc
import http.client
import os
import pathlib
import pwd
import socket
import sys
import time

from benchmarks import environment
from benchmarks import origins
from benchmarks import traffic
from tests.servers.cloud import process

HOST = '127.0.0.1'

#: Seconds that starting it may take.
_TIMEOUT = 20.0

# One process, in which one event comes after the other: a response is in the
# log before the next request is handled.
_CONFIGURATION = """\
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    log_format traffic '$server_port $bytes_sent $connection $msec '
                       '$request_time $request_uri';
    access_log {log} traffic;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    types {{ }}
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    # What TLS needs in memory instead of sendfile.
    output_buffers 2 512k;
    etag off;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    # By default it has no room for names as long as these.
    map_hash_bucket_size 256;
    map $uri $content_md5 {{
        default "";
{digests}
    }}
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    # It would write a copy to the disk, ahead of a slow client.
    proxy_max_temp_file_size 0;
{servers}
    server {{
        listen {host}:{marks};
        location / {{ return 204; }}
    }}
}}
"""

_SERVER = """\
    server {{
        listen {host}:{port}{options};
{data}
        location / {{ proxy_pass {glance}; }}
    }}
"""


class WebServer:
    """A running nginx; a context manager.

    :param directory: For all of its files; exists.
    :param store: Where Glance keeps the data of images.
    :param glance: The URL of Glance, for everything else.
    :param digests: The MD5 of each image by its id.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        store: pathlib.Path,
        glance: str,
        digests: collections.abc.Mapping[str, str],
    ) -> None:
        #: The authority that has signed the certificate of the server.
        self.certificate = directory / 'authority.pem'
        self._directory = directory
        names = origins.PORTS
        relayed = [port for port in names if origins.ORIGINS[port[0]].relay]
        self._marks, *ports = _free_ports(1 + len(names) + len(relayed))
        self.ports = dict(zip(names, ports, strict=False))
        self._relays = dict(zip(relayed, ports[len(names) :], strict=True))
        self._log = directory / 'access.log'
        self._make_certificates()
        configuration = directory / 'nginx.conf'
        configuration.write_text(self._configuration(store, glance, digests))
        self._processes = [
            process.Process(
                [
                    environment.find('nginx') or 'nginx',
                    *('-p', directory, '-c', configuration),
                    *('-e', 'stderr', '-g', 'daemon off;'),
                ],
                directory / 'nginx.log',
            ),
            *(
                process.Process(
                    [
                        *(sys.executable, '-m', 'benchmarks.relay'),
                        *(str(port), str(self.ports[name, scheme])),
                        *origins.ORIGINS[name].relay,
                    ],
                    directory / f'relay-{name}.log',
                )
                for (name, scheme), port in self._relays.items()
            ),
        ]
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> 'WebServer':
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all processes."""
        for each in reversed(self._processes):
            each.stop()

    def url(self, origin: str, scheme: str) -> str:
        """Return the address of a port, or of the relay before it."""
        where = origin, scheme
        return (
            f'{scheme}://{HOST}:{self._relays.get(where, self.ports[where])}'
        )

    def log(self, origin: str, scheme: str) -> traffic.NginxLog:
        """Return what tells the traffic of a port."""
        return traffic.NginxLog(
            self._log, self.ports[origin, scheme], self._mark
        )

    def _configuration(
        self,
        store: pathlib.Path,
        glance: str,
        digests: collections.abc.Mapping[str, str],
    ) -> str:
        servers = []
        for (origin, scheme), port in self.ports.items():
            servers.append(
                _SERVER.format(
                    host=HOST,
                    port=port,
                    options=(' ssl' if scheme == 'https' else '')
                    # What the relay has not taken is not to count as sent.
                    + (' sndbuf=64k' if origins.ORIGINS[origin].relay else ''),
                    data=origins.ORIGINS[origin].data(str(store)),
                    glance=glance,
                )
            )
        return _CONFIGURATION.format(
            user=_user(),
            directory=self._directory,
            log=self._log,
            certificate=self._directory / 'server.pem',
            key=self._directory / 'server.key',
            digests='\n'.join(
                f'        /v2/images/{image_id}/file {digest};'
                for image_id, digest in digests.items()
            ),
            servers=''.join(servers),
            host=HOST,
            marks=self._marks,
        )

    def _make_certificates(self) -> None:
        """Make an authority, and a certificate of its own for the server."""
        files = self._directory
        self._openssl(
            *('-subj', '/CN=Authority of the benchmark'),
            *('-keyout', files / 'authority.key', '-out', self.certificate),
            # Python is strict about those that it is told to trust.
            *('-addext', 'keyUsage=critical,keyCertSign'),
        )
        self._openssl(
            *('-CA', self.certificate, '-CAkey', files / 'authority.key'),
            *('-subj', f'/CN={HOST}'),
            *('-keyout', files / 'server.key', '-out', files / 'server.pem'),
            *('-addext', f'subjectAltName=IP:{HOST}'),
            *('-addext', 'basicConstraints=critical,CA:FALSE'),
            *('-addext', 'keyUsage=critical,digitalSignature'),
        )

    def _openssl(self, *options: str | pathlib.Path) -> None:
        process.Process(
            [
                *('openssl', 'req', '-x509', '-nodes', '-days', '2'),
                *('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'),
                *options,
            ],
            self._directory / 'openssl.log',
        ).finish(_TIMEOUT)

    def _wait(self) -> None:
        end = time.monotonic() + _TIMEOUT
        while True:
            for each in self._processes:
                each.check_running()
            try:
                for port in self._relays.values():
                    socket.create_connection((HOST, port)).close()
                return self._mark()
            except OSError as exc:
                if time.monotonic() > end:
                    raise self._processes[0].error('no response') from exc
            time.sleep(0.05)

    def _mark(self) -> None:
        """Make a request, and wait until the log has it."""
        path = f'/{time.monotonic_ns()}'
        connection = http.client.HTTPConnection(HOST, self._marks, timeout=5)
        try:
            connection.request('GET', path)
            connection.getresponse().read()
        finally:
            connection.close()
        while not self._log.read_text().endswith(f'{path}\n'):
            time.sleep(0.001)


def _user() -> str:
    """Let the worker of a nginx that root has started read root's files."""
    if os.geteuid() != 0:
        return ''
    return f'user {pwd.getpwuid(0).pw_name};'


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
