"""Custom fields at run time, and who may see which field."""

from __future__ import annotations

from typing import Any

from sandbox.control.given import field as field_of
from sandbox.control.given import sobject, user
from sandbox.errors import SalesforceError
from sandbox.org import Org
from sandbox.schema.describe import describe_field
from sandbox.schema.field import Field
from sandbox.schema.formula import FormulaError, compile_formula
from sandbox.schema.sobject import SObject
from sandbox.store.database import quote


def put_field(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """Add a custom field, or change one; gives its describe."""
    before_definitions, before_objects = list(org.catalog.definitions), dict(org.catalog.objects)
    item, field, before = org.catalog.put_field(given)
    try:
        if field.formula is not None:
            expression = compile_formula(field, org.catalog.objects[item.name].fields, "t0")
            org.database.one(f"SELECT {expression} FROM {quote(item.name)} t0 LIMIT 1")
        _move_values(org, item, before, field)
    except BaseException as error:
        org.catalog.take_back(before_definitions, before_objects)
        if isinstance(error, (FormulaError, RecursionError)):
            raise ValueError(str(error) or "a formula cannot refer to itself") from error
        raise
    org.schema_moved()
    return describe_field(field)


def _move_values(org: Org, item: SObject, before: Field | None, field: Field) -> None:
    """Bring the column into line with the changed field."""
    database = org.database
    if "location" in (field.type, before.type if before else None):
        if before is not None and before.type != field.type:
            raise ValueError("a geolocation field keeps its type")
        database.create([org.catalog.objects[item.name]])
    elif before is None or not before.stored:
        database.add_column(item, field)
    elif not field.stored:
        database.drop_column(item, before)
    elif before.type != field.type or before.column_type != field.column_type:
        _convert(org, item, before, field)
    elif field.is_decimal and before.scale != field.scale:
        _rescale(org, item, before, field)
    if not field.stored:
        return
    if field.external_id or field.unique:
        database.index(item, field)
    if before is None and field.type == "boolean":
        database.execute(f"UPDATE {quote(item.name)} SET {quote(field.name)} = ?", (field.default,))


def _rescale(org: Org, item: SObject, before: Field, field: Field) -> None:
    """The same numbers, kept with more or fewer decimal places."""
    factor, column = 10.0 ** (field.scale - before.scale), quote(field.name)
    org.database.execute(
        f"UPDATE {quote(item.name)} SET {column} = CAST(ROUND({column} * {factor}) AS INTEGER) "
        f"WHERE {column} IS NOT NULL"
    )


def _convert(org: Org, item: SObject, before: Field, field: Field) -> None:
    """Between kinds of text, and of numbers, values stay; everything else starts empty, as Salesforce warns."""
    database, table, column = org.database, quote(item.name), quote(field.name)
    keeps = before.is_text and field.is_text or before.is_decimal and field.is_decimal
    kept = database.execute(f"SELECT Id, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall() if keeps else []
    database.drop_column(item, before)
    database.add_column(item, field)
    for record_id, value in kept:
        moved = round(value * 10.0 ** (field.scale - before.scale)) if field.is_decimal else value
        database.execute(f"UPDATE {table} SET {column} = ? WHERE Id = ?", (moved, record_id))


def remove_field(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, name}``: delete a custom field with its values."""
    item = org.catalog.whole.object(str(given["object"]))
    field = item.field(str(given["name"])) if item else None
    if item is None or field is None or not org.catalog.remove_field(item.name, field.name):
        raise ValueError(f"there is no custom field {given['object']}.{given['name']}")
    for gone in [field, *(part for part in item.fields.values() if part.compound_field_name == field.name)]:
        org.database.drop_column(item, gone)
    org.schema_moved()
    return {"removed": f"{item.name}.{field.name}"}


def set_access(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{username, object, field, access}``; without ``field`` it is the access to the whole object."""
    user_id, item = user(org, given["username"]), sobject(org, given["object"])
    access = str(given["access"])
    if access not in ("hidden", "read", "edit"):
        raise ValueError("access must be hidden, read or edit")
    name = "*"
    if given.get("field", "*") != "*":
        found = field_of(item, given["field"])
        if not found.permissionable and not found.custom:
            raise SalesforceError(
                400, "INVALID_FIELD", f"field-level security cannot be set on {item.name}.{found.name}"
            )
        name = found.name
    org.catalog.set_access(user_id, item.name, name, access)
    org.schema_moved()
    return {"username": str(given["username"]), "object": item.name, "field": name, "access": access}


def list_access(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """Every rule that differs from "edit"."""
    return {
        "access": [
            {"username": org.users.row(user).get("Username"), "object": item, "field": field, "access": access}
            for (user, item, field), access in sorted(org.catalog.access.items())
            if access != "edit"
        ]
    }
