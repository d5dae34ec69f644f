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

"""What a caller wants of a copy."""

from collections.abc import Collection, Iterable, Mapping
import dataclasses
import re
from typing import Any

from openstack_image_stream import _config
from openstack_image_stream import exceptions

#: Who may see an image (Image API v2).
VISIBILITIES = ('private', 'shared', 'community', 'public')

#: What every image has: the attributes of its record, which a request to
#: create one takes by their own names or not at all.
_ATTRIBUTES = frozenset(
    {
        'checksum',
        'container_format',
        'created_at',
        'direct_url',
        'disk_format',
        'file',
        'id',
        'locations',
        'min_disk',
        'min_ram',
        'name',
        'os_hidden',
        'owner',
        'protected',
        'schema',
        'self',
        'size',
        'status',
        'stores',
        'tags',
        'updated_at',
        'virtual_size',
        'visibility',
    }
)

#: Beginnings of names that only the service itself sets.
_RESERVED = ('os_hash_', 'os_glance_')

_UUID = re.compile(r'[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a caller wants of the copy, checked.

    :param name: Its name, ``None`` for that of the original.
    :param image_id: Its ID, ``None`` for a new one.
    :param properties: Properties to set, or with ``None`` to leave out.
    :param keep: Names of the properties to carry over, ``None`` for all.
    :param visibility: Who may see it.
    :param protected: Whether it is to be protected against deletion.
    :param tags: Whether the tags are carried over.
    :param stores: Where to import it to, nothing for the default store.
    """

    name: str | None = None
    image_id: str | None = None
    properties: Mapping[str, str | None] = dataclasses.field(
        default_factory=dict
    )
    keep: Collection[str] | None = None
    visibility: str = 'private'
    protected: bool = False
    tags: bool = True
    stores: tuple[str, ...] = ()


def checked(
    *,
    name: Any,
    image_id: Any,
    properties: Any,
    keep: Any,
    visibility: Any,
    protected: Any,
    tags: Any,
    stores: Any,
) -> Wanted:
    """Check what a caller wants.

    :returns: The same, complete.
    :raises: :exc:`~openstack_image_stream.exceptions.InvalidArgumentError`
        when something cannot be.
    """
    _require(
        name is None or isinstance(name, str), 'name', 'a text or None', name
    )
    _require(
        image_id is None
        or (isinstance(image_id, str) and _UUID.fullmatch(image_id)),
        'image_id',
        'a UUID or None',
        image_id,
    )
    _require(
        visibility in VISIBILITIES,
        'visibility',
        f'one of {", ".join(VISIBILITIES)}',
        visibility,
    )
    _require(
        protected is None or isinstance(protected, bool),
        'protected',
        'True, False or None',
        protected,
    )
    _require(isinstance(tags, bool), 'tags', 'True or False', tags)
    return Wanted(
        name=name,
        image_id=image_id.lower() if image_id else None,
        properties=_checked_properties(properties),
        keep=None if keep is None else frozenset(_names('keep', keep)),
        visibility=visibility,
        protected=bool(protected),
        tags=tags,
        stores=() if stores is None else _checked_stores(stores),
    )


def _require(holds: Any, name: str, words: str, value: Any) -> None:
    if not holds:
        raise exceptions.InvalidArgumentError(
            f'{name} must be {words}, not {_config.shown(value)}'
        )


def _names(parameter: str, value: Any) -> tuple[str, ...]:
    words = 'a list of names or None'
    _require(
        isinstance(value, Iterable) and not isinstance(value, (str, bytes)),
        parameter,
        words,
        value,
    )
    names = tuple(value)
    for name in names:
        _require(isinstance(name, str) and name, parameter, words, value)
    return names


def _checked_stores(stores: Any) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(_names('stores', stores)))
    _require(names, 'stores', 'a list of names of stores or None', stores)
    return names


def _checked_properties(properties: Any) -> dict[str, str | None]:
    words = 'texts, or None for what is to be left out, by their names'
    if properties is None:
        return {}
    _require(isinstance(properties, Mapping), 'properties', words, properties)
    for name, value in properties.items():
        _require(
            isinstance(name, str)
            and (value is None or isinstance(value, str)),
            'properties',
            words,
            {name: value},
        )
        if is_attribute(name):
            raise exceptions.InvalidArgumentError(
                f'properties must not have {_config.shown(name)}: that is an '
                'attribute of the image, which the copy gets from the '
                'service, from the original or by a parameter of its own'
            )
    return dict(properties)


def is_attribute(name: str) -> bool:
    """Tell whether a name is that of an attribute, and not of a property.

    :param name: A name in the description of an image.
    """
    return name in _ATTRIBUTES or name.startswith(_RESERVED)
