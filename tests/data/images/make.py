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

"""Make the images that the tests of the format check read.

It needs qemu-img, sgdisk, sfdisk, mkfs.fat, genisoimage and xorriso (Debian:
qemu-utils gdisk fdisk dosfstools genisoimage xorriso). The images are kept
compressed beside this file, so that the tests need none of these::

    python tests/data/images/make.py

They are small, and hold nothing but what the format check looks at: the data
are zeros, apart from a few bytes.
"""

from collections.abc import Callable
import contextlib
import functools
import lzma
import os
import pathlib
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
MIB = 1024 * 1024

#: Text of a VMDK whose data are in another file.
FLAT = (
    b'# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n'
    b'createType="monolithicFlat"\n\nRW 2048 FLAT "passwd" 0\n'
)

#: What a data file or backing file can be called to be anything at all.
JSON = b'json:{"driver":"file","filename":"/etc/passwd"}'

IMAGES: dict[str, Callable[[], bytes]] = {}


def image(function: Callable[[], bytes]) -> Callable[[], bytes]:
    """Register what makes an image, by its name."""
    IMAGES[function.__name__.replace('_', '-')] = function
    return function


def run(*command: str, text: str | None = None) -> None:
    """Run a program in the current directory."""
    subprocess.run(
        command, input=text, text=True, check=True, capture_output=True
    )


def qemu(form: str, *options: str, name: str = 'image') -> bytes:
    """Make an image of 1 MiB by qemu-img, and return it."""
    path = pathlib.Path(name)
    path.unlink(missing_ok=True)
    run('qemu-img', 'create', '-f', form, *options, name, '1M')
    return path.read_bytes()


def converted(form: str, *options: str) -> bytes:
    """Return an image of 1 MiB with data in it."""
    pathlib.Path('source').write_bytes(
        b'some data '.ljust(65536, b'.').ljust(MIB, b'\0')
    )
    run(
        'qemu-img', 'convert', '-f', 'raw', '-O', form, *options,
        'source', 'image',
    )  # fmt: skip
    return pathlib.Path('image').read_bytes()


def patched(data: bytes, offset: int, new: bytes) -> bytes:
    """Return bytes with some of them replaced."""
    return data[:offset] + new + data[offset + len(new) :]


def disk(program: str, *arguments: str, text: str | None = None) -> bytes:
    """Return a disk of 1 MiB on which a program has run."""
    path = pathlib.Path('disk')
    path.write_bytes(bytes(MIB))
    run(program, *arguments, 'disk', text=text)
    return path.read_bytes()


def iso(*options: str) -> bytes:
    """Return an ISO image with one file."""
    folder = pathlib.Path('files')
    folder.mkdir(exist_ok=True)
    (folder / 'readme').write_text('hello\n')
    run(*options, '-o', 'image.iso', 'files')
    return pathlib.Path('image.iso').read_bytes()


def embedded(text: bytes, capacity: int | None = None) -> bytes:
    """Return a sparse VMDK with another descriptor in it."""
    data = patched(qemu('vmdk'), 512, text.ljust(20 * 512, b'\0'))
    if capacity is not None:
        data = patched(data, 12, struct.pack('<Q', capacity))
    return data


# Honest images.


@image
def raw() -> bytes:
    """Some bytes that are no format."""
    return b'\1some data'.ljust(MIB, b'\0')


@image
def raw_fat() -> bytes:
    """A file system that begins almost like a partition table."""
    return disk('mkfs.fat')


@image
def raw_text() -> bytes:
    """A short text."""
    return b'# a short text\nthat is no descriptor\n'


@image
def qcow2() -> bytes:
    """The usual version, with data."""
    return converted('qcow2')


@image
def qcow2_v2() -> bytes:
    """The version without a list of features."""
    return qemu('qcow2', '-o', 'compat=0.10')


@image
def qcow2_features() -> bytes:
    """Features that are known and harmless."""
    return qemu('qcow2', '-o', 'lazy_refcounts=on')


@image
def vhd() -> bytes:
    """A dynamic VHD, which qemu calls vpc."""
    return qemu('vpc')


@image
def vhdx() -> bytes:
    """A VHDX."""
    return qemu('vhdx')


@image
def vmdk() -> bytes:
    """A sparse VMDK in one file."""
    return converted('vmdk')


@image
def vmdk_stream() -> bytes:
    """A streamed VMDK, as qemu-img writes it."""
    return converted('vmdk', '-o', 'subformat=streamOptimized')


@image
def vmdk_footer() -> bytes:
    """A streamed VMDK with a second header at its end, as VMware writes it."""
    data = vmdk_stream()
    marker = struct.pack('<QII', 1, 0, 3).ljust(512, b'\0')
    first = patched(data, 56, struct.pack('<Q', (1 << 64) - 1))
    return first + bytes(MIB) + marker + data[:512] + bytes(512)


