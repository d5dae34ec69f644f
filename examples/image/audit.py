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

"""Audit the images of a cloud, and say which are not as they should be."""

import argparse
import json

import openstack

import openstack_image_stream


def audit_images(conn, **options):
    """Print a line for each image; return whether none of them is bad."""
    bad = 0
    with conn.image.audit_images(check_format=True, **options) as audit:
        for result in audit:
            print(json.dumps(result.as_dict()))
            bad += result.bad
    return not bad


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--jobs', type=int, default=4, help='images at a time (default: 4)'
    )
    arguments = parser.parse_args()
    with openstack.connect() as conn:
        openstack_image_stream.load(conn)
        if not audit_images(conn, jobs=arguments.jobs):
            parser.exit(3)


if __name__ == '__main__':
    main()
