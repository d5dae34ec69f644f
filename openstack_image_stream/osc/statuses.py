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

"""Exit statuses of the commands."""

from openstack_image_stream._common import printing
from openstack_image_stream import exceptions

#: A command, or a setting of the cloud, that cannot work; also argparse's.
USAGE = 2

#: The content is not what it should be, or nothing can show that it is.
BAD_CONTENT = 3

#: It did not arrive whole.
INCOMPLETE = 4

#: What an error means; the first class that fits. All others are 1, which is
#: openstackclient's for any error.
_MEANINGS: tuple[tuple[type[Exception], int], ...] = (
    (exceptions.InvalidArgumentError, USAGE),
    (exceptions.ChecksumMismatchError, BAD_CONTENT),
    (exceptions.ImageChangedError, BAD_CONTENT),
    (exceptions.SignatureError, BAD_CONTENT),
    (exceptions.UncheckableImageError, BAD_CONTENT),
    (exceptions.UnsafeImageError, BAD_CONTENT),
    (exceptions.UnusableHashError, BAD_CONTENT),
    (exceptions.UnverifiableImageError, BAD_CONTENT),
    (exceptions.IncompleteDownloadError, INCOMPLETE),
)


def status_of(error: Exception) -> int | None:
    """Return the exit status that an error has.

    :param error: What a command raised.
    :returns: The status, ``None`` for an error that openstackclient is to
        report.
    """
    for kind, status in _MEANINGS:
        if isinstance(error, kind):
            return status
    return None


def message_of(error: Exception) -> str:
    """Return the message of an error on one line, safe to print."""
    return printing.printable(' '.join(str(error).split()))