@image
def vdi() -> bytes:
    """A VDI."""
    return qemu('vdi')


@image
def iso9660() -> bytes:
    """An ISO image."""
    return iso('genisoimage')


@image
def iso_gpt() -> bytes:
    """A bootable ISO image with a partition table."""
    pathlib.Path('efi').write_bytes(bytes(65536))
    return iso(
        'xorriso', '-as', 'mkisofs', '-appended_part_as_gpt',
        '-append_partition', '2', '0xef', 'efi', '-partition_offset', '16',
    )  # fmt: skip


@image
def gpt() -> bytes:
    """A disk with a GPT."""
    return disk('sgdisk', '-n', '1:34:200')


@image
def gpt_mbr() -> bytes:
    """A disk with a partition table of the older kind."""
    return disk('sfdisk', text='64,\n')


@functools.cache
def encrypted() -> bytes:
    """Return a LUKS image; its key, which is random, is overwritten."""
    for _ in range(50):
        # On a machine that is busy it fails to measure the processor's time.
        with contextlib.suppress(subprocess.CalledProcessError):
            data = qemu(
                'luks',
                '--object', 'secret,id=s,data=secret',
                '-o', 'key-secret=s,iter-time=500',
            )  # fmt: skip
            return data[:592].ljust(len(data), b'\0')
    raise RuntimeError('qemu-img makes no LUKS image')


@image
def luks() -> bytes:
    """A LUKS image."""
    return encrypted()


@image
def kernel() -> bytes:
    """What a Linux kernel begins like: a boot sector without partitions."""
    sector = b'MZ\xea\7\0\xc0\7\x8c\xc8'.ljust(446, b'\x90') + b'\xb8' * 64
    return (sector + b'\x55\xaaHdrS').ljust(MIB, b'\0')


# Dangerous ones.


@image
def qcow2_backing() -> bytes:
    """A backing file."""
    return qemu('qcow2', '-u', '-b', '/etc/passwd', '-F', 'raw')


@image
def qcow2_backing_json() -> bytes:
    """A backing file that is any driver with any options."""
    return qemu('qcow2', '-u', '-b', JSON.decode(), '-F', 'raw')


@image
def qcow2_v2_backing() -> bytes:
    """A backing file in the older version."""
    return qemu(
        'qcow2', '-u', '-o', 'compat=0.10', '-b', '/etc/passwd', '-F', 'raw'
    )


@image
def qcow2_data_file() -> bytes:
    """A data file."""
    return qemu('qcow2', '-o', 'data_file=data,data_file_raw=on')


@image
def qcow2_data_file_json() -> bytes:
    """A data file that is any driver with any options."""
    name = 'd' * len(JSON)
    data = qemu('qcow2', '-o', f'data_file={name},data_file_raw=on')
    return data.replace(name.encode(), JSON, 1)


@image
def qcow2_extended() -> bytes:
    """A feature of qemu 5.2 that the inspector does not know."""
    return qemu('qcow2', '-o', 'extended_l2=on')


@image
def qcow2_feature_5() -> bytes:
    """The first feature that is unknown."""
    return patched(qemu('qcow2'), 79, b'\x20')


@image
def qcow2_feature_63() -> bytes:
    """The last feature that is unknown."""
    return patched(qemu('qcow2'), 72, b'\x80')


@image
def qcow() -> bytes:
    """The first version, which has backing files, too."""
    return qemu('qcow')


@image
def qcow2_short() -> bytes:
    """A header with a backing file, and nothing after it."""
    return qcow2_backing()[:400].rstrip(b'\0')


@image
def qed() -> bytes:
    """A QED, which nothing uses."""
    return qemu('qed')


@image
def luks_v2() -> bytes:
    """A version of LUKS that is not known."""
    return patched(encrypted(), 6, b'\0\2')


@image
def vhdx_far() -> bytes:
    """A VHDX whose metadata are said to be a terabyte away."""
    data = vhdx()
    offset = data.index(bytes.fromhex('06a27c8b90479a4bb8fe575f050f886e'))
    return patched(data, offset + 16, struct.pack('<Q', 1 << 40))


@image
def vhdx_cut() -> bytes:
    """The first 200 KiB of a VHDX."""
    return vhdx()[: 200 * 1024]


@image
def vmdk_flat() -> bytes:
    """A descriptor of less than 512 bytes."""
    return FLAT


@image
def vmdk_flat_long() -> bytes:
    """A descriptor of more than 512 bytes."""
    return FLAT + b'# a comment\n' * 100


@image
def vmdk_flat_zeros() -> bytes:
    """A descriptor that is followed by zeros."""
    return FLAT.ljust(MIB, b'\0')


@image
def vmdk_flat_zeros_short() -> bytes:
    """The same with fewer zeros than a sector has."""
    return FLAT.ljust(500, b'\0')


