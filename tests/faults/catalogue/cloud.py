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
"""Faults of a real cloud while images are downloaded from it."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from tests.faults.catalogue import base
from tests.faults.catalogue import cloud_events
from tests.faults import clients
from tests.faults import cloud_downloads


@dataclasses.dataclass(frozen=True, kw_only=True)
class CloudFault(base.Fault):
    """A fault of the cloud.

    :param before: What happens before the downloads begin.
    :param during: What happens when each has some bytes of the image.
    :param cut: Whether connections are cut after it. Where several are used
        there are further requests anyway.
    :param source: Where the data are: ``file``, ``web`` or ``nowhere``.
    :param short_lived: Whether tokens soon expire. A client gets another for
        each request then, as it does with those that have two minutes left.
    :param error: The class of the error that the plugin gives, or one that
        it inherits from; ``None`` where it gives the image.
    :param kept: Whether the partial file is there after the error.
    :param single: Whether one connection is used where several are asked for.
    :param status: The status that each download must have met at least once;
        otherwise the fault did not happen.
    :param options: Options of the plugin.
    :param settings: Settings of the clouds in clouds.yaml.
    :param brief: Whether it is in the short selection.
    :param only: The ways to download that it can happen to, the plugin's
        first; all by default.
    """

    before: cloud_events.Event | None = None
    during: cloud_events.Event | None = None
    cut: bool = True
    source: str = 'file'
    short_lived: bool = False
    error: str | None = None
    kept: bool = False
    single: bool = False
    status: int | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    brief: bool = True
    only: (
        tuple[Mapping[str, clients.Client], Mapping[str, clients.Client]]
        | None
    ) = None

    @property
    def plugin(self) -> Mapping[str, clients.Client]:
        """The plugin's ways."""
        return clients.PLUGIN if self.only is None else self.only[0]

    @property
    def peers(self) -> Mapping[str, clients.Client]:
        """The ways of others."""
        return clients.PEERS if self.only is None else self.only[1]

    def proxy(self, mode: str) -> dict[str, Any]:
        """Return how the proxy of a download is to be.

        :param mode: Which way to download.
        """
        cut = self.cut and (self.single or mode != 'connections')
        return {
            'cuts': [cloud_downloads.CUT] if cut else [],
            'hold_after': cloud_downloads.HELD if self.during else None,
        }


#: As long as several starts of a service may take.
_MANY_RETRIES = {'retries': 12}

