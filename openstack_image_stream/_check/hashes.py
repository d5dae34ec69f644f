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

"""Which hash proves an image, and hashing beside the download."""

import base64
import binascii
import dataclasses
import hashlib
import os
import queue
import threading
from typing import Any

from openstack_image_stream._common import signals
from openstack_image_stream._transfer import coordination
from openstack_image_stream import exceptions

#: Chunks that may wait for the hashing thread. One would do if receiving and
#: hashing always took turns evenly; the second absorbs the jitter of a
#: network without letting memory grow.
_WAITING_CHUNKS = 2

#: Seconds for the thread to end. It is told to, and looks at it after every
#: megabyte; a signal handler that closes must not wait for what it interrupts.
_JOINING = 5.0

#: Bytes of a file that are read at a time.
_STORED_BLOCK = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Expected:
    """The digest that the bytes of an image must have.

    :param algorithm: Name for :func:`hashlib.new`.
    :param value: The digest in lower case hexadecimal.
    """

    algorithm: str
    value: str


def choose(
    *,
    hash_algo: object,
    hash_value: object,
    checksum: object,
    allow_md5_fallback: bool,
) -> Expected | None:
    """Pick the hash that an image's metadata offer.

    The multihash decides where there is one. MD5 takes its place only by
    choice, since whoever can take an algorithm away could otherwise make us
    accept a forged image; python-glanceclient has the same rule.

    :param hash_algo: ``os_hash_algo`` of the image, as it came.
    :param hash_value: ``os_hash_value`` of the image, as it came.
    :param checksum: ``checksum`` of the image (MD5), as it came.
    :param allow_md5_fallback: Whether an unusable multihash may be replaced
        by the MD5 checksum.
    :returns: What to compare with, or ``None`` if the metadata hold no hash.
    :raises: :exc:`~openstack_image_stream.exceptions.UnusableHashError` when
        the hash that decides cannot be used.
    """
    if hash_algo and hash_value:
        try:
            return _checked(str(hash_algo), str(hash_value))
        except exceptions.UnusableHashError as exc:
            if not (allow_md5_fallback and checksum):
                raise exceptions.UnusableHashError(
                    f'{exc.message}. Nothing was downloaded. '
                    'allow_md5_fallback=True accepts the MD5 checksum '
                    'instead, validate_checksum=False downloads without '
                    'a proof.',
                    algorithm=exc.algorithm,
                    expected=exc.expected,
                ) from exc
    if checksum:
        return _checked('md5', str(checksum))
    return None


def from_content_md5(header: str | None) -> Expected | None:
    """Read a ``Content-MD5`` header.

    Glance sends the digest in hexadecimal; RFC 1864, section 2, says base64.

    :param header: The value of the header, ``None`` if there is none.
    :returns: What to compare with, or ``None`` if the header holds no MD5.
    """
    if not header:
        return None
    value = header.strip()
    for decode in (binascii.unhexlify, _unbase64):
        try:
            digest = decode(value)
        except ValueError:
            continue
        if len(digest) == 16:
            return Expected('md5', digest.hex())
    return None


