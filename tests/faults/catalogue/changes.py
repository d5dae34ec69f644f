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

"""What can become of one response on its way from a server to a client.

The faults of the matrix are made of these changes, and the soak draws them by
chance. Each says which errors a download may end in because of it.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any, ClassVar

from openstack import exceptions as sdk_exceptions

from openstack_image_stream import exceptions
from tests.servers import responses

#: Statuses that a further attempt may cure.
CURABLE = (401, 408, 429, 500, 502, 503, 504)

Errors = tuple[type[Exception], ...]


@dataclasses.dataclass(frozen=True)
class Context:
    """Where a response is changed.

    :param at: Byte of the body where it happens, for changes that do not say;
        its last one where it has fewer.
    :param elsewhere: URL of another server.
    :param data: The image.
    :param other: Another image of the same size.
    """

    at: int = 0
    elsewhere: str = ''
    data: bytes = dataclasses.field(default=b'', repr=False)
    other: bytes = dataclasses.field(default=b'', repr=False)


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of a response; by itself it changes nothing."""

    #: Errors that a download may end in because of it alone.
    errors: ClassVar[Errors] = ()
    #: Errors that it may end in when there were too many such changes.
    last_errors: ClassVar[Errors] = (exceptions.IncompleteDownloadError,)
    #: Whether the attempt fails.
    fails: ClassVar[bool] = True
    #: Whether an attempt that fails brought new bytes all the same.
    progresses: ClassVar[bool] = False
    #: Whether only a hash shows it.
    corrupts: ClassVar[bool] = False
    #: Whether it takes the length in the metadata to see it.
    needs_size: ClassVar[bool] = False
    #: Whether it lasts until the client's idle timeout.
    silent: ClassVar[bool] = False
    #: Whether the store turns out to serve no ranges.
    refuses: ClassVar[bool] = False
    #: Seconds during which connections are refused afterwards.
    absent: ClassVar[float | None] = None

    def begin(self, server: Any) -> None:
        """Change the server before it responds."""

    def __call__(
        self, response: responses.Response, context: Context
    ) -> responses.Response:
        """Return what is sent in place of an honest response."""
        return response


def position(
    at: float | None, response: responses.Response, context: Context
) -> int:
    """Return the byte of a body where something happens.

    :param at: A byte, or a fraction of the body where it is no whole number;
        ``None`` for that of the context.
    :param response: Whose body it is.
    :param context: See there.
    """
    size = len(response.body)
    if isinstance(at, float):
        at = int(at * size)
    return max(0, min(context.at if at is None else at, size - 1))


@dataclasses.dataclass(frozen=True)
class Cut(Change):
    """The body ends early, with the connection.

    :param at: Behind which byte.
    :param reset: Whether by a reset (RST), which may take bytes with it, and
        not by an end (FIN).
    :param least: Bytes that are sent at least.
    :param changes: What is different besides.
    """

    at: float | None = None
    reset: bool = False
    least: int = 0
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def progresses(self) -> bool:  # type: ignore[override]
        """Whether there is a new byte in any case."""
        return self.least > 0 and not self.reset

    def __call__(
        self, response: responses.Response, context: Context
    ) -> responses.Response:
        after = max(position(self.at, response, context), self.least)
        return dataclasses.replace(
            response, cut_after=after, reset=self.reset, **self.changes
        )


@dataclasses.dataclass(frozen=True)
class CutEvery(Change):
    """Every body that is longer than this is cut.

    :param amount: Bytes.
    """

    amount: int

    def __call__(
        self, response: responses.Response, context: Context
    ) -> responses.Response:
        cut = self.amount if self.amount < len(response.body) else None
        return dataclasses.replace(response, cut_after=cut)


@dataclasses.dataclass(frozen=True)
class HangUp(Change):
    """There is no response; the connection ends.

    :param absent: Seconds during which connections are refused, if any.
    """

    absent: float | None = None  # type: ignore[misc]

    def __call__(
        self, response: responses.Response, context: Context
    ) -> responses.Response:
        return responses.Response(hang_up=True, absent=self.absent)


@dataclasses.dataclass(frozen=True)
class Silence(Change):
    """The server stops sending, and the connection stays open.

    :param at: From which byte on; -1 for no response at all.
    """

    at: float | None = None
    silent = True

    def __call__(
        self, response: responses.Response, context: Context
    ) -> responses.Response:
        after = position(self.at, response, context)
        return dataclasses.replace(
            response, silent_after=-1 if self.at == -1 else after
        )


@dataclasses.dataclass(frozen=True)
class Slow(Change):
    """The body is sent slowly, which is no failure.

    :param pause: Seconds between two portions.
    :param amount: Bytes of a portion.
    :param portions: How many portions, instead of an amount.
    """

    pause: float
    amount: int = 0
    portions: int = 1
    fails = False

    def __call__(
        self, response: responses.Response, context: Context
    ) -> responses.Response:
        amount = self.amount or max(len(response.body) // self.portions, 1)
        return dataclasses.replace(response, throttle=(amount, self.pause))


@dataclasses.dataclass(frozen=True)
class Status(Change):
    """Another status, and no image.

    :param code: The status.
    :param headers: Headers; ``{elsewhere}`` is the URL of another server.
    :param body: The body, instead of a short one.
    """

    code: int
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = dataclasses.field(default=b'', repr=False)
    last_errors = (
        exceptions.IncompleteDownloadError,
        sdk_exceptions.HttpException,
    )

    @property
    def errors(self) -> Errors:  # type: ignore[override]
        """Those of a status that no further attempt cures."""
        return () if self.code in CURABLE else _FATAL

    def __call__(
        self, response: responses.Response, context: Context
    ) -> responses.Response:
        return responses.Response(
            status=self.code,
            headers={
                'Content-Type': 'text/html',
                **{
                    name: value.format(elsewhere=context.elsewhere)
                    for name, value in self.headers.items()
                },
            },
            body=self.body or b'<html><body>%d</body></html>' % self.code,
        )


_FATAL: Errors = (
    sdk_exceptions.HttpException,
    exceptions.ImageDataMissingError,
    exceptions.ImageChangedError,  # 416, where a range was requested
)


@dataclasses.dataclass(frozen=True)
class RefuseRanges(Change):
    """Range requests are refused, as by most stores.

    :param otherwise: What becomes of other responses.
    """

    otherwise: Change = Change()
    fails = False
    refuses = True

    def __call__(
        self, response: responses.Response, context: Context
    ) -> responses.Response:
        change = Status(400) if response.status == 206 else self.otherwise
        return change(response, context)


@dataclasses.dataclass(frozen=True)
class Several(Change):
    """Several changes of the same response, one after the other.

    :param changes: The changes.
    """

    changes: tuple[Change, ...]

    def __call__(
        self, response: responses.Response, context: Context
    ) -> responses.Response:
        for change in self.changes:
            response = change(response, context)
        return response
