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
"""What Ironic's conductor does to fetch an image, as a program.

Takes the paths of a configuration file, the ID of an image, and where it is to
go. Ironic makes the session and the connection.
"""

import sys

from ironic.common import context
from ironic.common import images
from ironic.conf import CONF


def main() -> None:
    """Fetch the image."""
    config, image_id, path = sys.argv[1:]
    CONF([], project='ironic', default_config_files=[config])
    images.fetch_into(context.RequestContext(), image_id, path)


if __name__ == '__main__':
    main()
