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

"""Where images are downloaded from, as data."""

import dataclasses

#: Bytes per second of each connection of the capped origin.
CAP = 20 * 1024 * 1024

#: Seconds of a round trip to the delayed origin.
DELAY = 0.05

_DATA = """\
        location ~ ^/v2/images/([^/]+)/file$ {{
            alias {store}/$1;
            add_header Content-MD5 $content_md5;
            # Glance has none. Without a value nginx has none either.
            add_header Last-Modified "";
{more}
        }}
"""

#: The response of Glance where its store serves no ranges.
_REFUSE = '            if ($http_range) { return 400; }'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """What is special about an origin.

    :param title: For tables.
    :param schemes: Those that nginx has a port for.
    :param serves: Whether nginx serves the data, and not Glance.
    :param location: What nginx does besides with requests for data.
    :param server: What nginx does besides at the port.
    :param relay: Arguments of :mod:`benchmarks.relay`, if one stands before
        it.
    """

    title: str
    schemes: tuple[str, ...] = ('http',)
    serves: bool = True
    location: str = ''
    server: str = ''
    relay: tuple[str, ...] = ()

    def data(self, store: str) -> str:
        """Return what nginx is told about the data.

        :param store: Where Glance has them.
        """
        if not self.serves:
            return self.server
        return self.server + _DATA.format(store=store, more=self.location)


ORIGINS = {
    'nginx': Kind(title='nginx and its sendfile', schemes=('http', 'https')),
    'glance': Kind(title='Glance', schemes=('https',), serves=False),
    'capped': Kind(
        title='nginx, each connection limited', relay=('--rate', str(CAP))
    ),
    'delayed': Kind(
        title='nginx, with a round trip of 50 ms',
        relay=('--delay', str(DELAY)),
    ),
    'single': Kind(
        title='nginx, one connection at a time',
        # An idle connection would be the one.
        server='        keepalive_timeout 0;\n',
        relay=('--single',),
    ),
    'unranged': Kind(title='nginx, without byte ranges', location=_REFUSE),
}

#: The ports of nginx.
PORTS = tuple(
    (name, scheme) for name, kind in ORIGINS.items() for scheme in kind.schemes
)
