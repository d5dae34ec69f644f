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

import io
import os
import stat
from typing import Any

from openstack_image_stream import _files
from openstack_image_stream import _replacing
from openstack_image_stream import _sink
from openstack_image_stream import exceptions


def sink_for(
    output: Any, image_id: str, *, resume: bool, sparse: bool
) -> _sink.Sink:
    """Find the sink for what a caller gave as ``output``.

    Nothing is opened or created yet.

    :param output: A path (:class:`str` or :class:`os.PathLike`) or an object
        with ``write()``.
    :param image_id: ID of the image.
    :param resume: Whether partial files are kept and looked for.
    :param sparse: Whether runs of zeros become holes.
    :returns: The sink; its caller enters it.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when nothing could be written there.
    """
    if isinstance(output, (str, os.PathLike)):
        path = os.fspath(output)
        if isinstance(path, str):
            return _sink_for_path(path, image_id, resume=resume, sparse=sparse)
    elif callable(getattr(output, 'write', None)):
        _check_writer(output)
        return _sink.WriterSink(output)
    raise exceptions.InvalidArgumentError(
        'output must be a path (str or os.PathLike) or an object with '
        f'write(), not {output!r}'
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
    if _answers(output, 'readable', True) and _answers(
        output, 'writable', False
    ):
        raise exceptions.InvalidArgumentError(
            f'output {output!r} is open for reading only: open it with mode '
            "'wb'"
        )


def _answers(output: Any, method: str, answer: bool) -> bool:
    ask = getattr(output, method, None)
    return callable(ask) and ask() is answer


def _sink_for_path(
    path: str, image_id: str, *, resume: bool, sparse: bool
) -> _sink.Sink:
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
            f'output {path!r} has characters that no file name can have here'
        ) from None
    if _files.DirectSink.descriptor_of(path) is not None:
        return _files.DirectSink(path)
    target = os.path.realpath(path)
    try:
        found = os.stat(path)
    except FileNotFoundError:
        # Also a link that leads nowhere yet: it is the link's target that is
        # going to exist.
        parent = os.path.dirname(target)
        if path.endswith(os.sep) or not os.path.isdir(parent):
            raise exceptions.InvalidArgumentError(
                f'output {path!r} cannot be created, there is no directory '
                f'{parent!r}: make it first'
            ) from None
        found = None
    except NotADirectoryError:
        raise exceptions.InvalidArgumentError(
            f'output {path!r} leads through something that is not a directory'
        ) from None
    if found is not None:
        if stat.S_ISDIR(found.st_mode):
            raise exceptions.InvalidArgumentError(
                f'output {path!r} is a directory, it must be the path of a '
                'file'
            )
        if not stat.S_ISREG(found.st_mode):
            return _files.DirectSink(path)
        if found.st_size == 0:
            return _files.InPlaceSink(path, sparse=sparse)
    _check_target(path, target, found)
    return _replacing.ReplacingSink(
        target, image_id, resume=resume, sparse=sparse
    )


def _check_target(
    path: str, target: str, found: os.stat_result | None
) -> None:
    # The kernel keeps links that others put into a shared directory from
    # being followed, but not from being read. What was read must be where it
    # would have led us.
    try:
        there = os.stat(target)
    except FileNotFoundError:
        there = None
    same = (
        os.path.samestat(there, found) if there and found else there == found
    )
    if not same:
        raise exceptions.ImageStreamError(
            f'output {path!r} was replaced by somebody else while it was '
            'looked at'
        )
