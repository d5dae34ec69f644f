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

"""What is measured: every scenario, as data."""

import collections.abc
import dataclasses

MIB = 1024 * 1024

#: What a verified download to a file cannot do without: it takes at least
#: as long as the longer of the two.
FLOOR = ('curl-fsync', 'hash')

#: What the machine can do, or a part of what others do.
REFERENCES = (
    *(*FLOOR, 'curl-null', 'osc-show'),
    *('hash-files', 'sha512sum', 'local-random'),
)

#: One connection, and several.
NUMBERS = ('plugin-path', *(f'plugin-path-{n}' for n in (2, 4, 8)))

#: Origins that limit what a connection brings: there is no floor.
LIMITED = ('capped', 'delayed')

#: How many downloads at a time, and connections, growth is measured with.
AT_ONCE = (1, 2, 4, 8, 16, 32, 64)
CONNECTIONS = (1, 2, 4, 8, 16, 32)

_PATHS = (*NUMBERS, 'plugin-path-auto')
_IN_MEMORY = ('plugin-stream', 'plugin-memory', 'sdk-stream')
_SDK = ('sdk-stream-path', 'sdk-path')
_CLIENTS = ('osc-plugin', 'osc', 'osc-show', 'glanceclient')
_TOOLS = ('curl-tee', 'aria2-1', 'aria2-8', 'curl-null')

_ALL = _PATHS + _IN_MEMORY + _SDK + _CLIENTS + _TOOLS
_TO_FILE = (*_PATHS[::2], *_SDK[:1], 'curl-tee', 'curl-null')
_FROM_GLANCE = (*_PATHS, *_SDK, *_CLIENTS, 'curl-tee', 'curl-null')
_CALLS = ('plugin-path', 'plugin-stream', 'sdk-stream', *_SDK)

#: Whose memory is measured for several sizes.
MEMORY = ('plugin-path', 'plugin-stream', 'sdk-stream-path')

_CAPPED = (*_PATHS, 'aria2-8')
_CHECKS = (
    'plugin-path',
    'plugin-path-format',
    'plugin-path-sha512',
    'plugin-path-sha256',
    'plugin-path-signed',
)
_COPIES = (
    *('copy-plugin', 'copy-osc-plugin', 'copy-osc', 'copy-curl'),
    'copy-curl-chunked',
)
_AUDITS = ('audit-plugin', 'hash-files')
_IN_SEQUENCE = ('plugin-path', 'plugin-stream', 'sdk-stream', 'sdk-path')
_VERIFY = ('verify-plugin', 'sha512sum', 'hash')

