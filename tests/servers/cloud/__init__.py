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

"""A real Keystone and a real Glance, on loopback, for tests.

.. code-block:: python

   from tests.servers import cloud

   with cloud.Cloud.start() as running:
       image_id = running.upload('cirros', pathlib.Path('cirros.img'))

``python -m tests.servers.cloud`` starts the same in the foreground.
"""

from tests.servers.cloud.deployment import Cloud
from tests.servers.cloud.process import CloudError

__all__ = ('Cloud', 'CloudError')
