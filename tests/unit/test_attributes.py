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

"""Tests of the attributes of a file that is replaced."""

import dataclasses
import errno
import os
import stat
import struct
from typing import Any
from unittest import mock

from openstack_image_stream import _config
from openstack_image_stream._output import attributes
from openstack_image_stream._output import choice
from openstack_image_stream._output import partial_files
from openstack_image_stream import exceptions
from tests.unit import base

DATA = base.some_bytes(1_000)
ID = '0b8c6a6e-5bd7-4f1c-9d6a-6c1fb3a4a0d1'
ACL = 'system.posix_acl_access'
DEFAULT_ACL = 'system.posix_acl_default'
ALICE = 54_321
NOBODY = 0xFFFFFFFF


def acl_of(
    *, user: int, alice: int, group: int, mask: int, other: int
) -> bytes:
    """Return an ACL as the kernel has it, with an entry for one user."""
    entries = [
        (0x01, user, NOBODY),
        (0x02, alice, ALICE),
        (0x04, group, NOBODY),
        (0x10, mask, NOBODY),
        (0x20, other, NOBODY),
    ]
    return struct.pack('<I', 2) + b''.join(
        struct.pack('<HHI', *entry) for entry in entries
    )


#: The owner reads and writes, Alice reads, the group has nothing. The mode is
#: 0640 all the same: its bits for the group are the mask.
FOR_ALICE = acl_of(user=6, alice=4, group=0, mask=4, other=0)


class AttributesTestCase(base.TestCase):
    """A test that replaces files."""

    def save(self, *, resume: bool = False) -> None:
        """Replace the file of this test."""
        sink = choice.sink_for(
            self.path(), ID, _config.checked(resume=resume, sparse=True)
        )
        with sink:
            sink.write(DATA[sink.start :])
            sink.commit()
        self.assert_same(DATA, self.content())

    def mode(self) -> int:
        """Return the mode of the file of this test."""
        return stat.S_IMODE(os.stat(self.path()).st_mode)

    def acl(self) -> bytes | None:
        """Return the ACL of the file of this test."""
        if ACL not in os.listxattr(self.path()):
            return None
        return os.getxattr(self.path(), ACL)

    def refuse(self, name: str, number: int) -> None:
        """Let an attribute be one that cannot be set."""
        real = os.setxattr

        def set_others(file: Any, attribute: str, value: bytes) -> None:
            if attribute == name:
                raise OSError(number, os.strerror(number))
            real(file, attribute, value)

        patch = mock.patch.object(os, 'setxattr', set_others)
        patch.start()
        self.addCleanup(patch.stop)


class TestACL(AttributesTestCase):
    """A file with an ACL."""

    def test_is_kept(self) -> None:
        """The new file has the same one."""
        os.setxattr(self.write(b'old'), ACL, FOR_ALICE)
        self.assertEqual(0o640, self.mode())
        self.save()
        self.assertEqual(FOR_ALICE, self.acl())
        self.assertEqual(0o640, self.mode())

    @base.for_each(
        {
            'mask': (FOR_ALICE, 0o600),
            'group': (
                acl_of(user=6, alice=6, group=4, mask=6, other=4),
                0o644,
            ),
            'denied': (
                acl_of(user=6, alice=0, group=6, mask=6, other=4),
                0o600,
            ),
            'masked': (
                acl_of(user=7, alice=7, group=7, mask=5, other=7),
                0o755,
            ),
        }
    )
    def test_cannot_be_kept(self, case: tuple[bytes, int]) -> None:
        """Without it no one may do more than with it."""
        acl, mode = case
        os.setxattr(self.write(b'old'), ACL, acl)
        self.refuse(ACL, errno.ENOTSUP)
        self.save()
        self.assertIsNone(self.acl())
        self.assertEqual(mode, self.mode())

    def test_other_group(self) -> None:
        """What was for one group is not given to another."""
        acl = acl_of(user=6, alice=4, group=6, mask=6, other=4)
        os.setxattr(self.write(b'old'), ACL, acl)
        found = attributes.read(self.path())
        assert found is not None
        fields = list(found.status)
        fields[stat.ST_GID] += 1
        foreign = dataclasses.replace(found, status=os.stat_result(fields))
        with (
            mock.patch.object(attributes, 'read', return_value=foreign),
            mock.patch.object(
                os, 'chown', side_effect=PermissionError(errno.EPERM, 'no')
            ),
        ):
            self.save()
        self.assertEqual(
            acl_of(user=6, alice=4, group=4, mask=6, other=4), self.acl()
        )

    def test_of_the_directory(self) -> None:
        """A file without one is not given that of its directory."""
        os.chmod(self.write(b'old'), 0o660)
        os.setxattr(
            self.directory,
            DEFAULT_ACL,
            acl_of(user=7, alice=7, group=7, mask=7, other=0),
        )
        self.save()
        self.assertIsNone(self.acl())
        self.assertEqual(0o660, self.mode())

    def test_of_the_directory_stays(self) -> None:
        """Where it cannot be taken away it gives nothing."""
        os.chmod(self.write(b'old'), 0o660)
        os.setxattr(
            self.directory,
            DEFAULT_ACL,
            acl_of(user=7, alice=7, group=7, mask=7, other=0),
        )
        with mock.patch.object(
            os, 'removexattr', side_effect=OSError(errno.EPERM, 'no')
        ):
            self.save()
        self.assertEqual(0o600, self.mode())

    @base.for_each({'fresh': False, 'resumed': True})
    def test_new_file(self, resumed: bool) -> None:
        """A new file has that of its directory, as every new file."""
        acl = acl_of(user=6, alice=4, group=4, mask=4, other=0)
        os.setxattr(self.directory, DEFAULT_ACL, acl)
        if resumed:
            partial = partial_files.name(self.path(), ID)
            self.write(DATA[:500], partial)
            os.removexattr(partial, ACL)
        self.save(resume=resumed)
        self.assertEqual(acl, self.acl())


