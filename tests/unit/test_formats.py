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

"""Tests of the check of an image's format."""

from collections.abc import Iterator
import functools
import importlib.util
import logging
import lzma
import pathlib
import random
import subprocess
import sys
import tracemalloc
from typing import Any

import fixtures
import hypothesis
from hypothesis import strategies
from oslo_utils.imageutils import format_inspector

from openstack_image_stream._check import detection
from openstack_image_stream._check import formats
from openstack_image_stream._check import inspection
from openstack_image_stream._check import vmdk
from openstack_image_stream import exceptions
from tests.unit import base

FOLDER = pathlib.Path(__file__).parents[1] / 'data' / 'images'
KIB = 1024
MIB = 1024 * KIB

#: Honest images, and which disk_format admits each besides the Amazon ones.
HONEST = {
    'raw': {'raw'},
    'raw-fat': {'raw'},
    'raw-text': {'raw'},
    'qcow2': {'qcow2'},
    'qcow2-v2': {'qcow2'},
    'qcow2-features': {'qcow2'},
    'vhd': {'vhd'},
    'vhdx': {'vhdx'},
    'vmdk': {'vmdk'},
    'vmdk-stream': {'vmdk'},
    'vmdk-footer': {'vmdk'},
    'vdi': {'vdi'},
    'iso9660': {'iso'},
    'iso-gpt': {'iso'},
    'gpt': {'gpt', 'raw'},
    'gpt-mbr': {'gpt', 'raw'},
    'luks': {'luks'},
}

#: What begins like a partition table and is none: kernels do.
KERNELS = {'kernel', 'gpt-hybrid', 'mbr-empty'}

#: Dangerous images: the formats that are found, and the checks that fail.
DANGEROUS = {
    'qcow2-backing': ('qcow2', 'backing_file'),
    'qcow2-backing-json': ('qcow2', 'backing_file'),
    'qcow2-v2-backing': ('qcow2', 'backing_file'),
    'qcow2-data-file': ('qcow2', 'data_file'),
    'qcow2-data-file-json': ('qcow2', 'data_file'),
    'qcow2-extended': ('qcow2', 'unknown_features'),
    'qcow2-feature-5': ('qcow2', 'unknown_features'),
    'qcow2-feature-63': ('qcow2', 'unknown_features'),
    'qcow': ('qcow2', 'unknown_features'),
    'qcow2-short': ('qcow2 raw', 'backing_file'),
    'qed': ('qed', 'banned'),
    'luks-v2': ('luks', 'version'),
    'vhdx-far': ('vhdx', 'vhdx'),
    'vhdx-cut': ('vhdx', 'vhdx'),
    'vmdk-flat': ('vmdk', 'descriptor vmdk_descriptor'),
    'vmdk-flat-long': ('vmdk', 'descriptor vmdk_descriptor'),
    'vmdk-flat-zeros': ('vmdk', 'vmdk_descriptor'),
    'vmdk-flat-zeros-short': ('vmdk', 'vmdk_descriptor'),
    'vmdk-untitled-zeros': ('vmdk', 'vmdk_descriptor'),
    'vmdk-crlf-zeros': ('vmdk', 'vmdk_descriptor'),
    'vmdk-upper-zeros': ('vmdk', 'vmdk_descriptor'),
    'vmdk-extents': ('vmdk', 'descriptor vmdk_descriptor'),
    'vmdk-text-sparse': ('vmdk', 'vmdk_descriptor'),
    'vmdk-not-ascii': ('vmdk', 'vmdk vmdk_descriptor'),
    'vmdk-embedded-flat': ('vmdk', 'descriptor'),
    'vmdk-embedded-path': ('vmdk', 'descriptor'),
    'vmdk-two-types': ('vmdk', 'vmdk_capacity'),
    'vmdk-parent': ('vmdk', 'vmdk_parent'),
    'vmdk-cowd': ('vmdk', 'vmdk_cowd'),
    'vmdk-wrong-place': ('vmdk', 'vmdk'),
    'vmdk-footer-moved': ('vmdk', 'footer'),
    'vmdk-footer-cut': ('vmdk', 'footer'),
    'vmdk-footer-flat': ('vmdk', 'descriptor'),
    'kernel': ('gpt', 'mbr'),
    'gpt-hybrid': ('gpt', 'mbr'),
    'mbr-empty': ('gpt', 'mbr'),
    'iso-qcow2': ('iso qcow2', 'backing_file'),
    'iso-qcow2-safe': ('iso qcow2', ''),
    'iso-vmdk': ('iso vmdk', 'vmdk_descriptor'),
}

