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

"""Upload a file as an image."""

import argparse

import openstack

import openstack_image_stream


def upload_image(conn, name, filename):
    """Create an image from a file, unless the cloud has it already."""
    return conn.image.create_image(
        name,
        filename=filename,
        disk_format='raw',
        container_format='bare',
        validate_checksum=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('image', help='name of the new image')
    parser.add_argument(
        'file',
        nargs='?',
        default=__file__,
        help='file to upload (default: this program)',
    )
    arguments = parser.parse_args()
    with openstack.connect() as conn:
        openstack_image_stream.load(conn)
        image = upload_image(conn, arguments.image, arguments.file)
        print(f'{arguments.file} is image {image.id}, {image.name}')


if __name__ == '__main__':
    main()
