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

"""Formats of images as the plugin judges them, and as oracles do."""

import collections

import pytest

from tests.oracles import conftest
from tests.oracles import differences
from tests.oracles import judging

REFUSED = differences.cases(differences.REFUSED)
ACCEPTED = differences.cases(differences.ACCEPTED)


def counts(
    total: int, refused: set[differences.Case], accepted: set[differences.Case]
) -> list[str]:
    """Return lines that say how many verdicts are the same."""
    lines = [
        f'{len(judging.DISK_FORMATS)} disk_formats of each image, '
        f'{total - len(refused) - len(accepted)} of {total} verdicts the same'
    ]
    for side, cases, reasons in (
        ('plugin', refused, REFUSED),
        ('oracle', accepted, ACCEPTED),
    ):
        counter = collections.Counter(
            reasons.get(case, 'no reason is known') for case in sorted(cases)
        )
        lines += [
            f'{number:3} refused by the {side} only: {reason}'
            for reason, number in counter.most_common()
        ]
    return lines


@pytest.mark.parametrize('oracle', conftest.PRESENT)
def test_verdicts(oracle: str, results: conftest.Results) -> None:
    """They are the same, but for the differences that have a reason."""
    theirs = results.oracle(oracle)
    ours = results.plugin(oracle)
    assert theirs.keys() == ours.keys()
    pairs = {
        (oracle, image, name): (ours[image][name], theirs[image][name])
        for image in ours
        for name in judging.DISK_FORMATS
    }
    differ = [
        case for case, (a, b) in pairs.items() if (a is None) != (b is None)
    ]
    refused = {case for case in differ if pairs[case][1] is None}
    accepted = {case for case in differ if pairs[case][0] is None}
    results.lines[oracle] += counts(len(pairs), refused, accepted)
    unexplained = (refused - REFUSED.keys()) | (accepted - ACCEPTED.keys())
    assert not unexplained, '\n'.join(
        f'{case}: {pairs[case]}' for case in sorted(unexplained)
    )
    outdated = {
        case
        for case in (REFUSED.keys() - refused) | (ACCEPTED.keys() - accepted)
        if case[0] == oracle
    }
    assert not outdated, f'no differences any more: {sorted(outdated)}'


def test_names() -> None:
    """Each name in the tables is known, and no case is in both."""
    images = {path.stem for path in conftest.IMAGES.glob('*.xz')}
    for case in (*REFUSED, *ACCEPTED):
        assert case[0] in conftest.ORACLES
        assert case[1] in images
        assert case[2] in judging.DISK_FORMATS
    assert not REFUSED.keys() & ACCEPTED.keys()
