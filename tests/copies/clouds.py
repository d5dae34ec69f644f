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

"""Two clouds, and copies from one to the other."""

import collections
import contextlib
import hashlib
import os
import random
from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1.identity import v3
from keystoneauth1 import session
from openstack import connection
from openstack import exceptions as sdk_exceptions
import yaml

import openstack_image_stream
from tests.copies import cases
from tests.servers import cloud
from tests.servers import fault_proxy
from tests.servers import upload_proxy

#: What a copy may raise beside what was raised into it.
_ERRORS = (sdk_exceptions.SDKException, ksa_exceptions.ClientException)


class Side:
    """One of the clouds.

    :param running: The cloud.
    """

    def __init__(self, running: cloud.Cloud) -> None:
        self.running = running
        settings = yaml.safe_load(running.clouds_yaml.read_text())
        plain = settings['clouds']['plain']
        # One token for all copies.
        self._session = session.Session(auth=v3.Password(**plain['auth']))
        self._region = plain['region_name']

    def connect(self, url: str | None = None) -> connection.Connection:
        """Connect, through a proxy if its URL is given."""
        options = {}
        if url is not None:
            options = {
                'image_endpoint_override': url,
                'image_api_version': '2',
            }
        return connection.Connection(
            session=self._session, region_name=self._region, **options
        )

    def stored(self) -> set[str]:
        """Return the names of the files in all stores."""
        return {
            name
            for store in ('images', 'second-images', 'staging')
            for name in os.listdir(self.running.directory / store)
        }


class Pair:
    """The two clouds, with images in the first one.

    :param source: The cloud to copy from.
    :param destination: The cloud to copy to.
    """

    def __init__(self, source: cloud.Cloud, destination: cloud.Cloud) -> None:
        self.source = Side(source)
        self.destination = Side(destination)
        self.looking = self.destination.connect()
        self._images: dict[tuple[int, bool], str] = {}
        self._digests: dict[int, str] = {}
        for size in cases.SIZES:
            data = random.Random(size).randbytes(size)
            self._digests[size] = hashlib.sha512(data).hexdigest()
            for damaged in (False, True):
                image_id = source.upload(f'{size}', data, os_distro='debian')
                self._images[size, damaged] = image_id
                if damaged:
                    with source.stored_file(image_id).open('r+b') as stored:
                        stored.seek(size // 2)
                        stored.write(bytes([data[size // 2] ^ 1]))

    def run(
        self, case: cases.Case, name: str, counts: collections.Counter[str]
    ) -> list[str]:
        """Copy an image.

        :param case: How.
        :param name: Name of the copy.
        :param counts: What is counted.
        :returns: What was wrong.
        """
        with (
            fault_proxy.FaultProxy(
                self.source.running.image_url,
                cuts=case.cuts,
                reset=case.reset,
                refuse_ranges=not case.ranged,
            ) as downloads,
            upload_proxy.UploadProxy(
                self.destination.running.image_url
            ) as uploads,
        ):
            uploads.faults.extend(case.faults)
            for method, statuses in case.statuses.items():
                uploads.statuses[method] = collections.deque(statuses)
            conn = self.source.connect(downloads.url)
            openstack_image_stream.load(conn)
            to = self.destination.connect(uploads.url)
            with contextlib.closing(conn), contextlib.closing(to):
                flaws = self._copy(case, name, conn, to, counts)
            counts['uploads'] += uploads.uploads
            counts['broken downloads'] += downloads.broken
            if case.damaged and uploads.most_handed_on >= case.size:
                flaws.append('all of a bad source was uploaded')
        return flaws

    def _copy(
        self,
        case: cases.Case,
        name: str,
        conn: Any,
        to: Any,
        counts: collections.Counter[str],
    ) -> list[str]:
        raised: list[BaseException] = []

        def show(snapshot: openstack_image_stream.Progress) -> None:
            if case.stop_after is not None and snapshot.done > case.stop_after:
                raised.append(case.kind('stop'))
                raise raised[-1]

        try:
            made = conn.image.copy_image(
                self._images[case.size, case.damaged],
                to=to,
                name=name,
                progress=show,
                **case.options,
            )
        except BaseException as exc:
            counts[type(exc).__name__] += 1
            flaws = self._left(name)
            if raised:
                if exc is not raised[-1]:
                    flaws.append(f'{exc!r} in place of what was raised')
            elif not isinstance(exc, _ERRORS):
                flaws.append(f'not a documented error: {exc!r}')
            if getattr(exc, 'left_behind', False):
                flaws.append(f'left behind: {exc}')
            return flaws
        counts['copied'] += 1
        return self._check(case, made)

    def _left(self, name: str) -> list[str]:
        return [
            f'left: image {image.id}, {image.status}'
            for image in self.looking.image.images(name=name)
        ]

    def _check(self, case: cases.Case, made: Any) -> list[str]:
        flaws = []
        if case.damaged:
            flaws.append('a bad source became an active image')
        folder = {'second': 'second-images', 'file': 'images'}
        for store in case.options.get('stores', ['file']):
            path = self.destination.running.directory / folder[store]
            data = (path / made.id).read_bytes()
            digest = hashlib.sha512(data).hexdigest()
            if digest != self._digests[case.size]:
                flaws.append('the copy has other bytes')
        if (made.status, made.os_distro) != ('active', 'debian'):
            flaws.append(f'the copy is not what it is to be: {made}')
        if case.options.get('protected'):
            if not made.is_protected:
                flaws.append('the copy is not protected')
            self.looking.image.update_image(made.id, is_protected=False)
        self.looking.image.delete_image(made.id)
        return flaws
