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

"""How Sphinx builds the release notes."""

extensions = [
    'openstackdocstheme',
    'reno.sphinxext',
]

project = 'openstack-image-stream Release Notes'
copyright = 'The openstack-image-stream maintainers'  # noqa: A001
templates_path = ['../../doc/source/_templates']
pygments_style = 'native'

html_theme = 'openstackdocs'
html_theme_options = {
    # No tracking of readers.
    'analytics_tracking_code': '',
    'display_badge': False,
    'root_title': 'openstack-image-stream',
    'sidebar_search': True,
}
html_static_path = ['../../doc/source/_static']
html_css_files = ['tables.css']
openstackdocs_auto_name = False
# Each release has its own version in the text.
openstackdocs_auto_version = False
