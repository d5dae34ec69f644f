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

"""What qemu takes for a VMDK that refers to other files.

The inspector of oslo.utils does not see these. They are told by the first
bytes alone, and no honest image of one file has them.
"""

import struct

#: Bytes that qemu looks at to tell a format (``BLOCK_PROBE_BUF_SIZE``).
_PROBED = 512

#: Where the text in an image begins, and how much of it qemu reads.
_TEXT = slice(512, 512 + 20 * 512)

#: How the text file begins that describes a disk, as VMware writes it.
_TITLE = b'# disk descriptorfile'

#: The first line after comments, as qemu accepts it.
_VERSIONS = tuple(
    b'version=%d%s' % (number, end)
    for number in (1, 2, 3)
    for end in (b'\n', b'\r\n')
)

#: Bytes of an image that :func:`failures_of` wants to see.
NEEDED = _TEXT.stop


def failures_of(head: bytes) -> dict[str, str]:
    """Tell why the beginning of an image is not that of one file alone.

    :param head: The first :data:`NEEDED` bytes of the image, or all of it.
    :returns: A sentence for each check that failed, by the check's name.
    """
    if head.startswith(b'KDMV'):
        return _failures_of_sparse(head)
    if head.startswith(b'COWD'):
        return {'vmdk_cowd': 'Extent of an old VMDK, which can have a parent'}
    if is_descriptor(head):
        return {'vmdk_descriptor': 'VMDK descriptor of data in other files'}
    return {}


def is_descriptor(head: bytes) -> bool:
    """Tell whether an image begins as the text that describes a VMDK.

    What follows does not matter: qemu and VMware do not look at it. The
    inspector wants the first 512 bytes to be text without exception.

    :param head: The beginning of the image.
    """
    if head[: len(_TITLE)].lower() == _TITLE:
        return True
    rest = head[:_PROBED]
    while rest.startswith((b'#', b' ', b'\r', b'\n')):
        line, _, following = rest.partition(b'\n')
        if not line.startswith(b'#') and line.strip(b' \r'):
            return False
        rest = following
    return rest.startswith(_VERSIONS)


def _failures_of_sparse(head: bytes) -> dict[str, str]:
    failures = {}
    if len(head) >= 20 and struct.unpack_from('<Q', head, 12) == (0,):
        # qemu then takes the text for that of a disk in several files.
        failures['vmdk_capacity'] = 'No capacity: the data are in other files'
    if b'parentfilenamehint' in head[_TEXT].lower():
        failures['vmdk_parent'] = 'Image has a parent'
    return failures
