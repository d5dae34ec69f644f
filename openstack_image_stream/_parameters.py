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

"""The options of a method, as a command line needs them."""

import dataclasses
import inspect
import re
import textwrap
from typing import Any

from openstack_image_stream._check import formats
from openstack_image_stream import _config
from openstack_image_stream import _rules
from openstack_image_stream import proxy

#: Roles of reStructuredText, of which the last part of a name is left.
_ROLE = re.compile(r':\w+:`(?:~?[\w.]+\.)?([^`]+)`')


@dataclasses.dataclass(frozen=True)
class Parameter:
    """An option of a method.

    :param name: Its name.
    :param text: What it means, in one sentence, without markup.
    :param is_flag: Whether it is true or false and nothing else.
    :param is_list: Whether it may be given several times.
    """

    name: str
    text: str
    is_flag: bool
    is_list: bool

    def read(self, text: str) -> Any:
        """Make a value of a text.

        :param text: As a user has typed it.
        :returns: The value.
        :raises: :exc:`ValueError` when it is not one, with what it must be.
        """
        rule = _config.OPTIONS[self.name].rule
        try:
            value = rule.read(text)
        except (ValueError, KeyError):
            value = None
        if value is None or not rule.holds(value):
            raise ValueError(f'must be {rule.words}, not {text!r}')
        if rule is _rules.FORMATS and value is not False:
            formats.allowed_formats(value)
        return value


def parameters_of(method: str) -> list[Parameter]:
    """Return the options of a method that are declared.

    :param method: Its name in :class:`.ImageProxy`.
    :returns: The options, in the order of its signature.
    """
    signature = inspect.signature(getattr(proxy.ImageProxy, method))
    return [
        Parameter(
            name=name,
            text=_first_sentence(option.text),
            # A function cannot be given in a command.
            is_flag=option.rule in (_rules.FLAG, _rules.PROGRESS),
            is_list=option.rule is _rules.CERTIFICATES,
        )
        for name in signature.parameters
        if (option := _config.OPTIONS.get(name)) is not None
    ]


def _first_sentence(text: str) -> str:
    plain = _ROLE.sub(r'\1', ' '.join(textwrap.dedent(text).split()))
    sentence = re.match(r'.*?[.:](?= |$)', plain.replace('``', ''))
    return sentence[0].rstrip('.:') if sentence else plain
