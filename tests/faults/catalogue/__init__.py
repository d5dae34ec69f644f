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

"""Every fault once: its name, what it does, and what is expected.

The matrix (``tests/faults``) runs each, the soak draws from the changes that
they are made of, and the table of the reliability page is made from it.

:mod:`~tests.faults.catalogue.connections`
    Connections that break and statuses that are no image.
:mod:`~tests.faults.catalogue.contents`
    Responses whose length, bytes, range or coding is wrong.
:mod:`~tests.faults.catalogue.descriptions`
    Hashes, headers and redirects that are wrong.
:mod:`~tests.faults.catalogue.cloud`
    Incidents in a real cloud.
:mod:`~tests.faults.catalogue.disks`, :mod:`~tests.faults.catalogue.files`
    The place that is written to, and other programs that change it.
:mod:`~tests.faults.catalogue.processes`
    Several processes with one output path, and signals.

A power cut and slow readers stand in their tests, as each of them is one
arrangement rather than a list.

What becomes of a single response is in
:mod:`~tests.faults.catalogue.changes` and
:mod:`~tests.faults.catalogue.content_changes`. A new fault of a response is an
entry in one of the first three; a new kind of change is a class there.
"""

from tests.faults.catalogue import connections
from tests.faults.catalogue import contents
from tests.faults.catalogue import descriptions

#: All faults of responses.
RESPONSES = [
    *connections.CONNECTIONS,
    *connections.STATUSES,
    *contents.LENGTHS,
    *contents.BYTES,
    *contents.RANGES,
    *contents.CODINGS,
    *descriptions.HASHES,
    *descriptions.HEADERS,
]
