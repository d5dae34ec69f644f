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
"""A program: openstacksdk's own functional tests of images.

Takes the path of a file, and writes there as JSON what came of each test, and
which classes the proxies of the Image service had.
"""

import json
import pkgutil
import sys
from typing import Any
import unittest

from openstack.tests.functional import image

#: Tests of ``conn.image``; those of ``conn`` itself download, too.
_PACKAGES = [image]
_MODULES = ['openstack.tests.functional.cloud.test_image']


class _Results(unittest.TestResult):
    def __init__(self) -> None:
        super().__init__()
        self.proxies: set[str] = set()

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        for name in ('user_cloud', 'operator_cloud'):
            conn: Any = getattr(test, name, None)
            if conn is not None:
                proxy = type(conn.image)
                self.proxies.add(f'{proxy.__module__}.{proxy.__name__}')


def _suite() -> unittest.TestSuite:
    names = list(_MODULES)
    for package in _PACKAGES:
        found = pkgutil.walk_packages(package.__path__, f'{package.__name__}.')
        names += sorted(each.name for each in found)
    return unittest.defaultTestLoader.loadTestsFromNames(names)


def main() -> None:
    """Run the tests."""
    results = _Results()
    _suite().run(results)
    told = {
        'run': results.testsRun,
        'failed': {
            test.id(): text for test, text in results.failures + results.errors
        },
        'skipped': {test.id(): reason for test, reason in results.skipped},
        'proxies': sorted(results.proxies),
    }
    with open(sys.argv[1], 'w') as file:
        json.dump(told, file)


if __name__ == '__main__':
    main()
