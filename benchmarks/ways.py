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

"""What is measured in a process that has connected: calls of the API."""

import collections.abc
from concurrent import futures
import dataclasses
import functools
import hashlib
import typing

import openstack

from benchmarks import commands
from benchmarks import looking

_MIB = 1024 * 1024

#: Bytes that are hashed at a time.
_CHUNK = 4 * _MIB

#: Of what is looked into.
_BLOCK_SIZE = 64 * 1024

#: How many local files are hashed at a time, as many as are audited.
_JOBS = 2

#: Returns how many bytes the caller was given, None if a file got them, or
#: if it does not matter.
_Call = collections.abc.Callable[[], int | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What to do with which images.

    :param way: From :data:`WAYS`.
    :param images: Their IDs, one for each time.
    :param files: Where the service has them.
    :param outputs: Paths, one for each image.
    :param options: Of the way or of ``download_image``.
    :param at_once: How many downloads at a time.
    """

    way: str
    images: list[str]
    files: list[str]
    outputs: list[str]
    options: dict[str, typing.Any]
    at_once: int = 1


def to_path(job: Job) -> _Call:
    """Have each written to a file."""
    conn = _connected(job)

    def call() -> None:
        for image_id, output in zip(job.images, job.outputs, strict=True):
            conn.image.download_image(image_id, output=output, **job.options)

    return call


def to_stream(job: Job) -> _Call:
    """Read each in chunks, and discard them."""
    conn = _connected(job)
    return lambda: sum(
        _streamed(conn, image_id, job.options) for image_id in job.images
    )


def to_streams(job: Job) -> _Call:
    """Read an image in several threads at the same time."""
    conn = _connected(job)
    (image_id,) = job.images

    def call() -> int:
        with futures.ThreadPoolExecutor(job.at_once) as threads:
            return sum(
                threads.map(
                    lambda _: _streamed(conn, image_id, job.options),
                    range(job.at_once),
                )
            )

    return call


def to_memory(job: Job) -> _Call:
    """Take all of it at once."""
    conn = _connected(job)
    (image_id,) = job.images

    def call() -> int:
        response = conn.image.download_image(image_id, **job.options)
        return len(response.content)

    return call


def digest(job: Job) -> _Call:
    """Hash what is in memory, the bytes of a file, and nothing else."""
    (path,) = job.files
    with open(path, 'rb') as file:
        chunks = list(iter(lambda: file.read(_CHUNK), b''))

    def call() -> int:
        sha512 = hashlib.sha512()
        for chunk in chunks:
            sha512.update(chunk)
        sha512.digest()
        return sum(map(len, chunks))

    return call


def digests(job: Job) -> _Call:
    """Hash local files, two at a time."""

    def call() -> int:
        with futures.ThreadPoolExecutor(_JOBS) as threads:
            return sum(threads.map(_hashed, job.files))

    return call


def copy(job: Job) -> _Call:
    """Copy to another cloud."""
    conn = _connected(job)
    other = openstack.connect(cloud=commands.DESTINATION)
    list(other.image.images(limit=1))
    (image_id,) = job.images

    def call() -> None:
        conn.image.copy_image(image_id, to=other, **job.options)

    return call


def audit(job: Job) -> _Call:
    """Audit all images."""
    conn = _connected(job)

    def call() -> None:
        found = list(conn.image.audit_images(job.images, **job.options))
        verdicts = [result.verdict for result in found]
        if verdicts != ['good'] * len(job.images):
            raise ValueError(f'found {verdicts}')

    return call


def verify(job: Job) -> _Call:
    """Verify the file that the service has."""
    conn = _connected(job)
    (image_id,), (path,) = job.images, job.files
    return lambda: conn.image.verify_image(image_id, path, **job.options)


def look(
    job: Job, *, into: collections.abc.Callable[[typing.BinaryIO], int]
) -> _Call:
    """Open an image as a file, and look into it."""
    conn = _connected(job)
    (image_id,) = job.images
    options = {
        'verified': False,
        'block_size': _BLOCK_SIZE,
        **job.options,
    }

    def call() -> None:
        with conn.image.open_image(image_id, **options) as file:
            if not into(file):
                raise ValueError('found nothing')

    return call


def look_locally(job: Job) -> _Call:
    """Read at random places of a local file."""
    (path,) = job.files

    def call() -> None:
        with open(path, 'rb') as file:
            looking.random_reads(file)

    return call


WAYS: dict[str, collections.abc.Callable[[Job], _Call]] = {
    'path': to_path,
    'stream': to_stream,
    'at-once': to_streams,
    'memory': to_memory,
    'digest': digest,
    'hash-files': digests,
    'copy': copy,
    'audit': audit,
    'verify': verify,
    'header': functools.partial(look, into=looking.header),
    'partitions': functools.partial(look, into=looking.partitions),
    'zip': functools.partial(look, into=looking.directory),
    'reads': functools.partial(look, into=looking.random_reads),
    'local-reads': look_locally,
}


def _connected(job: Job) -> typing.Any:
    """Connect, with all that is done or loaded but once in the place."""
    conn = openstack.connect()
    conn.image.get_image(job.images[0])
    return conn


def _streamed(
    conn: typing.Any, image_id: str, options: dict[str, typing.Any]
) -> int:
    with conn.image.download_image(
        image_id, stream=True, **options
    ) as response:
        return sum(map(len, response.iter_content(_MIB)))


def _hashed(path: str) -> int:
    """Hash a file, and return its size."""
    size = 0
    sha512 = hashlib.sha512()
    with open(path, 'rb') as file:
        while chunk := file.read(_CHUNK):
            sha512.update(chunk)
            size += len(chunk)
    sha512.digest()
    return size
