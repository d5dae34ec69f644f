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

"""Look into an image without downloading it: partitions, or files of a zip."""

import argparse
import struct
import zipfile

import openstack

import openstack_image_stream

BLOCK_SIZE = 64 * 1024
SECTOR = 512


def read_qcow2_size(conn, name):
    """Return the virtual size that the header of a qcow2 image announces."""
    image = conn.image.find_image(name, ignore_missing=False)
    with conn.image.open_image(
        image, verified=False, block_size=BLOCK_SIZE
    ) as file:
        magic, _, _, _, _, size = struct.unpack('>4sIQIIQ', file.read(32))
    if magic != b'QFI\xfb':
        raise ValueError(f'{name} is no qcow2 image')
    return size


def read_partitions(conn, name):
    """Return first sector, last sector and name of each partition."""
    image = conn.image.find_image(name, ignore_missing=False)
    with conn.image.open_image(
        image, verified=False, block_size=BLOCK_SIZE
    ) as file:
        file.seek(SECTOR)
        header = file.read(SECTOR)
        if not header.startswith(b'EFI PART'):
            raise ValueError(f'{name} has no GPT')
        table, count, size = struct.unpack_from('<QII', header, 72)
        file.seek(table * SECTOR)
        entries = [file.read(size) for _ in range(min(count, 1024))]
    return [
        (
            *struct.unpack_from('<QQ', entry, 32),
            entry[56:128].decode('utf-16-le').rstrip('\0'),
        )
        for entry in entries
        if any(entry[:16])
    ]


def list_zip(conn, name):
    """Return the names of the files in a zip archive stored as an image."""
    image = conn.image.find_image(name, ignore_missing=False)
    with (
        conn.image.open_image(
            image, verified=False, block_size=BLOCK_SIZE
        ) as file,
        zipfile.ZipFile(file) as archive,
    ):
        return archive.namelist()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('image', help='name or ID of the image')
    arguments = parser.parse_args()
    with openstack.connect() as conn:
        openstack_image_stream.load(conn)
        for function in (read_qcow2_size, read_partitions, list_zip):
            try:
                print(function(conn, arguments.image))
            except (ValueError, zipfile.BadZipFile) as exc:
                print(exc)


if __name__ == '__main__':
    main()
