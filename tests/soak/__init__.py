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

"""Downloads of all kinds, through faults of all kinds, for a long time.

Each case is one download, or two to the same file, or one whose process
is killed. A seed and the number of a case decide all that is done in it:
the image, the way, the options, the faults. Several threads in several
processes run cases, each with a scripted Glance of its own; now and then
all of them rest, and what a process holds then is compared with what it held
before.

``python -m tests.soak`` runs it, for ten minutes where nothing else is said.
Whatever goes wrong is printed with the command that repeats that case
alone. Which of several connections a fault hits is up to the threads, so a
flaw of theirs may take several times to show again.

The waits between attempts are shortened, see :mod:`tests.soak.short_waits`, so
that many cases fit. Nothing else of the package is changed. What a process
holds is read from ``/proc``, so Linux is needed.
"""
