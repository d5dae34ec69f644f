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

"""One case: what is there before it, the behaviour, and what is left."""

from collections.abc import Iterator
import contextlib
import dataclasses
import gc
import os
import random
import re
import time
import traceback
from typing import Any

from openstack_image_stream import exceptions
from tests.callers import actions
from tests.callers import green_threads
from tests.callers.sweep import cases
from tests import resources
from tests.servers import control
from tests.servers import images
from tests import uncaught

#: The kinds of what can be wrong.
FLAWS = (
    'hangs',
    'wrong files',
    'false mismatches',
    'threads',
    'sockets',
    'descriptors',
    'locks',
    'swallowed',
    'other',
)

#: What is at the path before.
_FORMER = b'what has been there ' * 999


@dataclasses.dataclass
class Outcome:
    """What came of a download.

    :param content: The bytes that the caller has, if it has all of them.
    :param error: What was raised.
    :param ended_at: When.
    """

    content: bytes | None = None
    error: BaseException | None = None
    ended_at: float = 0.0


class Run:
    """What a behaviour works with.

    :param case: The case.
    :param remote: The service.
    :param directory: Where files may be.
    :param conn: A connection.
    """

    def __init__(
        self,
        case: cases.Case,
        remote: control.Remote,
        directory: str,
        conn: Any,
    ) -> None:
        self.case = case
        self.remote = remote
        self.directory = directory
        self.conn = conn
        self.path = os.path.join(directory, 'image')
        # Discovery is not the package's.
        conn.image  # noqa: B018
        #: The response that is read at present.
        self.response: Any = None
        #: What is wrong: the kind, and words.
        self.flaws: list[tuple[str, str]] = []
        dice = random.Random(f'{case.seed}:{case.number}:ids')
        self.ids = [images.new_id(dice), images.new_id(dice)]
        self.data = [images.data(*image) for image in case.images]
        self.former = {'nothing': None, 'content': _FORMER, 'empty': b''}[
            'empty'
            if case.behaviour == 'two' and case.shared == 'empty'
            else case.before
        ]
        if self.former is not None:
            with open(self.path, 'wb') as file:
                file.write(self.former)
        for image_id, (seed, size) in zip(self.ids, case.images, strict=True):
            remote.show(image_id, seed=seed, size=size, **case.script)

    def flaw(self, kind: str, words: str) -> None:
        """Note what is wrong.

        :param kind: One of :data:`FLAWS`.
        :param words: What it is.
        """
        self.flaws.append((kind, words))

    def open(self, **options: Any) -> Any:
        """Return a response that is to be read."""
        return self.conn.image.download_image(
            self.ids[0],
            stream=True,
            connections=self.case.connections,
            **self.case.options,
            **options,
        )

    def download(
        self,
        which: int = 0,
        conn: Any = None,
        mode: str | None = None,
        directory: str | None = None,
        output: Any = None,
    ) -> bytes | None:
        """Download an image whole.

        :param which: Number of the image.
        :param conn: Another connection.
        :param mode: Another mode.
        :param directory: Another directory.
        :param output: Where to, instead of any mode.
        :returns: Its bytes; with ``output`` nothing.
        """
        conn = conn or self.conn
        options = {
            'connections': self.case.connections,
            **self.case.options,
        }
        if output is not None:
            conn.image.download_image(
                self.ids[which], output=output, **options
            )
            return None
        mode = mode or self.case.mode
        if mode == 'stream':
            response = self.response = conn.image.download_image(
                self.ids[which], stream=True, **options
            )
            try:
                with response:
                    return b''.join(actions.read(response, self.case.read))
            finally:
                self.response = None
        return actions.download(
            conn, self.ids[which], mode, directory or self.directory, **options
        )

    def judge(self, outcome: Outcome, *expected: object) -> None:
        """Judge what came of the first image's download.

        :param outcome: What came of it.
        :param expected: Exceptions that it may end in: the very object, or
            the class.
        """
        error = outcome.error
        if error is None:
            if outcome.content != self.data[0]:
                self.flaw('wrong files', 'the bytes are not the image')
            return
        if isinstance(error, exceptions.ChecksumMismatchError):
            self.flaw('false mismatches', _text(error))
            return
        for each in expected:
            if error is each:
                return
            if isinstance(each, type) and isinstance(error, each):
                return
        self.flaw('other', f'a foreign error:\n{_text(error)}')

    def judge_closed(self, outcome: Outcome, closed_at: float | None) -> None:
        """Judge a download that was closed while it was read.

        :param outcome: What came of it.
        :param closed_at: When it was closed.
        """
        count = len(self.flaws)
        self.judge(outcome, exceptions.ImageStreamError)
        error = outcome.error
        if count == len(self.flaws) and error and 'closed' not in str(error):
            self.flaw('other', f'not told of the close:\n{_text(error)}')
        if closed_at and outcome.ended_at - closed_at > actions.AT_ONCE:
            self.flaw(
                'other',
                f'told {outcome.ended_at - closed_at:.1f} s after the close',
            )

    def judge_files(self, *whole: bytes) -> None:
        """Judge the file at the path.

        :param whole: What it may be, besides what was there before.
        """
        try:
            with open(self.path, 'rb') as file:
                content = file.read()
        except FileNotFoundError:
            content = None
        if content is None and self.former is None:
            return
        if content == self.former or content in whole:
            return
        self.flaw(
            'wrong files',
            f'there is a file of {len(content or b"")} bytes at the path, '
            f'{_differs(content or b"", whole)}',
        )

    def judge_names(self) -> None:
        """Judge the names that are left, when no process was killed."""
        for name in sorted(os.listdir(self.directory)):
            if re.fullmatch(r'image\.[^.]+\.[^.]+\.part', name):
                self.flaw('other', f'an orphan is left: {name}')


