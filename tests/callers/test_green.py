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

"""Programs whose sockets and threads are those of eventlet or gevent."""

import pytest

from tests.callers import green_program
from tests import processes
from tests.servers import control


def _run(
    library: str, what: str, remote: control.Remote, *, every: bool
) -> None:
    with processes.Program(
        '-W',
        'ignore',
        '-m',
        green_program.__name__,
        library,
        what,
        'all' if every else 'some',
        remote.url,
        remote.certificate or '',
    ) as program:
        result = program.end(2 * processes.DEADLINE)
    assert result == (0, 'ended\n', ''), result


@pytest.mark.parametrize('library', ['eventlet', 'gevent'])
class TestGreenThreads:
    """Everything that blocks was replaced before the first import."""

    def test_image_arrives(
        self, remote: control.Remote, library: str, every: bool
    ) -> None:
        """In every mode, and nothing is raised at the end or left."""
        _run(library, 'whole', remote, every=every)

    def test_mismatch_arrives(
        self, remote: control.Remote, library: str, every: bool
    ) -> None:
        """No other error hides it."""
        _run(library, 'mismatch', remote, every=every)

    def test_time_limit_arrives(
        self, remote: control.Remote, library: str, every: bool
    ) -> None:
        """The library's time limit ends the download, nothing is left."""
        _run(library, 'limit', remote, every=every)

    def test_others_run_meanwhile(
        self, remote: control.Remote, library: str, every: bool
    ) -> None:
        """A download does not keep other green threads from running."""
        _run(library, 'ticks', remote, every=every)

    def test_close_is_told_of(
        self, remote: control.Remote, library: str, every: bool
    ) -> None:
        """A reader is told of a close in another green thread."""
        _run(library, 'close', remote, every=every)

    @pytest.mark.every
    @pytest.mark.parametrize('what', ['whole', 'limit', 'close'])
    def test_tls(
        self, secure: control.Remote, library: str, what: str
    ) -> None:
        """The same holds for TLS."""
        _run(library, what, secure, every=True)
