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

"""What a fault is: its name, what happens, and what is expected."""

from collections.abc import Mapping
import dataclasses
import random
from typing import Any

from tests.faults.catalogue import changes as _changes
from tests.servers import scripted

MIB = 1024 * 1024

#: The image of the faults of responses: three parts of a download over several
#: connections, the last not full.
DATA = random.Random(17).randbytes(17 * MIB + 17)

#: An image of the same length, with every byte another.
OTHER_DATA = DATA.translate(bytes(range(255, -1, -1)))

MD5, OTHER_MD5 = (
    scripted.hashes(data)['checksum'] for data in (DATA, OTHER_DATA)
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong, and what the plugin promises then.

    :param name: Ends the name of its tests.
    :param title: What happens, for the table.
    :param promise: What the plugin does then, for the table.
    """

    name: str
    title: str
    promise: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResponseFault(Fault):
    """A fault of the responses of an Image service.

    :param changes: What becomes of the responses with data, in their order;
        those that follow are honest.
    :param metadata_changes: Likewise, of those with the metadata.
    :param always: Whether the last of these happens again and again.
    :param metadata: What differs in the metadata.
    :param error: The class of the error that the plugin raises, ``None``
        where it delivers the image.
    :param errors: Likewise, for the modes in which it is another.
    :param keeps: The modes that keep a partial file.
    :param modes: The modes in which it can happen, ``()`` for all.
    :param places: At how many places it is tried, at the most.
    :param brief: Whether it is part of the short selection.
    :param options: Options of the plugin.
    """

    changes: tuple[_changes.Change, ...] = ()
    metadata_changes: tuple[_changes.Change, ...] = ()
    always: bool = False
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    error: str | None = None
    errors: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    keeps: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    places: int = 1
    brief: bool = True
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
