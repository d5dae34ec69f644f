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

"""Run the copies and print what was found."""

import argparse
import collections
from concurrent import futures
import sys
import threading
import time

from tests.copies import cases
from tests.copies import clouds
from tests.servers import cloud
from tests.soak import short_waits


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m tests.copies',
        description='Copy images between two clouds, through faults.',
    )
    parser.add_argument('--copies', type=int, default=100, metavar='N')
    parser.add_argument('--seed', type=int, default=1, metavar='S')
    parser.add_argument(
        '--repeat', type=int, metavar='CASE', help='run this case alone'
    )
    parser.add_argument(
        '--threads', type=int, default=4, help='at a time (default: 4)'
    )
    return parser.parse_args()


def main() -> int:
    """Copy, and look at what came of it.

    :returns: The exit status, 1 where anything was wrong.
    """
    arguments = _parse()
    numbers = range(arguments.copies)
    if arguments.repeat is not None:
        numbers = range(arguments.repeat, arguments.repeat + 1)
    short_waits.install()
    counts: collections.Counter[str] = collections.Counter()
    wrong = 0
    began = time.monotonic()
    with (
        cloud.Cloud.start() as source,
        cloud.Cloud.start(hashing_algorithm='sha256') as destination,
    ):
        pair = clouds.Pair(source, destination)
        destination.upload('first', b'first')
        before = pair.destination.stored()

        def run(number: int) -> tuple[int, list[str]]:
            case = cases.draw(arguments.seed, number)
            return number, pair.run(case, f'copy-{number}', counts)

        with futures.ThreadPoolExecutor(arguments.threads) as pool:
            for number, flaws in pool.map(run, numbers):
                for flaw in flaws:
                    wrong += 1
                    print(f'WRONG in case {number}: {flaw}')
                    print(cases.draw(arguments.seed, number), flush=True)
                if number % 50 == 49:
                    print(f'{number + 1} copies', flush=True)
        # What was deleted while it was being uploaded may come back.
        time.sleep(5)
        images = list(pair.looking.image.images())
        left = pair.destination.stored() - before
        if len(images) != 1 or left:
            wrong += 1
            print(f'WRONG: {len(images) - 1} images, files {left}')
        threads = [t.name for t in threading.enumerate()]
    if any('image-stream' in name for name in threads):
        wrong += 1
        print(f'WRONG: threads are left: {threads}')
    print(
        f'{len(numbers)} copies in {time.monotonic() - began:.0f} s, '
        f'{wrong} wrong: '
        + ', '.join(f'{value} {name}' for name, value in counts.most_common())
    )
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
