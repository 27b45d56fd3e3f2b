"""Which Salesforce types can share a field, and which fit a column of the person."""

from __future__ import annotations

from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.kinds import kind_of
from syncer.sync.fields.object_map import PERSON_COLUMNS


def lossless(one: FieldDescribe, other: FieldDescribe) -> bool:
    """Whether values of both fields can share one custom field: the same kind of value, numbers of the same scale."""
    if one.type == other.type:
        return one.scale == other.scale
    return kind_of(one).free_text and kind_of(other).free_text


def why_not_kept(person_field: str, seen: FieldDescribe) -> str:
    """Why values of this field can't be kept in that field of the person; empty when they can."""
    column = PERSON_COLUMNS.get(person_field)
    if column is None:
        return ""
    holds, family = column.get_internal_type(), kind_of(seen).family
    if holds == "BooleanField" and family != "boolean":
        return f"A {seen.type} field can't be kept in “{column.verbose_name}”, which is a checkbox."
    if holds == "BigIntegerField" and (family != "number" or seen.scale):
        return f"A {seen.type} field with {seen.scale} decimals can't be kept in “{column.verbose_name}”."
    if holds in {"CharField", "TextField"} and family == "boolean":
        return f"A checkbox can't be kept in “{column.verbose_name}”, which is text."
    return ""
