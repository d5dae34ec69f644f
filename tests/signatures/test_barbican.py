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

"""Certificates in a real Barbican, of signed images in a real Glance."""

import base64
import collections.abc
import datetime
from typing import Any

from cryptography import x509
from keystoneauth1.exceptions import http
import openstack.config
import openstack.connection
import pytest

import openstack_image_stream
from openstack_image_stream import exceptions
from tests.servers import barbican
from tests.servers import cloud
from tests import signing

DATA = bytes(range(256)) * 1000

NOW = datetime.datetime.now(datetime.timezone.utc)

DAY = datetime.timedelta(days=1)

#: How a certificate can be held: the type of its content, and what that is.
HELD: dict[str, tuple[str, collections.abc.Callable[..., bytes]]] = {
    # This is the only way that castellan reads, and so Glance and nova.
    'pem': ('application/octet-stream', signing.pem),
    'der': ('application/octet-stream', signing.der),
    'text': ('text/plain', signing.pem),
}


@pytest.fixture(scope='module')
def running() -> collections.abc.Iterator[cloud.Cloud]:
    """A cloud with Keystone, Glance and Barbican."""
    with cloud.Cloud.start() as started, barbican.started(started):
        yield started


@pytest.fixture(scope='module')
def connection(
    running: cloud.Cloud,
) -> collections.abc.Iterator[openstack.connection.Connection]:
    """A user's connection to it."""
    config = openstack.config.OpenStackConfig(
        config_files=[str(running.clouds_yaml)],
        secure_files=[],
        load_envvars=False,
    ).get_one(cloud='plain')
    with openstack.connection.Connection(config=config) as made:
        yield made


def links(**options: Any) -> list[x509.Certificate]:
    """Return the certificates of a signer and of its root."""
    root = signing.private_key('P-256')
    signer = signing.private_key('ECC_SECP384R1')
    dates = {'start': NOW - DAY, 'end': NOW + DAY}
    return [
        signing.certificate(
            'signer',
            signer,
            'root',
            root,
            **{'extensions': signing.SIGNER, **dates, **options},
        ),
        signing.certificate('root', root, 'root', root, **dates),
    ]


def store(
    connection: openstack.connection.Connection, content: bytes, kind: str
) -> str:
    """Have Barbican hold something; return its UUID."""
    text = kind == 'text/plain'
    encoding = {} if text else {'payload_content_encoding': 'base64'}
    secret = connection.key_manager.create_secret(
        name='signer',
        secret_type='certificate',
        payload=(content if text else base64.b64encode(content)).decode(),
        payload_content_type=kind,
        **encoding,
    )
    return str(secret.secret_ref).rpartition('/')[2]


def properties_of(uuid: str, hash_method: str) -> dict[str, Any]:
    """Sign the data; return the properties."""
    value = signing.sign(
        signing.private_key('ECC_SECP384R1'), DATA, hash_method
    )
    properties = signing.properties(value, 'ECC_SECP384R1', hash_method)
    return {**properties, 'img_signature_certificate_uuid': uuid}


def signed_image(
    running: cloud.Cloud,
    connection: openstack.connection.Connection,
    uuid: str,
    hash_method: str,
) -> str:
    """Upload an image, and sign it afterwards; return its ID.

    Glance would refuse most of these, had it the chance.
    """
    image_id = running.upload('signed', DATA)
    connection.image.update_image(image_id, **properties_of(uuid, hash_method))
    return image_id


def download(
    connection: openstack.connection.Connection,
    image_id: str,
    trusted: list[x509.Certificate],
    **options: Any,
) -> bytes:
    """Download an image that must be signed."""
    openstack_image_stream.load(connection)
    response = connection.image.download_image(
        image_id, trusted_certificates=trusted, **options
    )
    content: bytes = response.content
    return content


@pytest.mark.parametrize('held', HELD)
@pytest.mark.parametrize('hash_method', ['SHA-512', 'SHA-256'])
def test_trusted(
    running: cloud.Cloud,
    connection: openstack.connection.Connection,
    held: str,
    hash_method: str,
) -> None:
    """A certificate is read however it is held."""
    signer, root = links()
    kind, encode = HELD[held]
    uuid = store(connection, encode(signer), kind)
    image_id = signed_image(running, connection, uuid, hash_method)
    assert download(connection, image_id, [root]) == DATA


def test_glance(
    running: cloud.Cloud, connection: openstack.connection.Connection
) -> None:
    """What Glance accepts when the data are uploaded, the plugin accepts."""
    signer, root = links()
    uuid = store(connection, signing.pem(signer), HELD['pem'][0])
    properties = properties_of(uuid, 'SHA-256')
    with pytest.raises(http.BadRequest):
        running.upload('other', DATA + b'x', **properties)
    image_id = running.upload('signed', DATA, **properties)
    assert download(connection, image_id, [root]) == DATA


def test_other_bytes(
    running: cloud.Cloud,
    connection: openstack.connection.Connection,
) -> None:
    """The certificate is trusted, the bytes are not those signed."""
    signer, root = links()
    uuid = store(connection, signing.pem(signer), HELD['pem'][0])
    properties = properties_of(uuid, 'SHA-256')
    image_id = running.upload('other', DATA[1:])
    connection.image.update_image(image_id, **properties)
    with pytest.raises(exceptions.SignatureError, match='of these bytes'):
        download(connection, image_id, [root])


def test_not_trusted(
    running: cloud.Cloud,
    connection: openstack.connection.Connection,
) -> None:
    """That Barbican holds a certificate makes it no more trusted."""
    key = signing.private_key('P-256', 1)
    forged = signing.certificate(
        'root', key, 'root', key, start=NOW - DAY, end=NOW + DAY
    )
    signer, root = links()
    expired, _ = links(end=NOW - DAY / 2)
    for held, trusted, reason in (
        (signer, forged, 'the name is the same, the key is not'),
        (expired, root, 'expired at'),
    ):
        uuid = store(connection, signing.pem(held), HELD['pem'][0])
        image_id = signed_image(running, connection, uuid, 'SHA-512')
        with pytest.raises(exceptions.SignatureError, match=reason):
            download(connection, image_id, [trusted])


def test_something_else(
    running: cloud.Cloud,
    connection: openstack.connection.Connection,
) -> None:
    """The UUID may be that of any secret."""
    _, root = links()
    for kind in ('application/octet-stream', 'text/plain'):
        uuid = store(connection, b'secret', kind)
        image_id = signed_image(running, connection, uuid, 'SHA-512')
        with pytest.raises(exceptions.SignatureError) as caught:
            download(connection, image_id, [root])
        assert 'cannot be read' in str(caught.value)
        assert 'secret' not in str(caught.value)


def test_missing(
    running: cloud.Cloud,
    connection: openstack.connection.Connection,
) -> None:
    """A certificate that is not there is no image that is not there."""
    _, root = links()
    image_id = signed_image(
        running, connection, signing.CERTIFICATE_UUID, 'SHA-512'
    )
    with pytest.raises(exceptions.SignatureError, match='status 404'):
        download(connection, image_id, [root])


def test_both(
    running: cloud.Cloud,
    connection: openstack.connection.Connection,
) -> None:
    """Where a key is named, too, it must be that of the certificate."""
    signer, root = links()
    uuid = store(connection, signing.pem(signer), HELD['pem'][0])
    image_id = signed_image(running, connection, uuid, 'SHA-256')
    assert download(connection, image_id, [root], signed_by=signer) == DATA
    other = signing.private_key('ECC_SECP384R1', 1).public_key()
    with pytest.raises(exceptions.SignatureError):
        download(connection, image_id, [root], signed_by=other)
