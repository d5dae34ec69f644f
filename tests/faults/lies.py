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

"""Faults in which an answer is not what it should be, or says so."""

from tests.faults import answers
from tests.servers import scripted

_GOES_ON = 'goes on with the next byte'
_FROM_THE_START = 'begins again, skips what it has'
_RETRIED = 'retries the range'
_MISMATCH = 'ChecksumMismatchError'
_CHANGED = 'ImageChangedError'

#: What is asked for after it is a range, in every mode.
_CUT = answers.cut(answers.MIB + 1)

_NO_MULTIHASH = {'os_hash_algo': None, 'os_hash_value': None}

LENGTHS = [
    answers.AnswerFault(
        name='announced-shorter',
        title='a Content-Length of a byte less than the image',
        promise=f'{_CHANGED}; of a range: the image',
        spoilers=(answers.announce(-1),),
        error=_CHANGED,
        errors={'connections': None},
    ),
    answers.AnswerFault(
        name='announced-longer',
        title='a Content-Length of a byte more than the image',
        promise=f'{_CHANGED}; of a range: the image',
        spoilers=(answers.announce(1),),
        error=_CHANGED,
        errors={'connections': None},
        brief=False,
    ),
    answers.AnswerFault(
        name='range-announced-shorter',
        title='a Content-Length of a byte less than the range',
        promise=_GOES_ON,
        spoilers=(_CUT, answers.announce(-1)),
        brief=False,
    ),
    answers.AnswerFault(
        name='longer',
        title='a byte more than the image, without a length',
        promise=f'{_CHANGED}; of a range: the image',
        spoilers=(answers.lengthen(framing='close'),),
        error=_CHANGED,
        errors={'connections': None},
    ),
    answers.AnswerFault(
        name='chunked-longer',
        title='a byte more than the image, in chunks',
        promise=f'{_CHANGED}; of a range: the image',
        spoilers=(answers.lengthen(framing='chunked'),),
        error=_CHANGED,
        errors={'connections': None},
        brief=False,
    ),
    answers.AnswerFault(
        name='metadata-shorter',
        title='metadata with a byte less than the image',
        promise=_CHANGED,
        metadata={'size': len(answers.DATA) - 1},
        error=_CHANGED,
        brief=False,
    ),
    answers.AnswerFault(
        name='no-size',
        title='metadata without a size, and closed',
        promise=_GOES_ON,
        metadata={'size': None},
        spoilers=(answers.cut(),),
        brief=False,
    ),
]

BYTES = [
    answers.AnswerFault(
        name='flipped',
        title='a flipped bit, at any byte',
        promise=f'{_MISMATCH}, no file',
        spoilers=(answers.flip,),
        places=8,
        error=_MISMATCH,
    ),
    answers.AnswerFault(
        name='flipped-later',
        title='closed, and a flipped bit in the rest, at any byte',
        promise=f'{_MISMATCH}, no file',
        spoilers=(_CUT, answers.flip),
        places=4,
        error=_MISMATCH,
    ),
    answers.AnswerFault(
        name='replaced',
        title='closed, and the rest is of another image',
        promise=f'{_MISMATCH}, no file',
        spoilers=(_CUT, answers.replace),
        error=_MISMATCH,
        brief=False,
    ),
    answers.AnswerFault(
        name='replaced-openly',
        title='closed, and the rest has another Content-MD5',
        promise=f'{_MISMATCH}, no file',
        spoilers=(
            _CUT,
            lambda answer, scene: answers.headers(
                Content_MD5=answers.OTHER_MD5
            )(answers.replace(answer, scene), scene),
        ),
        error=_MISMATCH,
    ),
]

RANGES = [
    answers.AnswerFault(
        name='400-to-range',
        title='closed, and then 400 to the range',
        promise=_FROM_THE_START,
        spoilers=(_CUT, answers.refuse_ranges),
    ),
    answers.AnswerFault(
        name='416-to-range',
        title='closed, and then 416 to the range',
        promise=_RETRIED,
        spoilers=(_CUT, answers.status(416)),
    ),
    answers.AnswerFault(
        name='200-to-range',
        title='closed, and then the whole image for the range',
        promise=_FROM_THE_START,
        spoilers=(_CUT, answers.ignore_ranges),
    ),
    answers.AnswerFault(
        name='range-elsewhere',
        title='closed, and then a Content-Range of other bytes',
        promise=_FROM_THE_START,
        spoilers=(
            _CUT,
            answers.headers(
                Content_Range=f'bytes 1-{answers.MIB}/{len(answers.DATA)}'
            ),
        ),
    ),
    answers.AnswerFault(
        name='range-of-other-total',
        title='closed, and then a Content-Range of another size',
        promise=_RETRIED,
        spoilers=(_CUT, answers.enlarge_total),
    ),
    answers.AnswerFault(
        name='login-page',
        title='closed, and then the login page of a proxy',
        promise=_RETRIED,
        spoilers=(
            _CUT,
            answers.status(200, body=b'<html>Please log in</html>'),
        ),
    ),
    answers.AnswerFault(
        name='login-page-for-ever',
        title='closed, and then a login page for ever',
        promise='IncompleteDownloadError, no file',
        spoilers=(
            _CUT,
            answers.status(200, body=b'<html>Please log in</html>'),
        ),
        for_ever=True,
        error='IncompleteDownloadError',
        keeps=('path',),
        brief=False,
    ),
    answers.AnswerFault(
        name='range-without-range',
        title='closed, and then 206 without a Content-Range',
        promise=_FROM_THE_START,
        spoilers=(_CUT, answers.headers(Content_Range=None)),
        brief=False,
    ),
]

