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

"""What a caller gives as the output, and the sink that belongs to it."""

import errno
import io
import os
import stat
import sys
from typing import Any

from openstack_image_stream._common import signals
from openstack_image_stream import _config
from openstack_image_stream._output import direct
from openstack_image_stream._output import in_place
from openstack_image_stream._output import owned
from openstack_image_stream._output import replacing
from openstack_image_stream._output import sinks
from openstack_image_stream import exceptions

#: How often to look at a path that changes while it is looked at.
_LOOKS = 10


def sink_for(
    output: Any, image_id: str, options: _config.DownloadOptions
) -> sinks.Sink:
    """Find the sink for what a caller gave as ``output``.

    Nothing is opened or created yet.

    :param output: A path (:class:`str`, :class:`bytes` or
        :class:`os.PathLike`), a descriptor that is open for writing, or an
        object with ``write()``.
    :param image_id: ID of the image.
    :param options: ``resume`` and ``sparse`` count.
    :returns: The sink; its caller enters it.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when nothing could be written there.
    """
    if isinstance(output, (str, bytes, os.PathLike)):
        return _sink_for_path(os.fsdecode(output), image_id, options)
    if isinstance(output, int) and not isinstance(output, bool):
        _check_descriptor(output)
        return direct.DirectSink(output)
    if callable(getattr(output, 'write', None)):
        _check_writer(output)
        return sinks.WriterSink(output)
    raise exceptions.InvalidArgumentError(
        'output must be a path (str, bytes or os.PathLike), a descriptor '
        f'(int) or an object with write(), not {output!r}'
    )


def _check_descriptor(number: int) -> None:
    try:
        flags = owned.status_flags(number)
    except (OSError, ValueError, OverflowError) as exc:
        if signals.find_raised(exc) is not None:
            raise
        raise exceptions.InvalidArgumentError(
            f'output {number} is a number, but no descriptor with that number '
            'is open: give one that is, or a path'
        ) from None
    if flags & os.O_ACCMODE == os.O_RDONLY:
        raise exceptions.InvalidArgumentError(
            f'output {number} is a descriptor that is open for reading only: '
            'open it for writing'
        )


def _check_writer(output: Any) -> None:
    # What tempfile wraps is no TextIOBase, but has its attributes.
    encoding = getattr(output, 'encoding', None)
    if isinstance(output, io.TextIOBase) or isinstance(encoding, str):
        raise exceptions.InvalidArgumentError(
            f'output {output!r} is open for text, an image is bytes: open it '
            "with mode 'wb', or give its .buffer"
        )
    if getattr(output, 'closed', False) is True:
        raise exceptions.InvalidArgumentError(
            f'output {output!r} is closed: give one that is open'
        )
    # Both, since io.IOBase says no to all that a class does not think of.
    if _says(output, 'readable', True) and _says(output, 'writable', False):
        raise exceptions.InvalidArgumentError(
            f'output {output!r} is open for reading only: open it with mode '
            "'wb'"
        )


def _says(output: Any, method: str, expected: bool) -> bool:
    ask = getattr(output, method, None)
    return callable(ask) and ask() is expected


def _sink_for_path(
    path: str, image_id: str, options: _config.DownloadOptions
) -> sinks.Sink:
    _check_name(path)
    if direct.DirectSink.descriptor_of(path) is not None:
        return direct.DirectSink(path)
    target, found = _look(path)
    if found is None:
        _check_parent(path, target)
    else:
        if stat.S_ISDIR(found.st_mode):
            raise exceptions.InvalidArgumentError(
                f'output {path!r} is a directory, it must be the path of a '
                'file'
            )
        if not stat.S_ISREG(found.st_mode):
            return direct.DirectSink(path)
        if found.st_size == 0:
            return in_place.InPlaceSink(target, sparse=options['sparse'])
        _check_replaceable(path, target)
    return replacing.ReplacingSink(
        target,
        image_id,
        resume=options['resume'],
        sparse=options['sparse'],
    )


