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

"""A file without a name, which is gone when it is closed."""

import io
import os
import tempfile

from openstack_image_stream._common import signals
from openstack_image_stream._output import files
from openstack_image_stream._output import owned
from openstack_image_stream import exceptions

#: Where large temporary files belong (``file-hierarchy(7)``): /tmp is often
#: in memory.
_LARGE = '/var/tmp'  # noqa: S108 - the file has no name there

#: What the user sets to choose another directory, see :mod:`tempfile`.
_VARIABLES = ('TMPDIR', 'TEMP', 'TMP')


class UnnamedSink(files.RegularSink):
    """Writes to a file without a name."""

    _reader: io.FileIO | None = None

    def take(self) -> io.FileIO:
        """Hand out the file for reading, once it is committed.

        It is at its beginning. Its caller closes it.
        """
        reader, self._reader = self._reader, None
        if reader is None:
            raise ValueError('the file is not complete, or was taken before')
        return reader

    def commit(self) -> None:
        # Another descriptor, since that of the sink is closed with it, and in
        # a forked child.
        self._reader = owned.duplicate(self._open.descriptor, 'r')
        self._committed = True

    def _claim(self) -> None:
        directory = _directory()
        self._file = owned.OwnedFile(_create(directory), directory)
        self._begin_at(0)

    def _changed(self) -> exceptions.OutputError:
        return exceptions.OutputError(
            f'a temporary file in {self._open.path!r} was changed by another '
            'program'
        )


def _directory() -> str:
    chosen = tempfile.tempdir or any(map(os.environ.get, _VARIABLES))
    if not chosen and os.access(_LARGE, os.W_OK | os.X_OK):
        return _LARGE
    return tempfile.gettempdir()


def _create(directory: str) -> io.FileIO:
    if hasattr(os, 'O_TMPFILE'):
        # Not all file systems have it.
        with signals.suppress(OSError):
            flags = os.O_RDWR | os.O_TMPFILE | os.O_EXCL
            return owned.open_file(directory, flags, 0o600)
    return tempfile.TemporaryFile(buffering=0, dir=directory)