CODINGS = [
    answers.AnswerFault(
        name='gzip',
        title='a compressed answer',
        promise='the image',
        spoilers=(answers.compress(),),
    ),
    answers.AnswerFault(
        name='gzip-cut',
        title='a compressed answer is cut',
        promise=_FROM_THE_START,
        spoilers=(answers.compress(cut_after=10 * answers.MIB),),
        brief=False,
    ),
    answers.AnswerFault(
        name='gzip-unframed-cut',
        title='a compressed answer without a length is cut',
        promise=_FROM_THE_START,
        spoilers=(
            answers.compress(cut_after=10 * answers.MIB, framing='close'),
        ),
        brief=False,
    ),
    answers.AnswerFault(
        name='unknown-coding',
        title='a coding that nobody knows',
        promise='the image, if the bytes are its own',
        spoilers=(answers.headers(Content_Encoding='rot13'),),
        for_ever=True,
    ),
]

HASHES = [
    answers.AnswerFault(
        name='no-hash',
        title='no hash at all',
        promise='the image, and a warning',
        metadata={**_NO_MULTIHASH, 'checksum': None},
    ),
    answers.AnswerFault(
        name='no-hash-cut',
        title='no hash and no length, and closed again and again',
        promise='IncompleteDownloadError, no file',
        metadata={**_NO_MULTIHASH, 'checksum': None},
        spoilers=(answers.cut(framing='close'), answers.cut(0)),
        for_ever=True,
        error='IncompleteDownloadError',
        brief=False,
    ),
    answers.AnswerFault(
        name='md5',
        title='only MD5',
        promise='the image',
        metadata=_NO_MULTIHASH,
        brief=False,
    ),
    answers.AnswerFault(
        name='md5-flipped',
        title='only MD5, and a flipped bit',
        promise=f'{_MISMATCH}, no file',
        metadata=_NO_MULTIHASH,
        spoilers=(answers.flip,),
        error=_MISMATCH,
    ),
    answers.AnswerFault(
        name='header-md5-flipped',
        title='MD5 in a header alone, and a flipped bit',
        promise=f'{_MISMATCH}, no file',
        metadata={**_NO_MULTIHASH, 'checksum': None},
        spoilers=(
            lambda answer, scene: answers.headers(Content_MD5=answers.MD5)(
                answers.flip(answer, scene), scene
            ),
        ),
        error=_MISMATCH,
        brief=False,
    ),
    answers.AnswerFault(
        name='wrong-hash',
        title='the hash of another image',
        promise=f'{_MISMATCH}, no file',
        metadata={'os_hash_value': 64 * '0f'},
        error=_MISMATCH,
    ),
    answers.AnswerFault(
        name='unknown-hash',
        title='a hash algorithm that Python does not know',
        promise='UnusableHashError',
        metadata={'os_hash_algo': 'whirlpool-2000'},
        error='UnusableHashError',
    ),
    answers.AnswerFault(
        name='malformed-hash',
        title='a hash that is no hexadecimal number',
        promise='UnusableHashError',
        metadata={'os_hash_value': 'not a digest'},
        error='UnusableHashError',
        brief=False,
    ),
]

_FOREIGN = f'{{elsewhere}}/v2/images/{scripted.IMAGE_ID}'

HEADERS = [
    answers.AnswerFault(
        name='redirect',
        title='a redirect to another path of the host',
        promise='follows it',
        spoilers=(answers.status(302, Location='/v2/images/moved/file'),),
    ),
    answers.AnswerFault(
        name='redirect-elsewhere',
        title='a redirect to another host',
        promise='ImageStreamError, no token sent there',
        spoilers=(answers.status(302, Location=f'{_FOREIGN}/file'),),
        for_ever=True,
        error='ImageStreamError',
    ),
    answers.AnswerFault(
        name='redirect-later',
        title='closed, and then a redirect to another host',
        promise='ImageStreamError, no token sent there',
        spoilers=(_CUT, answers.status(307, Location=f'{_FOREIGN}/file')),
        for_ever=True,
        error='ImageStreamError',
        keeps=('path',),
        brief=False,
    ),
    answers.AnswerFault(
        name='metadata-redirect',
        title='the metadata: a redirect to another host',
        promise='ImageStreamError, no token sent there',
        descriptions=(answers.status(302, Location=_FOREIGN),),
        for_ever=True,
        error='ImageStreamError',
    ),
    answers.AnswerFault(
        name='redirect-circle',
        title='redirects in a circle',
        promise='ImageStreamError',
        spoilers=(answers.status(302, Location='/v2/images/moved/file'),),
        for_ever=True,
        error='ImageStreamError',
        brief=False,
    ),
    answers.AnswerFault(
        name='long-header',
        title='a header of 70 KiB, once',
        promise='asks again',
        spoilers=(answers.headers(X_Filler=70 * 1024 * 'x'),),
        brief=False,
    ),
    answers.AnswerFault(
        name='long-header-for-ever',
        title='a header of 70 KiB, for ever',
        promise='IncompleteDownloadError, no file',
        spoilers=(answers.headers(X_Filler=70 * 1024 * 'x'),),
        for_ever=True,
        error='IncompleteDownloadError',
        brief=False,
    ),
    answers.AnswerFault(
        name='many-headers',
        title='200 headers, for ever',
        promise='IncompleteDownloadError, no file',
        spoilers=(
            answers.headers(**{f'X_Filler_{n}': str(n) for n in range(200)}),
        ),
        for_ever=True,
        error='IncompleteDownloadError',
        brief=False,
    ),
]
