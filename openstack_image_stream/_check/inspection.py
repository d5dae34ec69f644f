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

"""One inspector of oslo.utils at work."""

from typing import Any

from openstack_image_stream._common import printing
from openstack_image_stream._common import signals


class Inspection:
    """Feeds an inspector, and takes note of what becomes of it.

    Nothing that an inspector raises gets through: whether it cannot read the
    bytes because they are of another format, or because they are made to
    break it, shows only in whether the format matches.

    :param name: Name of its format.
    :param inspector: The inspector.
    :param failed: What it raises when a check failed.
    """

    def __init__(
        self, name: str, inspector: Any, failed: type[Exception]
    ) -> None:
        self.name = name
        self._inspector = inspector
        self._failed = failed
        self._error: Exception | None = None
        self._finished = False
        self._failures: dict[str, str] | None = None

    def feed(self, block: bytes) -> None:
        """Show it the next bytes, unless it has failed.

        :param block: The bytes.
        """
        if self._error is None:
            try:
                self._inspector.eat_chunk(block)
            except Exception as exc:
                if signals.find_raised(exc) is not None:
                    raise
                self._error = exc

    def finish(self) -> None:
        """Tell it that there are no more bytes."""
        self._inspector.finish()
        self._finished = True

    @property
    def matches(self) -> bool:
        """Whether the bytes so far are of this format."""
        try:
            return bool(self._inspector.format_match)
        except Exception as exc:
            if signals.find_raised(exc) is not None:
                raise
            # That of VMDK raises where a text is not ASCII throughout. Nova
            # refuses this.
            self._error = ValueError('its format is unclear')
            return True

    @property
    def complete(self) -> bool:
        """Whether it needs no more bytes."""
        return (
            self._finished
            or self._error is not None
            or bool(self._inspector.complete)
        )

    @property
    def decided(self) -> bool:
        """Whether it can be judged, but for the end of the image."""
        return self.complete or self._waits_for_the_end

    @property
    def failures(self) -> dict[str, str]:
        """Why bytes that match are not safe, by the name of the check.

        When it is neither complete nor waits for the end, that is a failure.
        """
        if self._error is not None:
            return {self.name: f'Cannot be read: {_text_of(self._error)}'}
        if self._failures is None:
            if not self.complete and self._waits_for_the_end:
                return self._run('descriptor', 'check_descriptor')
            self._failures = self._run(self.name, 'safety_check')
        return self._failures

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk, 0 if unknown."""
        with signals.suppress(Exception):
            return int(self._inspector.virtual_size)
        return 0

    @property
    def actual_size(self) -> int:
        """Bytes that it has seen."""
        return int(self._inspector.actual_size)

    @property
    def _waits_for_the_end(self) -> bool:
        # A VMDK that was written as a stream repeats its header at the end.
        inspector = self._inspector
        return bool(
            self.name == 'vmdk'
            and inspector.has_region('footer')
            and inspector.has_region('descriptor')
            and inspector.region('descriptor').complete
        )

    def _run(self, name: str, method: str) -> dict[str, str]:
        try:
            getattr(self._inspector, method)()
        except self._failed as exc:
            failures: dict[str, Exception] = getattr(exc, 'failures', {})
            return {
                printing.safe(name): _text_of(failure)
                for name, failure in failures.items()
            } or {self.name: _text_of(exc)}
        except Exception as exc:
            if signals.find_raised(exc) is not None:
                raise
            return {name: _text_of(exc)}
        return {}


def _text_of(exc: Exception) -> str:
    return printing.safe(str(exc)) or type(exc).__name__