#: What takes long in most scenarios.
_SLOW = (
    *('plugin-memory', 'sdk-path', *_CLIENTS, *_TOOLS),
    *('copy-osc-plugin', 'copy-curl-chunked'),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What is done with an image.

    :param title: For tables.
    :param content: Of the image: ``random``, ``qcow2`` with a partition
        table in it, or ``zip``.
    :param columns: Of tables, beside those that all have.
    """

    title: str
    content: str = 'random'
    columns: tuple[str, ...] = ()


TASKS = {
    'download': Task(title='download'),
    'checks': Task(title='download with checks'),
    'sequence': Task(
        title='downloads one after the other, of the same image',
        columns=('rate',),
    ),
    'copy': Task(title='copy to another Glance', columns=('written',)),
    'audit': Task(title='audit, two images at a time', columns=('rate',)),
    'verify': Task(title='verify a local file'),
    'qcow2': Task(
        title='header, and partition table of the guest', content='qcow2'
    ),
    'zip': Task(title='list the files of a zip archive', content='zip'),
    'reads': Task(title='100 random reads of 64 KiB'),
    'sizes': Task(title='download', columns=('threads',)),
    'connections': Task(title='download', columns=('threads',)),
    'at-once': Task(
        title='several downloads at a time, in one process',
        columns=('threads',),
    ),
}


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Some downloaders that download the same image from and to the same.

    :param origin: ``glance``, ``nginx`` or one of the slower ones, see
        :mod:`benchmarks.origins`.
    :param scheme: ``http`` or ``https``.
    :param place: Where the file goes: ``tmpfs`` or ``disk``.
    :param size: Of the image, in MiB.
    :param rounds: How often each downloader has its turn.
    :param downloaders: Names from :mod:`benchmarks.downloaders`.
    :param task: What they do, from :data:`TASKS`.
    :param count: How many images of the size.
    :param once: Those that have a single turn, as they take very long, and
        always the same.
    :param slow: Those that have every third turn only, as they take long.
    """

    origin: str
    scheme: str
    place: str
    size: int
    rounds: int
    downloaders: tuple[str, ...]
    task: str = 'download'
    count: int = 1
    once: tuple[str, ...] = ()
    slow: tuple[str, ...] = _SLOW

    @property
    def name(self) -> str:
        """What it is called in tables, files and on the command line."""
        return name(self.origin, self.scheme, self.place, self.size, self.task)

    @property
    def floor(self) -> tuple[str, ...]:
        """What it is compared with: nothing if connections are limited."""
        compared = self.task in ('download', 'checks')
        return FLOOR if compared and self.origin not in LIMITED else ()

    @property
    def images(self) -> tuple[str, int, int]:
        """Content, size in MiB, and number of the images that it needs."""
        # In a sequence it is always the same one.
        count = 1 if self.task == 'sequence' else self.count
        return TASKS[self.task].content, self.size, count

    def turns(self, number: int) -> list[str]:
        """Return who has a turn in a round.

        The first one, and so the predecessors, change in every round.
        """
        start = number % len(self.downloaders)
        rotated = self.downloaders[start:] + self.downloaders[:start]
        return [
            each
            for each in rotated
            if number == 0
            or (
                each not in self.once
                and not (number % 3 and each in self.slow)
            )
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A run of the benchmark.

    :param sizes: Those that the targets name, in MiB. A target whose size is
        missing is not measured.
    """

    sizes: collections.abc.Mapping[str, int]
    scenarios: tuple[Scenario, ...]


FULL = Plan(
    sizes={
        'small': 1,
        'medium': 64,
        'some': 256,
        'large': 1024,
        'huge': 4096,
    },
    scenarios=(
        Scenario('nginx', 'http', 'tmpfs', 1024, 9, _ALL),
        Scenario('nginx', 'http', 'disk', 1024, 5, _TO_FILE),
        Scenario('nginx', 'https', 'tmpfs', 1024, 9, _TO_FILE),
        Scenario('glance', 'http', 'disk', 1024, 7, _FROM_GLANCE),
        Scenario('nginx', 'http', 'tmpfs', 4096, 1, MEMORY),
        Scenario('nginx', 'http', 'tmpfs', 64, 3, _ALL),
        Scenario('nginx', 'http', 'tmpfs', 1, 21, _CALLS),
        Scenario('glance', 'http', 'tmpfs', 1, 9, _CALLS),
        Scenario(
            *('nginx', 'http', 'tmpfs', 1, 3, _IN_SEQUENCE, 'sequence', 1000),
            slow=(),
        ),
        Scenario('nginx', 'http', 'tmpfs', 1024, 5, _CHECKS, 'checks'),
        Scenario('nginx', 'http', 'tmpfs', 1024, 5, _VERIFY, 'verify'),
        Scenario('glance', 'http', 'disk', 1024, 5, _COPIES, 'copy'),
        Scenario('glance', 'http', 'tmpfs', 256, 5, _AUDITS, 'audit', 20),
        Scenario(
            *('glance', 'http', 'tmpfs', 64, 9),
            ('open-header', 'open-partitions', 'plugin-path'),
            'qcow2',
        ),
        Scenario(
            *('glance', 'http', 'tmpfs', 64, 9),
            ('open-zip', 'plugin-path'),
            'zip',
        ),
        Scenario(
            *('glance', 'http', 'tmpfs', 64, 9),
            ('open-random', 'open-random-verified', 'local-random'),
            'reads',
        ),
        Scenario('single', 'http', 'tmpfs', 256, 9, _PATHS),
        Scenario('unranged', 'http', 'tmpfs', 256, 9, _PATHS),
        Scenario(
            *('delayed', 'http', 'tmpfs', 256, 5, _PATHS), once=NUMBERS[:2]
        ),
        Scenario(
            *('capped', 'http', 'tmpfs', 1024, 5, _CAPPED),
            once=NUMBERS[:2],
            slow=(),
        ),
    ),
)

QUICK = Plan(
    sizes={'some': 64, 'medium': 64, 'large': 256},
    scenarios=(
        Scenario('nginx', 'http', 'tmpfs', 256, 3, (*_CALLS, *_TOOLS[::3])),
        Scenario(
            *('glance', 'http', 'disk', 256, 3),
            ('plugin-path', *_SDK, 'osc-plugin', 'osc'),
        ),
        Scenario('nginx', 'https', 'tmpfs', 256, 1, MEMORY),
        Scenario('nginx', 'http', 'tmpfs', 64, 3, MEMORY),
        Scenario('nginx', 'http', 'tmpfs', 1, 1, _CALLS, 'sequence', 100),
        Scenario('nginx', 'http', 'tmpfs', 64, 3, _CHECKS, 'checks'),
        Scenario('nginx', 'http', 'tmpfs', 64, 3, _VERIFY, 'verify'),
        Scenario('glance', 'http', 'disk', 256, 1, _COPIES, 'copy'),
        Scenario('glance', 'http', 'tmpfs', 16, 1, _AUDITS, 'audit', 20),
        *(
            dataclasses.replace(each, size=16, rounds=1)
            for each in FULL.scenarios
            if each.task in ('qcow2', 'zip', 'reads')
        ),
        *(
            Scenario(origin, 'http', 'tmpfs', 64, 1, _PATHS)
            for origin in ('single', 'unranged', 'delayed', 'capped')
        ),
    ),
)


def name(
    origin: str, scheme: str, place: str, size: int, task: str = 'download'
) -> str:
    """Return what a scenario is called."""
    prefix = '' if task == 'download' else f'{task}-'
    return f'{prefix}{origin}-{scheme}-{place}-{size}'
