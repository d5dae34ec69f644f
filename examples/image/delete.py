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

"""Delete an image."""

import argparse

import openstack

import openstack_image_stream


def delete_image(conn, name):
    """Delete an image by its name or ID, if there is one."""
    image = conn.image.find_image(name)
    if image:
        conn.image.delete_image(image)
    return image


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('image', help='name or ID of the image')
    arguments = parser.parse_args()
    with openstack.connect() as conn:
        openstack_image_stream.load(conn)
        image = delete_image(conn, arguments.image)
        if image:
            print(f'deleted {image.id}, {image.name}')
        else:
            print(f'there is no image {arguments.image}')


if __name__ == '__main__':
    main()
