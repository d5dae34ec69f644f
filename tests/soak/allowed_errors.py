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

"""Which errors a download may end in, by what was done to it."""

from openstack import exceptions as sdk_exceptions

from openstack_image_stream import exceptions
from tests.faults.catalogue import changes
from tests.soak import plans


class Stop(Exception):
    """What a progress function raises to end a download."""


def of(plan: plans.Plan) -> tuple[type[Exception], ...]:
    """Return the errors that a download may end in.

    :param plan: The download.
    :returns: Their classes; none for a download that has to succeed.
    """
    found: list[type[Exception]] = []
    script, options = plan.script, plan.options
    for each in (*script.data_faults, *script.metadata_faults):
        found += each.errors
    if _failures(plan) > options['retries']:
        for fault in script.data_faults:
            found += fault.last_errors if fault.fails else ()
        # A store without ranges uses retries up without a fault.
        found.append(exceptions.IncompleteDownloadError)
    if _count(script.metadata_faults) > options['retries']:
        found += [
            exceptions.IncompleteDownloadError,
            sdk_exceptions.HttpException,
        ]
    if not _usable(plan):
        found.append(exceptions.UnusableHashError)
    if plan.progress == 'raising':
        found.append(Stop)
    if plan.way == 'broken_pipe':
        found.append(BrokenPipeError)
    return tuple(found)


def covers(allowed: tuple[type[Exception], ...], error: Exception) -> bool:
    """Tell whether an error is one of those that may be.

    :param allowed: What :func:`of` returned.
    :param error: The error.
    """
    # The base of all is not to allow each of them.
    if type(error) is exceptions.ImageStreamError:
        return exceptions.ImageStreamError in allowed
    specific = [
        each for each in allowed if each is not exceptions.ImageStreamError
    ]
    return isinstance(error, tuple(specific))


def _usable(plan: plans.Plan) -> bool:
    """Tell whether the hash of the image can be used, where it is asked."""
    return (
        plan.image.hashing != 'unusable'
        or plan.options['allow_md5_fallback']
        or not plan.options['validate_checksum']
    )


def _count(several: tuple[changes.Change, ...]) -> int:
    return sum(fault.fails for fault in several)


def _failures(plan: plans.Plan) -> int:
    """Return the most failures in a row that the faults can make.

    They may all hit the same one of several connections.
    """
    script = plan.script
    ranged = script.ranges == 'served' and not any(
        fault.refuses for fault in script.data_faults
    )
    if not ranged:
        # Every failure has the image begin anew, and so have the change to
        # one connection and the end of a partial file.
        return _count(script.data_faults) + 1
    if script.framing == 'chunked':
        # What had come of a chunk is lost when it breaks off.
        return _count(script.data_faults)
    lasting = [f for f in script.data_faults if f.fails and not f.progresses]
    return len(lasting) + any(f.progresses for f in script.data_faults)
