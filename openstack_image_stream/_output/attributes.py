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

"""What a file has besides its content: owner, permissions, attributes.

A new file that takes the place of an old one never lets anybody do more with
it than the old one did. What cannot be kept is therefore left out.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import errno
import logging
import os
import stat
import struct

from openstack_image_stream._common import signals

_ACL = 'system.posix_acl_access'

#: What speaks of the old content. Writing to a file takes them away, too.
_OF_CONTENT = {'security.capability', 'security.evm', 'security.ima'}

# From linux/posix_acl_xattr.h: a version, then tag, permissions and ID of
# each entry.
_HEADER = struct.Struct('<I')
_ENTRY = struct.Struct('<HHI')
_USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x02, 0x04, 0x08, 0x10, 0x20

_LOG = logging.getLogger('openstack.image_stream')


@dataclasses.dataclass(frozen=True)
class Attributes:
    """What a file has.

    :param status: Of the file.
    :param acl: Its POSIX ACL as the kernel has it, ``None`` without one.
    :param others: Its other extended attributes.
    """

    status: os.stat_result
    acl: bytes | None = None
    others: dict[str, bytes] = dataclasses.field(default_factory=dict)


def read(path: str) -> Attributes | None:
    """Return what a file has, ``None`` if there is no file.

    :param path: Of the file.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    found = dict(_extended(path))
    return Attributes(status, found.pop(_ACL, None), found)


def give(descriptor: int, wanted: Attributes) -> None:
    """Give a new file what another has, as far as it can be.

    :param descriptor: Of the new file, which no other user can open yet.
    :param wanted: What the other has.
    """
    old = wanted.status
    mode = stat.S_IMODE(old.st_mode)
    acl = wanted.acl
    # Only root may give files away, but a member may to a group.
    for owner, group in ((old.st_uid, old.st_gid), (-1, old.st_gid)):
        with contextlib.suppress(PermissionError):
            os.chown(descriptor, owner, group)
            break
    new = os.fstat(descriptor)
    if new.st_uid != old.st_uid:
        mode &= ~stat.S_ISUID
    if new.st_gid != old.st_gid:
        # What was for one group is not for another; it gets no more than
        # everybody has.
        mode &= ~stat.S_ISGID
        if acl is None:
            mode &= ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
        else:
            acl = _without_group(acl)
    # Before the mode, which may not let us any more.
    for name, value in wanted.others.items():
        _set(descriptor, name, value)
    mode = _give_acl(descriptor, acl, mode)
    # After the owner, since changing that takes the set-user-ID bit off.
    os.chmod(descriptor, mode)


def _extended(path: str) -> Iterator[tuple[str, bytes]]:
    if not hasattr(os, 'listxattr'):
        return
    try:
        names = os.listxattr(path)
    except OSError as exc:
        _let_through(exc)
        return
    for name in names:
        if name not in _OF_CONTENT:
            with signals.suppress(OSError):
                yield name, os.getxattr(path, name)


def _set(descriptor: int, name: str, value: bytes) -> bool:
    try:
        os.setxattr(descriptor, name, value)
    except OSError as exc:
        _let_through(exc)
        _LOG.info('attribute %s of the old file is not kept (%s)', name, exc)
        return False
    return True


def _give_acl(descriptor: int, acl: bytes | None, mode: int) -> int:
    """Give a file an ACL, or none; return the mode that goes with it."""
    if not hasattr(os, 'listxattr'):
        return mode
    if acl is not None and _set(descriptor, _ACL, acl):
        return mode
    try:
        # The directory may have given it one that the old file had not.
        os.removexattr(descriptor, _ACL)
    except OSError as exc:
        _let_through(exc)
        if exc.errno not in (errno.ENODATA, errno.ENOTSUP):
            # The bits of the group are the limit of everybody whom it names.
            return mode & ~stat.S_IRWXG
    return mode if acl is None else _least(acl, mode)


def _let_through(exc: OSError) -> None:
    if signals.find_raised(exc) is not None:
        try:
            raise exc
        finally:
            # Its traceback refers to this frame.
            del exc


def _entries(acl: bytes) -> list[tuple[int, int, int]]:
    return list(_ENTRY.iter_unpack(acl[_HEADER.size :]))


def _without_group(acl: bytes) -> bytes:
    """Return an ACL whose owning group has what everybody has."""
    entries = _entries(acl)
    others = [permissions for tag, permissions, _ in entries if tag == _OTHER]
    return acl[: _HEADER.size] + b''.join(
        _ENTRY.pack(
            tag,
            permissions & min(others) if tag == _GROUP_OBJ else permissions,
            identity,
        )
        for tag, permissions, identity in entries
    )


def _least(acl: bytes, mode: int) -> int:
    """Return a mode that grants no more than an ACL and its mode."""
    group = others = mask = named = 7
    for tag, permissions, _ in _entries(acl):
        if tag == _GROUP_OBJ:
            group = permissions
        elif tag == _OTHER:
            others = permissions
        elif tag == _MASK:
            mask = permissions
        elif tag in (_USER, _GROUP):
            # Without its entry it belongs to the group, or to everybody.
            named &= permissions
    group &= mask & named
    others &= mask & named
    return mode & ~(stat.S_IRWXG | stat.S_IRWXO) | group << 3 | others
