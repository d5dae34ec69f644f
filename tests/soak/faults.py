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

"""What a server does wrong in one answer, and which errors that excuses."""

import dataclasses
from typing import Any, ClassVar

from openstack import exceptions as sdk_exceptions

from openstack_image_stream import exceptions
from tests.servers import responses
from tests.soak import images


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that goes wrong with one answer.

    Positions in a body are fractions of it, as nobody knows beforehand which
    part of an image the answer is going to be.
    """

    #: Errors that a download may end in because of it alone.
    errors: ClassVar[tuple[type[Exception], ...]] = ()
    #: Errors that it may end in when there were too many such faults.
    last_errors: ClassVar[tuple[type[Exception], ...]] = (
        exceptions.IncompleteDownloadError,
    )
    #: Whether the attempt fails.
    fails: ClassVar[bool] = True
    #: Whether an attempt that fails brought new bytes all the same.
    gets_on: ClassVar[bool] = False
    #: Whether only a hash shows it.
    corrupts: ClassVar[bool] = False
    #: Whether it takes the length in the metadata to see it.
    needs_size: ClassVar[bool] = False
    #: Whether it lasts until the client's patience is over.
    silent: ClassVar[bool] = False
    #: Whether the store shows to serve no ranges.
    refuses: ClassVar[bool] = False

    def begin(self, server: Any) -> None:
        """Change the server before it answers.

        :param server: A :class:`tests.soak.server.Server`.
        """

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        """Return what is answered in place of an honest answer.

        :param answer: The honest answer.
        :param server: A :class:`tests.soak.server.Server`.
        """
        return answer


def _position(fraction: float, body: bytes) -> int:
    return min(int(fraction * len(body)), max(len(body) - 1, 0))


@dataclasses.dataclass(frozen=True)
class Cut(Fault):
    """The body breaks off, with an end (FIN), behind some new byte.

    :param at: Where.
    """

    at: float
    gets_on = True

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        position = max(_position(self.at, answer.body), 1)
        return dataclasses.replace(answer, cut_after=position)


@dataclasses.dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset (RST), which may take bytes with it.

    :param at: Where.
    """

    at: float

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        position = _position(self.at, answer.body)
        return dataclasses.replace(answer, cut_after=position, reset=True)


@dataclasses.dataclass(frozen=True)
class HangUp(Fault):
    """There is no answer; the connection ends.

    :param absent: Seconds during which nobody listens afterwards, if any.
    """

    absent: float | None = None

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        return responses.Response(hang_up=True, absent=self.absent)


@dataclasses.dataclass(frozen=True)
class Silence(Fault):
    """Nothing comes any more, and the connection stands.

    :param at: Where; negative for no answer at all.
    """

    at: float
    silent = True

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        after = -1 if self.at < 0 else _position(self.at, answer.body)
        return dataclasses.replace(answer, silent_after=after)


@dataclasses.dataclass(frozen=True)
class ConcurrencyController(Fault):
    """The body comes slowly, which is no fault to see.

    :param steps: In how many portions.
    :param pause: Seconds after each.
    """

    steps: int
    pause: float
    fails = False

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        amount = max(len(answer.body) // self.steps, 1)
        return dataclasses.replace(answer, pace=(amount, self.pause))


@dataclasses.dataclass(frozen=True)
class Busy(Fault):
    """A status that another attempt may cure.

    :param status: Which.
    :param retry_after: What it says of when, if anything.
    """

    status: int
    retry_after: str | None = None
    last_errors = (
        exceptions.IncompleteDownloadError,
        sdk_exceptions.HttpException,
    )

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        headers = {}
        if self.retry_after is not None:
            headers['Retry-After'] = self.retry_after
        return responses.Response(
            status=self.status, headers=headers, body=b'not now'
        )


@dataclasses.dataclass(frozen=True)
class Gone(Fault):
    """A status that no attempt cures.

    :param status: Which.
    """

    status: int
    errors = (
        sdk_exceptions.HttpException,
        exceptions.ImageDataMissingError,
        exceptions.ImageChangedError,  # 416, where a range was asked for
    )

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        return responses.Response(status=self.status)


@dataclasses.dataclass(frozen=True)
class RangeRefused(Fault):
    """A range is answered as stores do that have none.

    :param whole: With the whole image (200), not with an error (400).
    """

    whole: bool
    fails = False
    refuses = True

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        if answer.status != 206:
            return answer
        return (
            server.honest() if self.whole else responses.Response(status=400)
        )


@dataclasses.dataclass(frozen=True)
class Flip(Fault):
    """One bit of the body is another.

    :param at: Where.
    """

    at: float
    errors = (exceptions.ChecksumMismatchError,)
    fails = False
    corrupts = True

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        if not answer.body:
            return answer
        body = bytearray(answer.body)
        body[_position(self.at, answer.body)] ^= 1
        return dataclasses.replace(answer, body=bytes(body))


@dataclasses.dataclass(frozen=True)
class Resized(Fault):
    """The body is shorter or longer than it should be.

    :param by: Bytes more, negative for fewer.
    """

    by: int
    errors = (exceptions.ImageChangedError,)
    needs_size = True

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        body = answer.body
        body = body + bytes(self.by) if self.by > 0 else body[: self.by]
        return dataclasses.replace(answer, body=body)


@dataclasses.dataclass(frozen=True)
class Replaced(Fault):
    """From now on there is another image behind the same ID.

    :param image: The other one.
    """

    image: images.Image
    errors = (
        exceptions.ImageChangedError,
        exceptions.ChecksumMismatchError,
        # A shorter one that announces no length only never gets whole.
        exceptions.IncompleteDownloadError,
    )
    fails = False
    corrupts = True

    def begin(self, server: Any) -> None:
        server.show(self.image)


@dataclasses.dataclass(frozen=True)
class Garbage(Fault):
    """Something else is in the body.

    :param body: What.
    """

    body: bytes
    errors = (
        exceptions.UnexpectedResponseError,
        exceptions.IncompleteDownloadError,
    )

    def change(
        self, answer: responses.Response, server: Any
    ) -> responses.Response:
        return dataclasses.replace(answer, body=self.body)