def _check_name(path: str) -> None:
    if not path:
        raise exceptions.InvalidArgumentError(
            'output is an empty string, it must be the path of a file'
        )
    if '\0' in path:
        raise exceptions.InvalidArgumentError(
            f'output {path!r} has a null byte in it, no file name may'
        )
    try:
        os.fsencode(path)
    except UnicodeError:
        raise exceptions.InvalidArgumentError(
            f'output {path!r} has characters that no file name can have here '
            f'(the file system encoding is {sys.getfilesystemencoding()}): '
            'give another name, or the name as bytes'
        ) from None


def _look(path: str) -> tuple[str, os.stat_result | None]:
    """Return where a path leads to, links resolved, and what is there.

    The kernel keeps links that others put into a shared directory from being
    followed, but not from being read. What was read must be where it would
    have led us.
    """
    for _ in range(_LOOKS):
        target = os.path.realpath(path)
        found = _stat(path)
        there = _stat(target)
        if found is None and there is None:
            return target, None
        if found and there and os.path.samestat(found, there):
            return target, found
        # Another download may have put its file there in between.
    raise exceptions.OutputError(
        f'output {path!r} was replaced each of {_LOOKS} times that it '
        'was looked at: choose a directory that others may not '
        'write to'
    )


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        what = 'leads through something that is not a directory'
        if path.endswith(os.sep):
            what = (
                'ends with a slash, but is no directory: leave the slash out'
            )
        raise exceptions.InvalidArgumentError(
            f'output {path!r} {what}'
        ) from None


def _check_parent(path: str, target: str) -> None:
    if path.endswith(os.sep):
        raise exceptions.InvalidArgumentError(
            f'output {path!r} ends with a slash, as the name of a directory '
            'does: it must be the path of a file'
        )
    # Also a link that leads nowhere yet: it is the link's target that is
    # going to exist.
    parent = os.path.dirname(target)
    try:
        os.stat(parent)
    except FileNotFoundError:
        advice = 'make it first'
        if path.startswith('~'):
            # As open() does not either.
            advice = '~ is not expanded, os.path.expanduser() does that'
        raise exceptions.InvalidArgumentError(
            f'output {path!r} cannot be created, there is no directory '
            f'{parent!r}: {advice}'
        ) from None
    except PermissionError as exc:
        # A relative path works from within, its absolute one does not.
        raise PermissionError(
            exc.errno,
            f'{exc.strerror}, a directory on the way may not be searched',
            parent,
        ) from None


def _check_replaceable(path: str, target: str) -> None:
    """Check that another file can be given the name of one.

    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when the system would refuse it in the end.
    """
    reason = _reason_to_stay(target)
    if reason is not None:
        raise exceptions.InvalidArgumentError(
            f'output {path!r} cannot be replaced by another file, {reason}: '
            'empty it first, then the image is written into it, or give it '
            'as a file object'
        )


def _reason_to_stay(target: str) -> str | None:
    try:
        # The system looks for the right to take the name away before it sees
        # that it is not that of a directory. Nothing else asks it without
        # doing it, and who has that right is more than owners and modes tell:
        # sticky directories, capabilities, attributes.
        os.rmdir(target)
    except OSError as exc:
        if exc.errno == errno.EPERM:
            return (
                'the system does not let you rename it (it may be of another '
                'user, in a directory with the sticky bit)'
            )
    here, above = _mount_of(target), _mount_of(os.path.dirname(target))
    if here and above and here != above:
        return 'as it is mounted there by itself (a bind mount)'
    return None


def _mount_of(path: str) -> str | None:
    """Return what Linux calls the mount that a path is in, if it tells."""
    if not hasattr(os, 'O_PATH'):
        return None
    # The device does not tell: a bind mount may come from the same one.
    with signals.suppress(OSError):
        opened = owned.Descriptor(path, os.O_PATH)
        with open(f'/proc/self/fdinfo/{opened.fileno()}') as file:
            for line in file:
                if line.startswith('mnt_id:'):
                    return line
    return None
