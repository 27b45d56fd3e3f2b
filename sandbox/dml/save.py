"""Insert, update and upsert of one record. The caller opens the transaction that makes it all or nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sandbox.dml import campaigns, checks, duplicates, flows, late, refusals, values
from sandbox.dml.context import Saver
from sandbox.errors import ManyMatches, SalesforceError, deleted_record, no_access, row_locked, unknown_id
from sandbox.schema import places
from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject
from sandbox.store.database import quote


def insert(saver: Saver, object_name: str, given: Mapping[str, Any]) -> str:
    """Make a record; gives its id."""
    item = saver.object(object_name)
    if not item.createable:
        raise SalesforceError(
            400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be inserted: {item.label}", []
        )
    if any(name.lower() == "id" for name in given):
        raise SalesforceError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"])
    changes = checks.read_fields(saver, item, given, creating=True)
    return insert_stored(saver, saver.whole(item.name), changes)


def insert_stored(saver: Saver, whole: SObject, changes: dict[str, Any]) -> str:
    """Make a record of values that are already as the table keeps them."""
    row = {field.name: field.value_default() for field in whole.fields.values() if field.stored}
    row.update({name: value for name, value in changes.items() if value is not None or row.get(name) is None})
    checks.check_required(whole, row, [field.name for field in whole.fields.values() if field.required])
    record_id = saver.database.next_id(whole.key_prefix)
    row |= _creation_values(saver, whole, record_id)
    if whole.has("OwnerId") and row["OwnerId"] is None:
        row["OwnerId"] = saver.user_id
    if whole.has("RecordTypeId") and row["RecordTypeId"] is None:
        row["RecordTypeId"] = saver.settings.default_record_type(whole.name)
    _assign(saver, whole, row)
    derive(saver, whole, row)
    _autonumber(saver, whole, row)
    checks.check_references(saver, whole, changes)
    checks.check_unique(saver, whole, record_id, changes)
    _special(saver, whole, row, {})
    saver.database.insert(whole.name, row)
    if whole.name == "Campaign":
        campaigns.put_statuses(saver, record_id, campaigns.DELIVERED)
    _after(saver, whole, record_id, changes, creating=True)
    if saver.late_seconds:
        late.hold_back(saver, whole, record_id, None)
    return record_id


def _creation_values(saver: Saver, item: SObject, record_id: str) -> dict[str, Any]:
    stamp = saver.stamp()
    values_of_creation = {
        "CreatedDate": stamp,
        "CreatedById": saver.user_id,
        "LastModifiedDate": stamp,
        "LastModifiedById": saver.user_id,
        "SystemModstamp": stamp,
        "PhotoUrl": f"/services/images/photo/{record_id}",
    }
    return {"Id": record_id} | {name: value for name, value in values_of_creation.items() if item.has(name)}


def update(saver: Saver, object_name: str, record_id: str, given: Mapping[str, Any]) -> None:
    """Change fields of a record. A save that changes nothing moves the stamps as well."""
    item = saver.object(object_name)
    if not item.updateable:
        raise no_access()
    before = current(saver, item, record_id)
    changes = checks.read_fields(saver, item, given, creating=False)
    whole = saver.whole(item.name)
    if before.get("IsConverted") and not saver.settings.edits_converted(saver.user_id):
        raise SalesforceError(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", [])
    checks.check_person(item, before, changes)
    needed = [name for name in changes if not whole.fields[name].nillable]
    checks.check_required(whole, changes, needed)
    after = before | changes
    _assign(saver, whole, after)
    derive(saver, whole, after)
    touched = {name: value for name, value in changes.items() if value != before[name]}
    checks.check_references(saver, whole, touched)
    checks.check_unique(saver, whole, record_id, touched)
    _special(saver, whole, after, before)
    write(saver, whole, record_id, {name: value for name, value in after.items() if value != before[name]})
    _after(saver, whole, record_id, changes, creating=False)
    if saver.late_seconds:
        late.hold_back(saver, whole, record_id, before)


def write(saver: Saver, item: SObject, record_id: str, changes: dict[str, Any]) -> None:
    """Store changed columns and move the stamps."""
    saver.database.update(item.name, record_id, changes | stamps(saver, item))


def stamps(saver: Saver, item: SObject) -> dict[str, Any]:
    """The columns that say who has changed a record, and when."""
    stamp = saver.stamp()
    values = {"LastModifiedDate": stamp, "LastModifiedById": saver.user_id, "SystemModstamp": stamp}
    return {name: value for name, value in values.items() if item.has(name)}


def current(saver: Saver, item: SObject, record_id: str) -> dict[str, Any]:
    """The stored row of a record that the user may change; otherwise the refusal."""
    row = saver.database.row(item.name, record_id)
    if row is None or saver.hides(record_id):
        raise unknown_id()
    if row.get("IsDeleted"):
        raise deleted_record()
    if record_id in saver.locked_ids or late.is_waiting(saver.database, record_id):
        raise row_locked(record_id, saver.lock_status)
    return row


def upsert(
    saver: Saver, object_name: str, field_name: str, value: Any, given: Mapping[str, Any], *, update_only: bool = False
) -> tuple[str, bool]:
    """Change the record with this external id, or make it; gives the id and whether it was made."""
    item = saver.object(object_name)
    field = lookup_field(item, field_name)
    if any(name.lower() == field.name.lower() for name in given):
        raise SalesforceError(
            400, "INVALID_FIELD", f"The {field.name} field should not be specified in the sobject data."
        )
    found = find(saver, item, field, value)
    if len(found) > 1:
        raise ManyMatches(field.name, str(value), found, item.name)
    if found:
        update(saver, item.name, found[0], given)
        return found[0], False
    if field.name == "Id" or update_only:
        raise unknown_id()
    return insert(saver, item.name, {**given, field.name: value}), True


def lookup_field(item: SObject, name: str) -> Field:
    """The field of this name, if records can be found by it."""
    field = item.field(name)
    if field is None or not (field.external_id or field.id_lookup):
        message = f"Provided external ID field does not exist or is not accessible: {name}"
        raise SalesforceError(404, "NOT_FOUND", message)
    return field


def find(saver: Saver, item: SObject, field: Field, value: Any) -> list[str]:
    """The ids of the records, not deleted and in sight, that have this value in an external-id field."""
    if value is None or value == "":
        message = f"{field.name} not specified"
        raise SalesforceError(400, "MISSING_ARGUMENT", message, [])
    wanted = values.stored(replace(field, restricted_picklist=False), value)
    alive = " AND IsDeleted = 0" if item.has("IsDeleted") else ""
    sql = f"SELECT Id FROM {quote(item.name)} WHERE {quote(field.name)} = ?{alive} ORDER BY Id LIMIT 20"
    found = [row[0] for row in saver.database.execute(sql, (wanted,))]
    return [record_id for record_id in found if not saver.hides(record_id)]


def _assign(saver: Saver, item: SObject, row: dict[str, Any]) -> None:
    """Lead assignment rules, unless the caller switched them off. They run on create and on update."""
    if item.name != "Lead" or saver.options.assignment == "FALSE":
        return
    target = saver.settings.assignment_target(saver.options.assignment)
    if target is not None:
        row["OwnerId"] = target


def derive(saver: Saver, item: SObject, row: dict[str, Any]) -> None:
    """Fields that follow from others."""
    if item.name_fields():
        row["Name"] = " ".join(part for part in (row["FirstName"], row["LastName"]) if part)
    if item.has("IsEmailBounced"):
        row["IsEmailBounced"] = int(row["EmailBouncedReason"] is not None or row["EmailBouncedDate"] is not None)
    if item.name == "CampaignMember":
        campaigns.complete(saver, row)


def _autonumber(saver: Saver, item: SObject, row: dict[str, Any]) -> None:
    for field in item.fields.values():
        if field.auto_number:
            row[field.name] = f"{saver.database.next_number(f'{item.name}.{field.name}'):08d}"


def _special(saver: Saver, item: SObject, row: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Rules of single objects."""
    if item.name == "CampaignMember":
        campaigns.check_member(saver, row)
    if saver.settings.state_country_picklists:
        places.follow(item, before, row)
        places.check(item, row)


def _after(saver: Saver, item: SObject, record_id: str, written: Collection[str], *, creating: bool) -> None:
    """What runs once the row is written and may still refuse it, in Salesforce's order of execution."""
    refusals.check_record(saver, item, record_id, written)
    checks.check_rules(saver, item, record_id)
    duplicates.check(saver, item, record_id)
    flow = saver.settings.failing_flow(item.name)
    if flow is not None:
        kind = "create" if creating else "update"
        message = (
            f"We can't save this record because the “{flow}” process failed. Give your Salesforce admin these details. "
            f"This error occurred when the flow tried to {kind} records: An unhandled fault has occurred in this flow."
        )
        raise SalesforceError(400, "CANNOT_EXECUTE_FLOW_TRIGGER", message, [])
    flows.run(saver, item, record_id)
