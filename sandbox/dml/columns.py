"""What stands in the records when a field is added, changed, renamed or taken away: also in saves not yet committed."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox.dml import late
from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject
from sandbox.store.database import Database, quote


def add(database: Database, item: SObject, field: Field) -> None:
    """A new field starts empty, a checkbox with its default."""
    if not field.stored:
        return
    database.add_column(item, field)
    if field.type == "boolean":
        database.execute(f"UPDATE {quote(item.name)} SET {quote(field.name)} = ?", (field.default,))


def change(database: Database, item: SObject, before: Field, after: Field) -> None:
    """Between kinds of text, and of numbers, values stay; everything else starts empty, as Salesforce warns."""
    if not before.stored or not after.stored:
        drop(database, item, before)
        add(database, item, after)
        return
    if after.external_id or after.unique:
        database.index(item, after)
    if (_stays(before, after), before.scale, before.column_type) == (True, after.scale, after.column_type):
        return
    table, column = quote(item.name), quote(after.name)
    rows = database.execute(f"SELECT Id, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
    if before.column_type != after.column_type:
        drop(database, item, before)
        add(database, item, after)
        rows = [(record_id, value) for record_id, value in rows if _moved(value, before, after) is not None]
    moved = [(_moved(value, before, after), record_id) for record_id, value in rows]
    database.connection.executemany(f"UPDATE {table} SET {column} = ? WHERE Id = ?", moved)
    late.reshape(database, item, lambda row: {**row, after.name: _moved(row.get(after.name), before, after)})


def rename(database: Database, item: SObject, before: Field, name: str) -> None:
    """The values go on under another name; names are the same in any case."""
    if before.stored:
        database.rename_column(item, before, name)
    late.reshape(database, item, lambda row: {name if key == before.name else key: value for key, value in row.items()})


def drop(database: Database, item: SObject, field: Field) -> None:
    """The values are gone."""
    database.drop_column(item, field)
    late.reshape(database, item, lambda row: {key: value for key, value in row.items() if key != field.name})


def _stays(before: Field, after: Field) -> bool:
    """Whether values are kept in the same way, but for the scale of numbers."""
    texts, numbers = before.is_text and after.is_text, before.is_decimal and after.is_decimal
    return before.type == after.type or texts or numbers


def _moved(value: Any, before: Field, after: Field) -> Any:
    """A stored value as the changed field keeps it; its empty value where it cannot."""
    if value is not None and before.is_decimal and after.is_decimal:
        if not isinstance(value, int):  # put in raw
            return value
        return int(Decimal(value).scaleb(after.scale - before.scale).to_integral_value(ROUND_HALF_UP))
    if _stays(before, after):
        return value
    return after.default if after.type == "boolean" else None
