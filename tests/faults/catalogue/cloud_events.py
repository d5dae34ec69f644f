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
"""What can happen to a cloud in the middle of downloads."""

from collections.abc import Callable

from tests.faults import cloud_downloads
from tests import processes

#: Lets something happen to all downloads at once.
Event = Callable[[cloud_downloads.CloudDownloads], None]


def revoke(downloads: cloud_downloads.CloudDownloads) -> None:
    """Revoke the tokens that the downloads use."""
    for token in downloads.tokens():
        downloads.cloud.revoke(token)


def await_expiry(downloads: cloud_downloads.CloudDownloads) -> None:
    """Wait until the tokens that the downloads use are no longer good."""
    for token in downloads.tokens():
        processes.wait_for(lambda token=token: not downloads.is_good(token))


def stop_keystone(downloads: cloud_downloads.CloudDownloads) -> None:
    """Take Keystone away."""
    downloads.undo.callback(downloads.cloud.identity_service.restart)
    downloads.cloud.identity_service.stop()


def restart_keystone(downloads: cloud_downloads.CloudDownloads) -> None:
    """Take Keystone away while it is needed, and bring it back."""
    downloads.cloud.identity_service.stop()
    downloads.release()
    downloads.cloud.identity_service.restart()


def pause_keystone(downloads: cloud_downloads.CloudDownloads) -> None:
    """Have Keystone stop responding."""
    downloads.undo.callback(downloads.cloud.identity_service.resume)
    downloads.cloud.identity_service.pause()


def revoke_in_silence(downloads: cloud_downloads.CloudDownloads) -> None:
    """Revoke the tokens, and have Keystone not respond until it is asked."""
    revoke(downloads)
    pause_keystone(downloads)
    downloads.release()
    service = downloads.cloud.identity_service
    downloads.wait_until(lambda proxy: service.is_asked())
    service.resume()


def kill_workers(downloads: cloud_downloads.CloudDownloads) -> None:
    """Kill the processes of Glance."""
    downloads.cloud.image_service.kill_workers()


def reload(downloads: cloud_downloads.CloudDownloads) -> None:
    """Have Glance reloaded."""
    downloads.cloud.image_service.reload()


def delete(downloads: cloud_downloads.CloudDownloads) -> None:
    """Delete the image."""
    downloads.cloud.delete(downloads.image_id)


def deactivate(downloads: cloud_downloads.CloudDownloads) -> None:
    """Deactivate the image."""
    downloads.cloud.deactivate(downloads.image_id)


def flip_last_byte(downloads: cloud_downloads.CloudDownloads) -> None:
    """Change the last byte on the disk."""
    with downloads.cloud.stored_file(downloads.image_id).open('r+b') as file:
        file.seek(len(downloads.data) - 1)
        file.write(bytes([downloads.data[-1] ^ 0x10]))


def truncate(downloads: cloud_downloads.CloudDownloads) -> None:
    """Have the file on the disk end early."""
    with downloads.cloud.stored_file(downloads.image_id).open('r+b') as file:
        file.truncate(len(downloads.data) - cloud_downloads.MIB)


def remove(downloads: cloud_downloads.CloudDownloads) -> None:
    """Remove the file from the disk."""
    downloads.cloud.stored_file(downloads.image_id).unlink()


def describe(**columns: str | int | None) -> Event:
    """Return an event: the database says something else of the data."""
    return lambda downloads: downloads.cloud.set_image_hash(
        downloads.image_id, **columns
    )


def break_store(times: int) -> Event:
    """Return an event: the web server cuts so many responses."""

    def event(downloads: cloud_downloads.CloudDownloads) -> None:
        downloads.store.cuts.extend([(cloud_downloads.CUT, False)] * times)
        downloads.undo.callback(downloads.store.cuts.clear)

    return event


def close_store(downloads: cloud_downloads.CloudDownloads) -> None:
    """Take the web server away."""
    downloads.store.stop_listening()
    downloads.undo.callback(downloads.store.listen)


def close_store_until_asked(downloads: cloud_downloads.CloudDownloads) -> None:
    """Take the web server away until each download has got 503."""
    close_store(downloads)
    downloads.release()
    downloads.wait_until(lambda proxy: 503 in proxy.statuses)
    downloads.store.listen()
