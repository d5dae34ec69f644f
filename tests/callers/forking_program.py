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

"""A program that downloads in a thread, and whose main thread forks."""

import os
import sys

from tests.callers import actions
from tests.servers import control
from tests.servers import images


def main(
    url: str, image_id: str, mode: str, connections: str, directory: str
) -> None:
    """Download, and fork meanwhile.

    :param url: Where the service is.
    :param image_id: The image, whose responses are held.
    :param mode: One of :data:`actions.MODES`.
    :param connections: Option of the download.
    :param directory: Where a file may be.
    """
    remote = control.Remote(url)
    conn = actions.connect(remote)
    thread = actions.Downloader(
        conn, image_id, mode, directory, connections=int(connections)
    )
    thread.start()
    remote.wait_until_asked(image_id, int(connections))
    child = os.fork()
    if child == 0:
        print('child', flush=True)
        sys.exit(0)
    status = os.waitpid(child, 0)[1]
    remote.release(image_id)
    content = thread.result()
    if content != images.data(1, images.LARGE) or status:
        sys.exit(f'the bytes are wrong, or the child ended with {status}')
    print('parent')


if __name__ == '__main__':
    main(*sys.argv[1:])
