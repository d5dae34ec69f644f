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

"""Foreign texts, made safe to print."""

import re

#: What stands before the host of a URL (RFC 3986, section 3.2.1).
_USERINFO = re.compile(r'(?<=//)[^/?#\s@]*(?:@[^/?#\s@]*)*@')


def printable(text: str) -> str:
    """Return a text without what a terminal takes for a command.

    :param text: Anything.
    :returns: The same on one line, with ``?`` for each character that is not
        printable.
    """
    return ''.join(
        char if char.isprintable() else ' ' if char.isspace() else '?'
        for char in text
    )


def without_credentials(text: str) -> str:
    """Return a text without the user and the password of URLs in it."""
    return _USERINFO.sub('', text)


def safe(text: str) -> str:
    """Return a foreign text as it may stand in an error or a log."""
    return printable(without_credentials(text))
