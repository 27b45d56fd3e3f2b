"""Delete, undelete, and emptying the recycle bin."""

from __future__ import annotations

from typing import Any

from sandbox.dml.context import Saver
from sandbox.dml.save import current
from sandbox.errors import SalesforceError, no_access, unknown_id
from sandbox.schema.sobject import SObject
from sandbox.store.database import quote

#: parent -> what is deleted and comes back with it: object and field
_CHILDREN = {
    "Account": (("Contact", "AccountId"),),
    "Lead": (("CampaignMember", "LeadId"),),
    "Contact": (("CampaignMember", "ContactId"),),
    "Campaign": (("CampaignMember", "CampaignId"), ("CampaignMemberStatus", "CampaignId")),
}


def delete(saver: Saver, object_name: str, record_id: str) -> None:
    """Put a record and its children into the recycle bin."""
    item = saver.object(object_name)
    if not item.deletable:
        raise no_access()
    current(saver, item, record_id)
    _mark(saver, saver.whole(item.name), record_id, {})


def mark_merged(saver: Saver, item: SObject, record_id: str, winner: str) -> None:
    """Put the loser of a merge into the recycle bin; its children have been moved before."""
    _mark(saver, item, record_id, {"MasterRecordId": winner})


def _mark(saver: Saver, item: SObject, record_id: str, changes: dict[str, Any]) -> None:
    database, stamp = saver.database, saver.stamp()
    for child_name, field in _CHILDREN.get(item.name, ()):
        child = saver.whole(child_name)
        children = database.execute(
            f"SELECT Id FROM {quote(child_name)} WHERE {quote(field)} = ? AND IsDeleted = 0", (record_id,)
        )
        for (child_id,) in children.fetchall():
            _mark(saver, child, child_id, {})
    stamps = {"LastModifiedDate": stamp, "LastModifiedById": saver.user_id, "SystemModstamp": stamp}
    database.update(item.name, record_id, {"IsDeleted": 1, **changes, **stamps})
    database.execute("INSERT OR REPLACE INTO _deleted VALUES (?, ?, ?)", (record_id, item.name, stamp))


def undelete(saver: Saver, record_id: str) -> None:
    """Bring a record back from the recycle bin, with a new stamp and the same id."""
    item = saver.data.catalog.whole.object_of(record_id)
    row = saver.database.row(item.name, record_id) if item else None
    if item is None or row is None:
        raise unknown_id()
    if not row.get("IsDeleted") or not item.undeletable:
        raise SalesforceError(400, "UNDELETE_FAILED", "Entity is not in the recycle bin", [])
    if row.get("MasterRecordId"):
        raise SalesforceError(400, "UNDELETE_FAILED", "a merged record cannot be undeleted", [])
    _check_unique_again(saver, item, row)
    database, stamp = saver.database, saver.stamp()
    stamps = {"LastModifiedDate": stamp, "LastModifiedById": saver.user_id, "SystemModstamp": stamp}
    database.update(item.name, record_id, {"IsDeleted": 0, **stamps})
    removed = database.one("DELETE FROM _deleted WHERE id = ? RETURNING at", (record_id,))
    for child_name, field in _CHILDREN.get(item.name, ()):
        sql = (
            f"SELECT c.Id FROM {quote(child_name)} c JOIN _deleted d ON d.id = c.Id "
            f"WHERE c.{quote(field)} = ? AND c.IsDeleted = 1 AND d.at = ?"
        )
        for (child_id,) in database.execute(sql, (record_id, removed[0] if removed else "")).fetchall():
            database.update(child_name, child_id, {"IsDeleted": 0, **stamps})
            database.execute("DELETE FROM _deleted WHERE id = ?", (child_id,))


def _check_unique_again(saver: Saver, item: SObject, row: dict[str, Any]) -> None:
    for field in item.fields.values():
        if field.unique and field.stored and row.get(field.name) is not None:
            sql = f"SELECT Id FROM {quote(item.name)} WHERE {quote(field.name)} = ? AND IsDeleted = 0"
            other = saver.database.one(sql, (row[field.name],))
            if other:
                message = f"duplicate value found: {field.name} duplicates value on record with id: {other[0][:15]}"
                raise SalesforceError(400, "DUPLICATE_VALUE", message, [])


def purge(saver: Saver, record_id: str) -> None:
    """Take a deleted record out of the recycle bin for ever: it leaves queryAll and getDeleted as well."""
    item = saver.data.catalog.whole.object_of(record_id)
    row = saver.database.row(item.name, record_id) if item else None
    if item is None or row is None:
        raise unknown_id()
    if not row.get("IsDeleted"):
        raise SalesforceError(400, "DELETE_FAILED", "Entity is not in the recycle bin", [])
    saver.database.execute(f"DELETE FROM {quote(item.name)} WHERE Id = ?", (record_id,))
    saver.database.execute("DELETE FROM _deleted WHERE id = ?", (record_id,))
