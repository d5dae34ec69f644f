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

"""What a download was asked to do, checked once."""

import dataclasses

from openstack_image_stream import exceptions

#: Bytes in a mebibyte.
MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The options of one download.

    :param chunk_size: Bytes that a user wants to see at a time, positive.
    :param validate_checksum: Whether the digest is compared.
    :param allow_md5_fallback: Whether MD5 may stand in for a hash that cannot
        be used.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when an option is not what it must be.
    """

    chunk_size: int = MIB
    validate_checksum: bool = True
    allow_md5_fallback: bool = False

    def __post_init__(self) -> None:
        _require_positive('chunk_size', self.chunk_size)
        _require_bool('validate_checksum', self.validate_checksum)
        _require_bool('allow_md5_fallback', self.allow_md5_fallback)


def _require_positive(name: str, value: object) -> None:
    # True is an int to Python, but nobody means one byte by it.
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if not is_int or value <= 0:  # type: ignore[operator]
        raise exceptions.InvalidArgumentError(
            f'{name} must be a positive whole number of bytes, not {value!r}'
        )


def _require_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise exceptions.InvalidArgumentError(
            f'{name} must be True or False, not {value!r}'
        )
