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

"""Faults of what a service says of an image: hashes, headers, redirects."""

from tests.faults.catalogue import base
from tests.faults.catalogue import changes
from tests.faults.catalogue import content_changes
from tests.servers import scripted

_MISMATCH = 'ChecksumMismatchError'

#: What is asked for after it is a range, in every mode.
_CUT = changes.Cut(base.MIB + 1)

_NO_MULTIHASH = {'os_hash_algo': None, 'os_hash_value': None}

HASHES = [
    base.ResponseFault(
        name='no-hash',
        title='no hash at all',
        promise='the image, and a warning',
        metadata={**_NO_MULTIHASH, 'checksum': None},
    ),
    base.ResponseFault(
        name='no-hash-cut',
        title='no hash and no length, and closed again and again',
        promise='IncompleteDownloadError, no file',
        metadata={**_NO_MULTIHASH, 'checksum': None},
        changes=(changes.Cut(changes={'framing': 'close'}), changes.Cut(0)),
        always=True,
        error='IncompleteDownloadError',
        brief=False,
    ),
    base.ResponseFault(
        name='md5',
        title='only MD5',
        promise='the image',
        metadata=_NO_MULTIHASH,
        brief=False,
    ),
    base.ResponseFault(
        name='md5-flipped',
        title='only MD5, and a flipped bit',
        promise=f'{_MISMATCH}, no file',
        metadata=_NO_MULTIHASH,
        changes=(content_changes.Flip(),),
        error=_MISMATCH,
    ),
    base.ResponseFault(
        name='header-md5-flipped',
        title='MD5 in a header alone, and a flipped bit',
        promise=f'{_MISMATCH}, no file',
        metadata={**_NO_MULTIHASH, 'checksum': None},
        changes=(
            changes.Several(
                (
                    content_changes.Flip(),
                    content_changes.Headers({'Content-MD5': base.MD5}),
                )
            ),
        ),
        error=_MISMATCH,
        brief=False,
    ),
    base.ResponseFault(
        name='wrong-hash',
        title='the hash of another image',
        promise=f'{_MISMATCH}, no file',
        metadata={'os_hash_value': 64 * '0f'},
        error=_MISMATCH,
    ),
    base.ResponseFault(
        name='unknown-hash',
        title='a hash algorithm that Python does not know',
        promise='UnusableHashError',
        metadata={'os_hash_algo': 'whirlpool-2000'},
        error='UnusableHashError',
    ),
    base.ResponseFault(
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
    base.ResponseFault(
        name='redirect',
        title='a redirect to another path of the host',
        promise='follows it',
        changes=(changes.Status(302, {'Location': '/v2/images/moved/file'}),),
    ),
    base.ResponseFault(
        name='redirect-elsewhere',
        title='a redirect to another host',
        promise='UnexpectedResponseError, no token sent there',
        changes=(changes.Status(302, {'Location': f'{_FOREIGN}/file'}),),
        always=True,
        error='UnexpectedResponseError',
    ),
    base.ResponseFault(
        name='redirect-later',
        title='closed, and then a redirect to another host',
        promise='UnexpectedResponseError, no token sent there',
        changes=(_CUT, changes.Status(307, {'Location': f'{_FOREIGN}/file'})),
        always=True,
        error='UnexpectedResponseError',
        keeps=('path', 'connections'),
        brief=False,
    ),
    base.ResponseFault(
        name='metadata-redirect',
        title='the metadata: a redirect to another host',
        promise='UnexpectedResponseError, no token sent there',
        metadata_changes=(changes.Status(302, {'Location': _FOREIGN}),),
        always=True,
        error='UnexpectedResponseError',
    ),
    base.ResponseFault(
        name='redirect-circle',
        title='a redirect loop',
        promise='UnexpectedResponseError',
        changes=(changes.Status(302, {'Location': '/v2/images/moved/file'}),),
        always=True,
        error='UnexpectedResponseError',
        brief=False,
    ),
    base.ResponseFault(
        name='long-header',
        title='a header of 70 KiB, once',
        promise='retries',
        changes=(content_changes.Headers({'X-Filler': 70 * 1024 * 'x'}),),
        brief=False,
    ),
    base.ResponseFault(
        name='long-header-for-ever',
        title='a header of 70 KiB, always',
        promise='IncompleteDownloadError, no file',
        changes=(content_changes.Headers({'X-Filler': 70 * 1024 * 'x'}),),
        always=True,
        error='IncompleteDownloadError',
        brief=False,
    ),
    base.ResponseFault(
        name='many-headers',
        title='200 headers, always',
        promise='IncompleteDownloadError, no file',
        changes=(
            content_changes.Headers(
                {f'X-Filler-{n}': str(n) for n in range(200)}
            ),
        ),
        always=True,
        error='IncompleteDownloadError',
        brief=False,
    ),
]
