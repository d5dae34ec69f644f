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

"""Image downloads for openstacksdk that stream, verified."""

from typing import TYPE_CHECKING

from openstack_image_stream._audit_result import AuditResult
from openstack_image_stream._auditing import Audit
from openstack_image_stream._check.digests import find_digest
from openstack_image_stream._inspection import ImageInspection
from openstack_image_stream._installation import install
from openstack_image_stream._installation import uninstall
from openstack_image_stream.exceptions import AuthenticationError
from openstack_image_stream.exceptions import ChecksumMismatchError
from openstack_image_stream.exceptions import ConnectionFailedError
from openstack_image_stream.exceptions import ConnectionTimeoutError
from openstack_image_stream.exceptions import CopyFailedError
from openstack_image_stream.exceptions import DownloadClosedError
from openstack_image_stream.exceptions import EncryptedImageError
from openstack_image_stream.exceptions import ForeignServiceError
from openstack_image_stream.exceptions import IdentityServiceError
from openstack_image_stream.exceptions import ImageChangedError
from openstack_image_stream.exceptions import ImageDataMissingError
from openstack_image_stream.exceptions import ImageStreamError
from openstack_image_stream.exceptions import IncompleteDownloadError
from openstack_image_stream.exceptions import InterruptedDownloadError
from openstack_image_stream.exceptions import InvalidArgumentError
from openstack_image_stream.exceptions import NotCopyableError
from openstack_image_stream.exceptions import NotRegisteredError
from openstack_image_stream.exceptions import OutputError
from openstack_image_stream.exceptions import RangeNotSupportedError
from openstack_image_stream.exceptions import ReadError
from openstack_image_stream.exceptions import RequestFailedError
from openstack_image_stream.exceptions import ServiceAccessError
from openstack_image_stream.exceptions import SignatureError
from openstack_image_stream.exceptions import TLSError
from openstack_image_stream.exceptions import UncheckableImageError
from openstack_image_stream.exceptions import UnexpectedResponseError
from openstack_image_stream.exceptions import UnsafeImageError
from openstack_image_stream.exceptions import UnsupportedPlatformError
from openstack_image_stream.exceptions import UnusableHashError
from openstack_image_stream.exceptions import UnverifiableImageError
from openstack_image_stream.progress import Progress
from openstack_image_stream.proxy import ImageProxy
from openstack_image_stream.service import ImageStreamService
from openstack_image_stream.service import load
from openstack_image_stream.service import version as _version

__all__ = [
    'Audit',
    'AuditResult',
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
    'ImageInspection',
    'ImageProxy',
    'ImageStreamError',
    'ImageStreamService',
    'IncompleteDownloadError',
    'InterruptedDownloadError',
    'InvalidArgumentError',
    'NotCopyableError',
    'NotRegisteredError',
    'OutputError',
    'Progress',
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
    'find_digest',
    'install',
    'load',
    'uninstall',
]

#: The version of the installed distribution.
__version__: str

# Type checkers would take a module with this function to have every name.
if not TYPE_CHECKING:

    def __getattr__(name):
        if name != '__version__':
            raise AttributeError(
                f'module {__name__!r} has no attribute {name!r}'
            )
        return _version()
