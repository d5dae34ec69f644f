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

"""Where the plugin and an oracle differ, and why.

Each combination of an oracle, an image and a disk_format in these tables is a
difference, and there are no others: the tests check both.
"""

import dataclasses
import itertools

#: Names of an oracle, an image and a disk_format.
Case = tuple[str, str, str]

_AMAZON = 'aki ami ari'
_KERNELS = 'kernel gpt-hybrid mbr-empty'
_INSPECTED = 'nova-inspection ironic ironic-permitted'

#: Honest images that qemu has a name for, and those of the formats that Ironic
#: permits by default.
_QCOW2 = 'qcow2 qcow2-v2 qcow2-features'
_OTHERS = 'vhd vhdx vmdk vmdk-stream vmdk-footer vdi luks'
_NAMED = f'{_QCOW2} {_OTHERS}'
_PERMITTED = f'{_QCOW2} raw raw-fat raw-text gpt gpt-mbr iso9660 iso-gpt'

#: What the inspector takes for raw bytes, and qemu or VMware for a VMDK.
_HIDDEN = (
    'vmdk-flat-zeros vmdk-flat-zeros-short vmdk-untitled-zeros '
    'vmdk-crlf-zeros vmdk-upper-zeros vmdk-cowd'
)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Verdicts that are not the same, for one reason.

    Names are separated by spaces.

    :param reason: The reason.
    :param oracles: Names of the oracles.
    :param images: Names of the images.
    :param disk_formats: What they are announced as.
    """

    reason: str
    oracles: str
    images: str
    disk_formats: str

    def cases(self) -> set[Case]:
        """Return every combination of the names."""
        return set(
            itertools.product(
                self.oracles.split(),
                self.images.split(),
                self.disk_formats.split(),
            )
        )


#: What the plugin refuses, and the oracle accepts.
REFUSED = (
    Difference(
        'the inspector sees raw bytes, qemu or VMware a VMDK of other files',
        'nova-inspection glance',
        _HIDDEN,
        f'{_AMAZON} raw',
    ),
    Difference(
        'the inspector sees raw bytes, qemu or VMware a VMDK of other files',
        'ironic ironic-permitted',
        _HIDDEN,
        'aki ari raw',
    ),
    Difference(
        'qemu does not know a descriptor in capitals, VMware does',
        'nova-download',
        'vmdk-upper-zeros',
        f'{_AMAZON} raw',
    ),
    Difference(
        'qemu does not know a descriptor in capitals, VMware does',
        'qemu-img',
        'vmdk-upper-zeros',
        f'{_AMAZON} raw gpt iso',
    ),
    Difference(
        'the inspector does not look into less than 512 bytes, qemu does',
        'nova-inspection glance',
        'qcow2-short',
        f'{_AMAZON} raw',
    ),
    Difference(
        'the inspector does not look into less than 512 bytes, qemu does',
        'ironic ironic-permitted',
        'qcow2-short',
        'aki ari raw',
    ),
    Difference(
        'qemu reads zeros where the name of the backing file is cut off',
        'qemu-img',
        'qcow2-short iso-qcow2',
        f'{_AMAZON} qcow2',
    ),
    Difference(
        'an ISO image that begins with a descriptor is a VMDK to qemu',
        'nova-inspection',
        'iso-vmdk',
        f'{_AMAZON} iso',
    ),
    Difference(
        'an ISO image that begins with a descriptor is a VMDK to qemu',
        'ironic ironic-permitted',
        'iso-vmdk',
        'aki ari iso',
    ),
    Difference(
        'an ISO image that begins with a descriptor is a VMDK to qemu',
        'glance',
        'iso-vmdk',
        'iso raw',
    ),
    Difference(
        'the inspector does not see that a VMDK has its data elsewhere',
        'nova-inspection',
        'vmdk-parent vmdk-text-sparse vmdk-two-types',
        f'{_AMAZON} vmdk',
    ),
    Difference(
        'the inspector does not see that a VMDK has its data elsewhere',
        'ironic',
        'vmdk-parent vmdk-text-sparse vmdk-two-types',
        'aki ari vmdk',
    ),
    Difference(
        'the inspector does not see that a VMDK has its data elsewhere',
        'glance',
        'vmdk-parent vmdk-two-types',
        'raw vmdk',
    ),
    Difference(
        'Glance admits as raw whatever the inspector finds safe',
        'glance',
        f'{_NAMED} iso9660 vmdk-text-sparse',
        'raw',
    ),
    Difference(
        'the inspector raises an AttributeError where a descriptor is not '
        'ASCII, which Glance takes for data that are not inspected',
        'glance',
        'vmdk-not-ascii',
        f'{_AMAZON} gpt iso luks qcow2 qed raw vdi vhd vhdx vmdk',
    ),
    Difference(
        'qemu knows neither ISO images nor partition tables: all are raw',
        'qemu-img',
        'gpt gpt-mbr',
        'iso',
    ),
    Difference(
        'qemu knows neither ISO images nor partition tables: all are raw',
        'qemu-img',
        'iso9660 iso-gpt',
        'gpt raw',
    ),
    Difference(
        'qemu knows neither ISO images nor partition tables: all are raw',
        'qemu-img',
        'raw raw-fat raw-text',
        'gpt iso',
    ),
    Difference(
        'qemu does not look at the partitions',
        'qemu-img',
        _KERNELS,
        'ami gpt iso raw',
    ),
    Difference(
        'qemu knows the first version of LUKS only: others are raw',
        'qemu-img',
        'luks-v2',
        f'{_AMAZON} gpt iso raw',
    ),
    Difference(
        'qemu knows no ISO images, and sees one format where there are two',
        'qemu-img',
        'iso-qcow2-safe',
        f'{_AMAZON} qcow2',
    ),
    Difference(
        'qemu knows a feature of its own that the inspector does not',
        'qemu-img',
        'qcow2-extended',
        f'{_AMAZON} qcow2',
    ),
    Difference(
        'the inspector bans a format that qemu still reads',
        'qemu-img',
        'qed',
        f'{_AMAZON} qed',
    ),
    Difference(
        'the inspector bans a format that qemu still reads',
        'qemu-img',
        'qcow',
        _AMAZON,
    ),
    Difference(
        'qemu goes by the header of a sparse VMDK, and overlooks the text and '
        'the second header',
        'qemu-img',
        'vmdk-embedded-flat vmdk-embedded-path vmdk-footer-flat '
        'vmdk-footer-moved vmdk-wrong-place',
        f'{_AMAZON} vmdk',
    ),
)

#: What the plugin accepts, and the oracle refuses.
ACCEPTED = (
    Difference(
        'a kernel has the signature of a partition table: Glance tolerates '
        'that in aki and ari, and nova does not inspect kernels at all',
        f'{_INSPECTED} nova-download',
        _KERNELS,
        'aki ari',
    ),
    Difference(
        'Glance admits as part of a machine image only what is raw; in a '
        'container of that name it does not look into it',
        'glance',
        f'{_NAMED} gpt gpt-mbr iso9660 iso-gpt',
        _AMAZON,
    ),
    Difference(
        'Glance admits as part of a machine image only what is raw; in a '
        'container of that name it does not look into it',
        'glance',
        _KERNELS,
        'aki ari',
    ),
    Difference(
        'Ironic has rules for kernels and ramdisks, and none for ami',
        'ironic',
        f'{_PERMITTED} {_OTHERS}',
        'ami',
    ),
    Difference(
        'Ironic has rules for kernels and ramdisks, and none for ami',
        'ironic-permitted',
        _PERMITTED,
        'ami',
    ),
    Difference(
        "after nova's inspection has admitted it, qemu must call it raw",
        'nova-download',
        _NAMED,
        _AMAZON,
    ),
    Difference(
        'qemu has another name for the format, and nova wants the same one',
        'nova-download',
        'gpt gpt-mbr',
        'gpt',
    ),
    Difference(
        'qemu has another name for the format, and nova wants the same one',
        'nova-download',
        'vhd',
        'vhd',
    ),
)


def cases(table: tuple[Difference, ...]) -> dict[Case, str]:
    """Return the reasons in a table, each case by itself."""
    result: dict[Case, str] = {}
    for difference in table:
        for case in difference.cases():
            if case in result:
                raise ValueError(f'{case} is there twice')
            result[case] = difference.reason
    return result
