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

"""Files that may be an image already: whether they are."""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import logging
import os
from typing import Any, TypedDict

from openstack_image_stream._common import signals
from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream._output import existing
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import interfaces
from openstack_image_stream._transfer import observing
from openstack_image_stream._transfer import verified_stream
from openstack_image_stream import exceptions
from openstack_image_stream import progress

_LOG = logging.getLogger('openstack.image_stream')

#: What shows that a file is not the image, or not one to be kept.
_NOT_CURRENT = (*exceptions.REFUSALS, exceptions.OutputError)


class VerifyOptions(TypedDict, total=False):
    """The options of a download that a verification has, too."""

    expected_digest: str | None
    signed_by: Any
    allow_md5_fallback: bool
    progress: bool | Callable[[progress.Progress], object] | None


def verify(
    image: Any, session: Any, path: Any, options: _config.DownloadOptions
) -> None:
    """Verify a file against an image.

    :param image: The image resource.
    :param session: The proxy of the Image service.
    :param path: Of the file.
    :param options: Those of :class:`VerifyOptions`, ``retries`` and
        ``timeout`` count.
    :raises: as :meth:`.ImageProxy.verify_image`.
    """
    name = _path_of(path)
    context = _context.Context(
        image,
        session,
        _config.checked(
            expected_digest=options['expected_digest'],
            signed_by=options['signed_by'],
            allow_md5_fallback=options['allow_md5_fallback'],
            progress=options['progress'],
            retries=options['retries'],
            timeout=options['timeout'],
        ),
    )
    with existing.ExistingFile(name) as file:
        _fetch_info(context, file)
        if not context.checks.verified:
            raise _unverifiable(context, file)
        size = context.info.size
        if size is not None and size != file.size:
            raise _mismatch(context, file, 'size', size, file.size)
        with _about(context, file):
            _read(
                context, file, context.checks.observers(), context.reporter()
            )


def check_call(options: _config.DownloadOptions, output: Any) -> None:
    """Refuse a download that cannot be skipped, though it is to be.

    :param options: Those of the download.
    :param output: That of the download.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when there is no file to look at, or no hash to judge it by.
    """
    if not options['skip_current']:
        return
    if not isinstance(output, (str, bytes, os.PathLike)):
        raise exceptions.InvalidArgumentError(
            'skip_current=True needs an output that is a path, not '
            f'{_config.shown(output)}: it looks at the file that is there'
        )
    if options['validate_checksum'] is False:
        raise exceptions.InvalidArgumentError(
            'skip_current=True compares the hash of the file that is there, '
            'so it cannot be given together with validate_checksum=False'
        )


def is_current(context: _context.Context, output: Any) -> bool:
    """Tell whether a file at the output is the image already.

    :param context: The image and the options; its metadata are known.
    :param output: As :func:`check_call` let it through.
    :returns: Whether there is nothing to download. Never for an image without
        a hash, unless the caller has one.
    :raises: what the options raise that compare the metadata, and what a
        progress function raises.
    """
    if not context.options['skip_current']:
        return False
    if not context.checks.verified:
        return False
    file: existing.ExistingFile | None = None
    with signals.suppress(OSError, exceptions.InvalidArgumentError):
        file = existing.ExistingFile(os.fsdecode(output))
    if file is None:
        return False
    with file:
        reason = _reason_to_download(context, file)
    _LOG.info(
        'image %s: file %r is not the image (%s); downloading'
        if reason
        else 'image %s: file %r is the image; not downloading%s',
        context.image_id,
        file.path,
        reason,
    )
    return not reason


def _reason_to_download(
    context: _context.Context,
    file: existing.ExistingFile,
) -> str:
    if context.info.size != file.size:
        return f'it has {file.size} bytes instead of {context.info.size}'
    shown = context.reporter()
    try:
        _read(
            context,
            file,
            context.checks.observers(),
            shown and _Present(shown),
        )
    except _NOT_CURRENT as exc:
        return exc.message
    except OSError as exc:
        # What a progress function raises is not about the file.
        if exc is not file.failure:
            raise
        return str(exc)
    return ''


