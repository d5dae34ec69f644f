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

"""What can go wrong with a download, by topic.

Each error is an :class:`ImageStreamError`, and also of the class that code
which was written for openstacksdk alone catches in its place:

- An error of openstacksdk, :class:`openstack.exceptions.SDKException`, unless
  the request of a call got no response. There upstream's call raises an error
  of keystoneauth, which is no SDKException, and so does this package. To be
  both would not do: Ironic's client, for one, catches SDKException first, and
  retries only what remains.
- For a response with an unwanted status, the SDK's HttpException.
- For what may be raised while the body of a response is read, a
  RequestException of requests.

Errors of the local machine (a full disk, a missing permission) are not
translated: they reach the caller as the :class:`OSError` they are.

Each error has its values as attributes, and survives a round trip through
:mod:`pickle`.
"""

from openstack_image_stream.exceptions._base import ForeignServiceError
from openstack_image_stream.exceptions._base import ImageStreamError
from openstack_image_stream.exceptions._base import InvalidArgumentError
from openstack_image_stream.exceptions._base import NotRegisteredError
from openstack_image_stream.exceptions._base import OutputError
from openstack_image_stream.exceptions._base import UnsupportedPlatformError
from openstack_image_stream.exceptions._checks import ChecksumMismatchError
from openstack_image_stream.exceptions._checks import REFUSALS as REFUSALS
from openstack_image_stream.exceptions._checks import SignatureError
from openstack_image_stream.exceptions._checks import UncheckableImageError
from openstack_image_stream.exceptions._checks import UnsafeImageError
from openstack_image_stream.exceptions._checks import UnusableHashError
from openstack_image_stream.exceptions._checks import UnverifiableImageError
from openstack_image_stream.exceptions._contents import DownloadClosedError
from openstack_image_stream.exceptions._contents import ImageChangedError
from openstack_image_stream.exceptions._contents import RangeNotSupportedError
from openstack_image_stream.exceptions._contents import ReadError
from openstack_image_stream.exceptions._copying import CopyFailedError
from openstack_image_stream.exceptions._copying import EncryptedImageError
from openstack_image_stream.exceptions._copying import NotCopyableError
from openstack_image_stream.exceptions._service import AuthenticationError
from openstack_image_stream.exceptions._service import ConnectionFailedError
from openstack_image_stream.exceptions._service import ConnectionTimeoutError
from openstack_image_stream.exceptions._service import IdentityServiceError
from openstack_image_stream.exceptions._service import ImageDataMissingError
from openstack_image_stream.exceptions._service import IncompleteDownloadError
from openstack_image_stream.exceptions._service import InterruptedDownloadError
from openstack_image_stream.exceptions._service import RequestFailedError
from openstack_image_stream.exceptions._service import ServiceAccessError
from openstack_image_stream.exceptions._service import TLSError
from openstack_image_stream.exceptions._service import UnexpectedResponseError

__all__ = [
    'AuthenticationError',
    'ChecksumMismatchError',
    'ConnectionFailedError',
    'ConnectionTimeoutError',
    'CopyFailedError',
    'DownloadClosedError',
    'EncryptedImageError',
    'ForeignServiceError',
    'IdentityServiceError',
    'ImageChangedError',
    'ImageDataMissingError',
    'ImageStreamError',
    'IncompleteDownloadError',
    'InterruptedDownloadError',
    'InvalidArgumentError',
    'NotCopyableError',
    'NotRegisteredError',
    'OutputError',
    'RangeNotSupportedError',
    'ReadError',
    'RequestFailedError',
    'ServiceAccessError',
    'SignatureError',
    'TLSError',
    'UncheckableImageError',
    'UnexpectedResponseError',
    'UnsafeImageError',
    'UnsupportedPlatformError',
    'UnusableHashError',
    'UnverifiableImageError',
]

# Tracebacks, pickles and the documentation name the public module.
for _name in __all__:
    globals()[_name].__module__ = __name__
