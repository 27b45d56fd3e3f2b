"""Record types: the field that an object has once it has some (Object Reference, "RecordType")."""

from __future__ import annotations

from collections.abc import Collection

from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject

_FIELD = Field(
    name="RecordTypeId", label="Record Type ID", type="reference", length=18, byte_length=18, defaulted_on_create=True,
    reference_to=("RecordType",), relationship_name="RecordType",
)  # fmt: skip


def fitted(item: SObject, names: Collection[str]) -> SObject:
    """The object as it is where these objects have record types."""
    fields = {name: field for name, field in item.fields.items() if name != _FIELD.name}
    return item.with_fields({**fields, _FIELD.name: _FIELD} if item.name in names else fields)
