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

"""Write the inventories that stand in for those of other projects.

An inventory tells Sphinx at which page and anchor a project documents a name.
Sphinx asks the project's web site for it. These hold only the names that our
pages use, so that the pages can be built without a network, and so that a
misspelt reference fails there too.

Run it after a change of the lists: ``python doc/source/_inventories/make.py``.
"""

import pathlib
import zlib

#: Per project and place the names that are documented there, by their kinds.
#: In a place ``$`` stands for the name.
ENTRIES = {
    'keystoneauth': {
        'api/keystoneauth1.adapter.html#$': {
            'py:class': ['keystoneauth1.adapter.Adapter'],
        },
        'api/keystoneauth1.exceptions.base.html#$': {
            'py:exception': ['keystoneauth1.exceptions.base.ClientException'],
        },
        'api/keystoneauth1.exceptions.connection.html#$': {
            'py:exception': [
                'keystoneauth1.exceptions.connection.ConnectFailure',
                'keystoneauth1.exceptions.connection.ConnectTimeout',
                'keystoneauth1.exceptions.connection.SSLError',
                'keystoneauth1.exceptions.connection.UnknownConnectionError',
            ],
        },
        'api/keystoneauth1.exceptions.http.html#$': {
            'py:exception': [
                'keystoneauth1.exceptions.http.HttpError',
                'keystoneauth1.exceptions.http.Unauthorized',
            ],
        },
    },
    'openstacksdk': {
        'user/config/configuration.html#$': {
            'std:label': [
                'config-environment-variables',
                'config-vendor-profiles',
            ],
        },
        'user/connection.html#$': {
            'py:class': ['openstack.connection.Connection'],
            'py:method': [
                'openstack.connection.Connection.add_service',
                'openstack.connection.Connection.connect_as',
            ],
        },
        'user/exceptions.html#$': {
            'py:exception': [
                'openstack.exceptions.ForbiddenException',
                'openstack.exceptions.HttpException',
                'openstack.exceptions.InvalidResponse',
                'openstack.exceptions.NotFoundException',
                'openstack.exceptions.SDKException',
            ],
        },
        'user/guides/logging.html#$': {
            'py:function': ['openstack.enable_logging'],
        },
        'user/resources/image/v2/image.html#$': {
            'py:class': ['openstack.image.v2.image.Image'],
        },
    },
    'python': {
        'library/collections.abc.html#$': {
            'py:class': [
                'collections.abc.Callable',
                'collections.abc.Iterable',
                'collections.abc.Mapping',
                'collections.abc.Sequence',
            ],
        },
        'library/constants.html#$': {
            'py:data': ['None'],
        },
        'library/exceptions.html#$': {
            'py:exception': ['OSError', 'RuntimeError', 'ValueError'],
        },
        'library/functions.html#$': {
            'py:class': ['bool', 'int'],
        },
        'library/hashlib.html#module-$': {
            'py:module': ['hashlib'],
        },
        'library/io.html#$': {
            'py:class': ['io.BufferedReader', 'io.IOBase'],
            'py:exception': ['io.UnsupportedOperation'],
            'py:method': ['io.IOBase.close'],
        },
        'library/os.html#$': {
            'py:class': ['os.PathLike'],
        },
        'library/stdtypes.html#$': {
            'py:class': ['bytes', 'str'],
        },
        'library/tempfile.html#$': {
            'py:function': ['tempfile.NamedTemporaryFile', 'tempfile.mkstemp'],
        },
        'library/tempfile.html#module-$': {
            'py:module': ['tempfile'],
        },
        'library/typing.html#$': {
            'py:data': ['typing.Any'],
        },
        'library/zipfile.html#$': {
            'py:class': ['zipfile.ZipFile'],
        },
    },
    'requests': {
        'api.html#$': {
            'py:class': ['requests.Response', 'requests.Session'],
            'py:method': [
                'requests.Response.close',
                'requests.Response.iter_content',
                'requests.Response.iter_lines',
            ],
            'py:property': ['requests.Response.content'],
        },
        'api.html#requests.RequestException': {
            'py:exception': ['requests.exceptions.RequestException'],
        },
        'api.html#requests.Response': {
            'py:class': ['requests.models.Response'],
        },
        'user/advanced.html#$': {
            'std:label': ['body-content-workflow'],
        },
    },
}

_HEADER = """\
# Sphinx inventory version 2
# Project: {project}
# Version:
# The remainder of this file is compressed using zlib.
"""


def write(project: str, path: pathlib.Path) -> None:
    """Write the inventory of a project.

    :param project: A key of :data:`ENTRIES`.
    :param path: The file to write.
    """
    # After the kind comes the priority in searches, after the place the
    # title, for which a dash means the name.
    lines = ''.join(
        f'{name} {kind} 1 {place} -\n'
        for place, kinds in ENTRIES[project].items()
        for kind, names in kinds.items()
        for name in names
    )
    path.write_bytes(
        _HEADER.format(project=project).encode()
        + zlib.compress(lines.encode(), 9)
    )


if __name__ == '__main__':
    for name in ENTRIES:
        write(name, pathlib.Path(__file__).with_name(f'{name}.inv'))
