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
"""What goes wrong in a real cloud while images are downloaded from it."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from tests.faults import clients
from tests.faults import mishaps
from tests.faults import scene as _scene
from tests.faults import table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outage(table.Fault):
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
    :param refused: Whether the server refuses ranges.
    :param status: What each download must have been answered at least once;
        otherwise it did not happen.
    :param options: Options of the plugin.
    :param settings: Settings of the clouds in clouds.yaml.
    :param brief: Whether it is in the short selection.
    :param only: The ways to download that it can happen to, the plugin's
        first; all by default.
    """

    before: mishaps.Act | None = None
    during: mishaps.Act | None = None
    cut: bool = True
    source: str = 'file'
    short_lived: bool = False
    error: str | None = None
    kept: bool = False
    refused: bool = False
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
        cut = self.cut and (self.refused or mode != 'connections')
        return {
            'cuts': [_scene.CUT] if cut else [],
            'hold_after': _scene.HELD if self.during else None,
        }


#: As long as several starts of a service may take.
_PATIENT = {'retries': 12}

FAULTS = [
    Outage(
        name='ranges-refused',
        title='connection cut, http store refuses ranges',
        promise='begins again, discards up to the byte',
        source='web',
        refused=True,
        options=_PATIENT,
        status=400,
    ),
    Outage(
        name='store-breaks',
        title='web server of the http store breaks off',
        promise='begins again, discards up to the byte',
        source='web',
        before=mishaps.break_store(2 * len(clients.PLUGIN)),
        cut=False,
        refused=True,
        options=_PATIENT,
        status=400,
        brief=False,
    ),
    Outage(
        name='store-gone-meanwhile',
        title='web server of the http store is away for a while',
        promise='tries again, goes on',
        source='web',
        during=mishaps.close_store_until_asked,
        refused=True,
        options=_PATIENT,
        status=503,
    ),
    Outage(
        name='store-gone',
        title='web server of the http store goes away',
        promise='IncompleteDownloadError, the partial file is kept',
        source='web',
        during=mishaps.close_store,
        refused=True,
        error='IncompleteDownloadError',
        kept=True,
        status=503,
        brief=False,
    ),
    Outage(
        name='store-out-of-reach',
        title='web server of the http store is not there',
        promise='HttpException (503), no file',
        source='web',
        before=mishaps.close_store,
        error='HttpException',
        status=503,
    ),
    Outage(
        name='revoked',
        title='token revoked, then the connection cut',
        promise='gets another, goes on with the next byte',
        during=mishaps.revoke,
        status=401,
    ),
    Outage(
        name='expired',
        title='token expired, then the connection cut',
        promise='gets another, goes on with the next byte',
        during=mishaps.await_expiry,
        short_lived=True,
        status=206,
        brief=False,
    ),
    Outage(
        name='keystone-restarted',
        title='token expired, Keystone is restarted',
        promise='tries again, goes on with the next byte',
        during=mishaps.restart_keystone,
        short_lived=True,
        options=_PATIENT,
        status=206,
        brief=False,
    ),
    Outage(
        name='keystone-gone',
        title='token expired, Keystone is gone',
        promise='IncompleteDownloadError, the partial file is kept',
        during=mishaps.stop_keystone,
        short_lived=True,
        error='IncompleteDownloadError',
        kept=True,
        brief=False,
    ),
    Outage(
        name='keystone-silent-meanwhile',
        title='token revoked, Keystone is silent for a while',
        promise='waits, goes on with the next byte',
        during=mishaps.revoke_in_silence,
        options=_PATIENT,
        status=401,
    ),
    Outage(
        name='keystone-silent',
        title='token expired, Keystone falls silent',
        promise='IncompleteDownloadError, the partial file is kept',
        during=mishaps.pause_keystone,
        short_lived=True,
        error='IncompleteDownloadError',
        kept=True,
        options={'timeout': 5},
        # A new token is not the business of the download's own timeout.
        brief=False,
    ),
    Outage(
        name='workers-killed',
        title='processes of Glance killed',
        promise='goes on with the next byte',
        during=mishaps.kill_workers,
        cut=False,
        options=_PATIENT,
        status=206,
    ),
    Outage(
        name='reloaded',
        title='Glance loaded anew (SIGHUP to uwsgi)',
        promise='goes on with the next byte',
        during=mishaps.reload,
        cut=False,
        options=_PATIENT,
        status=206,
        brief=False,
    ),
    Outage(
        name='slow-reader',
        title='reader pauses, the server hangs up',
        promise='goes on with the next byte',
        cut=False,
        only=(
            {'stream': clients.SlowStream('stream', 5.0)},
            {'openstacksdk, stream=True': clients.SlowStream('plain', 5.0)},
        ),
        status=206,
    ),
    Outage(
        name='deleted',
        title='image deleted, then the connection cut',
        promise='NotFoundException, nothing is kept',
        during=mishaps.delete,
        error='NotFoundException',
        status=404,
    ),
    Outage(
        name='deactivated',
        title='image deactivated, then the connection cut',
        promise='ForbiddenException, the partial file is kept',
        during=mishaps.deactivate,
        error='ForbiddenException',
        kept=True,
        status=403,
    ),
    Outage(
        name='flipped-on-disk',
        title='a byte flipped on the disk of the store',
        promise='ChecksumMismatchError, no file',
        during=mishaps.flip_last_byte,
        error='ChecksumMismatchError',
    ),
    Outage(
        name='truncated-on-disk',
        title='file truncated on the disk of the store',
        promise='IncompleteDownloadError, the partial file is kept',
        during=mishaps.truncate,
        error='IncompleteDownloadError',
        kept=True,
        status=206,
    ),
    Outage(
        name='removed-on-disk',
        title='file removed from the disk of the store',
        promise='ImageDataMissingError, the partial file is kept',
        during=mishaps.remove,
        error='ImageDataMissingError',
        kept=True,
        status=204,
        brief=False,
    ),
    Outage(
        name='no-hash',
        title='image without any hash, the connection cut',
        promise='the image, and a warning',
        before=mishaps.describe(
            checksum=None, os_hash_algo=None, os_hash_value=None
        ),
        status=206,
    ),
    Outage(
        name='wrong-hash',
        title='another hash in the database of Glance',
        promise='ChecksumMismatchError, no file',
        before=mishaps.describe(os_hash_value='0' * 128),
        error='ChecksumMismatchError',
    ),
    Outage(
        name='unknown-hash',
        title='an unknown hash algorithm in the database of Glance',
        promise='UnusableHashError, no file',
        before=mishaps.describe(os_hash_algo='md7'),
        error='UnusableHashError',
        brief=False,
    ),
    Outage(
        name='wrong-size',
        title='a smaller size in the database of Glance',
        promise='an error, no file',
        before=mishaps.describe(size=30 * _scene.MIB),
        error='ImageStreamError',
        brief=False,
    ),
    Outage(
        name='no-data',
        title='image without data (204)',
        promise='ImageDataMissingError, no file',
        source='nowhere',
        error='ImageDataMissingError',
        status=204,
    ),
]
