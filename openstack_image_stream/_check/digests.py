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

"""A digest that a caller has from elsewhere."""

import re

from openstack_image_stream import exceptions

#: Hexadecimal digits of each algorithm.
_DIGITS = {'sha224': 56, 'sha256': 64, 'sha384': 96, 'sha512': 128}


def parse(text: object) -> tuple[str, str]:
    """Read a digest.

    :param text: Algorithm and digest, as in ``sha256:<hex>``.
    :returns: Name for :func:`hashlib.new`, and the digest in lower case.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        for anything else.
    """
    algorithm, _, value = str(text).strip().lower().partition(':')
    if len(value) != _DIGITS.get(algorithm) or not re.fullmatch(
        '[0-9a-f]+', value
    ):
        raise exceptions.InvalidArgumentError(
            "expected_digest must be 'sha256:<hexadecimal digits>', or the "
            f'same with sha224, sha384 or sha512, not {text!r}'
        )
    return algorithm, value
