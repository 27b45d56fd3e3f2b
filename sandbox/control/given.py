"""What the body of a control call names. ValueError if there is no such thing; the caller is told so."""

from __future__ import annotations

from sandbox import ids
from sandbox.org import Org
from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject


def sobject(org: Org, name: object) -> SObject:
    """The object of this name, with every field."""
    item = org.catalog.whole.object(str(name))
    if item is None:
        raise ValueError(f"there is no object {name}")
    return item


def field(item: SObject, name: object) -> Field:
    """The field of this name."""
    found = item.field(str(name))
    if found is None:
        raise ValueError(f"{item.name} has no field {name}")
    return found


def record_id(text: object) -> str:
    """The 18 characters of a record's id."""
    full = ids.long_form(str(text))
    if full is None:
        raise ValueError(f"malformed id {text}")
    return full


def user(org: Org, username: object) -> str:
    """The id of the user of this name."""
    found = org.users.by_username(str(username))
    if found is None:
        raise ValueError(f"there is no user {username}")
    return found
