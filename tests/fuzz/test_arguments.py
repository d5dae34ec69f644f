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

"""Parameters and settings of any type."""

from collections.abc import Iterator
import contextlib
import math
from typing import Any

import hypothesis
from hypothesis import strategies
import pytest

from openstack_image_stream import _config
from openstack_image_stream import _settings
from openstack_image_stream import exceptions
from tests.fuzz import cloud as _cloud
from tests.fuzz import raw_responses
from tests.fuzz import targets
from tests.fuzz import values
from tests.servers import scripted
from tests.unit import modes

_OPTIONS = targets.target('options')
_READ_SETTINGS = targets.target('settings, read')
_USED_SETTINGS = targets.target('settings, used')
_PARAMETERS = targets.target('parameters')
_IMAGES = targets.target('the parameter image')

_NAMES = ['chunk_size', *_config.OPTIONS]

#: Those with which every download works that is not refused. The others may
#: leave it too little time.
_WORKING = [n for n in _NAMES if n not in ('deadline', 'low_speed_time')]

#: Values that some option takes, or nearly.
_LIKELY = strategies.one_of(
    strategies.booleans(),
    strategies.integers(-1, 16),
    strategies.sampled_from([1e-300, 5e-324, 1e300, 1e10, math.inf, '1e999']),
    strategies.sampled_from(['Yes', ' off ', '4', '1_0', '\uff15', '7.5']),
    strategies.just(values.take_anything),
)


def _is_many(value: Any) -> bool:
    # Many connections are dear, and tried where memory is measured.
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            return False
    return type(value) is int and 100 < value < 10**300


_FEW = (_LIKELY | values.ANYTHING).filter(lambda value: not _is_many(value))

#: The SDK takes braces in a setting for fields to format.
_NO_BRACES = _FEW.filter(
    lambda value: not (isinstance(value, str) and set('{}') & set(value))
)

_KEYS = strategies.one_of(
    strategies.sampled_from(
        ['api_timeout', *(f'image_stream_{name}' for name in _NAMES)]
    ),
    strategies.text(max_size=8).map('image_stream_'.__add__),
    strategies.text(max_size=8),
)

_INVALID = (exceptions.InvalidArgumentError,)


class TestOptions:
    """Options that were accepted are what they must be."""

    @hypothesis.given(
        strategies.dictionaries(
            strategies.sampled_from(_NAMES), _LIKELY | values.ANYTHING
        )
    )
    def test_are_checked(self, given: dict[str, Any]) -> None:
        """What cannot work is refused."""
        with _OPTIONS.example(_INVALID):
            options = _config.checked(**given)
            for name in ('connections', 'retries'):
                assert type(options[name]) is int
            assert 0 < options['timeout'] < math.inf


class TestSettings:
    """What the configuration of a cloud says."""

    @hypothesis.given(
        strategies.dictionaries(_KEYS, _LIKELY | values.ANYTHING, max_size=4)
    )
    def test_make_options(self, config: dict[str, Any]) -> None:
        """What was accepted makes options that are accepted."""
        with _READ_SETTINGS.example(_INVALID):
            _config.checked(**_settings.from_cloud(config, 'fuzzed'))

    @hypothesis.given(
        strategies.dictionaries(
            # The SDK discovers the service with the timeout, and fails.
            strategies.sampled_from(
                [n for n in _WORKING if n != 'timeout']
            ).map('image_stream_'.__add__),
            _NO_BRACES,
            min_size=1,
            max_size=2,
        )
    )
    def test_are_used(
        self, cloud: _cloud.Cloud, config: dict[str, Any]
    ) -> None:
        """A download works with them, or makes no request."""
        cloud.glance.script()
        with (
            _USED_SETTINGS.example(),
            _nothing_asked_if_invalid(cloud),
            cloud.connect(**config) as conn,
        ):
            content = conn.image.download_image(scripted.IMAGE_ID).content
            assert content == raw_responses.DATA


class TestParameters:
    """What a caller gives."""

    @hypothesis.given(
        given=strategies.dictionaries(
            strategies.sampled_from([*_WORKING, 'store_preferences']),
            _FEW,
            max_size=2,
        ),
        mode=strategies.sampled_from(list(modes.ALL.values())),
    )
    def test_work_or_are_refused(
        self,
        cloud: _cloud.Cloud,
        given: dict[str, Any],
        mode: type[modes.Mode],
    ) -> None:
        """A download works with them, or makes no request."""
        cloud.glance.script()
        with (
            _PARAMETERS.example(),
            _nothing_asked_if_invalid(cloud),
        ):
            cloud.download(mode, **given)

    @hypothesis.given(image=values.ANYTHING)
    def test_image(self, cloud: _cloud.Cloud, image: Any) -> None:
        """Whatever the image is said to be, it comes, or an error does."""
        cloud.glance.script()
        with _IMAGES.example():
            content = cloud.conn.image.download_image(image).content
            assert content == raw_responses.DATA


class TestSmallest:
    """The smallest inputs that were too much once."""

    @pytest.mark.parametrize(
        'given',
        [
            pytest.param({name: value}, id=name)
            for name, value in (
                ('connections', 10**309),
                ('connections', 1001),
                ('timeout', 10**309),
                ('timeout', 1e10),
                ('resume', 10**5000),
                ('store_preferences', 5),
                ('store_preferences', [5]),
                ('store_preferences', 'store'),
            )
        ],
    )
    def test_parameter(
        self, cloud: _cloud.Cloud, given: dict[str, Any]
    ) -> None:
        """It is refused before any request."""
        cloud.glance.script()
        with (
            pytest.raises(exceptions.InvalidArgumentError),
            _nothing_asked_if_invalid(cloud),
        ):
            cloud.download(**given)

    def test_setting(self) -> None:
        """It is refused also as the text that a variable holds."""
        with pytest.raises(exceptions.InvalidArgumentError):
            _settings.from_cloud(
                {'image_stream_connections': '9' * 400}, 'home'
            )


@contextlib.contextmanager
def _nothing_asked_if_invalid(cloud: _cloud.Cloud) -> Iterator[None]:
    try:
        yield
    except exceptions.InvalidArgumentError:
        assert cloud.glance.asked == 0
        raise
