"""Merging records (SOAP ``merge``): up to three of a kind; the losers go to the recycle bin and name the winner."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.dml import campaigns, remove, save
from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError
from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject
from sandbox.store.database import quote

_MOST = 2


def merge(saver: Saver, object_name: str, winner: str, losers: list[str]) -> None:
    """Move the losers' children to the winner, which gets a new stamp, and delete the losers."""
    item = saver.object(object_name)
    if not item.mergeable:
        raise SalesforceError(400, "INVALID_TYPE", f"{item.name} cannot be merged", [])
    if not 1 <= len(losers) <= _MOST or winner in losers or len(set(losers)) < len(losers):
        raise SalesforceError(
            400, "INVALID_NUMBER_OF_DUPLICATES", "merge takes one record to keep and one or two others", []
        )
    whole = saver.whole(item.name)
    for record_id in (winner, *losers):
        row = save.current(saver, item, record_id)
        if row.get("IsConverted"):
            raise SalesforceError(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", [])
    _move_children(saver, item, winner, losers)
    campaigns.keep_one(saver, f"{item.name}Id", winner)
    save.write(saver, whole, winner, {})
    for loser in losers:
        remove.mark_merged(saver, whole, loser, winner)


def _move_children(saver: Saver, item: SObject, winner: str, losers: list[str]) -> None:
    """What refers to a loser refers to the winner, and has a new stamp."""
    stamp = saver.stamp()
    for child, field in _references(saver, item):
        stamped = child.has("SystemModstamp")
        changes = f"{quote(field.name)} = ?" + (", SystemModstamp = ?" if stamped else "")
        sql = f"UPDATE {quote(child.name)} SET {changes} WHERE {quote(field.name)} = ?"
        for loser in losers:
            saver.database.execute(sql, (winner, *([stamp] if stamped else []), loser))


def _references(saver: Saver, item: SObject) -> Iterator[tuple[SObject, Field]]:
    """The fields that can refer to a record of the object, save the one that names the winner of a merge."""
    for child in saver.data.catalog.objects.values():
        for field in child.fields.values():
            refers = field.type == "reference" and item.name in field.reference_to
            if refers and field.stored and field.name != "MasterRecordId":
                yield child, field
