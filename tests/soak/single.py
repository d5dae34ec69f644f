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

"""One download and what follows it, and the judgement of both."""

from collections.abc import Iterator
import contextlib
import dataclasses
import functools
import gc
import os
import tempfile
import traceback
from typing import Any

from openstack_image_stream import progress
from tests import resources
from tests.servers import scripted
from tests.soak import allowed_errors
from tests.soak import judges
from tests.soak import output_files
from tests.soak import plans
from tests.soak import server
from tests.soak import totals

#: Snapshots of the progress after which a function has had enough.
_ENOUGH = 2


@dataclasses.dataclass
class Result:
    """What came of a case.

    :param counts: What was counted.
    :param flaws: What was wrong.
    """

    counts: totals.Totals = dataclasses.field(default_factory=totals.Totals)
    flaws: list[str] = dataclasses.field(default_factory=list)


class _Watcher:
    """Is told of the progress."""

    def __init__(self, *, raising: bool) -> None:
        self._raising = raising
        self._seen: list[progress.Progress] = []

    def __call__(self, snapshot: progress.Progress) -> None:
        self._seen.append(snapshot)
        if self._raising and len(self._seen) == _ENOUGH:
            raise allowed_errors.Stop

    def last(self) -> int:
        """Return how many bytes were there in the end."""
        return self._seen[-1].done if self._seen else -1


def run(plan: plans.Plan) -> Result:
    """Do what a plan says.

    :param plan: The plan.
    """
    result = Result()
    with (
        tempfile.TemporaryDirectory(prefix='soak-') as directory,
        server.Server(plan.image, plan.script) as glance,
    ):
        output_files.prepare(directory, plan)
        with connected(glance, result) as conn:
            error = attempt(
                conn, directory, plan, result, allowed_errors.of(plan)
            )
            if error is not None and plan.again:
                repeat(conn, glance, directory, plan, result)
        result.counts.faults += glance.faults_made
    return result


@contextlib.contextmanager
def connected(glance: server.Server, result: Result) -> Iterator[Any]:
    """Connect, and see afterwards that no socket is left.

    :param glance: Where to.
    :param result: Takes note if one is.
    """
    conn = scripted.connect(glance.url, **scripted.PLUGIN)
    try:
        yield conn
    finally:
        scripted.close(conn)
        if resources.is_held(glance.port):
            # A response that was forgotten may be part of a cycle.
            gc.collect()
        if not resources.let_go(glance.port):
            result.flaws.append('a connection is still open')


def attempt(
    conn: Any,
    directory: str,
    plan: plans.Plan,
    result: Result,
    allowed: tuple[type[Exception], ...],
) -> Exception | None:
    """Download once, and judge it.

    :param conn: The connection.
    :param directory: Where the files are.
    :param plan: What is downloaded, and how.
    :param result: Takes note of what is wrong.
    :param allowed: Errors that it may end in.
    :returns: The error that it ended in.
    """
    judge = judges.Judge(directory, plan)
    with contextlib.closing(judge.way):
        error = download(conn, plan, judge.way.take, result, allowed)
        result.flaws += judge.flaws(error)
    return error


def download(
    conn: Any,
    plan: plans.Plan,
    consume: Any,
    result: Result,
    allowed: tuple[type[Exception], ...],
) -> Exception | None:
    """Download once, and judge the error alone.

    :param conn: The connection.
    :param plan: What is downloaded, and how.
    :param consume: Is given a function that downloads.
    :param result: Takes note of what is wrong.
    :param allowed: Errors that it may end in.
    :returns: The error that it ended in.
    """
    watcher = _Watcher(raising=plan.progress == 'raising')
    options = dict(plan.options)
    if plan.progress != 'none':
        options['progress'] = watcher
    result.counts.downloads += 1
    try:
        consume(
            functools.partial(
                conn.image.download_image, plan.image.image_id, **options
            )
        )
    except Exception as exc:
        _judge(exc, result, allowed)
        return exc
    if plan.whole:
        result.counts.bytes += plan.image.size
        if plan.progress != 'none' and watcher.last() != plan.image.size:
            result.flaws.append(f'the progress ended at {watcher.last()}')
    return None


def _judge(
    error: Exception, result: Result, allowed: tuple[type[Exception], ...]
) -> None:
    if allowed_errors.covers(allowed, error):
        result.counts.errors[type(error).__name__] += 1
        return
    text = ''.join(traceback.format_exception(error)).rstrip()
    result.flaws.append(f'an error that nothing allows:\n{text}')


def repeat(
    conn: Any,
    glance: server.Server,
    directory: str,
    plan: plans.Plan,
    result: Result,
) -> None:
    """Do the same again, with an honest server.

    :param conn: The connection.
    :param glance: The server.
    :param directory: Where the files are, as they were left.
    :param plan: The plan.
    :param result: Takes note of what is wrong.
    """
    glance.calm_down()
    honest = plans.honest(plan, glance.image)
    resumed = _resumed_from(directory, honest)
    before = len(glance.ranges_asked_for())
    allowed = allowed_errors.of(honest)
    error = attempt(conn, directory, honest, result, allowed)
    if error is None and resumed:
        asked = glance.ranges_asked_for()[before]
        if not asked.startswith(f'bytes={resumed}-'):
            result.flaws.append(
                f'it was not resumed from {resumed}, but asked for {asked!r}'
            )


def _resumed_from(directory: str, plan: plans.Plan) -> int:
    """Return the byte that a download to a path has to go on from."""
    path = os.path.join(directory, output_files.partial_name(plan.image))
    image = plan.image
    if not (plan.resumable and image.sized and os.path.exists(path)):
        return 0
    length = os.path.getsize(path)
    if not image.size or length > image.size:
        return 0
    return min(length, image.size - 1)
