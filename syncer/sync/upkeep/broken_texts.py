"""Repairs texts that an earlier version let into SQLite and that no read can decode: halves of surrogate pairs.

PostgreSQL never took any. A row with one ends every query that touches it ("Could not decode to UTF-8 column"); in JSON
it stands as an escape, which is read and then can't be written to any page. What replaces it is what the edge makes of
such a text (``salesforce.texts``), here and in the values agreed last alike: it is no edit, and is not sent back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from syncer.salesforce.texts import may_be_unstorable, storable, storable_json


def repair(tables: Iterable[type[models.Model]], connection: BaseDatabaseWrapper) -> int:
    """Mend the text and JSON columns of these models. Return how many rows were. The caller sees to it that it counts
    as no edit. Only SQLite has any."""
    if connection.vendor != "sqlite":
        return 0
    connection.ensure_connection()
    connection.connection.create_function("syncer_broken_text", -1, _any_broken(_text), deterministic=True)
    connection.connection.create_function("syncer_broken_json", -1, _any_broken(_json), deterministic=True)
    return sum(_repair_table(model, connection) for model in tables)


def _repair_table(model: type[models.Model], connection: BaseDatabaseWrapper) -> int:
    kinds = [
        (name, columns, mend)
        for name, kind, mend in (
            ("syncer_broken_text", models.CharField | models.TextField, _text),
            ("syncer_broken_json", models.JSONField, _json),
        )
        if (columns := [f.column for f in model._meta.concrete_fields if isinstance(f, kind)])
    ]
    table, mended = model._meta.db_table, 0
    with connection.cursor() as cursor:
        for function, columns, mend in kinds:
            as_bytes = ", ".join(f'CAST("{column}" AS BLOB)' for column in columns)
            # names from the models, never from people
            cursor.execute(f'SELECT rowid, {as_bytes} FROM "{table}" WHERE {function}({as_bytes})')  # noqa: S608
            assignments = ", ".join(f'"{column}" = %s' for column in columns)
            for rowid, *cells in cursor.fetchall():
                values = [None if cell is None else mend(bytes(cell)) for cell in cells]
                cursor.execute(f'UPDATE "{table}" SET {assignments} WHERE rowid = %s', [*values, rowid])  # noqa: S608
                mended += 1
    return mended


def _text(cell: bytes) -> str:
    """The text that should have been stored."""
    return str(storable(_decoded(cell)))


def _json(cell: bytes) -> str:
    """The JSON that should have been stored. The same text when it has nothing to be mended."""
    text = _decoded(cell)
    if not may_be_unstorable(cell) and storable(text) == text:
        return text
    value = json.loads(text)
    mended = storable_json(value)
    return text if mended == value else json.dumps(mended)


def _decoded(cell: bytes) -> str:
    try:
        return cell.decode("utf-8", "surrogatepass")  # a half stands there like a character of three bytes
    except UnicodeDecodeError:
        return cell.decode("utf-8", "surrogateescape")


def _any_broken(mend: Callable[[bytes], str]) -> Callable[..., bool]:
    def any_broken(*cells: bytes | None) -> bool:
        return any(cell is not None and mend(cell).encode("utf-8", "replace") != cell for cell in cells)

    return any_broken
