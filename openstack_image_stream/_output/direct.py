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

"""What is no regular file, or is open already: devices, pipes, descriptors."""

import errno
import os
import re
import stat

from openstack_image_stream._common import signals
from openstack_image_stream._output import files
from openstack_image_stream._output import owned
from openstack_image_stream._output import regions
from openstack_image_stream._output import sinks


class DirectSink(files.FileSink):
    """Writes to what is not a regular file: a device, a pipe.

    :param output: Path of the file, or a descriptor. The paths ``/dev/stdout``
        and ``/dev/fd/N`` mean the descriptor itself, too. It is the caller's,
        and written to from its present position on, whatever it is.
    """

    _STANDARD = {'/dev/stdout': 1, '/dev/stderr': 2}
    _DESCRIPTOR = re.compile(r'(?:/dev|/proc/self)/fd/(\d+)', re.ASCII)

    _region: regions.Region | None = None

    def __init__(self, output: str | int) -> None:
        self._output = output

    @classmethod
    def descriptor_of(cls, path: str) -> int | None:
        """Return the descriptor that a path names, if it names one."""
        found = cls._DESCRIPTOR.fullmatch(path)
        return int(found[1][:20]) if found else cls._STANDARD.get(path)

    def _claim(self) -> None:
        output = self._output
        number = (
            self.descriptor_of(output) if isinstance(output, str) else output
        )
        if number is None:
            opened = owned.open_file(str(output), os.O_WRONLY)
        else:
            # Opening it again would begin at the start of the file that a
            # shell's >> has positioned at its end.
            try:
                opened = owned.duplicate(number)
            except OverflowError:
                raise OSError(
                    errno.EBADF, os.strerror(errno.EBADF), output
                ) from None
        self._file = file = owned.OwnedFile(opened, str(output))
        # Pipes and terminals have many writers; what two write to a disk is
        # of no use to either.
        if number is None and stat.S_ISBLK(os.fstat(file.descriptor).st_mode):
            self._lock(file, str(output))
        self._region = regions.region_of(
            file.descriptor, _position(file.descriptor), repr(output)
        )
        if self._region is not None:
            self._region.enter()

    def write(self, chunk: bytes) -> None:
        descriptor = self._open.descriptor
        if self._region is not None:
            self._region.extend(len(chunk))
        with memoryview(chunk) as view:
            done = 0
            while done < len(view):
                try:
                    done += os.write(descriptor, view[done:])
                except BlockingIOError:
                    # A program that shares it may have made it so.
                    sinks.wait_until_writable(descriptor)

    def commit(self) -> None:
        files.sync(self._open.descriptor)
        self._committed = True

    def _release(self) -> None:
        super()._release()
        if self._region is not None:
            self._region.leave()


def _position(descriptor: int) -> int:
    with signals.suppress(OSError):
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    return 0