FAULTS = [
    CloudFault(
        name='ranges-refused',
        title='connection cut, http store refuses ranges',
        promise='requests the whole image, discards what it has',
        source='web',
        single=True,
        options=_MANY_RETRIES,
        status=400,
    ),
    CloudFault(
        name='store-breaks',
        title='web server of the http store closes the connection',
        promise='requests the whole image, discards what it has',
        source='web',
        before=cloud_events.break_store(2 * len(clients.PLUGIN)),
        cut=False,
        single=True,
        options=_MANY_RETRIES,
        status=400,
        brief=False,
    ),
    CloudFault(
        name='store-gone-meanwhile',
        title='web server of the http store is down for a while',
        promise='retries, resumes',
        source='web',
        during=cloud_events.close_store_until_asked,
        single=True,
        options=_MANY_RETRIES,
        status=503,
    ),
    CloudFault(
        name='store-gone',
        title='web server of the http store is stopped',
        promise='IncompleteDownloadError, the partial file is kept',
        source='web',
        during=cloud_events.close_store,
        single=True,
        error='IncompleteDownloadError',
        kept=True,
        status=503,
        brief=False,
    ),
    CloudFault(
        name='store-out-of-reach',
        title='web server of the http store is down',
        promise='HttpException (503), no file',
        source='web',
        before=cloud_events.close_store,
        error='HttpException',
        status=503,
    ),
    CloudFault(
        name='revoked',
        title='token revoked, then the connection cut',
        promise='gets a new token, resumes at the next byte',
        during=cloud_events.revoke,
        status=401,
    ),
    CloudFault(
        name='expired',
        title='token expired, then the connection cut',
        promise='gets a new token, resumes at the next byte',
        during=cloud_events.await_expiry,
        short_lived=True,
        status=206,
        brief=False,
    ),
    CloudFault(
        name='keystone-restarted',
        title='token expired, Keystone is restarted',
        promise='retries, resumes at the next byte',
        during=cloud_events.restart_keystone,
        short_lived=True,
        options=_MANY_RETRIES,
        status=206,
        brief=False,
    ),
    CloudFault(
        name='keystone-gone',
        title='token expired, Keystone is stopped',
        promise='IncompleteDownloadError, the partial file is kept',
        during=cloud_events.stop_keystone,
        short_lived=True,
        error='IncompleteDownloadError',
        kept=True,
        brief=False,
    ),
    CloudFault(
        name='keystone-silent-meanwhile',
        title='token revoked, Keystone does not respond for a while',
        promise='waits, resumes at the next byte',
        during=cloud_events.revoke_in_silence,
        options=_MANY_RETRIES,
        status=401,
    ),
    CloudFault(
        name='keystone-silent',
        title='token expired, Keystone stops responding',
        promise='IncompleteDownloadError, the partial file is kept',
        during=cloud_events.pause_keystone,
        short_lived=True,
        error='IncompleteDownloadError',
        kept=True,
        options={'timeout': 5},
        # A new token is not the business of the download's own timeout.
        brief=False,
    ),
    CloudFault(
        name='workers-killed',
        title='processes of Glance killed',
        promise='resumes at the next byte',
        during=cloud_events.kill_workers,
        cut=False,
        options=_MANY_RETRIES,
        status=206,
    ),
    CloudFault(
        name='reloaded',
        title='Glance reloaded (SIGHUP to uwsgi)',
        promise='resumes at the next byte',
        during=cloud_events.reload,
        cut=False,
        options=_MANY_RETRIES,
        status=206,
        brief=False,
    ),
    CloudFault(
        name='slow-reader',
        title='reader pauses, the server closes the connection',
        promise='resumes at the next byte',
        cut=False,
        only=(
            {'stream': clients.SlowStream('stream', 5.0)},
            {'openstacksdk, stream=True': clients.SlowStream('plain', 5.0)},
        ),
        status=206,
    ),
    CloudFault(
        name='deleted',
        title='image deleted, then the connection cut',
        promise='NotFoundException, nothing is kept',
        during=cloud_events.delete,
        error='NotFoundException',
        status=404,
    ),
    CloudFault(
        name='deactivated',
        title='image deactivated, then the connection cut',
        promise='ForbiddenException, the partial file is kept',
        during=cloud_events.deactivate,
        error='ForbiddenException',
        kept=True,
        status=403,
    ),
    CloudFault(
        name='flipped-on-disk',
        title='a byte flipped on the disk of the store',
        promise='ChecksumMismatchError, no file',
        during=cloud_events.flip_last_byte,
        error='ChecksumMismatchError',
    ),
    CloudFault(
        name='truncated-on-disk',
        title='file truncated on the disk of the store',
        promise='IncompleteDownloadError, the partial file is kept',
        during=cloud_events.truncate,
        error='IncompleteDownloadError',
        kept=True,
        status=206,
    ),
    CloudFault(
        name='removed-on-disk',
        title='file removed from the disk of the store',
        promise='ImageDataMissingError, the partial file is kept',
        during=cloud_events.remove,
        error='ImageDataMissingError',
        kept=True,
        status=204,
        brief=False,
    ),
    CloudFault(
        name='no-hash',
        title='image without any hash, the connection cut',
        promise='the image, and a warning',
        before=cloud_events.describe(
            checksum=None, os_hash_algo=None, os_hash_value=None
        ),
        single=True,
        status=206,
    ),
    CloudFault(
        name='wrong-hash',
        title='another hash in the database of Glance',
        promise='ChecksumMismatchError, no file',
        before=cloud_events.describe(os_hash_value='0' * 128),
        error='ChecksumMismatchError',
    ),
    CloudFault(
        name='unknown-hash',
        title='an unknown hash algorithm in the database of Glance',
        promise='UnusableHashError, no file',
        before=cloud_events.describe(os_hash_algo='md7'),
        error='UnusableHashError',
        brief=False,
    ),
    CloudFault(
        name='wrong-size',
        title='a smaller size in the database of Glance',
        promise='an error, no file',
        before=cloud_events.describe(size=30 * cloud_downloads.MIB),
        error='ImageStreamError',
        brief=False,
    ),
    CloudFault(
        name='no-data',
        title='image without data (204)',
        promise='ImageDataMissingError, no file',
        source='nowhere',
        error='ImageDataMissingError',
        status=204,
    ),
]
