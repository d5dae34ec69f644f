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

"""What is in an image, from its first bytes."""

from collections.abc import Mapping
import contextlib
import dataclasses
from typing import Any, TypedDict

from openstack_image_stream._check import detection
from openstack_image_stream import _config
from openstack_image_stream import _context
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import image_source
from openstack_image_stream._transfer import verified_stream
from openstack_image_stream import progress


class InspectOptions(TypedDict, total=False):
    """The options of a download that an inspection has, too: none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageInspection:
    """What an image is said to be, and what its content is.

    :param name: Its name.
    :param disk_format: Its ``disk_format``, as the Image service has it.
    :param detected: Names of the formats that the content has, sorted;
        ``raw`` if it has no other. More than one if it can be taken for
        either.
    :param virtual_size: Bytes of the disk in it, ``None`` if unknown.
    :param failures: Why it is not safe to open it: a sentence for each safety
        check that failed, by the name of the check.
    :param bytes_read: Bytes of the image that were read.
    """

    name: str | None
    disk_format: str | None
    detected: tuple[str, ...]
    virtual_size: int | None
    failures: dict[str, str]
    bytes_read: int


ImageInspection.__module__ = __name__.partition('.')[0]


def inspect(
    image: Any,
    session: Any,
    options: _config.DownloadOptions,
    *,
    whole: bool,
) -> ImageInspection:
    """Look into an image.

    :param image: The image resource.
    :param session: The proxy of the Image service.
    :param options: Those that are about connections count, and
        ``allow_md5_fallback``.
    :param whole: Whether to read and verify all of it.
    :returns: What was found.
    :raises: as :meth:`.ImageProxy.inspect_image`.
    """
    # It is missing for the image as for any other: no request is needed.
    detection.load_inspector()
    given: Mapping[str, Any] = options
    context = _context.Context(
        image,
        session,
        _config.checked(
            **{
                name: given[name]
                for name in _config.TransferOptions.__annotations__
                if whole or name != 'connections'
            },
            validate_checksum=whole,
        ),
    )
    info = context.fetch_info()
    detector = detection.Detector(info.size)
    coordinator = context.coordinator()
    source = context.source(coordinator)
    try:
        if whole:
            _read_all(context, source, detector, coordinator)
        else:
            _read_beginning(source, detector)
    finally:
        coordinator.close()
        source.close()
        coordinator.join()
    disk_format = info.properties.get('disk_format')
    return ImageInspection(
        name=info.name,
        disk_format=disk_format if isinstance(disk_format, str) else None,
        detected=detector.findings.formats,
        virtual_size=detector.findings.virtual_size,
        failures=dict(detector.findings.failures),
        bytes_read=source.position,
    )


def _read_beginning(
    source: image_source.ImageSource, detector: detection.Detector
) -> None:
    source.open()
    while not detector.decided:
        chunk = source.read(detection.BLOCK)
        if not chunk:
            detector.finish()
            break
        detector.update(chunk)


def _read_all(
    context: _context.Context,
    source: image_source.ImageSource,
    detector: detection.Detector,
    coordinator: coordination.Coordinator,
) -> None:
    context.checks.use_response(source.open())
    observers = [detector, *context.checks.observers()]
    stream = verified_stream.VerifiedStream(
        source,
        observers,
        progress.Meter(None),
        coordinator,
        chunk_size=verified_stream.SINK_CHUNK,
    )
    with contextlib.closing(stream):
        while stream.read():
            pass