def _read(
    context: _context.Context,
    file: existing.ExistingFile,
    observers: Sequence[interfaces.Observer],
    reporter: progress.Reporter | None,
) -> None:
    """Show all bytes of a file to observers, and have these judge.

    :raises: what the observers raise, but first
        :exc:`~openstack_image_stream.exceptions.OutputError` when the file
        was changed meanwhile.
    """
    meter = progress.Meter(reporter)
    threads = observing.ObserverThreads(
        observers, coordination.Coordinator(context.image_id)
    )
    try:
        done = 0
        while done < file.size:
            chunk = file.read(done, verified_stream.SINK_CHUNK)
            if not chunk:
                break
            threads.update(chunk)
            done += len(chunk)
            meter.update(done, file.size, end=False)
        file.check_unchanged()
        threads.finish()
        meter.update(done, file.size, end=True)
    finally:
        try:
            threads.close()
        finally:
            meter.close()


class _Present:
    """A reporter for bytes that need not be downloaded."""

    def __init__(self, reporter: progress.Reporter) -> None:
        self._reporter = reporter
        self.close = reporter.close

    def __call__(self, snapshot: progress.Progress) -> None:
        self._reporter(dataclasses.replace(snapshot, resumed=snapshot.done))


def _path_of(path: Any) -> str:
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise exceptions.InvalidArgumentError(
            'path must be the path of a file (str, bytes or os.PathLike), not '
            f'{_config.shown(path)}'
        )
    return os.fsdecode(path)


def _fetch_info(
    context: _context.Context, file: existing.ExistingFile
) -> None:
    try:
        context.fetch_info()
    except exceptions.UnusableHashError as exc:
        # What is raised there speaks of a download.
        cause = exc.__cause__
        if not isinstance(cause, exceptions.UnusableHashError):
            cause = exc
        raise exceptions.UnusableHashError(
            f'image {context.image_id}: {cause.message}, so that file '
            f'{file.path!r} cannot be verified. allow_md5_fallback=True '
            'compares the MD5 checksum instead.',
            algorithm=exc.algorithm,
            expected=exc.expected,
        ) from exc


@contextlib.contextmanager
def _about(
    context: _context.Context, file: existing.ExistingFile
) -> Iterator[None]:
    """Have errors of observers speak of a file instead of a download."""
    try:
        yield
    except exceptions.ChecksumMismatchError as exc:
        raise _mismatch(
            context, file, exc.algorithm, exc.expected, exc.actual
        ) from exc
    except exceptions.SignatureError as exc:
        exc.add_path(file.path)
        raise


def _mismatch(
    context: _context.Context,
    file: existing.ExistingFile,
    what: str | None,
    expected: object,
    actual: object,
) -> exceptions.ChecksumMismatchError:
    unit = ' bytes' if what == 'size' else ''
    return exceptions.ChecksumMismatchError(
        f'image {context.image_id}: {what} mismatch: expected {expected}'
        f'{unit}, file {file.path!r} has {actual}',
        algorithm=what,
        expected=str(expected),
        actual=str(actual),
        image_id=context.image_id,
        path=file.path,
    )


def _unverifiable(
    context: _context.Context, file: existing.ExistingFile
) -> exceptions.UnverifiableImageError:
    info = context.info
    algorithm = info.hash_algo if isinstance(info.hash_algo, str) else None
    reason = f'it has no hash (its status is {info.status!r})'
    if algorithm:
        reason = f'its {algorithm} is not known yet'
    return exceptions.UnverifiableImageError(
        f'image {context.image_id}: file {file.path!r} cannot be verified, '
        f'{reason}: give expected_digest if you have a digest from elsewhere',
        image_id=context.image_id,
        algorithm=algorithm,
    )
