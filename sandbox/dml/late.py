"""Saves that commit late: the record has its stamp already, and is not to be seen until its transaction commits.

A long transaction does this to whoever reads by ``SystemModstamp``; the planned fault ``late_commit`` makes one. What
is saved waits in the table ``_late``; meanwhile its record and its unique values are taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sandbox.clock import wire_datetime
from sandbox.dml.context import Saver
from sandbox.org_data import OrgData
from sandbox.schema.sobject import SObject
from sandbox.store.database import Database, quote


def hold_back(saver: Saver, item: SObject, record_id: str, before: dict[str, Any] | None) -> None:
    """Keep the saved row out of sight until its transaction commits; it keeps the stamp that it has now."""
    database = saver.database
    after = database.row(item.name, record_id)
    if after is None:
        return
    visible = wire_datetime(saver.data.clock.now() + timedelta(seconds=saver.late_seconds or 0))
    after.pop("_row")
    database.execute("INSERT INTO _late VALUES (?, ?, ?, ?)", (record_id, item.name, visible, json.dumps(after)))
    if before is None:
        database.execute(f"DELETE FROM {quote(item.name)} WHERE Id = ?", (record_id,))
    else:
        database.update(item.name, record_id, {name: value for name, value in before.items() if name != "_row"})


def commit(data: OrgData) -> None:
    """Make visible what was saved earlier and commits now. Called before each request."""
    database = data.database
    if database.one("SELECT 1 FROM _late LIMIT 1") is None:
        return
    now = wire_datetime(data.clock.now())
    for record_id, name, row in database.execute("SELECT id, object, row FROM _late WHERE at <= ?", (now,)).fetchall():
        item = data.catalog.objects[name]
        # code fields come and go with the state and country picklists
        values = {key: value for key, value in json.loads(row).items() if item.has(key)}
        if database.one(f"SELECT 1 FROM {quote(name)} WHERE Id = ?", (record_id,)):
            database.update(name, record_id, values)
        else:
            database.insert(name, values)
        database.execute("DELETE FROM _late WHERE id = ?", (record_id,))


def reshape(database: Database, item: SObject, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """What is saved and not yet committed follows a change of the object's fields."""
    for record_id, row in database.execute("SELECT id, row FROM _late WHERE object = ?", (item.name,)).fetchall():
        database.execute("UPDATE _late SET row = ? WHERE id = ?", (json.dumps(change(json.loads(row))), record_id))


def is_waiting(database: Database, record_id: str) -> bool:
    """Whether a save of this record has not committed yet."""
    return database.one("SELECT 1 FROM _late WHERE id = ?", (record_id,)) is not None


def holder(database: Database, item: SObject, name: str, value: Any, record_id: str) -> Any:
    """The row of another record whose save has not committed and that has this value: nobody else can take it."""
    collation = "" if item.fields[name].case_sensitive else " COLLATE NOCASE"
    sql = f"SELECT id FROM _late WHERE object = ? AND id <> ? AND json_extract(row, ?) = ?{collation}"
    return database.one(sql, (item.name, record_id, f'$."{name}"', value))


def earliest_stamp(database: Database) -> str | None:
    """The oldest stamp among the saves that have not committed yet."""
    found = database.one("SELECT MIN(json_extract(row, '$.SystemModstamp')) FROM _late")
    return found[0] if found else None
