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

CHUNK_SIZE = 1024 * 1024


class Body:
    """The data of an image, for an upload.

    The requests library calls ``len()`` on what it is to send, and sends that
    as Content-Length. By this the other cloud can distinguish an interrupted
    upload from a complete one.
    """

    def __init__(self, response, size):
        self.response = response
        self.size = size

    def __len__(self):
        return self.size

    def __iter__(self):
        # An upload that is refused (401) is retried with a new token, but the
        # data that were sent by then are gone.
        if self.response.raw.tell():
            raise RuntimeError('a download cannot be uploaded twice')
        return self.response.iter_content(chunk_size=CHUNK_SIZE)


def copy_image(source, target, name, new_name=None):
    """Copy an image from one connection to another; both stay open."""
    image = source.image.find_image(name, ignore_missing=False)
    new_name = new_name or image.name
    for existing in target.image.images(name=new_name, status='active'):
        if image.hash_value and existing.hash_value == image.hash_value:
            return existing
    with source.image.download_image(image, stream=True) as response:
        # If the download fails, so does the upload, and the SDK deletes the
        # image that it created.
        created = target.image.create_image(
            new_name,
            data=Body(response, image.size),
            disk_format=image.disk_format,
            container_format=image.container_format,
            allow_duplicates=True,
        )
    # The other cloud has computed a hash of what it received.
    copy = target.image.get_image(created.id)
    if copy.checksum != image.checksum:
        target.image.delete_image(copy)
        raise ValueError(f'{name} was damaged during the copy')
    return copy


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
