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

"""What must hold for the bytes of a download, by the way it was done."""

from collections.abc import Iterator

from tests.soak import output_files
from tests.soak import plans
from tests import ways


class Judge:
    """Looks at what a caller has after a download.

    :param directory: Where files may be made.
    :param plan: What is downloaded.
    """

    def __init__(self, directory: str, plan: plans.Plan) -> None:
        self._plan = plan
        self._data = plan.image.data
        # What is there before; a pipe must not be read.
        self._files: output_files.OutputFiles | None = None
        if plan.way == 'path':
            self._files = output_files.OutputFiles(directory, plan)
        #: The way to download.
        self.way = ways.ALL[plan.way](directory, plan.amount)

    def flaws(self, error: Exception | None) -> Iterator[str]:
        """Yield what is wrong after the download.

        :param error: What it ended in.
        """
        if self._files is not None:
            yield from self._files.flaws(error)
        elif self._plan.way == 'broken_pipe':
            # What fits into the pipe may go in before it breaks.
            return
        else:
            yield from self._flaws_of_bytes(error, self.way.content())

    def _flaws_of_bytes(
        self, error: Exception | None, held: bytes
    ) -> Iterator[str]:
        if error is None and self._plan.whole:
            if held != self._data:
                yield 'the bytes are not those of the image'
            return
        if error is not None and self._data and len(held) >= len(self._data):
            yield 'all bytes were handed out before the error'
        if error is not None and held and self._plan.way == 'memory':
            yield 'there is content, and an error'
        if not self._plan.corrupt and not self._data.startswith(held):
            yield 'the bytes do not begin the image'
