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
from benchmarks import traffic
from tests.servers.cloud import process

HOST = '127.0.0.1'

#: Bytes per second of each connection by way of the capped port.
CAP = 20 * 1024 * 1024

#: Seconds that starting it may take.
_TIMEOUT = 20.0

#: The ports: whose data they serve, and how.
PORTS = (
    ('nginx', 'http'),
    ('nginx', 'https'),
    ('capped', 'http'),
    ('glance', 'https'),
)

# One process, in which one event comes after the other: a response is in the
# log before the next request is handled.
_CONFIGURATION = """\
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    log_format traffic '$server_port $bytes_sent $status $request_uri';
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
        listen {host}:{port}{tls};
{data}
        location / {{ proxy_pass {glance}; }}
    }}
"""

_DATA = """\
        location ~ ^/v2/images/([^/]+)/file$ {{
            alias {store}/$1;
            add_header Content-MD5 $content_md5;
            # Glance has none. Without a value nginx has none either.
            add_header Last-Modified "";
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
        self.certificate = directory / 'certificate.pem'
        self._directory = directory
        *ports, self._marks, self._proxy = _free_ports(len(PORTS) + 2)
        self.ports = dict(zip(PORTS, ports, strict=True))
        self._log = directory / 'access.log'
        self._make_certificate(directory / 'key.pem')
        configuration = directory / 'nginx.conf'
        configuration.write_text(self._configuration(store, glance, digests))
        self._process = process.Process(
            [
                environment.find('nginx') or 'nginx',
                *('-p', directory, '-c', configuration),
                *('-e', 'stderr', '-g', 'daemon off;'),
            ],
            directory / 'nginx.log',
        )
        self._throttle = process.Process(
            [
                *(sys.executable, '-m', 'benchmarks.throttle', self._proxy),
                *(self.ports['capped', 'http'], CAP),
            ],
            directory / 'throttle.log',
        )
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
        """End both processes."""
        self._throttle.stop()
        self._process.stop()

    def url(self, origin: str, scheme: str) -> str:
        """Return the address of a port, or of the proxy before it."""
        port = self.ports[origin, scheme]
        if origin == 'capped':
            port = self._proxy
        return f'{scheme}://{HOST}:{port}'

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
        data = _DATA.format(store=store)
        variants = {
            'nginx': data,
            'capped': data,
            'glance': '',
        }
        servers = []
        for (origin, scheme), port in self.ports.items():
            servers.append(
                _SERVER.format(
                    host=HOST,
                    port=port,
                    tls=' ssl' if scheme == 'https' else '',
                    data=variants[origin],
                    glance=glance,
                )
            )
        return _CONFIGURATION.format(
            user=_user(),
            directory=self._directory,
            log=self._log,
            certificate=self.certificate,
            key=self._directory / 'key.pem',
            digests='\n'.join(
                f'        /v2/images/{image_id}/file {digest};'
                for image_id, digest in digests.items()
            ),
            servers=''.join(servers),
            host=HOST,
            marks=self._marks,
        )

    def _make_certificate(self, key: pathlib.Path) -> None:
        process.Process(
            [
                *('openssl', 'req', '-x509', '-nodes', '-days', '2'),
                *('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'),
                *('-keyout', key, '-out', self.certificate),
                *('-subj', f'/CN={HOST}'),
                *('-addext', f'subjectAltName=IP:{HOST}'),
                # Python is strict about those that it is told to trust.
                *('-addext', 'keyUsage=digitalSignature,keyCertSign'),
            ],
            self._directory / 'openssl.log',
        ).finish(_TIMEOUT)

    def _wait(self) -> None:
        end = time.monotonic() + _TIMEOUT
        while True:
            self._process.check_running()
            self._throttle.check_running()
            try:
                socket.create_connection((HOST, self._proxy)).close()
                return self._mark()
            except OSError as exc:
                if time.monotonic() > end:
                    raise self._process.error('does not respond') from exc
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
