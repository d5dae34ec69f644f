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

"""Digests from elsewhere: as a text, and in the files of distributors."""

import os
import re
from typing import Any

from openstack_image_stream._check import hashes
from openstack_image_stream._common import printing
from openstack_image_stream._common import signals
from openstack_image_stream import _rules
from openstack_image_stream import exceptions

#: The algorithms, by the number of hexadecimal digits.
_ALGORITHMS = {count: name for name, count in _rules.DIGITS.items()}

#: What GNU coreutils print: the digest, then the name after a space and a
#: space or an asterisk. A backslash in front says that the name is escaped.
_GNU = re.compile(r'(\\?)([0-9a-fA-F]{56,128}) [ *](.+)')

#: What BSD tools print, and GNU coreutils with --tag.
_BSD = re.compile(
    r'(\\?)SHA(?:2-)?(224|256|384|512) ?\((.+)\) ?= ?([0-9a-fA-F]+)'
)

_ESCAPES = {'\\n': '\n', '\\r': '\r', '\\\\': '\\'}

#: Bytes of such a file that are read; those of whole distributions are
#: shorter.
_LONGEST = 16 * 1024 * 1024


def parse(text: str) -> hashes.Expected:
    """Read a digest that follows the rule of ``expected_digest``.

    :param text: Algorithm, colon, digest in hexadecimal.
    """
    algorithm, _, value = text.partition(':')
    return hashes.Expected(algorithm.lower(), value.lower())


def find_digest(sums: 'str | os.PathLike[str]', name: str) -> str:
    """Find the digest of a file in a file of checksums.

    Distributors publish these beside their images, as ``SHA256SUMS`` or
    ``CHECKSUM``. Lines of GNU (``digest  name``) and of BSD
    (``SHA256 (name) = digest``) are understood; others, those of a PGP
    signature for example, are passed over. *The signature is not verified*:
    check it first, with ``gpg --verify``.

    :param sums: Path of the file of checksums.
    :param name: Name of the image file in it.
    :returns: The digest as ``expected_digest`` takes it, of the longest of
        the algorithms SHA-224 to SHA-512 that the file has for the name.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when the file cannot be read, has none for the name, or two.
    """
    shown = f'{os.fspath(sums)!r}'
    try:
        with open(sums, encoding='utf-8', errors='replace') as file:
            text = file.read(_LONGEST)
    except (OSError, ValueError) as exc:
        if signals.find_raised(exc) is not None:
            raise
        raise exceptions.InvalidArgumentError(
            f'{shown} cannot be read: {getattr(exc, "strerror", exc)}'
        ) from exc
    found: dict[str, str] = {}
    names = set()
    for line in text.splitlines():
        algorithm, known, value = _read_line(line)
        if algorithm is None:
            continue
        names.add(known)
        if known != name:
            continue
        if found.setdefault(algorithm, value) != value:
            raise exceptions.InvalidArgumentError(
                f'{shown} has two {algorithm} digests of {name!r}'
            )
    if not found:
        raise exceptions.InvalidArgumentError(
            f'{shown} has no SHA-224, SHA-256, SHA-384 or SHA-512 digest of '
            f'{name!r}{_others(names)}'
        )
    best = max(found)
    return f'{best}:{found[best]}'


def _read_line(line: str) -> tuple[Any, str, str]:
    if match := _BSD.fullmatch(line.rstrip()):
        escaped, bits, name, value = match.groups()
        algorithm = f'sha{bits}'
        if _ALGORITHMS.get(len(value)) != algorithm:
            return None, '', ''
    elif match := _GNU.fullmatch(line.rstrip()):
        escaped, value, name = match.groups()
        algorithm = _ALGORITHMS.get(len(value), '')
        if not algorithm:
            return None, '', ''
    else:
        return None, '', ''
    if escaped:
        name = re.sub(r'\\[nr\\]', lambda found: _ESCAPES[found[0]], name)
    return algorithm, name, value.lower()


def _others(names: set[str]) -> str:
    if not names:
        return '; it is not a file of checksums'
    listed = ', '.join(repr(printing.safe(n)) for n in sorted(names)[:5])
    return f'; it has those of {listed}' + (' ...' if len(names) > 5 else '')