def attempt(function: Any, *args: Any, **kwargs: Any) -> Outcome:
    """Call a function that downloads, and return what came of it."""
    outcome = Outcome()
    try:
        outcome.content = function(*args, **kwargs)
    except BaseException as exc:
        outcome.error = exc
    outcome.ended_at = time.monotonic()
    return outcome


def run_case(
    case: cases.Case, remote: control.Remote
) -> list[tuple[str, str]]:
    """Run a case.

    :param case: The case.
    :param remote: The service.
    :returns: What was wrong: the kinds, and words.
    """
    # Only after the process is patched, if it is to be.
    from tests.callers.sweep import behaviours

    uncaught.FOUND.clear()
    with actions.temporary() as directory:
        gc.collect()
        gc.disable()
        before = resources.now()
        greenlets = green_threads.count()
        with contextlib.ExitStack() as stack:
            stack.callback(gc.enable)
            with actions.connected(remote) as conn:
                run = Run(case, remote, directory, conn)
                behaviours.ALL[case.behaviour](run)
                run.judge_files(*run.data)
                if case.again and case.mode == 'path':
                    _repeat(run)
                run.judge_names()
                run.conn = conn = None
            if case.kind != 'plain' and resources.left(before, wait=0.3):
                # The sockets of eventlet and gevent are parts of cycles.
                gc.collect()
            for flaw in _left(before, greenlets, directory):
                run.flaw(*flaw)
        for image_id in run.ids:
            remote.forget(image_id)
    for text in uncaught.FOUND.texts:
        run.flaw('other', f'raised where nothing can catch it:\n{text}')
    return run.flaws


def _repeat(run: Run) -> None:
    """Do the same again with an honest server, which has to succeed."""
    seed, size = run.case.images[0]
    run.remote.show(run.ids[0], seed=seed, size=size)
    outcome = attempt(run.download)
    run.judge(outcome)
    outcome.error = None


def _left(
    before: resources.Resources, greenlets: int, directory: str
) -> Iterator[tuple[str, str]]:
    found = resources.left(before, [directory])
    for kind, names in found.items():
        yield kind, f'left: {", ".join(names)}'
    if green_threads.wait_for(greenlets) > greenlets:
        yield (
            'threads',
            f'{green_threads.count() - greenlets} green threads are left',
        )


def _text(error: BaseException) -> str:
    return ''.join(traceback.format_exception(error)).rstrip()


def _differs(content: bytes, whole: tuple[bytes, ...]) -> str:
    if not whole or not content:
        return 'where nothing is to be'
    for offset in range(0, len(content), 4096):
        block = content[offset : offset + 4096]
        if block != whole[0][offset : offset + 4096]:
            zeros = block.count(0) == len(block)
            return f'wrong from {offset} on{", zeros" if zeros else ""}'
    return 'too short'
