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

"""Download an image to a file, and once more to a compressed file."""

import argparse
import gzip
import hashlib
import os

import openstack

import openstack_image_stream

CHUNK_SIZE = 1024 * 1024


def download_image_stream(conn, name, output):
    """Compress an image while it is downloaded."""
    image = conn.image.find_image(name, ignore_missing=False)
    partial = f'{output}.part'
    with (
        conn.image.download_image(image, stream=True) as response,
        gzip.open(partial, 'wb') as file,
    ):
        for chunk in response.iter_content(chunk_size=CHUNK_SIZE):
            file.write(chunk)
    # Reached only if all chunks were received and their hash is right. If
    # not, the loop raised an error in place of the last chunk.
    os.replace(partial, output)


def download_image_stream_checked_by_hand(conn, name, output):
    """Compute the hash of the chunks and compare it with the image's."""
    image = conn.image.find_image(name, ignore_missing=False)
    digest = hashlib.new(image.hash_algo)
    partial = f'{output}.part'
    with (
        conn.image.download_image(
            image, stream=True, validate_checksum=False
        ) as response,
        open(partial, 'wb') as file,
    ):
        for chunk in response.iter_content(chunk_size=CHUNK_SIZE):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != image.hash_value:
        os.remove(partial)
        raise ValueError(f'{name} was damaged during the download')
    os.replace(partial, output)


def download_image(conn, name):
    """Return an image as bytes, all of it in memory."""
    image = conn.image.find_image(name, ignore_missing=False)
    response = conn.image.download_image(image)
    return response.content


def download_image_to_path(conn, name, output):
    """Download an image to a file, given by its path."""
    image = conn.image.find_image(name, ignore_missing=False)
    conn.image.download_image(image, output=output)


def download_image_to_file(conn, name, file):
    """Download an image to an open file, or anything with write()."""
    image = conn.image.find_image(name, ignore_missing=False)
    conn.image.download_image(image, output=file)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('image', help='name or ID of the image')
    parser.add_argument(
        'output', nargs='?', help='file to write (default: <image>.raw)'
    )
    arguments = parser.parse_args()
    output = arguments.output or f'{arguments.image}.raw'
    with openstack.connect() as conn:
        openstack_image_stream.load(conn)
        download_image_to_path(conn, arguments.image, output)
        print('wrote', os.path.abspath(output))
        download_image_stream(conn, arguments.image, f'{output}.gz')
        print('wrote', os.path.abspath(f'{output}.gz'))


if __name__ == '__main__':
    main()