@image
def vmdk_untitled_zeros() -> bytes:
    """A descriptor without its title, which qemu does not need."""
    return b'#\n \r\n' + FLAT.partition(b'\n')[2].ljust(MIB, b'\0')


@image
def vmdk_crlf_zeros() -> bytes:
    """A descriptor with the line ends of Windows, and another version."""
    text = FLAT.partition(b'\n')[2].replace(b'version=1', b'version=3')
    return text.replace(b'\n', b'\r\n').ljust(MIB, b'\0')


@image
def vmdk_upper_zeros() -> bytes:
    """A descriptor in capitals, which VMware accepts."""
    return FLAT.upper().ljust(MIB, b'\0')


@image
def vmdk_extents() -> bytes:
    """A descriptor of several files, as qemu-img writes it."""
    return qemu('vmdk', '-o', 'subformat=twoGbMaxExtentSparse')


@image
def vmdk_text_sparse() -> bytes:
    """A descriptor that says that it has its data itself."""
    return FLAT.replace(b'Flat', b'Sparse') + b'#' * 512


@image
def vmdk_not_ascii() -> bytes:
    """A descriptor with a letter that is not ASCII, after 512 bytes."""
    return FLAT + b'# a comment\n' * 100 + 'ddb.name = "\u00e9"\n'.encode()


@image
def vmdk_embedded_flat() -> bytes:
    """A descriptor of other files in a sparse VMDK."""
    return embedded(FLAT)


@image
def vmdk_embedded_path() -> bytes:
    """A sparse VMDK whose extent is a path."""
    return embedded(
        FLAT.replace(b'Flat', b'Sparse').replace(b'passwd', b'/etc/passwd')
    )


@image
def vmdk_two_types() -> bytes:
    """A sparse VMDK without capacity, with a type that qemu overlooks."""
    return embedded(
        FLAT.replace(b'createType', b'CREATETYPE="monolithicSparse"\n%s')
        % b'createType',
        capacity=0,
    )


@image
def vmdk_parent() -> bytes:
    """A sparse VMDK with a parent, as qemu-img writes it."""
    qemu('vmdk', name='parent.vmdk')
    return qemu('vmdk', '-b', 'parent.vmdk', '-F', 'vmdk')


@image
def vmdk_cowd() -> bytes:
    """An older sparse VMDK, which the inspector takes for raw."""
    header = b'COWD' + struct.pack('<IIIIII', 1, 3, 2048, 16, 24, 0)
    text = FLAT.replace(b'ffffffff', b'1\nparentFileNameHint="/etc/passwd"')
    return (header.ljust(512, b'\0') + text).ljust(MIB, b'\0')


@image
def vmdk_wrong_place() -> bytes:
    """A VMDK whose descriptor is not where it has to be."""
    return patched(vmdk_footer(), 28, struct.pack('<Q', 2))


@image
def vmdk_footer_moved() -> bytes:
    """A streamed VMDK with another descriptor in its second header."""
    data = vmdk_footer()
    return patched(data, len(data) - 1024 + 28, struct.pack('<Q', 7))


@image
def vmdk_footer_cut() -> bytes:
    """A streamed VMDK without its end."""
    return vmdk_footer()[:-512]


@image
def vmdk_footer_flat() -> bytes:
    """A streamed VMDK with a descriptor of other files."""
    return patched(vmdk_footer(), 512, FLAT.ljust(20 * 512, b'\0'))


@image
def gpt_hybrid() -> bytes:
    """A GPT beside partitions of the older kind."""
    entry = struct.pack('<B3BB3BII', 0, 0, 2, 0, 0x83, 0, 2, 0, 34, 9)
    return patched(gpt(), 446 + 16, entry)


@image
def mbr_empty() -> bytes:
    """The signature of a partition table without partitions."""
    return patched(bytes(MIB), 510, b'\x55\xaa')


@image
def iso_qcow2() -> bytes:
    """An ISO image that is a qcow2, too."""
    return patched(iso9660(), 0, qcow2_backing()[:512])


@image
def iso_qcow2_safe() -> bytes:
    """An ISO image that is a qcow2, too, each of which is safe."""
    return patched(iso9660(), 0, qcow2()[:512])


@image
def iso_vmdk() -> bytes:
    """An ISO image that begins with a descriptor."""
    return patched(iso9660(), 0, FLAT)


def main() -> None:
    """Make all of them, and print how large they are."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        total = 0
        for name, make in IMAGES.items():
            data = make()
            packed = lzma.compress(data, preset=9)
            (HERE / f'{name}.xz').write_bytes(packed)
            total += len(packed)
            print(f'{name:24} {len(data):9} {len(packed):7}')
        print(f'{"":24} {"":9} {total:7}')


if __name__ == '__main__':
    main()
