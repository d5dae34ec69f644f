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

"""Audit or copy images on the machines of a Dask cluster.

Each machine needs this package, and the clouds in its own clouds.yaml: what
travels are names of clouds, IDs of images and results, and no secret.
"""

import argparse
import collections
import functools
import operator

from dask import distributed
import openstack

import openstack_image_stream


@functools.lru_cache(maxsize=8)
def connect(cloud):
    """Connect to a cloud, once in each process."""
    conn = openstack.connect(cloud=cloud)
    openstack_image_stream.load(conn)
    return conn


def audit_image(cloud, image_id, **options):
    """Audit an image; this is a task, which runs on any machine."""
    (result,) = connect(cloud).image.audit_images([image_id], **options)
    return result


def copy_image(cloud, image_id, to, **options):
    """Copy an image to another cloud; a task, too.

    Returns the ID, that of the copy or None, and why there is none.
    """
    images = connect(cloud).image
    try:
        copy = images.copy_image(image_id, to=connect(to), **options)
    except (
        openstack_image_stream.ImageStreamError,
        openstack.exceptions.SDKException,
    ) as exc:
        # As a result, since one image that cannot be copied ends nothing.
        return image_id, None, f'{type(exc).__name__}: {exc}'
    return image_id, copy.id, ''


def list_images(cloud):
    """Return the IDs of all images, the largest first."""
    images = connect(cloud).image.images(status='active')
    sizes = {image.id: image.size or 0 for image in images}
    return sorted(sizes, key=sizes.get, reverse=True)


def audit_on_cluster(client, cloud, image_ids, **options):
    """Yield the results of an audit, as they come."""
    # To run a task again after it was lost is right, to remember what it
    # returned is not: the image may be another one the next time.
    tasks = client.map(
        functools.partial(audit_image, cloud, **options),
        image_ids,
        pure=False,
    )
    for _, result in distributed.as_completed(tasks, with_results=True):
        yield result


def copy_on_cluster(client, cloud, to, image_ids, **options):
    """Yield the IDs of images and of their copies, as they come."""
    # Where a machine dies, Dask runs its task on another one. What the first
    # one had created stays at the other cloud, without data.
    tasks = client.map(
        functools.partial(copy_image, cloud, to=to, **options),
        image_ids,
        pure=False,
    )
    for _, result in distributed.as_completed(tasks, with_results=True):
        yield result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('scheduler', help='address of the scheduler')
    parser.add_argument('cloud', help='name of the cloud in clouds.yaml')
    parser.add_argument('--copy-to', help='name of a cloud to copy them to')
    arguments = parser.parse_args()
    with distributed.Client(arguments.scheduler) as client:
        cloud = arguments.cloud
        good, found = [], collections.Counter()
        for result in audit_on_cluster(client, cloud, list_images(cloud)):
            found[result.verdict] += 1
            if result.verdict == 'good':
                good.append(result.image_id)
            else:
                print(result.image_id, result.verdict, result.message)
        print(dict(sorted(found.items(), key=operator.itemgetter(0))))
        if arguments.copy_to:
            for image_id, copy_id, error in copy_on_cluster(
                client, cloud, arguments.copy_to, good
            ):
                print(image_id, f'copied to {copy_id}' if copy_id else error)


if __name__ == '__main__':
    main()
