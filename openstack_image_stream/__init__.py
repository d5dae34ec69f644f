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

from openstack_image_stream.exceptions import ChecksumMismatchError
from openstack_image_stream.exceptions import DownloadClosedError
from openstack_image_stream.exceptions import ImageChangedError
from openstack_image_stream.exceptions import ImageDataMissingError
from openstack_image_stream.exceptions import ImageStreamError
from openstack_image_stream.exceptions import IncompleteDownloadError
from openstack_image_stream.exceptions import InvalidArgumentError
from openstack_image_stream.exceptions import NotRegisteredError
from openstack_image_stream.exceptions import SignatureError
from openstack_image_stream.exceptions import UnusableHashError
from openstack_image_stream.progress import Progress
from openstack_image_stream.service import ImageStreamService
from openstack_image_stream.service import load

__all__ = [
    'ChecksumMismatchError',
    'DownloadClosedError',
    'ImageChangedError',
    'ImageDataMissingError',
    'ImageStreamError',
    'ImageStreamService',
    'IncompleteDownloadError',
    'InvalidArgumentError',
    'NotRegisteredError',
    'Progress',
    'SignatureError',
    'UnusableHashError',
    'load',
]
