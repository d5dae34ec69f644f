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

"""How Sphinx builds the documentation."""

import pathlib
import sys

from docutils.parsers import rst

sys.path.insert(0, str(pathlib.Path(__file__).parent / '_extensions'))

extensions = [
    'cliff.sphinxext',
    'csv_selection',
    'sphinx.ext.autodoc',
    'sphinx.ext.intersphinx',
    'openstackdocstheme',
]

# The notes are sorted by the tags of git.
_has_git = (pathlib.Path(__file__).parents[2] / '.git').exists()
if _has_git:
    extensions.append('reno.sphinxext')

project = 'openstack-image-stream'
copyright = 'The openstack-image-stream maintainers'  # noqa: A001
templates_path = ['_templates']
pygments_style = 'native'
highlight_language = 'python'

html_static_path = ['_static']
html_css_files = ['tables.css']
html_theme = 'openstackdocs'
html_theme_options = {
    # No tracking of readers.
    'analytics_tracking_code': '',
    'display_badge': False,
    'root_title': project,
    'sidebar_search': True,
}
openstackdocs_auto_name = False

# The help of the commands has options in running text; two dashes stay two.
smartquotes_action = 'qe'

# A reference without a target fails the build.
nitpicky = True

# Each project's own inventory or, without a network, a file with the names
# that these pages use.
intersphinx_mapping = {
    name: (url, (None, f'_inventories/{name}.inv'))
    for name, url in {
        'keystoneauth': 'https://docs.openstack.org/keystoneauth/latest/',
        'openstacksdk': 'https://docs.openstack.org/openstacksdk/latest/',
        'python': 'https://docs.python.org/3/',
        'requests': 'https://requests.readthedocs.io/en/latest/',
    }.items()
}
intersphinx_timeout = 10

autodoc_member_order = 'bysource'
autodoc_type_aliases = {
    # Imported for the type checker alone.
    'connection.Connection': 'openstack.connection.Connection',
}


class _NoReleaseNotes(rst.Directive):
    """In place of reno's directive, which cannot work without git."""

    option_spec = {'relnotessubdir': str}

    def run(self):
        return []


def setup(app):
    """Register the directive."""
    if not _has_git:
        app.add_directive('release-notes', _NoReleaseNotes)
