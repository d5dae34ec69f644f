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
"""Ways to have something go wrong in the middle of downloads."""

from collections.abc import Callable

from tests.faults import scene as _scene

#: Lets something happen to all downloads of a scene.
Act = Callable[[_scene.Scene], None]


def revoke(scene: _scene.Scene) -> None:
    """Revoke the tokens that the downloads use."""
    for token in scene.tokens():
        scene.cloud.revoke(token)


def await_expiry(scene: _scene.Scene) -> None:
    """Wait until the tokens that the downloads use are no longer good."""
    for token in scene.tokens():
        _scene.until(lambda token=token: not scene.is_good(token))


def stop_keystone(scene: _scene.Scene) -> None:
    """Take Keystone away."""
    scene.undo.callback(scene.cloud.identity_service.restart)
    scene.cloud.identity_service.stop()


def restart_keystone(scene: _scene.Scene) -> None:
    """Take Keystone away while it is needed, and bring it back."""
    scene.cloud.identity_service.stop()
    scene.release()
    scene.cloud.identity_service.restart()


def pause_keystone(scene: _scene.Scene) -> None:
    """Have Keystone fall silent."""
    scene.undo.callback(scene.cloud.identity_service.resume)
    scene.cloud.identity_service.pause()


def revoke_in_silence(scene: _scene.Scene) -> None:
    """Revoke the tokens, and have Keystone silent until it is asked."""
    revoke(scene)
    pause_keystone(scene)
    scene.release()
    service = scene.cloud.identity_service
    scene.wait_until(lambda proxy: service.is_asked())
    service.resume()


def kill_workers(scene: _scene.Scene) -> None:
    """Kill the processes of Glance."""
    scene.cloud.image_service.kill_workers()


def reload(scene: _scene.Scene) -> None:
    """Have Glance loaded anew."""
    scene.cloud.image_service.reload()


def delete(scene: _scene.Scene) -> None:
    """Delete the image."""
    scene.cloud.delete(scene.image_id)


def deactivate(scene: _scene.Scene) -> None:
    """Deactivate the image."""
    scene.cloud.deactivate(scene.image_id)


def flip_last_byte(scene: _scene.Scene) -> None:
    """Change the last byte on the disk."""
    with scene.cloud.stored_file(scene.image_id).open('r+b') as file:
        file.seek(len(scene.data) - 1)
        file.write(bytes([scene.data[-1] ^ 0x10]))


def truncate(scene: _scene.Scene) -> None:
    """Have the file on the disk end early."""
    with scene.cloud.stored_file(scene.image_id).open('r+b') as file:
        file.truncate(len(scene.data) - _scene.MIB)


def remove(scene: _scene.Scene) -> None:
    """Remove the file from the disk."""
    scene.cloud.stored_file(scene.image_id).unlink()


def describe(**columns: str | int | None) -> Act:
    """Have the database say something else about the data."""
    return lambda scene: scene.cloud.set_image_hash(scene.image_id, **columns)


def break_store(times: int) -> Act:
    """Return what has the web server break off so many times."""

    def act(scene: _scene.Scene) -> None:
        scene.store.cuts.extend([(_scene.CUT, False)] * times)
        scene.undo.callback(scene.store.cuts.clear)

    return act


def close_store(scene: _scene.Scene) -> None:
    """Take the web server away."""
    scene.store.stop_listening()
    scene.undo.callback(scene.store.listen)


def close_store_until_asked(scene: _scene.Scene) -> None:
    """Take the web server away until each download has asked in vain."""
    close_store(scene)
    scene.release()
    scene.wait_until(lambda proxy: 503 in proxy.statuses)
    scene.store.listen()