class TestOthers(AttributesTestCase):
    """Further extended attributes."""

    def test_are_kept(self) -> None:
        """What a user or an administrator has noted stays."""
        os.setxattr(self.write(b'old'), 'user.origin', b'somewhere')
        self.save()
        self.assertEqual(b'somewhere', os.getxattr(self.path(), 'user.origin'))

    def test_cannot_be_kept(self) -> None:
        """They are no reason to fail."""
        os.setxattr(self.write(b'old'), 'user.origin', b'somewhere')
        self.refuse('user.origin', errno.ENOSPC)
        self.save()
        self.assertIn('user.origin', self.log.output)

    def test_of_the_content(self) -> None:
        """What was said of the old content is not said of the new one."""
        self.write(b'old')
        names = ['security.capability', 'security.ima', 'user.origin']
        with (
            mock.patch.object(os, 'listxattr', return_value=names),
            mock.patch.object(os, 'getxattr', return_value=b'x'),
        ):
            found = attributes.read(self.path())
        self.assertEqual(
            {'user.origin': b'x'}, found.others if found else None
        )

    def test_systems_without(self) -> None:
        """Not every system has them."""
        os.chmod(self.write(b'old'), 0o604)
        real = os.listxattr
        try:
            del os.listxattr
            self.save()
        finally:
            os.listxattr = real
        self.assertEqual(0o604, self.mode())


class TestUmask(AttributesTestCase):
    """A file that is new under its name."""

    def test_resumed(self) -> None:
        """The mode is that of today's umask, not that of a former day."""
        self.addCleanup(os.umask, os.umask(0))
        sink = choice.sink_for(
            self.path(), ID, _config.checked(resume=True, sparse=True)
        )
        with self.assertRaises(exceptions.ImageStreamError), sink:
            sink.write(DATA[:500])
            raise exceptions.ImageStreamError('enough')
        self.assertEqual(
            0o666, stat.S_IMODE(os.stat(self.path(self.files()[0])).st_mode)
        )
        os.umask(0o077)
        with choice.sink_for(
            self.path(), ID, _config.checked(resume=True, sparse=True)
        ) as sink:
            self.assertEqual(500, sink.start)
            self.assertEqual(
                0o600,
                stat.S_IMODE(os.stat(self.path(self.files()[0])).st_mode),
            )
            sink.write(DATA[500:])
            sink.commit()
        self.assertEqual(0o600, self.mode())

    def test_freer(self) -> None:
        """Also where it allows more."""
        self.addCleanup(os.umask, os.umask(0o077))
        sink = choice.sink_for(
            self.path(), ID, _config.checked(resume=True, sparse=True)
        )
        with self.assertRaises(exceptions.ImageStreamError), sink:
            sink.write(DATA[:500])
            raise exceptions.ImageStreamError('enough')
        os.umask(0o022)
        self.save(resume=True)
        self.assertEqual(0o644, self.mode())
        self.assertEqual(['image'], self.files())
