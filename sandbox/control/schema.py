"""Custom fields at run time, and who may see which field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.control.given import field as field_of
from sandbox.control.given import sobject, user
from sandbox.dml import columns, save
from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError
from sandbox.org import Org
from sandbox.schema.describe import describe_field
from sandbox.schema.field import Field
from sandbox.schema.formula import FormulaError, compile_formula
from sandbox.settings import Settings
from sandbox.store.database import quote
from sandbox.users import SYSTEM_USER


def put_field(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """Add a custom field, or change one; gives its describe. ``rename`` gives it another API name.

    Many at once: ``{object, fields: [...]}``. Of a standard field its label and its picklist values can be changed.
    """
    wanted = [{"object": given["object"], **entry} for entry in given["fields"]] if "fields" in given else [given]
    with _changing(org):
        described = [describe_field(_put_one(org, definition)) for definition in wanted]
    return {"fields": described} if "fields" in given else described[0]


@contextmanager
def _changing(org: Org) -> Iterator[None]:
    """A change of the schema: all of it or nothing, and every formula can be computed afterwards."""
    schema, settings = org.catalog.state(), org.settings.dumps()
    try:
        yield
        for item in org.catalog.objects.values():
            for field in item.fields.values():
                if field.formula is not None:
                    expression = compile_formula(field, item.fields, "t0")
                    org.database.one(f"SELECT {expression} FROM {quote(item.name)} t0 LIMIT 1")
    except BaseException as error:
        org.catalog.take_back(schema)
        org.settings = Settings.loads(settings)
        if isinstance(error, (FormulaError, RecursionError)):
            raise ValueError(str(error) or "a formula cannot refer to itself") from error
        raise
    org.schema_moved()
    org.cursors.open.clear()  # their further pages were to have the columns of before


def _put_one(org: Org, definition: dict[str, Any]) -> Field:
    definition = dict(definition)
    name = definition.pop("rename", None)
    if name is not None:
        definition["name"] = _rename(org, definition, str(name)).name
    item, field, before = org.catalog.put_field(definition)
    if "location" in (field.type, before.type if before else None):
        if before is not None and before.type != field.type:
            raise ValueError("a geolocation field keeps its type")
        org.database.create([org.catalog.objects[item.name]])
    elif before is None:
        columns.add(org.database, item, field)
    else:
        columns.change(org.database, item, before, field)
    return field


def _rename(org: Org, definition: dict[str, Any], name: str) -> Field:
    """The values stay, and what names the field goes on: formulas, rules, access."""
    item = sobject(org, definition["object"])
    before = field_of(item, definition["name"])
    if not before.custom or before.is_compound or before.compound_field_name:
        raise ValueError(f"{item.name}.{before.name} keeps its name")
    after = org.catalog.rename_field(item.name, before.name, name)
    columns.rename(org.database, item, before, after.name)
    org.settings.follow_rename(item.name, before.name, after.name)
    org.save_settings()
    return after


def remove_field(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, name}``: delete a custom field with its values; refused while a formula reads it."""
    item = sobject(org, given["object"])
    field = item.field(str(given["name"]))
    with _changing(org):
        if field is None or not org.catalog.remove_field(item.name, field.name):
            raise ValueError(f"there is no custom field {given['object']}.{given['name']}")
        for gone in [field, *(part for part in item.fields.values() if part.compound_field_name == field.name)]:
            columns.drop(org.database, item, gone)
    return {"removed": f"{item.name}.{field.name}"}


def order_fields(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, first}``: the fields that describe lists first; an empty list for the order as delivered."""
    item = sobject(org, given["object"])
    org.settings.field_order[item.name] = [field_of(item, name).name for name in given["first"]]
    org.save_settings()
    org.schema_moved()
    return {"object": item.name, "first": org.settings.field_order[item.name]}


def put_record_type(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, name, developer_name?, active?, default?}``: a new record type.

    ``default``: new records that name none have it.
    """
    item, name = sobject(org, given["object"]), str(given["name"])
    if item.name not in ("Account", "Campaign", "Contact", "Lead"):
        raise ValueError(f"{item.name} has no record types")
    developer_name = str(given.get("developer_name") or name.replace(" ", "_"))
    active, default = given.get("active", True) is not False, bool(given.get("default"))
    values = {"Name": name, "DeveloperName": developer_name, "SobjectType": item.name, "IsActive": int(active)}
    by = Saver(org, SYSTEM_USER)
    record_id = save.insert_stored(by, by.whole("RecordType"), values)
    org.put_record_type(
        item.name,
        {"id": record_id, "name": name, "developer_name": developer_name, "active": active, "default": default},
    )
    org.save_settings()
    return {"id": record_id, "object": item.name, "name": name}


def set_access(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{username, object, field, access}``; without ``field`` it is the access to the whole object."""
    user_id, item = user(org, given["username"]), sobject(org, given["object"])
    access = str(given["access"])
    if access not in ("hidden", "read", "edit"):
        raise ValueError("access must be hidden, read or edit")
    name = "*"
    if given.get("field", "*") != "*":
        found = field_of(item, given["field"])
        # a user's personal information can be hidden, too (Salesforce Help, "Enhanced Personal Information Management")
        if not found.permissionable and not found.custom and (item.name, found.name) != ("User", "Email"):
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
