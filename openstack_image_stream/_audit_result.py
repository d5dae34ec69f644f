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

"""What an audit says of an image."""

import dataclasses
from typing import Any, get_args, Literal

from openstack import exceptions as sdk_exceptions

from openstack_image_stream import exceptions

#: What an audit says of an image.
Verdict = Literal[
    'good',
    'no hash',
    'mismatch',
    'bad signature',
    'unsafe',
    'mislabelled',
    'incomplete',
    'no data',
    'gone',
    'error',
]

#: All of them, in the order in which they are described.
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

#: Those that say that the content is not what it should be.
BAD: tuple[Verdict, ...] = (
    'mismatch',
    'bad signature',
    'unsafe',
    'mislabelled',
)

#: What an error says of an image; the first class that fits.
_MEANINGS: tuple[tuple[type[Exception], Verdict], ...] = (
    (exceptions.UnverifiableImageError, 'no hash'),
    (exceptions.ChecksumMismatchError, 'mismatch'),
    (exceptions.ImageChangedError, 'mismatch'),
    (exceptions.SignatureError, 'bad signature'),
    (exceptions.InterruptedDownloadError, 'incomplete'),
    # It is a NotFoundException, too.
    (exceptions.ImageDataMissingError, 'no data'),
    (sdk_exceptions.NotFoundException, 'gone'),
)

#: Statuses of images that have no data yet, or none any more.
_WITHOUT_DATA = ('queued', 'saving', 'uploading', 'importing', 'killed')


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditResult:
    """What an audit says of an image.

    :param image_id: ID of the image.
    :param name: Its name, ``None`` if it has none or the metadata could not
        be read.
    :param size: Its size in bytes, ``None`` if unknown.
    :param verdict: One of ``'good'``, ``'no hash'``, ``'mismatch'``,
        ``'bad signature'``, ``'unsafe'``, ``'mislabelled'``,
        ``'incomplete'``, ``'no data'``, ``'gone'``, ``'error'``.
    :param bad: Whether the content is not what it should be, or nothing can
        show that it is and ``validate_checksum`` is ``'required'``.
    :param message: Why, for a person; empty for a good image.
    :param seconds: How long it took.
    :param bytes: Bytes of the image that arrived.
    """

    image_id: str
    name: str | None
    size: int | None
    verdict: Verdict
    bad: bool
    message: str
    seconds: float
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return the values by their names, for JSON or a table."""
        return dataclasses.asdict(self)


AuditResult.__module__ = __name__.partition('.')[0]


def verdict_of(error: Exception) -> Verdict:
    """Return what it says of an image that its download failed.

    :param error: What the download raised.
    """
    if isinstance(error, exceptions.UnsafeImageError):
        return 'unsafe' if error.failures else 'mislabelled'
    if (
        isinstance(error, exceptions.ImageDataMissingError)
        and error.status not in _WITHOUT_DATA
    ):
        # They were there, and the store has lost them.
        return 'incomplete'
    for kind, verdict in _MEANINGS:
        if isinstance(error, kind):
            return verdict
    return 'error'
