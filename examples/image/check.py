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

"""Download an image that must be what its distributor published."""

import argparse
import os

import openstack

import openstack_image_stream


def download_published(conn, name, output, sums):
    """Download an image whose digest is in a distributor's file."""
    image = conn.image.find_image(name, ignore_missing=False)
    digest = openstack_image_stream.find_digest(sums, os.path.basename(output))
    conn.image.download_image(image, output=output, expected_digest=digest)


def download_safe(conn, name, output):
    """Download an image that refers to no other file, and has a hash."""
    image = conn.image.find_image(name, ignore_missing=False)
    conn.image.download_image(
        image, output=output, check_format=True, validate_checksum='required'
    )


def download_signed(conn, name, output, signer):
    """Download an image that this signer, a PEM file, has signed."""
    image = conn.image.find_image(name, ignore_missing=False)
    conn.image.download_image(image, output=output, signed_by=signer)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('image', help='name or ID of the image')
    parser.add_argument(
        'output', help='file to write, named as in the file of checksums'
    )
    parser.add_argument('sums', help='SHA256SUMS, or another such file')
    arguments = parser.parse_args()
    with openstack.connect() as conn:
        openstack_image_stream.load(conn)
        try:
            download_published(
                conn, arguments.image, arguments.output, arguments.sums
            )
        except openstack_image_stream.ImageStreamError as exc:
            parser.exit(1, f'{exc}\n')
        print('wrote', os.path.abspath(arguments.output))


if __name__ == '__main__':
    main()
