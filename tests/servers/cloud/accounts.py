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

"""The users, projects and endpoints that a new Keystone is told of."""

import dataclasses
import secrets
import typing

from keystoneauth1.identity import v3
from keystoneauth1 import session

DOMAIN = 'default'
REGION = 'RegionOne'


@dataclasses.dataclass(frozen=True)
class Account:
    """A user with a password and a project."""

    username: str
    project_name: str
    password: str = dataclasses.field(
        default_factory=lambda: secrets.token_hex(16), repr=False
    )

    def credentials(self, identity_url: str) -> dict[str, typing.Any]:
        """Return what keystoneauth's password plugin asks for."""
        return {
            'auth_url': identity_url,
            'username': self.username,
            'password': self.password,
            'project_name': self.project_name,
            'user_domain_id': DOMAIN,
            'project_domain_id': DOMAIN,
        }


def connect(account: Account, identity_url: str) -> session.Session:
    """Return a session that authenticates when it is first used."""
    return session.Session(
        auth=v3.Password(**account.credentials(identity_url))
    )


def add_user(
    admin: session.Session,
    identity_url: str,
    account: Account,
) -> None:
    """Make a user that is an ordinary member of a project of its own."""
    project = admin.post(
        f'{identity_url}/projects',
        json={
            'project': {
                'name': account.project_name,
                'domain_id': DOMAIN,
            }
        },
    ).json()['project']
    user = admin.post(
        f'{identity_url}/users',
        json={
            'user': {
                'name': account.username,
                'password': account.password,
                'domain_id': DOMAIN,
            }
        },
    ).json()['user']
    [role] = admin.get(f'{identity_url}/roles?name=member').json()['roles']
    admin.put(
        f'{identity_url}/projects/{project["id"]}'
        f'/users/{user["id"]}/roles/{role["id"]}'
    )


def add_endpoint(
    admin: session.Session, identity_url: str, service_type: str, url: str
) -> None:
    """Put a service into the catalog."""
    service = admin.post(
        f'{identity_url}/services',
        json={'service': {'type': service_type, 'name': service_type}},
    ).json()['service']
    admin.post(
        f'{identity_url}/endpoints',
        json={
            'endpoint': {
                'service_id': service['id'],
                'interface': 'public',
                'region_id': REGION,
                'url': url,
            }
        },
    )
