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
"""A program that uses what is public, for mypy: it is never run.

``mypy --strict`` must accept it. A call that mypy must refuse is marked with
the error that it must give; mypy reports a mark that it does not need.
"""

import io
import pathlib
from typing import cast

import openstack
import requests
from typing_extensions import assert_type

import openstack_image_stream
from openstack_image_stream import image


def show(snapshot: openstack_image_stream.Progress) -> None:
    """Show how far a download is."""
    print(snapshot.done, snapshot.total, snapshot.resumed)


def images_of(cloud: str) -> openstack_image_stream.ImageProxy:
    """Connect to a cloud with the plugin."""
    conn = openstack.connect(cloud=cloud)
    openstack_image_stream.load(conn)
    return cast(openstack_image_stream.ImageProxy, conn.image)


def right(images: openstack_image_stream.ImageProxy) -> None:
    """Call in the ways that are right."""
    response = images.download_image(
        'id',
        output=pathlib.Path('image.qcow2'),
        store_preferences=['fast', 'slow'],
        validate_checksum=True,
        allow_md5_fallback=False,
        connections='auto',
        retries=9,
        timeout=7.5,
        resume=True,
        sparse=False,
        progress=show,
        skip_current=True,
    )
    assert_type(response, requests.Response)
    images.download_image('id', stream=True, connections=4, progress=True)
    images.download_image('id', chunk_size=None, progress=None)
    image.Image().download(images, True, connections=4)
    with images.open_image('id', verified=True, connections='auto') as file:
        assert_type(file, io.BufferedReader)
        assert_type(file.read(7), bytes)
    images.open_image('id', verified=False, block_size=4096, retries=0)
    images.verify_image('id', 'image.qcow2')
    images.verify_image(
        'id',
        pathlib.Path('image.qcow2'),
        expected_digest='sha256:0',
        signed_by=['key.pem'],
        allow_md5_fallback=True,
        progress=show,
    )
    found = images.inspect_image('id', whole=True)
    assert_type(found, openstack_image_stream.ImageInspection)
    assert_type(found.name, str | None)
    assert_type(found.disk_format, str | None)
    assert_type(found.detected, tuple[str, ...])
    assert_type(found.virtual_size, int | None)
    assert_type(found.failures, dict[str, str])
    assert_type(found.bytes_read, int)
    assert_type(
        images.copy_image(
            'id',
            to=openstack.connect(cloud='other'),
            name='copy',
            properties={'os_distro': 'debian', 'os_version': None},
            keep=['os_distro'],
            visibility='shared',
            protected=True,
            stores=('fast',),
            connections='auto',
            progress=show,
        ),
        image.Image,
    )
    with images.audit_images(
        ['id', image.Image()], jobs=2, check_format=['raw'], retries=1
    ) as audit:
        for result in audit:
            assert_type(result, openstack_image_stream.AuditResult)
            print(result.image_id, result.verdict == 'good', result.bad)
    openstack_image_stream.install()
    openstack_image_stream.uninstall()
    assert_type(openstack_image_stream.__version__, str)
    try:
        images.download_image('id')
    except openstack_image_stream.IncompleteDownloadError as exc:
        assert_type(exc.partial_path, str | None)


def wrong(images: openstack_image_stream.ImageProxy) -> None:
    """Call in ways that mypy must refuse."""
    images.download_image('id', retries='9')  # type: ignore[arg-type]
    images.download_image('id', connections='all')  # type: ignore[arg-type]
    images.download_image('id', connections=1.5)  # type: ignore[arg-type]
    images.download_image('id', timeout=None)  # type: ignore[arg-type]
    images.download_image('id', sparse='yes')  # type: ignore[arg-type]
    images.download_image('id', progress=7)  # type: ignore[arg-type]
    images.download_image('id', store_preferences=1)  # type: ignore[arg-type]
    images.download_image('id', retry=9)  # type: ignore[call-arg]
    images.copy_image('id')  # type: ignore[call-arg]
    images.copy_image('id', to='other')  # type: ignore[arg-type]
    images.copy_image('id', visibility='x')  # type: ignore[arg-type,call-arg]
    images.download_image('id', True)  # type: ignore[call-arg]
    images.open_image('id')  # type: ignore[call-arg]
    images.open_image('id', True)  # type: ignore[call-arg]
    images.open_image('id', verified=1)  # type: ignore[arg-type]
    images.open_image(
        'id',
        verified=True,
        validate_checksum=False,  # type: ignore[call-arg]
    )
    images.verify_image('id')  # type: ignore[call-arg]
    images.verify_image('id', 1)  # type: ignore[arg-type]
    images.verify_image('id', 'p', progress=7)  # type: ignore[arg-type]
    images.verify_image('id', 'p', connections=4)  # type: ignore[call-arg]
    images.verify_image('id', 'p', expected_digest=b'')  # type: ignore[arg-type]
    images.inspect_image('id', True)  # type: ignore[call-arg]
    images.inspect_image('id', whole='yes')  # type: ignore[arg-type]
    images.inspect_image('id', retries=1)  # type: ignore[call-arg]
    image.Image().download(images, retries='9')  # type: ignore[arg-type]
    images.audit_images(jobs='2')  # type: ignore[arg-type]
    images.audit_images(1)  # type: ignore[arg-type]
    images.audit_images(output='image')  # type: ignore[call-arg]
    print(openstack_image_stream.versoin)  # type: ignore[attr-defined]
