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

"""Time and memory of downloads, with the plugin and with other programs.

Run it as ``tox -e bench``. ``plan`` says what is measured (``growth`` for
what grows), ``downloaders`` and ``commands`` what is compared, ``aims`` and
``targets`` which figures have to be reached. ``services`` and ``web_server``
serve the ``images`` that ``contents`` makes, from the ``origins``, of which
``relay`` makes some slow; ``destination`` is the cloud that is copied to.
``runner`` and ``processes`` measure with ``measure_call``, which calls one of
the ``ways``, and ``measure_command``. ``tables``, ``charts`` and ``excerpts``
show the ``results``.
"""
