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

"""Copy an image to another cloud, without writing it to a disk."""

import argparse

import openstack

import openstack_image_stream


def copy_image(source, target, name, new_name=None):
    """Copy an image from one connection to another; both stay open."""
    image = source.image.find_image(name, ignore_missing=False)
    new_name = new_name or image.name
    for existing in target.image.images(name=new_name, status='active'):
        if image.hash_value and existing.hash_value == image.hash_value:
            return existing
    return source.image.copy_image(image, to=target, name=new_name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('image', help='name or ID of the image')
    parser.add_argument('cloud', help='the other cloud, as in clouds.yaml')
    parser.add_argument(
        'name', nargs='?', help='name of the copy (default: that of the image)'
    )
    arguments = parser.parse_args()
    with (
        openstack.connect() as source,
        openstack.connect(cloud=arguments.cloud) as target,
    ):
        openstack_image_stream.load(source)
        copy = copy_image(source, target, arguments.image, arguments.name)
        print(f'{arguments.cloud} has image {copy.id}, {copy.name}')


if __name__ == '__main__':
    main()
