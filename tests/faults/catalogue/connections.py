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

"""Faults in which no image is sent: broken connections, statuses."""

from tests.faults.catalogue import base
from tests.faults.catalogue import changes

_RESUMES = 'resumes at the next byte'
_RETRIES = 'retries'

#: Where a response ends whose rest is requested as a range.
_EARLY = base.MIB + 1

#: Seconds that no test lasts.
_ALWAYS = 1000.0

_SOON = {'Retry-After': '1'}

#: Some 20 kB/s, and what is not enough.
_TRICKLE = changes.Slow(0.05, 1000)
_LOW_SPEED = {'low_speed_limit': 100_000, 'low_speed_time': 0.5}

CONNECTIONS = [
    base.ResponseFault(
        name='none',
        title='none, every response is correct',
        promise='the image',
    ),
    base.ResponseFault(
        name='closed',
        title='the connection is closed, at any byte',
        promise=_RESUMES,
        changes=(changes.Cut(),),
        places=8,
    ),
    base.ResponseFault(
        name='reset',
        title='the connection is reset, at any byte',
        promise=_RESUMES,
        changes=(changes.Cut(reset=True),),
        places=8,
    ),
    base.ResponseFault(
        name='closed-often',
        title='the connection is closed after every 4 MiB',
        promise=_RESUMES,
        changes=(changes.CutEvery(4 * base.MIB),),
        always=True,
        brief=False,
    ),
    base.ResponseFault(
        name='hung-up',
        title='the connection is closed without a response',
        promise=_RETRIES,
        changes=(changes.HangUp(),),
    ),
    base.ResponseFault(
        name='refused',
        title='closed, then connections are refused for a moment',
        promise=_RESUMES,
        changes=(changes.Cut(changes={'absent': 0.3}),),
        # With two attempts, both may come too early.
        options={'retries': 6},
    ),
    base.ResponseFault(
        name='refused-for-ever',
        title='closed, then connections are refused',
        promise='IncompleteDownloadError, partial file',
        changes=(changes.Cut(changes={'absent': _ALWAYS}),),
        error='IncompleteDownloadError',
        # Of several ranges the first never becomes whole.
        keeps=('path', 'connections'),
    ),
    base.ResponseFault(
        name='no-response',
        title='no response',
        promise='retries after the timeout',
        changes=(changes.Silence(-1),),
        brief=False,
    ),
    base.ResponseFault(
        name='silent',
        title='the server stops sending, at any byte',
        promise='resumes after the timeout',
        changes=(changes.Silence(),),
        places=4,
    ),
    base.ResponseFault(
        name='silent-for-ever',
        title='the server stops sending, again and again',
        promise='IncompleteDownloadError, partial file',
        changes=(changes.Silence(), changes.Silence(-1)),
        always=True,
        error='IncompleteDownloadError',
        keeps=('path', 'connections'),
        brief=False,
    ),
    base.ResponseFault(
        name='range-for-ever',
        title='one range of several is sent, the others never',
        promise='IncompleteDownloadError, partial file',
        changes=(changes.Change(), changes.Silence(-1)),
        always=True,
        error='IncompleteDownloadError',
        keeps=('connections',),
        modes=('connections',),
        brief=False,
    ),
    base.ResponseFault(
        name='trickle',
        title='a trickle that lasts longer than the timeout',
        promise='the image',
        changes=(changes.Slow(0.06, base.MIB // 2),),
        always=True,
        brief=False,
    ),
    base.ResponseFault(
        name='trickle-ended',
        title='a trickle, slower than low_speed_limit',
        promise=_RESUMES,
        changes=(_TRICKLE,),
        options=_LOW_SPEED,
    ),
    base.ResponseFault(
        name='trickle-for-ever',
        title='a trickle, slower than low_speed_limit, again and again',
        promise='IncompleteDownloadError, partial file',
        changes=(_TRICKLE,),
        always=True,
        error='IncompleteDownloadError',
        keeps=('path', 'connections'),
        options={**_LOW_SPEED, 'retries': 1},
        brief=False,
    ),
    base.ResponseFault(
        name='trickle-until-the-deadline',
        title='a trickle that would last longer than the deadline',
        promise='IncompleteDownloadError at the deadline, partial file',
        changes=(changes.Change(), changes.Slow(0.05, 1000)),
        always=True,
        error='IncompleteDownloadError',
        # Over one connection everything has come before.
        modes=('connections',),
        keeps=('connections',),
        options={'deadline': 2.0},
        brief=False,
    ),
    base.ResponseFault(
        name='chunked-cut',
        title='a chunked body is cut',
        promise=_RESUMES,
        changes=(changes.Cut(changes={'framing': 'chunked'}),),
    ),
    base.ResponseFault(
        name='unframed-cut',
        title='a body without a length is cut',
        promise=_RESUMES,
        changes=(changes.Cut(changes={'framing': 'close'}),),
        brief=False,
    ),
    base.ResponseFault(
        name='no-ranges',
        title='closed at any byte, by a store without ranges',
        promise='requests the whole image, discards what it has',
        changes=(changes.Cut(), changes.RefuseRanges()),
        always=True,
        places=4,
    ),
    base.ResponseFault(
        name='no-ranges-for-ever',
        title='always closed at the same byte, without ranges',
        promise='IncompleteDownloadError, partial file',
        changes=(changes.RefuseRanges(changes.Cut()),),
        always=True,
        error='IncompleteDownloadError',
        # Without ranges there is one connection.
        keeps=('path', 'connections'),
        brief=False,
    ),
]


def _once(code: int, **headers: str) -> base.ResponseFault:
    suffix = ', Retry-After 1' if headers else ''
    return base.ResponseFault(
        name=f'{code}-once',
        title=f'{code} once{suffix}',
        promise=_RETRIES,
        changes=(changes.Status(code, headers),),
        brief=code == 503,
    )


STATUSES = [
    base.ResponseFault(
        name='401-once',
        title='401 once, as when a token has run out',
        promise='gets a new token, and retries',
        changes=(changes.Status(401),),
    ),
    base.ResponseFault(
        name='401',
        title='401 always',
        promise='HttpException',
        changes=(changes.Status(401),),
        always=True,
        error='HttpException',
    ),
    base.ResponseFault(
        name='403',
        title='403',
        promise='ForbiddenException',
        changes=(changes.Status(403),),
        always=True,
        error='ForbiddenException',
        brief=False,
    ),
    base.ResponseFault(
        name='403-later',
        title='closed, and then 403',
        promise='ForbiddenException, partial file',
        changes=(changes.Cut(_EARLY), changes.Status(403)),
        always=True,
        error='ForbiddenException',
        keeps=('path', 'connections'),
        brief=False,
    ),
    base.ResponseFault(
        name='404',
        title='404',
        promise='NotFoundException',
        changes=(changes.Status(404),),
        always=True,
        error='NotFoundException',
    ),
    base.ResponseFault(
        name='404-later',
        title='closed, and then 404',
        promise='NotFoundException, no partial file',
        changes=(changes.Cut(_EARLY), changes.Status(404)),
        always=True,
        error='NotFoundException',
        brief=False,
    ),
    _once(408),
    _once(429, **_SOON),
    _once(500),
    _once(502),
    _once(503, **_SOON),
    _once(504),
    base.ResponseFault(
        name='500',
        title='500 always',
        promise='HttpException',
        changes=(changes.Status(500),),
        always=True,
        error='HttpException',
    ),
    base.ResponseFault(
        name='500-later',
        title='closed, and then 500 always',
        promise='IncompleteDownloadError, partial file',
        changes=(changes.Cut(_EARLY), changes.Status(500)),
        always=True,
        error='IncompleteDownloadError',
        keeps=('path', 'connections'),
        brief=False,
    ),
    base.ResponseFault(
        name='204',
        title='204, an image without data',
        promise='ImageDataMissingError',
        changes=(changes.Status(204),),
        always=True,
        error='ImageDataMissingError',
    ),
    base.ResponseFault(
        name='404-endless',
        title='404, with 50 MiB of text',
        promise='NotFoundException',
        changes=(changes.Status(404, body=bytes(50 * base.MIB)),),
        always=True,
        error='NotFoundException',
        brief=False,
    ),
    base.ResponseFault(
        name='500-endless',
        title='500 always, with 50 MiB of text',
        promise='HttpException',
        changes=(changes.Status(500, body=bytes(50 * base.MIB)),),
        always=True,
        error='HttpException',
        brief=False,
    ),
    base.ResponseFault(
        name='metadata-503',
        title='503 once, to the request for the metadata',
        promise=_RETRIES,
        metadata_changes=(changes.Status(503),),
    ),
    base.ResponseFault(
        name='metadata-403',
        title='403, to the request for the metadata',
        promise='ForbiddenException',
        metadata_changes=(changes.Status(403),),
        always=True,
        error='ForbiddenException',
        brief=False,
    ),
]
