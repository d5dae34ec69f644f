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

"""The body of a response, received no faster than is allowed."""

import requests

from openstack_image_stream._common import token_bucket
from openstack_image_stream._transfer import coordination
from openstack_image_stream._transfer import interfaces


class LimitedBody:
    """The bytes of a response, for each of which a token is taken.

    :param body: The response; closed with this.
    :param bucket: The tokens of the download.
    :param coordinator: Its end ends the wait for them.
    """

    def __init__(
        self,
        body: interfaces.Body,
        bucket: token_bucket.TokenBucket,
        coordinator: coordination.Coordinator,
    ) -> None:
        self._body = body
        self._bucket = bucket
        self._coordinator = coordinator
        self.start = body.start
        self.ranged = body.ranged

    def take_response(self) -> requests.Response:
        """Hand out the response; see :class:`.interfaces.Body`."""
        return self._body.take_response()

    def read(self, size: int) -> bytes:
        """Read some bytes, once they are allowed.

        :param size: How many at the most, positive.
        :returns: The bytes, ``b''`` at the end.
        :raises: :exc:`.RetriableError` when the connection fails, and
            :exc:`.Ended` when the download ended meanwhile.
        """
        amount, delay = self._bucket.take(size)
        if delay and self._coordinator.wait(delay):
            raise coordination.Ended
        chunk = self._body.read(amount)
        if len(chunk) < amount:
            self._bucket.give_back(amount - len(chunk))
        return chunk

    def close(self) -> None:
        """Close the response."""
        self._body.close()
