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

"""Start the cloud and wait for Ctrl-C."""

import argparse
import signal
import sys
import threading

from tests.servers import cloud


def main() -> int:
    """Run until a signal comes.

    :returns: The exit status.
    """
    parser = argparse.ArgumentParser(
        prog='python -m tests.servers.cloud',
        description='Run a real Keystone and a real Glance on loopback.',
    )
    parser.add_argument(
        '--directory',
        help='where to keep everything; must be new or empty, and is left'
        ' behind (default: a temporary directory)',
    )
    parser.add_argument(
        '--token-expiration',
        type=int,
        default=3600,
        metavar='SECONDS',
        help='for how long a token is good (default: %(default)s)',
    )
    parser.add_argument(
        '--object-store',
        action='store_true',
        help='keep images in an S3 store (of moto, in memory)',
    )
    arguments = parser.parse_args()
    # A script that starts this in the background has SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with cloud.Cloud.start(
            arguments.directory,
            arguments.token_expiration,
            object_store=arguments.object_store,
        ) as running:
            print(running.how_to(), flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        print('Stopped.', file=sys.stderr)
    except cloud.CloudError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
