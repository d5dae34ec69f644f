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

"""Which formats the content of an image has, and whether it is safe.

The inspectors of oslo.utils do it, which nova, glance and ironic use, too.
They are an extra, and are imported when they are first needed.
"""

import dataclasses
import importlib
from typing import Any

from openstack_image_stream._check import inspection
from openstack_image_stream._check import vmdk
from openstack_image_stream import exceptions

#: Bytes that the inspectors see at a time. With larger blocks that of VHDX
#: misses what it looks for and refuses honest images; with smaller ones that
#: of VMDK sees less of a text. The blocks are cut by position, so that the
#: verdict never depends on how the bytes arrive.
BLOCK = 64 * 1024

#: Bytes after which it must be decided: those of a stream wait for it in
#: memory. A VHDX takes longest: what is looked for is mostly at 2 MiB, and at
#: 11 MiB in the largest that qemu makes by default.
LIMIT = 12 * 1024 * 1024

#: Contents below this are judged a second time, filled up with zeros, as
#: programs that open them read whole sectors and the inspectors do not.
SECTOR = 512

#: Formats whose virtual size is that of the image, but for a header.
_AS_LARGE_AS_THE_IMAGE = {'raw', 'gpt', 'luks'}

#: What a bootable ISO image is at the same time.
_BOOTABLE = {'iso', 'gpt'}


def load_inspector() -> Any:
    """Import the inspectors.

    :returns: The module.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when they are missing or too old.
    """
    try:
        module: Any = importlib.import_module(
            'oslo_utils.imageutils.format_inspector'
        )
        # 7.3 lacks LUKS and takes a FAT file system for a partition table.
        known = 'luks' in module.ALL_FORMATS
    except (ImportError, AttributeError) as exc:
        raise _not_installed() from exc
    if not known:
        raise _not_installed()
    return module


def _not_installed() -> exceptions.InvalidArgumentError:
    return exceptions.InvalidArgumentError(
        'the format of an image is checked with oslo.utils 7.4.0 or newer, '
        'which is not installed: pip install '
        "'openstack-image-stream[inspect]'"
    )


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the content of an image is.

    :param formats: Names of the formats that it has, sorted; ``raw`` where
        it has no other. More than one where it can be taken for either.
    :param failures: Why it is not safe: a sentence for each check that
        failed, by the check's name.
    :param virtual_size: Bytes of the disk in it, ``None`` if unknown.
    """

    formats: tuple[str, ...]
    failures: dict[str, str]
    virtual_size: int | None

    @property
    def format(self) -> str | None:
        """The one format, ``None`` where it cannot be told."""
        if set(self.formats) == _BOOTABLE:
            return 'iso'
        return self.formats[0] if len(self.formats) == 1 else None


class Detector:
    """Finds out what the bytes of an image are.

    :param size: Bytes of the image, ``None`` if unknown. Only the virtual
        size is computed with it.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when the inspectors are missing or too old.
    """

    #: See :class:`.Observer`.
    hashing = False

    def __init__(self, size: int | None = None) -> None:
        module = load_inspector()
        self._size = size
        self._inspections = [
            inspection.Inspection(name, inspector(), module.SafetyCheckFailed)
            for name, inspector in module.ALL_FORMATS.items()
            if name != 'raw'
        ]
        self._received = 0
        self._fed = 0
        self._waiting = bytearray()
        self._head = b''
        self._own_failures: dict[str, str] = {}
        self._findings: Findings | None = None
        #: Whether no more bytes are of interest.
        self.final = False

    @property
    def decided(self) -> bool:
        """Whether there are findings.

        They are final, too, unless the image is a VMDK with a second header
        at its end. Such a one may still turn out not to be safe; what is
        found at the end is known after :meth:`finish`.
        """
        return self._findings is not None

    @property
    def findings(self) -> Findings:
        """What was found.

        :raises: :exc:`ValueError` while it is not decided.
        """
        if self._findings is None:
            raise ValueError('the format is not decided yet')
        return self._findings

    def update(self, chunk: bytes) -> None:
        """Take the next bytes.

        :param chunk: Any number of bytes.
        """
        self._received += len(chunk)
        view = memoryview(chunk)
        while view and not self.final:
            if self.decided:
                self._keep_end(view)
                break
            missing = BLOCK - len(self._waiting)
            self._waiting += view[:missing]
            view = view[missing:]
            if len(self._waiting) == BLOCK:
                self._feed_waiting()

    def _keep_end(self, view: memoryview) -> None:
        # A second header is some 1,500 bytes long. What is between is not
        # looked at, and to feed it would take a tenth of the time of a hash.
        self._waiting += view[-BLOCK:]
        if len(self._waiting) > 16 * BLOCK:
            del self._waiting[:-BLOCK]

    def finish(self) -> Findings:
        """Take note that there are no more bytes.

        :returns: What was found.
        """
        if not self.final:
            self._feed_waiting()
        if not self.final:
            for one in self._inspections:
                one.finish()
            self._settle()
            self.final = True
        self._size = self._received
        found = dataclasses.replace(
            self.findings, virtual_size=self._virtual_size(self.findings)
        )
        if self._received < SECTOR:
            found = _both(found, self._padded())
        self._findings = found
        return found

    def _padded(self) -> Findings:
        padded = Detector()
        padded.update(self._head.ljust(SECTOR, b'\0'))
        return padded.finish()

    def _feed_waiting(self) -> None:
        block = bytes(self._waiting)
        self._waiting.clear()
        if block:
            self._feed(block)

    def _feed(self, block: bytes) -> None:
        if not self._fed:
            self._head = block[: vmdk.NEEDED]
            self._own_failures = vmdk.failures_of(self._head)
        self._fed += len(block)
        for one in self._inspections:
            one.feed(block)
        if self.decided:
            return
        bad = self._own_failures or any(
            one.failures for one in self._inspections if _decisive(one)
        )
        undecided = any(not one.decided for one in self._inspections)
        if bad or not undecided or self._fed >= LIMIT:
            self._settle()

    def _settle(self) -> None:
        matching = [one for one in self._inspections if one.matches]
        formats = {one.name for one in matching}
        failures = dict(self._own_failures)
        if failures:
            formats.add('vmdk')
        for one in matching:
            # The partition table of a bootable ISO is made for firmware, and
            # qemu sees none; nova and glance do not look at it either.
            if one.name != 'gpt' or formats != _BOOTABLE:
                failures.update(one.failures)
        found = Findings(tuple(sorted(formats or {'raw'})), failures, None)
        self._findings = dataclasses.replace(
            found, virtual_size=self._virtual_size(found)
        )
        self.final = bool(failures) or all(one.complete for one in matching)

    def _virtual_size(self, found: Findings) -> int | None:
        if found.format == 'raw':
            return self._size
        for one in self._inspections:
            if one.name == found.format:
                size = one.virtual_size
                if found.format in _AS_LARGE_AS_THE_IMAGE:
                    if self._size is None:
                        return None
                    size += self._size - one.actual_size
                return size if size > 0 else None
        return None


def _decisive(one: inspection.Inspection) -> bool:
    # A failure of these two depends on whether they match both.
    return one.name not in _BOOTABLE and one.decided and one.matches


def _both(first: Findings, second: Findings) -> Findings:
    return Findings(
        tuple(sorted({*first.formats, *second.formats})),
        {**first.failures, **second.failures},
        first.virtual_size,
    )
