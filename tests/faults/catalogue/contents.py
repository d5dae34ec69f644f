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

"""Faults in which a response is not what it should be, or says so."""

from tests.faults.catalogue import base
from tests.faults.catalogue import changes
from tests.faults.catalogue import content_changes

_RESUMES = 'resumes at the next byte'
_WHOLE = 'requests the whole image, discards what it has'
_RETRIED = 'retries the range'
_MISMATCH = 'ChecksumMismatchError'
_CHANGED = 'ImageChangedError'

#: What is asked for after it is a range, in every mode.
_CUT = changes.Cut(base.MIB + 1)

#: The login page of an intermediary.
_LOGIN = changes.Status(200, body=b'<html>Please log in</html>')


def _of_a_byte_more(content_range: str) -> str:
    """Return the range as one of an image that is a byte longer."""
    return f'{content_range.partition("/")[0]}/{len(base.DATA) + 1}'


LENGTHS = [
    base.ResponseFault(
        name='announced-shorter',
        title='a Content-Length of a byte less than the image',
        promise=f'{_CHANGED}; of a range: the image',
        changes=(content_changes.Announce(-1),),
        error=_CHANGED,
        errors={'connections': None},
    ),
    base.ResponseFault(
        name='announced-longer',
        title='a Content-Length of a byte more than the image',
        promise=f'{_CHANGED}; of a range: the image',
        changes=(content_changes.Announce(1),),
        error=_CHANGED,
        errors={'connections': None},
        brief=False,
    ),
    base.ResponseFault(
        name='range-announced-shorter',
        title='a Content-Length of a byte less than the range',
        promise=_RESUMES,
        changes=(_CUT, content_changes.Announce(-1)),
        brief=False,
    ),
    base.ResponseFault(
        name='longer',
        title='a byte more than the image, without a length',
        promise=f'{_CHANGED}; of a range: the image',
        changes=(content_changes.Resize(1, {'framing': 'close'}),),
        error=_CHANGED,
        errors={'connections': None},
    ),
    base.ResponseFault(
        name='chunked-longer',
        title='a byte more than the image, in chunks',
        promise=f'{_CHANGED}; of a range: the image',
        changes=(content_changes.Resize(1, {'framing': 'chunked'}),),
        error=_CHANGED,
        errors={'connections': None},
        brief=False,
    ),
    base.ResponseFault(
        name='metadata-shorter',
        title='metadata with a byte less than the image',
        promise=_CHANGED,
        metadata={'size': len(base.DATA) - 1},
        error=_CHANGED,
        brief=False,
    ),
    base.ResponseFault(
        name='no-size',
        title='metadata without a size, and closed',
        promise=_RESUMES,
        metadata={'size': None},
        changes=(changes.Cut(),),
        brief=False,
    ),
]

BYTES = [
    base.ResponseFault(
        name='flipped',
        title='a flipped bit, at any byte',
        promise=f'{_MISMATCH}, no file',
        changes=(content_changes.Flip(),),
        places=8,
        error=_MISMATCH,
    ),
    base.ResponseFault(
        name='flipped-later',
        title='closed, and a flipped bit in the rest, at any byte',
        promise=f'{_MISMATCH}, no file',
        changes=(_CUT, content_changes.Flip()),
        places=4,
        error=_MISMATCH,
    ),
    base.ResponseFault(
        name='replaced',
        title='closed, and the rest is of another image',
        promise=f'{_MISMATCH}, no file',
        changes=(_CUT, content_changes.OtherImage()),
        error=_MISMATCH,
        brief=False,
    ),
    base.ResponseFault(
        name='replaced-openly',
        title='closed, and the rest has another Content-MD5',
        promise=f'{_MISMATCH}, no file',
        changes=(
            _CUT,
            changes.Several(
                (
                    content_changes.OtherImage(),
                    content_changes.Headers({'Content-MD5': base.OTHER_MD5}),
                )
            ),
        ),
        error=_MISMATCH,
    ),
]

RANGES = [
    base.ResponseFault(
        name='400-to-range',
        title='closed, and then 400 to the range',
        promise=_WHOLE,
        changes=(_CUT, changes.RefuseRanges()),
    ),
    base.ResponseFault(
        name='416-to-range',
        title='closed, and then 416 to the range',
        promise=_RETRIED,
        changes=(_CUT, changes.Status(416)),
    ),
    base.ResponseFault(
        name='200-to-range',
        title='closed, and then the whole image for the range',
        promise=_WHOLE,
        changes=(_CUT, content_changes.IgnoreRanges()),
    ),
    base.ResponseFault(
        name='range-elsewhere',
        title='closed, and then a Content-Range of other bytes',
        promise=_WHOLE,
        changes=(
            _CUT,
            content_changes.Headers(
                {'Content-Range': f'bytes 1-{base.MIB}/{len(base.DATA)}'}
            ),
        ),
    ),
    base.ResponseFault(
        name='range-of-other-total',
        title='closed, and then a Content-Range of another size',
        promise=_RETRIED,
        changes=(
            _CUT,
            content_changes.Headers({'Content-Range': _of_a_byte_more}),
        ),
    ),
    base.ResponseFault(
        name='login-page',
        title='closed, and then the login page of a proxy',
        promise=_RETRIED,
        changes=(
            _CUT,
            _LOGIN,
        ),
    ),
    base.ResponseFault(
        name='login-page-for-ever',
        title='closed, and then a login page for ever',
        promise='IncompleteDownloadError, no file',
        changes=(
            _CUT,
            _LOGIN,
        ),
        always=True,
        error='IncompleteDownloadError',
        keeps=('path',),
        brief=False,
    ),
    base.ResponseFault(
        name='range-without-range',
        title='closed, and then 206 without a Content-Range',
        promise=_WHOLE,
        changes=(_CUT, content_changes.Headers({'Content-Range': None})),
        brief=False,
    ),
]

CODINGS = [
    base.ResponseFault(
        name='gzip',
        title='a compressed response',
        promise='the image',
        changes=(content_changes.Compress(),),
    ),
    base.ResponseFault(
        name='gzip-cut',
        title='a compressed response is cut',
        promise=_WHOLE,
        changes=(content_changes.Compress({'cut_after': 10 * base.MIB}),),
        brief=False,
    ),
    base.ResponseFault(
        name='gzip-unframed-cut',
        title='a compressed response without a length is cut',
        promise=_WHOLE,
        changes=(
            content_changes.Compress(
                {'cut_after': 10 * base.MIB, 'framing': 'close'}
            ),
        ),
        brief=False,
    ),
    base.ResponseFault(
        name='unknown-coding',
        title='an unknown content coding',
        promise='the image, if the bytes are its own',
        changes=(content_changes.Headers({'Content-Encoding': 'rot13'}),),
        always=True,
    ),
]