ALL = {name: name for name in (*HONEST, *DANGEROUS)}

#: What the inspector of oslo.utils by itself, fed with the same blocks, says
#: about them otherwise, since it does not see what the package looks for.
MISSED = {
    'qcow2-short': 'raw',
    'vmdk-flat-zeros': 'raw',
    'vmdk-flat-zeros-short': 'raw',
    'vmdk-untitled-zeros': 'raw',
    'vmdk-crlf-zeros': 'raw',
    'vmdk-upper-zeros': 'raw',
    'vmdk-cowd': 'raw',
    'iso-vmdk': 'iso',
}

ANNOUNCED = sorted(format_inspector.ALL_FORMATS)
AMAZON = ['aki', 'ami', 'ari']


@functools.cache
def image(name: str) -> bytes:
    """Return the bytes of an image."""
    return lzma.decompress((FOLDER / f'{name}.xz').read_bytes())


def cut(data: bytes, *sizes: int) -> Iterator[bytes]:
    """Cut bytes into chunks of these sizes, the last one again and again."""
    position = 0
    for size in sizes:
        yield data[position : position + size]
        position += size
    while position < len(data):
        yield data[position : position + sizes[-1]]
        position += sizes[-1]


def found_in(data: bytes, *sizes: int) -> detection.Findings:
    """Return what is found in bytes that come in chunks of these sizes."""
    detector = detection.Detector()
    for chunk in cut(data, *(sizes or (MIB,))):
        detector.update(chunk)
    return detector.finish()


def observer(
    announced: str = 'raw', check_format: object = True
) -> formats.FormatObserver:
    """Return an observer of an image without a container."""
    return formats.FormatObserver(
        announced, 'bare', check_format, image_id='ID'
    )


def refusal(
    data: bytes,
    announced: str = 'raw',
    check_format: object = True,
    sizes: tuple[int, ...] = (MIB,),
) -> exceptions.UnsafeImageError | None:
    """Return why an image is refused, ``None`` if it is not."""
    judge = observer(announced, check_format)
    try:
        for chunk in cut(data, *sizes):
            judge.update(chunk)
        judge.finish()
    except exceptions.UnsafeImageError as exc:
        assert not judge.decided
        return exc
    assert judge.decided
    return None


def quiet(test: Any) -> None:
    """Keep what the inspectors log out of the output of a test."""
    test.useFixture(fixtures.FakeLogger(level=logging.DEBUG))


class ImagesTestCase(base.TestCase):
    """A test that reads images, of which the inspectors log a lot."""

    def setUp(self) -> None:
        super().setUp()
        quiet(self)


