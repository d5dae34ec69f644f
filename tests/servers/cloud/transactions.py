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

"""Lets requests that write to SQLite wait for each other.

Not a part of the harness: uwsgi loads it into Glance, whose virtual
environment has SQLAlchemy.

oslo.db begins every transaction with a plain ``BEGIN``. Two of these that
have read, and both want to write then, can only be told that the database
is locked, at once, and Glance responds to an upload with 500. One that takes
the lock to begin with waits for its turn.
"""

import typing

import sqlalchemy


@sqlalchemy.event.listens_for(
    sqlalchemy.engine.Engine, 'before_cursor_execute', retval=True
)
def _begin_immediate(
    connection: typing.Any,
    cursor: typing.Any,
    statement: str,
    parameters: typing.Any,
    context: typing.Any,
    executemany: bool,
) -> tuple[str, typing.Any]:
    """Change the statement that begins a transaction."""
    if statement == 'BEGIN':
        statement = 'BEGIN IMMEDIATE'
    return statement, parameters
