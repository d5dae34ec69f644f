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

"""Faults in which the bytes do not come, or the service says no."""

from tests.faults import answers

_GOES_ON = 'goes on with the next byte'
_ASKS_AGAIN = 'asks again'

#: Where an answer ends whose rest is asked for as a range.
_EARLY = answers.MIB + 1

_FOR_EVER = 1000.0

CONNECTIONS = [
    answers.AnswerFault(
        name='none',
        title='none, every answer is honest',
        promise='the image',
    ),
    answers.AnswerFault(
        name='closed',
        title='the connection is closed, at any byte',
        promise=_GOES_ON,
        spoilers=(answers.cut(),),
        places=8,
    ),
    answers.AnswerFault(
        name='reset',
        title='the connection is reset, at any byte',
        promise=_GOES_ON,
        spoilers=(answers.cut(reset=True),),
        places=8,
    ),
    answers.AnswerFault(
        name='closed-often',
        title='the connection is closed after every 4 MiB',
        promise=_GOES_ON,
        spoilers=(answers.cut_every(4 * answers.MIB),),
        for_ever=True,
        brief=False,
    ),
    answers.AnswerFault(
        name='hung-up',
        title='the connection is closed without an answer',
        promise=_ASKS_AGAIN,
        spoilers=(answers.change(hang_up=True),),
    ),
    answers.AnswerFault(
        name='refused',
        title='closed, and then nobody listens for a moment',
        promise=_GOES_ON,
        spoilers=(answers.cut(absent=0.3),),
        # With two attempts, both may come too early.
        options={'retries': 6},
    ),
    answers.AnswerFault(
        name='refused-for-ever',
        title='closed, and then nobody listens any more',
        promise='IncompleteDownloadError, partial file',
        spoilers=(answers.cut(absent=_FOR_EVER),),
        error='IncompleteDownloadError',
        # Of several ranges the first never becomes whole.
        keeps=('path', 'connections'),
    ),
    answers.AnswerFault(
        name='unanswered',
        title='silence in place of an answer',
        promise='asks again after the timeout',
        spoilers=(answers.change(silent_after=-1),),
        brief=False,
    ),
    answers.AnswerFault(
        name='silent',
        title='silence in the middle, at any byte',
        promise='goes on after the timeout',
        spoilers=(answers.silence,),
        places=4,
    ),
    answers.AnswerFault(
        name='silent-for-ever',
        title='silence in the middle, and for ever',
        promise='IncompleteDownloadError, partial file',
        spoilers=(answers.silence, answers.change(silent_after=-1)),
        for_ever=True,
        error='IncompleteDownloadError',
        keeps=('path',),
        brief=False,
    ),
    answers.AnswerFault(
        name='range-for-ever',
        title='one range of several comes, the others never do',
        promise='IncompleteDownloadError, partial file',
        spoilers=(answers.honest, answers.change(silent_after=-1)),
        for_ever=True,
        error='IncompleteDownloadError',
        keeps=('connections',),
        modes=('connections',),
        brief=False,
    ),
    answers.AnswerFault(
        name='trickle',
        title='a trickle that lasts longer than the timeout',
        promise='the image',
        spoilers=(answers.change(pace=(answers.MIB // 2, 0.06)),),
        for_ever=True,
        brief=False,
    ),
    answers.AnswerFault(
        name='chunked-cut',
        title='a chunked body is cut',
        promise=_GOES_ON,
        spoilers=(answers.cut(framing='chunked'),),
    ),
    answers.AnswerFault(
        name='unframed-cut',
        title='a body without a length is cut',
        promise=_GOES_ON,
        spoilers=(answers.cut(framing='close'),),
        brief=False,
    ),
    answers.AnswerFault(
        name='no-ranges',
        title='closed at any byte, by a store without ranges',
        promise='begins again, skips what it has',
        spoilers=(answers.cut(), answers.refuse_ranges),
        for_ever=True,
        places=4,
    ),
    answers.AnswerFault(
        name='no-ranges-for-ever',
        title='closed at one byte for ever, without ranges',
        promise='IncompleteDownloadError, partial file',
        spoilers=(answers.refuse_ranges_and_cut,),
        for_ever=True,
        error='IncompleteDownloadError',
        # Without ranges there is one connection.
        keeps=('path', 'connections'),
        brief=False,
    ),
]


def _once(code: int, **values: str) -> answers.AnswerFault:
    suffix = f', Retry-After {values["Retry_After"]}' if values else ''
    return answers.AnswerFault(
        name=f'{code}-once',
        title=f'{code} once{suffix}',
        promise=_ASKS_AGAIN,
        spoilers=(answers.status(code, **values),),
        brief=code == 503,
    )


STATUSES = [
    answers.AnswerFault(
        name='401-once',
        title='401 once, as when a token has run out',
        promise='asks for a token, and again',
        spoilers=(answers.status(401),),
    ),
    answers.AnswerFault(
        name='401',
        title='401 for ever',
        promise='HttpException',
        spoilers=(answers.status(401),),
        for_ever=True,
        error='HttpException',
    ),
    answers.AnswerFault(
        name='403',
        title='403',
        promise='ForbiddenException',
        spoilers=(answers.status(403),),
        for_ever=True,
        error='ForbiddenException',
        brief=False,
    ),
    answers.AnswerFault(
        name='403-later',
        title='closed, and then 403',
        promise='ForbiddenException, partial file',
        spoilers=(answers.cut(_EARLY), answers.status(403)),
        for_ever=True,
        error='ForbiddenException',
        keeps=('path',),
        brief=False,
    ),
    answers.AnswerFault(
        name='404',
        title='404',
        promise='NotFoundException',
        spoilers=(answers.status(404),),
        for_ever=True,
        error='NotFoundException',
    ),
    answers.AnswerFault(
        name='404-later',
        title='closed, and then 404',
        promise='NotFoundException, no partial file',
        spoilers=(answers.cut(_EARLY), answers.status(404)),
        for_ever=True,
        error='NotFoundException',
        brief=False,
    ),
    _once(408),
    _once(429, Retry_After='1'),
    _once(500),
    _once(502),
    _once(503, Retry_After='1'),
    _once(504),
    answers.AnswerFault(
        name='500',
        title='500 for ever',
        promise='HttpException',
        spoilers=(answers.status(500),),
        for_ever=True,
        error='HttpException',
    ),
    answers.AnswerFault(
        name='500-later',
        title='closed, and then 500 for ever',
        promise='IncompleteDownloadError, partial file',
        spoilers=(answers.cut(_EARLY), answers.status(500)),
        for_ever=True,
        error='IncompleteDownloadError',
        # Not one range is whole there.
        errors={'connections': 'HttpException'},
        keeps=('path',),
        brief=False,
    ),
    answers.AnswerFault(
        name='204',
        title='204, an image without data',
        promise='ImageDataMissingError',
        spoilers=(answers.status(204),),
        for_ever=True,
        error='ImageDataMissingError',
    ),
    answers.AnswerFault(
        name='404-endless',
        title='404, with 50 MiB of text',
        promise='NotFoundException',
        spoilers=(answers.status(404, body=bytes(50 * answers.MIB)),),
        for_ever=True,
        error='NotFoundException',
        brief=False,
    ),
    answers.AnswerFault(
        name='500-endless',
        title='500 for ever, with 50 MiB of text',
        promise='HttpException',
        spoilers=(answers.status(500, body=bytes(50 * answers.MIB)),),
        for_ever=True,
        error='HttpException',
        brief=False,
    ),
    answers.AnswerFault(
        name='metadata-503',
        title='503 once, to the request for the metadata',
        promise=_ASKS_AGAIN,
        descriptions=(answers.status(503),),
    ),
    answers.AnswerFault(
        name='metadata-403',
        title='403, to the request for the metadata',
        promise='ForbiddenException',
        descriptions=(answers.status(403),),
        for_ever=True,
        error='ForbiddenException',
        brief=False,
    ),
]