def _unbase64(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _checked(algorithm: str, value: str) -> Expected:
    expected = Expected(algorithm, value.strip().lower())
    try:
        size: int = _new(algorithm).digest_size
    except (ValueError, TypeError) as exc:
        raise exceptions.UnusableHashError(
            f'the hash algorithm {algorithm!r} of the image is not available '
            'in this Python',
            algorithm=algorithm,
            expected=value,
        ) from exc
    try:
        length = len(binascii.unhexlify(expected.value))
    except ValueError:
        length = -1
    # The SHAKE family has no length of its own, hence nothing to compare.
    if size == 0 or length != size:
        raise exceptions.UnusableHashError(
            f'{value!r} is no {algorithm} digest in hexadecimal',
            algorithm=algorithm,
            expected=value,
        )
    return expected


def _new(algorithm: str) -> Any:
    # The digest protects against accidents on the way, also where a FIPS
    # policy forbids MD5 as a signature.
    return hashlib.new(algorithm, usedforsecurity=False)


@dataclasses.dataclass(frozen=True)
class Stored:
    """Bytes of the image that are in a file.

    :param descriptor: Of the file, open for reading.
    :param offset: Position of the first of them.
    :param length: How many.
    """

    descriptor: int
    offset: int
    length: int


class BackgroundDigest:
    """A digest that is computed in a thread of its own.

    hashlib lets go of the interpreter lock while it works, so the caller can
    receive and write the next chunk meanwhile. Where no thread can be started
    the caller's does it.

    Whoever makes one calls :meth:`close`. The thread holds no reference to
    this object and ends also when the download is simply forgotten.

    :param expected: The algorithm, and what must come out.
    :param coordinator: Owns the download.
    """

    def __init__(
        self, expected: Expected, coordinator: coordination.Coordinator
    ) -> None:
        self._expected = expected
        self._coordinator = coordinator
        self._work = _Work(_new(expected.algorithm))
        self._stored = 0
        # A daemon, so that a Response which is still open when the
        # interpreter ends cannot keep it from ending.
        self._thread: threading.Thread | None = threading.Thread(
            target=self._work.run,
            name='openstack-image-stream-digest',
            daemon=True,
        )
        coordinator.on_end(self._work.abandon)
        try:
            self._thread.start()
        except RuntimeError as exc:
            if signals.find_raised(exc) is not None:
                raise
            self._thread = None

    @property
    def behind(self) -> bool:
        """Whether bytes in a file are still to be hashed."""
        return self._work.stored_done < self._stored

    def update(self, chunk: bytes) -> None:
        """Take the next chunk, waiting while too many are not hashed yet.

        :param chunk: Bytes of the image; they are not copied.
        :raises: what ended the download when it ended meanwhile.
        """
        if self._thread is None:
            self._work.take(chunk)
            return
        self._work.room.get()
        if self._work.over:
            # For the next call, and whatever else waits.
            self._work.room.put(None)
            self._check()
        self._work.items.put(chunk)

    def update_stored(self, stored: Stored) -> None:
        """Take the next bytes from a file, without waiting.

        :param stored: Where they are; they stay there until the digest is
            verified or closed.
        """
        self._stored += 1
        if self._thread is None:
            self._work.take(stored)
        else:
            self._work.items.put(stored)

    def verify(self) -> None:
        """Wait for the digest of all that was taken, and compare it.

        :raises: :exc:`~openstack_image_stream.exceptions.\
ChecksumMismatchError` when it is not the image's, and what ended the download
            when it ended meanwhile.
        """
        self._work.items.put(None)
        if self._thread is not None:
            self._thread.join()
        else:
            self._work.over = True
        self._check()
        actual: str = self._work.hash.hexdigest()
        if actual != self._expected.value:
            raise exceptions.ChecksumMismatchError(
                f'checksum mismatch: the image has {self._expected.algorithm} '
                f'{self._expected.value}, what was received has {actual}',
                algorithm=self._expected.algorithm,
                expected=self._expected.value,
                actual=actual,
            )

    def close(self) -> None:
        """End the thread, if the download has ended or will no more.

        May be called more than once.
        """
        self._coordinator.off_end(self._work.abandon)
        self._work.abandon()
        if self._thread is not None:
            self._thread.join(_JOINING)

    def __del__(self) -> None:
        work = self.__dict__.get('_work')
        if work is not None:
            work.abandon()

    def _check(self) -> None:
        self._coordinator.check()
        if self._work.failure is not None:
            raise self._work.failure
        if self._work.abandoned or not self._work.over:
            raise exceptions.ImageStreamError('the download was interrupted')


class _Work:
    """What the hashing thread has, and nothing else."""

    def __init__(self, hasher: Any) -> None:
        self.hash = hasher
        # Not a bounded Queue: what ends a download may run in any thread, the
        # hashing one included, and must be able to put its None at once.
        self.items: queue.SimpleQueue[bytes | Stored | None] = (
            queue.SimpleQueue()
        )
        # A token for every chunk that may wait. A Semaphore would do the same
        # in Python, under a lock that both threads run into at every chunk.
        self.room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(_WAITING_CHUNKS):
            self.room.put(None)
        #: Whether :meth:`run` has ended, whatever ended it.
        self.over = False
        self.stored_done = 0
        self.failure: BaseException | None = None
        self.abandoned = False

    def abandon(self) -> None:
        self.abandoned = True
        self.items.put(None)

    def run(self) -> None:
        try:
            # An explicit None ends it; b'' would be a legal, if useless,
            # chunk.
            while (item := self.items.get()) is not None:
                self.take(item)
                stored = isinstance(item, Stored)
                # Not to keep a chunk alive while waiting for the next one.
                del item
                if not stored:
                    self.room.put(None)
        except BaseException as exc:
            self.failure = exc
        finally:
            # Nothing waits for a thread that is no more.
            self.over = True
            self.room.put(None)

    def take(self, item: bytes | Stored) -> None:
        if self.abandoned:
            return
        if not isinstance(item, Stored):
            self.hash.update(item)
            return
        offset, end = item.offset, item.offset + item.length
        while offset < end and not self.abandoned:
            block = os.pread(
                item.descriptor, min(_STORED_BLOCK, end - offset), offset
            )
            if not block:
                raise exceptions.ImageStreamError(
                    'the partial file was truncated by another program'
                )
            self.hash.update(block)
            offset += len(block)
        self.stored_done += 1