class TestImages(ImagesTestCase):
    """What is found in images that qemu-img and others have made."""

    @base.for_each({name: name for name in HONEST})
    def test_honest(self, name: str) -> None:
        """It has its format, and no check fails."""
        found = found_in(image(name))
        self.assertEqual({}, found.failures)
        self.assertIn(found.format, HONEST[name])

    @base.for_each({name: name for name in DANGEROUS})
    def test_dangerous(self, name: str) -> None:
        """Its format is known, and the check that has to fail does."""
        found = found_in(image(name))
        self.assertEqual(
            DANGEROUS[name],
            (' '.join(found.formats), ' '.join(sorted(found.failures))),
        )

    @base.for_each(ALL)
    def test_inspectors_alone(self, name: str) -> None:
        """The wrapper of oslo.utils finds the same, but for what it misses.

        When it misses less, what the package looks for can go.
        """
        chunks = cut(image(name), detection.BLOCK)
        wrapper = format_inspector.InspectWrapper(chunks)
        for _ in wrapper:
            pass
        try:
            alone = {str(one) for one in wrapper.formats or ()}
        except AttributeError:
            self.assertEqual('vmdk-not-ascii', name)
            return
        if name in MISSED:
            self.assertEqual({MISSED[name]}, alone)
        else:
            self.assertEqual(alone, set(found_in(image(name)).formats))

    @base.for_each(ALL)
    def test_virtual_size(self, name: str) -> None:
        """It is the size of the disk, that of the file, or unknown."""
        size = found_in(image(name)).virtual_size
        expected = {MIB, len(image(name)), None}
        if name == 'vhd':
            # The geometry of a VHD is rounded up.
            expected = {1079296}
        elif name == 'qed':
            expected = {None, 65536}
        self.assertIn(size, expected)
        if name in HONEST:
            self.assertIsNotNone(size)

    def test_all_are_tested(self) -> None:
        """Each image has an expectation, and the script makes all of them."""
        spec = importlib.util.spec_from_file_location(
            'make_images', FOLDER / 'make.py'
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        files = {path.stem for path in FOLDER.glob('*.xz')}
        self.assertEqual(files, set(ALL))
        self.assertEqual(files, set(module.IMAGES))

    def test_are_small(self) -> None:
        """They are no burden to a clone."""
        size = sum(path.stat().st_size for path in FOLDER.iterdir())
        self.assertLess(size, 300 * KIB)


class TestRules(ImagesTestCase):
    """Which content is admitted for which disk_format."""

    @base.for_each(ALL)
    def test_every_disk_format(self, name: str) -> None:
        """Each image, announced as each format."""
        admitted = {
            announced
            for announced in (*ANNOUNCED, *AMAZON)
            if refusal(image(name), announced) is None
        }
        expected = set(HONEST.get(name, ()))
        if name in HONEST:
            expected |= set(AMAZON)
        elif name in KERNELS:
            # As in glance: that of a kernel is not one.
            expected = {'aki', 'ari'}
        self.assertEqual(expected, admitted)

    def test_mismatch(self) -> None:
        """The error tells both formats."""
        error = refusal(image('qcow2'), 'raw')
        assert error is not None
        self.assertEqual(
            'image ID: disk_format is raw, but the content is qcow2',
            str(error),
        )
        self.assertEqual(
            ('raw', ('qcow2',), {}),
            (error.announced, error.detected, error.failures),
        )

    def test_unsafe(self) -> None:
        """The error tells which check failed."""
        error = refusal(image('qcow2-backing'), 'qcow2')
        assert error is not None
        self.assertEqual(
            'image ID: the content is not safe: backing_file '
            '(Image has a backing file)',
            str(error),
        )
        self.assertEqual(
            {'backing_file': 'Image has a backing file'}, error.failures
        )

    def test_several_formats(self) -> None:
        """What can be taken for either is refused."""
        error = refusal(image('iso-qcow2-safe'), 'iso')
        assert error is not None
        self.assertEqual(
            'image ID: the content has more than one format: iso and qcow2',
            str(error),
        )

    def test_bootable_iso_with_any_table(self) -> None:
        """The partition table in an ISO image is not judged."""
        data = bytearray(image('iso-gpt'))
        data[446] = 0x7F
        self.assertIsNone(refusal(bytes(data), 'iso'))
        self.assertEqual({}, found_in(bytes(data)).failures)

    def test_raw_is_not_a_bootable_iso(self) -> None:
        """Although it admits a partition table."""
        self.assertIsNotNone(refusal(image('iso-gpt'), 'raw'))

    def test_empty(self) -> None:
        """An image without a byte is a raw one."""
        self.assertIsNone(refusal(b''))
        self.assertIsNotNone(refusal(b'', 'qcow2'))


class TestAllowed(ImagesTestCase):
    """Names of formats instead of True."""

    @base.for_each(
        {
            'same': ('qcow2', ['qcow2']),
            'one_of_several': ('qcow2', ('raw', 'qcow2')),
            'raw': ('raw', {'raw'}),
        }
    )
    def test_admitted(self, case: tuple[str, Any]) -> None:
        """A format that is one of them."""
        name, allowed = case
        self.assertIsNone(refusal(image(name), name, allowed))

    def test_raw_admits_gpt(self) -> None:
        """As in Ironic."""
        self.assertIsNone(refusal(image('gpt'), 'raw', ['raw']))
        self.assertIsNone(refusal(image('gpt'), 'gpt', ['raw']))

    def test_gpt_does_not_admit_raw(self) -> None:
        """It is one kind of raw."""
        self.assertIsNotNone(refusal(image('raw'), 'ami', ['gpt']))

    def test_content_of_a_machine_image(self) -> None:
        """It is the content that must be one of them."""
        self.assertIsNone(refusal(image('raw'), 'ami', ['raw']))
        error = refusal(image('qcow2'), 'ami', ['raw'])
        self.assertEqual(
            'image ID: the content is qcow2, allowed are gpt, raw', str(error)
        )

    def test_refused_before_the_data(self) -> None:
        """What the metadata already say is not downloaded."""
        error = self.assertRaises(
            exceptions.UnsafeImageError, observer, 'vmdk', ['raw', 'qcow2']
        )
        self.assertEqual(
            'image ID: disk_format is vmdk, allowed are gpt, qcow2, raw. '
            'Nothing was downloaded.',
            str(error),
        )
        self.assertEqual(('vmdk', ()), (error.announced, error.detected))

    @base.for_each(
        {
            'unknown': ['raw', 'zip'],
            'amazon': ['ami'],
            'empty': [],
            'text': 'raw',
            'bytes': b'raw',
            'false': False,
            'none': None,
            'number': 1,
            'nested': [['raw']],
        }
    )
    def test_bad_names(self, check_format: object) -> None:
        """What is neither True nor names of formats is refused."""
        error = self.assertRaises(
            exceptions.InvalidArgumentError, observer, 'raw', check_format
        )
        self.assertIn('check_format', str(error))
        self.assertIn('qcow2', str(error))
        self.assertIn(repr(check_format), str(error))


class TestUncheckable(base.TestCase):
    """What is refused by its metadata alone."""

    @base.for_each(
        {
            'bare_raw': ('raw', 'bare'),
            'bare_ami': ('ami', 'bare'),
            'ami': ('ami', 'ami'),
            'aki': ('aki', 'aki'),
            'ari': ('ari', 'ari'),
        }
    )
    def test_checkable(self, case: tuple[str, str]) -> None:
        """Whatever is in no container and of a known format."""
        formats.require_checkable(*case, True, 'ID')

    @base.for_each(
        {
            'container': ('qcow2', 'ova'),
            'docker': ('raw', 'docker'),
            'no_container_format': ('qcow2', None),
            'unknown': ('ploop', 'bare'),
            'none': (None, 'bare'),
            'both_none': (None, None),
            'empty': ('', 'bare'),
            'capitals': ('QCOW2', 'bare'),
            'other_amazon': ('aki', 'ami'),
            'amazon_around_raw': ('raw', 'ami'),
            'same_but_no_container': ('raw', 'raw'),
        }
    )
    def test_uncheckable(self, case: tuple[object, object]) -> None:
        """Anything else is an error, and never passes unchecked."""
        disk, container = case
        error = self.assertRaises(
            exceptions.UncheckableImageError,
            formats.require_checkable,
            disk,
            container,
            True,
            'ID',
        )
        self.assertEqual(
            (str(disk), str(container)),
            (error.announced, error.container_format),
        )
        self.assertTrue(str(error).startswith('image ID: the content of'))

    def test_observer_looks_itself(self) -> None:
        """There is no way around it."""
        self.assertRaises(
            exceptions.UncheckableImageError,
            formats.FormatObserver,
            'qcow2',
            'ova',
        )

    def test_fit_for_a_terminal(self) -> None:
        """Metadata are a foreign text."""
        error = self.assertRaises(
            exceptions.UncheckableImageError,
            formats.require_checkable,
            'raw\x1b[2J\n',
            'bare',
            True,
            'ID',
        )
        self.assertTrue(str(error).isprintable())
        self.assertEqual('raw?[2J ', error.announced)


class TestShortContents(ImagesTestCase):
    """The first trap: the inspectors look into no less than 512 bytes."""

    @base.for_each({'header': 'qcow2-backing', 'second': 'qcow2-v2-backing'})
    def test_short_header(self, name: str) -> None:
        """A header without the rest of its sector is dangerous all the same.

        Programs that open a file read whole sectors.
        """
        short = image(name)[:300]
        for announced in ('raw', 'qcow2', 'ami'):
            error = refusal(short, announced)
            assert error is not None
            self.assertIn('backing_file', error.failures)

    def test_padding_alone(self) -> None:
        """The zeros hide from the inspector what it sees without them.

        A descriptor, of which the package's own check knows nothing here.
        """
        self.useFixture(
            fixtures.MonkeyPatch(f'{vmdk.__name__}.failures_of', lambda _: {})
        )
        error = refusal(image('vmdk-flat'), 'raw')
        assert error is not None
        self.assertEqual(('raw', 'vmdk'), error.detected)
        self.assertIn('descriptor', error.failures)

    @base.for_each({str(n): n for n in (1, 63, 64, 104, 511)})
    def test_every_length(self, length: int) -> None:
        """No length is too short for the magic number of a qcow2."""
        data = image('qcow2-backing')[:length].ljust(length, b'\0')
        error = refusal(data, 'raw')
        self.assertEqual(length >= 4, error is not None)

    def test_whole_sector(self) -> None:
        """With all of it there is nothing to fill up."""
        found = found_in(image('qcow2-backing')[:512])
        self.assertEqual(('qcow2',), found.formats)


class TestDescriptors(base.TestCase):
    """The second trap: descriptors of VMDK that are followed by zeros."""

    @base.for_each(
        {
            'title': b'# Disk DescriptorFile',
            'title_in_capitals': b'# DISK DESCRIPTORFILE\0',
            'version_1': b'version=1\n',
            'version_2': b'version=2\n',
            'version_3': b'version=3\r\n',
            'comments': b'# a\n#\n# b\nversion=1\n',
            'blank_lines': b'  \n \r\n\r\n\nversion=1\n',
            'both': b'#\n \n#\nversion=1\n',
        }
    )
    def test_is_one(self, head: bytes) -> None:
        """Whatever qemu or VMware take for one."""
        self.assertTrue(vmdk.is_descriptor(head + bytes(1000)))

    @base.for_each(
        {
            'empty': b'',
            'zeros': bytes(512),
            'script': b'#!/bin/sh\nexit\n',
            'comments_only': b'# a\n' * 1000,
            'other_version': b'version=4\n',
            'long_version': b'version=10\n',
            'no_line_end': b'version=1',
            'words_before': b' a\nversion=1\n',
            'later': b'# a comment\n' * 50 + b'version=1\n',
            'other_title': b'# Disk Descriptor',
        }
    )
    def test_is_none(self, head: bytes) -> None:
        """Texts that qemu takes for raw bytes."""
        self.assertFalse(vmdk.is_descriptor(head))
        self.assertEqual({}, vmdk.failures_of(head))

    @hypothesis.given(strategies.binary(max_size=600))
    @base.EXAMPLES
    def test_any_bytes(self, head: bytes) -> None:
        """It comes to an end, and nothing is raised, whatever they are."""
        for start in (b'', b'KDMV', b'COWD', b'#\n', b'# \r\n '):
            vmdk.failures_of(start + head)

    def test_parent_in_any_case(self) -> None:
        """However it is written, and wherever qemu reads."""
        text = b'\nPARENTfilenamehint="x"\n'
        for position in (512, 512 + 20 * 512 - len(text)):
            head = b'KDMV'.ljust(position, b'\1') + text
            self.assertEqual({'vmdk_parent'}, set(vmdk.failures_of(head)))


class TestBlocks(ImagesTestCase):
    """The third trap: a VHDX must not come in large pieces."""

    def test_inspector_refuses_large_blocks(self) -> None:
        """What the trap is: the inspector by itself does not see its size."""
        inspector = format_inspector.VHDXInspector()
        for chunk in cut(image('vhdx'), 4 * MIB):
            inspector.eat_chunk(chunk)
        self.assertFalse(inspector.complete)

    @base.for_each({'4_mib': 4 * MIB, '8_mib': 8 * MIB, '1_mib': MIB})
    def test_large_chunks(self, size: int) -> None:
        """They are cut before the inspector sees them."""
        self.assertIsNone(refusal(image('vhdx'), 'vhdx', sizes=(size,)))

    @base.for_each(ALL)
    def test_any_size(self, name: str) -> None:
        """The findings are the same, however the bytes arrive."""
        data = image(name)
        expected = found_in(data, detection.BLOCK)
        for size in (len(data), 4097, 65535, 65537, 256 * KIB, MIB, 3 * MIB):
            self.assertEqual(expected, found_in(data, size))

    @base.for_each({name: name for name in ALL if len(image(name)) < 4 * KIB})
    def test_single_bytes(self, name: str) -> None:
        """Also in chunks of one byte."""
        data = image(name)
        self.assertEqual(found_in(data), found_in(data, 1))

    @hypothesis.given(
        strategies.sampled_from(sorted(ALL)),
        strategies.lists(strategies.integers(1, 300 * KIB), max_size=12),
        strategies.integers(500, 2 * MIB),
    )
    @base.EXAMPLES
    def test_any_chunks(self, name: str, sizes: list[int], last: int) -> None:
        """Nor does it matter whether they are even."""
        data = image(name)
        chunks = (*sizes, last)
        self.assertEqual(found_in(data), found_in(data, *chunks))
        for announced in ('raw', 'qcow2', 'vmdk', 'iso'):
            first = refusal(data, announced)
            again = refusal(data, announced, sizes=chunks)
            self.assertEqual(str(first), str(again))

    @hypothesis.given(
        strategies.sampled_from(sorted(ALL)),
        strategies.integers(0, 400 * KIB),
        strategies.binary(max_size=20),
        strategies.integers(1, 100 * KIB),
    )
    @base.EXAMPLES
    def test_damaged(
        self, name: str, where: int, what: bytes, size: int
    ) -> None:
        """Nothing is raised but the verdict, whatever the bytes are."""
        data = image(name)
        data = data[:where] + what + data[where + len(what) :]
        self.assertEqual(found_in(data), found_in(data, size))


class TestWhen(ImagesTestCase):
    """When the verdict is known."""

    def _decided_at(self, data: bytes, size: int) -> int | None:
        detector = detection.Detector()
        for number, chunk in enumerate(cut(data, size), 1):
            detector.update(chunk)
            if detector.decided:
                return number * size
        return None

    @base.for_each(
        {
            'raw': ('raw', 256 * KIB),
            'qcow2': ('qcow2', 256 * KIB),
            'iso': ('iso9660', 256 * KIB),
            'vmdk_footer': ('vmdk-footer', 256 * KIB),
            'backing_file': ('qcow2-backing', 64 * KIB),
            'descriptor': ('vmdk-flat-zeros', 64 * KIB),
            'qed': ('qed', 64 * KIB),
            'descriptor_before_footer': ('vmdk-footer-flat', 64 * KIB),
        }
    )
    def test_bytes(self, case: tuple[str, int]) -> None:
        """After 256 KiB; what cannot be safe any more is refused sooner."""
        name, expected = case
        self.assertEqual(expected, self._decided_at(image(name), 16 * KIB))

    def test_bootable_iso(self) -> None:
        """The partition table of what may be an ISO image decides nothing."""
        data = bytearray(image('iso-gpt'))
        data[446] = 0x7F
        self.assertEqual(256 * KIB, self._decided_at(bytes(data), 16 * KIB))

    def test_vhdx(self) -> None:
        """Where its metadata are, which is elsewhere in each."""
        at = self._decided_at(image('vhdx'), 64 * KIB)
        assert at is not None
        self.assertTrue(2 * MIB < at < 4 * MIB, at)

    def test_nothing_before(self) -> None:
        """Nothing may be handed out before the verdict."""
        judge = observer('qcow2')
        for chunk in cut(image('qcow2')[: 255 * KIB], 1024):
            judge.update(chunk)
            self.assertFalse(judge.decided)
        judge.update(image('qcow2')[255 * KIB : 256 * KIB])
        self.assertTrue(judge.decided)

    def test_findings_before(self) -> None:
        """There are none, and asking for them is an error."""
        detector = detection.Detector()
        self.assertRaises(ValueError, lambda: detector.findings)

    def test_refused_at_once(self) -> None:
        """It is raised where the bytes are seen, and again afterwards."""
        judge = observer('qcow2')
        data = image('qcow2-backing')
        judge.update(data[: 64 * KIB - 1])
        for chunk in (data[64 * KIB - 1 :], b'more'):
            self.assertRaises(exceptions.UnsafeImageError, judge.update, chunk)
            self.assertFalse(judge.decided)
        self.assertRaises(exceptions.UnsafeImageError, judge.finish)

    def test_footer(self) -> None:
        """What is at the end of a VMDK is judged at the end."""
        judge = observer('vmdk')
        for chunk in cut(image('vmdk-footer-moved'), 100 * KIB):
            judge.update(chunk)
        self.assertTrue(judge.decided)
        error = self.assertRaises(exceptions.UnsafeImageError, judge.finish)
        self.assertEqual({'footer'}, set(error.failures))
        self.assertFalse(judge.decided)

    @base.for_each({str(size): size for size in (64 * KIB, 65 * KIB, 200)})
    def test_footer_at_any_place(self, size: int) -> None:
        """It is found however many bytes come before it."""
        data = image('vmdk-footer')
        for blocks in range(24 if size > KIB else 1):
            longer = data[:-1536] + bytes(blocks * 64 * KIB) + data[-1536:]
            for last in (0, 1, 100):
                start = len(longer) - last
                judge = observer('vmdk')
                for chunk in cut(longer[:start], size):
                    judge.update(chunk)
                judge.update(longer[start:])
                judge.finish()

    @base.for_each({'raw': 'raw', 'footer': 'vmdk-footer'})
    def test_memory(self, name: str) -> None:
        """Of a long image little is kept, also where its end matters."""
        head, chunk = image(name)[: 256 * KIB], bytes(MIB)
        detector = detection.Detector()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for data in (head, *[chunk] * 128):
            detector.update(data)
        self.assertEqual(name == 'raw', detector.final)
        self.assertLess(tracemalloc.get_traced_memory()[1], 4 * MIB)

    def test_far_away(self) -> None:
        """What does not show up within the limit is refused."""
        data = image('vhdx-far').ljust(detection.LIMIT + MIB, b'\0')
        self.assertEqual(detection.LIMIT, self._decided_at(data, MIB))
        self.assertIsNotNone(refusal(data, 'vhdx'))

    def test_far_away_of_another_format(self) -> None:
        """What an inspector waits for in vain does not matter otherwise."""
        data = bytearray(image('vhdx-far').ljust(13 * MIB, b'\0'))
        data[:8] = bytes(8)
        self.assertEqual(detection.LIMIT, self._decided_at(bytes(data), MIB))
        self.assertIsNone(refusal(bytes(data)))

    def test_latest_vhdx(self) -> None:
        """The largest VHDX that qemu-img makes by default is within it."""
        data = image('vhdx')
        table = bytes.fromhex('06a27c8b90479a4bb8fe575f050f886e')
        entry = data.index(table) + 16
        offset = int.from_bytes(data[entry : entry + 8], 'little')
        moved = data[:entry] + (11 * MIB).to_bytes(8, 'little')
        moved += data[len(moved) : 256 * KIB]
        moved = moved.ljust(11 * MIB, b'\0') + data[offset:]
        self.assertIsNone(refusal(moved, 'vhdx'))


class TestVirtualSize(base.TestCase):
    """The size of the disk in an image."""

    @base.for_each({name: name for name in ('raw', 'gpt')})
    def test_before_the_end(self, name: str) -> None:
        """That of what is as large as its file is known from the metadata."""
        for size in (None, 7 * MIB):
            detector = detection.Detector(size)
            detector.update(image(name))
            self.assertEqual(size, detector.findings.virtual_size)
            self.assertEqual(MIB, detector.finish().virtual_size)

    def test_luks(self) -> None:
        """That of an encrypted image is without its header."""
        detector = detection.Detector(len(image('luks')))
        detector.update(image('luks')[:MIB])
        self.assertEqual(MIB, detector.findings.virtual_size)

    def test_in_the_header(self) -> None:
        """Most others say it."""
        detector = detection.Detector()
        detector.update(image('qcow2'))
        self.assertEqual(MIB, detector.findings.virtual_size)

    @base.for_each({'luks': b'LUKS\xba\xbe\0\1', 'nothing': b''})
    def test_smaller_than_the_header(self, data: bytes) -> None:
        """It is never negative."""
        found = found_in(data.ljust(512, b'\xff') if data else data)
        self.assertIn(found.virtual_size, (None, 0))


class FakeInspector:
    """An inspector whose behaviour a test decides."""

    blocks: list[int] = []
    error: Exception | None = None
    match = False
    wants = 0
    actual_size = 0
    virtual_size = 0

    def eat_chunk(self, block: bytes) -> None:
        """Take note of a block."""
        self.blocks.append(len(block))
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        """Do nothing."""

    def safety_check(self) -> None:
        """Find something unsafe."""
        raise format_inspector.SafetyCheckFailed(
            {'evil\x1b[2J': format_inspector.SafetyViolation('a\x07\nb')}
        )

    def has_region(self, name: str) -> bool:
        """Have none."""
        return False

    @property
    def complete(self) -> bool:
        """Whether enough was seen."""
        return sum(self.blocks) >= self.wants

    @property
    def format_match(self) -> bool:
        """What the test says."""
        return self.match


class TestInspectors(base.TestCase):
    """How the inspectors are used."""

    def _use(self, **attributes: Any) -> list[int]:
        blocks: list[int] = []
        attributes['blocks'] = blocks
        inspector = type('Inspector', (FakeInspector,), attributes)
        self.useFixture(
            fixtures.MonkeyPatch(
                f'{format_inspector.__name__}.ALL_FORMATS',
                {
                    'raw': format_inspector.RawFileInspector,
                    'luks': inspector,
                },
            )
        )
        return blocks

    def test_little_after_the_decision(self) -> None:
        """They see nothing any more once it is decided."""
        blocks = self._use(wants=256 * KIB)
        detector = detection.Detector()
        for chunk in cut(bytes(8 * MIB), MIB):
            detector.update(chunk)
        self.assertEqual([64 * KIB] * 4, blocks)
        self.assertTrue(detector.final)
        self.assertEqual(8 * MIB, detector.finish().virtual_size)

    def test_chunks_as_they_come(self) -> None:
        """No more than one block waits to be complete."""
        blocks = self._use(wants=10 * MIB)
        detector = detection.Detector()
        for chunk in cut(bytes(MIB), 1000):
            detector.update(chunk)
        self.assertEqual([64 * KIB] * 16, blocks)

    def test_last_bytes(self) -> None:
        """What makes no whole block is seen at the end."""
        blocks = self._use(wants=10 * MIB)
        found_in(bytes(100 * KIB))
        self.assertEqual([64 * KIB, 36 * KIB], blocks)

    def test_foreign_text(self) -> None:
        """What they say is fit for a terminal."""
        self._use(match=True)
        error = refusal(bytes(MIB), 'luks')
        assert error is not None
        self.assertTrue(str(error).isprintable())
        self.assertEqual({'evil?[2J': 'a? b'}, error.failures)

    def test_any_error_of_a_match(self) -> None:
        """What looks like a format and cannot be read is not safe."""
        self._use(match=True, error=RuntimeError('bad\n\x1bbytes'))
        error = refusal(bytes(MIB), 'luks')
        assert error is not None
        self.assertEqual(
            {'luks': 'Cannot be read: bad ?bytes'}, error.failures
        )

    def test_any_error_of_no_match(self) -> None:
        """What is something else need not be readable; it is tried once."""
        blocks = self._use(error=RuntimeError('bad'), wants=10 * MIB)
        self.assertIsNone(refusal(bytes(MIB)))
        one = inspection.Inspection(
            'luks', format_inspector.ALL_FORMATS['luks'](), Exception
        )
        blocks.clear()
        one.feed(b'1')
        one.feed(b'12')
        self.assertEqual([1], blocks)

    @base.for_each({'missing': None, 'older': {'raw': None}})
    def test_not_installed(self, known: dict[str, None] | None) -> None:
        """Without them, or with old ones, the extra is named."""
        name = format_inspector.__name__
        if known is None:
            patch = fixtures.MonkeyPatch('sys.modules', dict(sys.modules))
            self.useFixture(patch)
            sys.modules[name] = None  # type: ignore[assignment]
        else:
            self.useFixture(fixtures.MonkeyPatch(f'{name}.ALL_FORMATS', known))
        error = self.assertRaises(exceptions.InvalidArgumentError, observer)
        self.assertIn("'openstack-image-stream[inspect]'", str(error))
        self.assertIn('oslo.utils 7.4.0', str(error))

    def test_something_else(self) -> None:
        """A module of the same name that is something else is refused."""
        self.useFixture(
            fixtures.MonkeyPatch(
                f'{format_inspector.__name__}.ALL_FORMATS',
                fixtures.MonkeyPatch.delete,
            )
        )
        self.assertRaises(exceptions.InvalidArgumentError, observer)

    def test_imported_when_needed(self) -> None:
        """The package can be used without the extra."""
        code = (
            f'import sys, {formats.__name__}; '
            'print([n for n in sys.modules if "oslo_utils.imageutils" in n])'
        )
        output = subprocess.check_output([sys.executable, '-c', code])
        self.assertEqual(b'[]', output.strip())


class TestRandomBytes(ImagesTestCase):
    """Bytes that nothing made."""

    @base.for_each({str(seed): seed for seed in range(8)})
    def test_raw(self, seed: int) -> None:
        """They are a safe raw image."""
        data = random.Random(seed).randbytes(MIB)
        self.assertIsNone(refusal(data))
