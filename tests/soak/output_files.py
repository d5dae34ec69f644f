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

"""The files around an output path: what there was, what may be there now."""

from collections.abc import Iterator
import os
import re

from openstack import exceptions as sdk_exceptions

from openstack_image_stream import exceptions
from tests.soak import images
from tests.soak import plans

#: Name of the output file.
NAME = 'image'

#: After these the bytes that came are of no use.
_HOPELESS = (
    exceptions.ChecksumMismatchError,
    exceptions.ImageChangedError,
    sdk_exceptions.NotFoundException,
)


def _is_hopeless(error: Exception) -> bool:
    # That the data are missing is a NotFoundException, too, and may pass.
    return isinstance(error, _HOPELESS) and not isinstance(
        error, exceptions.ImageDataMissingError
    )


def partial_name(image: images.Image) -> str:
    """Return the name of the partial file, as it is documented."""
    return f'{NAME}.{image.image_id}.part'


def is_orphan(name: str, image: images.Image) -> bool:
    """Tell whether a file is one that only a killed process leaves.

    :param name: Its name.
    :param image: What was downloaded.
    """
    pattern = f'{NAME}.{image.image_id}.[0-9a-f]+.part'
    return re.fullmatch(pattern, name) is not None


def read(directory: str, name: str = NAME) -> bytes | None:
    """Return the content of a file, ``None`` if there is none.

    :param directory: Where it is.
    :param name: Its name.
    """
    try:
        with open(os.path.join(directory, name), 'rb') as file:
            return file.read()
    except FileNotFoundError:
        return None


def prepare(directory: str, plan: plans.Plan) -> None:
    """Make the files that shall be there before a download.

    :param directory: Where.
    :param plan: The download.
    """
    data = plan.image.data
    former = {'file': b'what has been there ' * 999, 'empty': b''}
    if plan.before in former:
        _write(directory, NAME, former[plan.before])
    half = len(data) // 2
    partials = {
        'part': data[:half],
        'whole': data,
        'longer': data + b'more',
        'garbage': b'\1' * half,
    }
    if plan.partial in partials:
        _write(directory, partial_name(plan.image), partials[plan.partial])


def _write(directory: str, name: str, content: bytes) -> None:
    with open(os.path.join(directory, name), 'wb') as file:
        file.write(content)


class OutputFiles:
    """The files of a download to a path, before and after.

    :param directory: Where the output file and nothing else is.
    :param plan: The download, which is about to begin.
    """

    def __init__(self, directory: str, plan: plans.Plan) -> None:
        self._directory = directory
        self._plan = plan
        #: Content of the output file before.
        self.target = read(directory)
        self._partial = partial_name(plan.image)
        #: Content of the partial file before.
        self.partial = read(directory, self._partial)

    def flaws(self, error: Exception | None) -> Iterator[str]:
        """Yield what is wrong with the files afterwards.

        :param error: What the download ended in.
        """
        names = set(os.listdir(self._directory))
        expected = self._plan.image.data if error is None else self.target
        if read(self._directory) != expected:
            yield 'the output file is not what it has to be'
        yield from self._partial_flaws(error)
        others = names - {NAME, self._partial}
        if others:
            yield f'files are left over: {sorted(others)}'

    def _partial_flaws(self, error: Exception | None) -> Iterator[str]:
        left = read(self._directory, self._partial)
        if not self._plan.resumable:
            if left != self.partial:
                yield 'a partial file was touched that is of no concern'
            return
        if left is None:
            if getattr(error, 'partial_path', None):
                yield 'the error names a partial file that is not there'
            return
        if error is None:
            yield 'the partial file is still there'
        elif self.partial is None and _is_hopeless(error):
            yield 'a partial file is left that is of no use'
        elif left == b'' and self.partial != b'':
            yield 'an empty partial file is left'
        yield from self._content_flaws(left, error)

    def _content_flaws(
        self, left: bytes, error: Exception | None
    ) -> Iterator[str]:
        if isinstance(error, exceptions.IncompleteDownloadError):
            path = os.path.join(self._directory, self._partial)
            if error.partial_path != os.path.realpath(path):
                yield f'the partial file is {error.partial_path} to the error'
            if error.received != len(left):
                yield (
                    f'the error counts {error.received} bytes, the partial '
                    f'file has {len(left)}'
                )
        honest = not self._plan.corrupt and self._plan.partial in (
            'none',
            'part',
            'whole',
        )
        if honest and not self._plan.image.data.startswith(left):
            yield 'the partial file has bytes that are not the image'
