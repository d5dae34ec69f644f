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

"""Verify that a file is an image, and download it again if it is not."""

import argparse

import openstack

import openstack_image_stream


def verify_file(conn, name, path):
    """Tell whether a file is an image of the cloud."""
    image = conn.image.find_image(name, ignore_missing=False)
    try:
        conn.image.verify_image(image, path, progress=True)
    except openstack_image_stream.ChecksumMismatchError as exc:
        print(exc)
        return False
    return True


def update_file(conn, name, path):
    """Download an image, unless the file is that image already."""
    image = conn.image.find_image(name, ignore_missing=False)
    response = conn.image.download_image(image, output=path, skip_current=True)
    return response.status_code != 304


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('image', help='name or ID of the image')
    parser.add_argument('path', help='path of the file')
    parser.add_argument(
        '--update',
        action='store_true',
        help='download the image if the file is not the image',
    )
    arguments = parser.parse_args()
    with openstack.connect() as conn:
        openstack_image_stream.load(conn)
        if arguments.update:
            updated = update_file(conn, arguments.image, arguments.path)
            print(arguments.path, 'was', 'updated' if updated else 'current')
        elif verify_file(conn, arguments.image, arguments.path):
            print(arguments.path, 'is the image', arguments.image)
        else:
            raise SystemExit(1)


if __name__ == '__main__':
    main()
