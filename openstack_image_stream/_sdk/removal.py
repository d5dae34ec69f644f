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

"""Removing an image record, so that it is gone for good.

Glance takes a moment to notice that an upload broke off. The record is
``saving`` until then. A request to delete it in the moment when it notices may
fail, or succeed and have the record come back.
"""

from openstack import exceptions as sdk_exceptions

from openstack_image_stream._common import retry
from openstack_image_stream._common import signals
from openstack_image_stream._sdk import records

#: Seconds after which a record that is gone must still be gone.
_GONE = 1.0


def remove(client: records.RecordClient, limit: float) -> bool:
    """Delete a record, and see that it is gone.

    :param client: Sends requests about the record.
    :param limit: Seconds to wait in all.
    :returns: Whether it is gone.
    """
    pauses = client.pauses(limit)
    settling = client.pauses(limit / 2)
    while True:
        try:
            while _is_saving(client) and settling.wait():
                pass
            if _delete(client):
                return True
        except (retry.RetriableError, sdk_exceptions.SDKException) as exc:
            if signals.find_raised(exc) is not None:
                raise
            if _is_final(exc):
                return False
        if not pauses.wait():
            return False


def _is_final(exc: Exception) -> bool:
    """Tell whether a request fails however often it is sent."""
    if isinstance(exc, retry.RetriableError):
        return exc.final
    return getattr(exc, 'status_code', None) in (401, 403)


def _is_saving(client: records.RecordClient) -> bool:
    record = client.look()
    return record is not None and record.status == 'saving'


def _delete(client: records.RecordClient) -> bool:
    """Delete a record once; tell whether it is gone."""
    try:
        client.delete()
    except sdk_exceptions.ForbiddenException:
        # A copy is protected at last, and may have been when that failed.
        client.set_protected(False)
        client.delete()
    if client.look() is not None:
        return False
    client.wait(_GONE)
    return client.look() is None
