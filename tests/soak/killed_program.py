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

"""A process that downloads until it is killed.

``python -m tests.soak.killed_program URL ID OUTPUT OPTIONS``, with the options
as JSON.
"""

import json
import signal
import sys

from tests.servers import scripted


def main() -> None:
    """Download once."""
    url, image_id, output, options = sys.argv[1:]
    # Whatever started us may have signals ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    conn = scripted.connect(url, **scripted.PLUGIN)
    conn.image.download_image(image_id, output=output, **json.loads(options))


if __name__ == '__main__':
    main()
