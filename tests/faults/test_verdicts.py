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

"""What the checks of a download refuse never arrives, and the rest does.

Every verdict, in every mode, over one connection and several, with and without
resumption: of a connection that is lost, and of a partial file.
"""

import os
import pathlib

import pytest

from openstack_image_stream import exceptions
from tests.faults.catalogue import verdicts
from tests.servers import scripted
from tests import ways

#: What is at a path before the download.
OLD = b'what was there before'

#: Where connections are lost, and a first download is left.
CUT = 11 * 1024 * 1024 + 4321

VERDICTS = [
    pytest.param(verdict, id=verdict.name) for verdict in verdicts.VERDICTS
]
CONNECTIONS = [
    pytest.param(number, id=f'{number}-connections') for number in (1, 4)
]

#: How the bytes come: over how many connections, and whether one is lost.
TRANSFERS = [
    pytest.param(1, False, id='1-whole'),
    pytest.param(1, True, id='1-resumed', marks=pytest.mark.thorough),
    pytest.param(4, False, id='4-whole', marks=pytest.mark.thorough),
    pytest.param(4, True, id='4-resumed'),
]


def _serve(verdict: verdicts.Verdict) -> scripted.ScriptedGlance:
    data = verdict.data
    return scripted.ScriptedGlance(data, **verdict.metadata_of(data))


def _data_requests(glance: scripted.ScriptedGlance) -> int:
    return sum('/file' in request.path for request in glance.requests)


@pytest.mark.parametrize(('connections', 'resumed'), TRANSFERS)
@pytest.mark.parametrize('mode', ways.MODES)
@pytest.mark.parametrize('verdict', VERDICTS)
def test_verdict(
    verdict: verdicts.Verdict,
    mode: str,
    connections: int,
    resumed: bool,
    tmp_path: pathlib.Path,
) -> None:
    """It is given in each way to download, also after a lost connection."""
    way = ways.MODES[mode](tmp_path)
    if mode == 'path':
        (tmp_path / 'image').write_bytes(OLD)
    with _serve(verdict) as glance:
        if resumed:
            glance.cuts.append((CUT, False))
        conn = glance.connect(vendor_hook='openstack_image_stream:load')
        try:
            _check(verdict, glance, conn, way, connections)
        finally:
            way.close()
            scripted.close(conn)
    if verdict.error is not None and mode == 'path':
        assert (tmp_path / 'image').read_bytes() == OLD
    assert os.listdir(tmp_path) == (['image'] if mode == 'path' else [])


@pytest.mark.parametrize('connections', CONNECTIONS)
@pytest.mark.parametrize('verdict', VERDICTS)
def test_of_a_partial_file(
    verdict: verdicts.Verdict, connections: int, tmp_path: pathlib.Path
) -> None:
    """It is given for the bytes of an earlier download, too."""
    way = ways.Path(tmp_path)
    with _serve(verdict) as glance:
        conn = glance.connect(vendor_hook='openstack_image_stream:load')
        partial = tmp_path / f'image.{scripted.IMAGE_ID}.part'
        partial.write_bytes(verdict.data[:CUT])
        try:
            _check(verdict, glance, conn, way, connections)
        finally:
            scripted.close(conn)
        if verdict.error is None:
            sent = glance.sent - len(verdict.data)
            assert sent < 1024 * 1024 - CUT, 'the partial file was not resumed'
    left = [] if verdict.error else ['image']
    if verdict.before_data:
        # It was not touched.
        left.append(partial.name)
    assert sorted(os.listdir(tmp_path)) == left


def _check(
    verdict: verdicts.Verdict,
    glance: scripted.ScriptedGlance,
    conn: scripted.openstack.connection.Connection,
    way: ways.Way,
    connections: int,
) -> None:
    data = verdict.data
    options = verdict.options_of(data)
    if verdict.error is None:
        way.download(
            conn, scripted.IMAGE_ID, connections=connections, **options
        )
        assert way.content() == data
        return
    with pytest.raises(getattr(exceptions, verdict.error)) as caught:
        way.download(
            conn, scripted.IMAGE_ID, connections=connections, **options
        )
    assert scripted.IMAGE_ID in str(caught.value)
    assert (_data_requests(glance) == 0) == verdict.before_data
    if isinstance(way, ways.Path):
        return
    if verdict.first or verdict.before_data:
        assert way.content() == b''
    else:
        assert len(way.content()) < len(data)
