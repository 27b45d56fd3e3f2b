"""Checks on the values of a record: fields, references, unique ones, the organisation's own rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sandbox import ids
from sandbox.dml import late, values
from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError, bad_id, deleted_record, no_column, unknown_id
from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject
from sandbox.soql.conditions import Conditions
from sandbox.soql.parser import malformed, parse_condition
from sandbox.soql.scope import Scope
from sandbox.store.database import quote


def read_fields(saver: Saver, item: SObject, given: Mapping[str, Any], *, creating: bool) -> dict[str, Any]:
    """The given values as they are stored. The record is refused as a whole if one field cannot be taken."""
    changes: dict[str, Any] = {}
    refused: list[str] = []
    for name, value in given.items():
        if name.lower() == "attributes":
            continue
        field = item.field(name)
        if field is None:
            field, value = _by_relationship(saver, item, name, value)
        if not (field.createable if creating else field.updateable) or not field.stored:
            refused.append(field.name)
            continue
        changes[field.name] = values.stored(field, value)
    if refused:
        raise SalesforceError(
            400,
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to create/update fields: {', '.join(refused)}. Please check the security settings of this "
            "field and verify that it "
            "is read/write for your profile or permission set.",
            refused,
        )
    return changes


def _by_relationship(saver: Saver, item: SObject, name: str, value: Any) -> tuple[Field, Any]:
    """``"Account": {"Ext__c": "x"}``: a reference given by the external id of the other record."""
    reference = item.relationship(name)
    if reference is None or not isinstance(value, dict):
        raise no_column(name, item.name)
    keys = [key for key in value if key.lower() != "attributes"]
    target = saver.view.object(reference.reference_to[0])
    field = target.field(keys[0]) if target and len(keys) == 1 else None
    if target is None or field is None or not field.id_lookup:
        raise SalesforceError(
            400, "INVALID_FIELD", f"Foreign key external ID: {name} is not an external id or indexed field", [name]
        )
    wanted = values.stored(field, value[keys[0]])
    sql = f"SELECT Id FROM {quote(target.name)} WHERE {quote(field.name)} = ?" + (
        " AND IsDeleted = 0" if target.has("IsDeleted") else ""
    )
    found = [row[0] for row in saver.database.execute(sql, (wanted,))]
    if len(found) != 1:
        message = f"Foreign key external ID: {value[keys[0]]} not found for field {field.name} in entity {target.name}"
        raise SalesforceError(400, "INVALID_FIELD", message, [])
    return reference, found[0]


def check_person(item: SObject, row: Mapping[str, Any], written: Collection[str]) -> None:
    """The contact behind a person account is changed through the account only."""
    if item.name == "Contact" and row.get("IsPersonAccount") and written:
        message = f"Account: bad field names on insert/update call: {', '.join(written)}"
        raise SalesforceError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, written)


def check_required(item: SObject, row: Mapping[str, Any], names: list[str]) -> None:
    """None of these fields may be empty."""
    missing = [name for name in names if row.get(name) is None]
    if missing:
        listed = ", ".join(missing)
        raise SalesforceError(400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{listed}]", missing)


def check_references(saver: Saver, item: SObject, changes: Mapping[str, Any]) -> None:
    """Every id in a reference field is the id of a record of the right kind that is there."""
    for name, value in changes.items():
        field = item.fields[name]
        if value is None or field.type != "reference":
            continue
        target = _target(saver, field, value)
        _check_there(saver, target, value, name)
        if name == "OwnerId":
            _check_owner(saver, item, target, value)


def _target(saver: Saver, field: Field, record_id: str) -> SObject:
    """The object that the id of a reference belongs to."""
    schema = saver.data.catalog.whole
    target = schema.object_of(record_id)
    if target is None and not any(schema.object(name) for name in field.reference_to):
        raise unknown_id(400)
    if target is None or target.name not in field.reference_to:
        raise bad_id(field.label, record_id, field.name)
    return target


def _check_there(saver: Saver, target: SObject, record_id: str, field_name: str) -> None:
    deleted = "IsDeleted" if target.has("IsDeleted") else "0"
    found = saver.database.one(f"SELECT {deleted} FROM {quote(target.name)} WHERE Id = ?", (record_id,))
    if found is None:
        raise unknown_id(400)
    if found[0]:
        error = deleted_record()
        raise SalesforceError(400, error.code, error.message, [field_name])


def _check_owner(saver: Saver, item: SObject, target: SObject, owner: str) -> None:
    """An owner is an active user, or a queue for this kind of record."""
    if target.name == "User" and not saver.data.users.is_active(owner):
        raise SalesforceError(400, "INACTIVE_OWNER_OR_USER", "operation performed with inactive user", [owner])
    if target.name == "Group" and not saver.data.users.is_queue_for(owner, item.name):
        raise SalesforceError(400, "INVALID_OPERATION", "Queue not associated with this SObject type", ["OwnerId"])


def check_unique(saver: Saver, item: SObject, record_id: str, changes: Mapping[str, Any]) -> None:
    """No other record, also among those not yet visible, has the value of a unique field."""
    for name, value in changes.items():
        field = item.fields[name]
        if value is None or not field.unique:
            continue
        alive = " AND IsDeleted = 0" if item.has("IsDeleted") else ""
        sql = f"SELECT Id FROM {quote(item.name)} WHERE {quote(name)} = ? AND Id <> ?{alive}"
        other = saver.database.one(sql, (value, record_id)) or late.holder(saver.database, item, name, value, record_id)
        if other is not None:
            message = f"duplicate value found: {name} duplicates value on record with id: {other[0][:15]}"
            raise SalesforceError(400, "DUPLICATE_VALUE", message, [])


def check_rules(saver: Saver, item: SObject, record_id: str) -> None:
    """The validation rules of the object, on the record as it has just been written."""
    for rule in saver.settings.validation_rules:
        if rule["object"] != item.name or not matches(saver, item, record_id, rule["when"]):
            continue
        field = rule.get("field")
        raise SalesforceError(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", rule["message"], [field] if field else [])


def matches(saver: Saver, item: SObject, record_id: str, condition: str) -> bool:
    """Whether a record fulfils a SOQL condition, as the system sees it."""
    reader = saver.data.system_reader()
    scope = Scope(reader, item, condition)

    def refuse(*_: Any) -> Any:
        raise malformed("a rule's condition cannot have a subquery")

    fragment = Conditions(scope, refuse).compile(parse_condition(condition))
    sql = f"SELECT 1 FROM {scope.source()} WHERE {scope.root}.Id = ? AND {fragment.sql}"
    return saver.database.one(sql, (record_id, *fragment.parameters)) is not None


def own_id(item: SObject, text: str) -> str:
    """The 18-character id of a record of this object, from a path or a row."""
    full = ids.long_form(text)
    if full is None or full[:3] != item.key_prefix:
        raise bad_id(f"{item.label} ID", text, "Id")
    return full
