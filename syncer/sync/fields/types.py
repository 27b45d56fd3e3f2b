"""Which Salesforce types can share a field, and which fit a column of the person."""

from __future__ import annotations

from typing import Any

from syncer.salesforce.describe import FieldDescribe
from syncer.sync.fields.object_map import PERSON_COLUMNS

NUMBERS = frozenset({"int", "double", "currency", "percent"})
#: Types that are values of a group of fields; their parts are fields of their own.
COMPOUND = frozenset({"address", "location"})
#: Only received, whatever the access: a reference means nothing without its record, masked text is not the value.
RECEIVE_ONLY = frozenset({"reference", "encryptedstring", "base64", "anyType", "complexvalue"})


def lossless(one: dict[str, Any], other: FieldDescribe) -> bool:
    """Whether values of both fields can share one custom field: the same kind of value, numbers of the same scale."""
    described = FieldDescribe.from_dict(one)
    if described.type == other.type:
        return described.scale == other.scale
    text = {"string", "textarea", "picklist", "phone", "url", "email", "combobox"}
    return described.type in text and other.type in text


def why_not_kept(person_field: str, seen: FieldDescribe) -> str:
    """Why values of this field can't be kept in that field of the person; empty when they can."""
    column = PERSON_COLUMNS.get(person_field)
    if column is None:
        return ""
    kind = column.get_internal_type()
    if kind == "BooleanField" and seen.type != "boolean":
        return f"A {seen.type} field can't be kept in “{column.verbose_name}”, which is a checkbox."
    if kind == "BigIntegerField" and (seen.type not in NUMBERS or seen.scale):
        return f"A {seen.type} field with {seen.scale} decimals can't be kept in “{column.verbose_name}”."
    if kind in {"CharField", "TextField", "EmailField"} and seen.type == "boolean":
        return f"A checkbox can't be kept in “{column.verbose_name}”, which is text."
    return ""
