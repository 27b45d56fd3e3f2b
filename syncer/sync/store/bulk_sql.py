"""One statement per batch: inserts and updates of many rows on SQLite (``json_each``) and PostgreSQL (``unnest``).

``bulk_update`` is about twenty times slower, and ``bulk_create`` of 2,000 persons is 67 statements on SQLite, where
Django allows 999 parameters a statement.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from typing import Any

from django.db import connection, models


def greatest(one: str, other: str) -> str:
    """The greater of two values, as SQL."""
    return f"{'GREATEST' if connection.vendor == 'postgresql' else 'MAX'}({one}, {other})"


def insert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    conflict: str = "",
    returning: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """Insert ``rows`` (values in the order of ``columns``, field attnames). Return the ``returning`` columns of each.

    ``conflict`` is the clause after ``ON CONFLICT``. The order of what is returned is not that of the rows.
    """
    if not rows:
        return []
    fields = _fields(model, columns)
    source, params = _source(fields, rows)
    names = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(f"s.c{i}" for i in range(len(fields)))
    # "WHERE true" keeps SQLite from reading ON CONFLICT as a join condition.
    sql = f'INSERT INTO "{model._meta.db_table}" ({names}) SELECT {values} FROM {source} AS s WHERE true'  # noqa: S608
    if conflict:
        sql += f" ON CONFLICT {conflict}"
    return _run(model, sql, params, returning)


def update(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    keys: Sequence[str],
    growing: Sequence[str] = (),
    returning: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """Update ``columns`` of the rows whose ``keys`` match: each row holds the key values first, then the columns'.
    Those that are ``growing`` never fall.

    Rows that don't match (edited meanwhile, deleted) are left out of what is returned. The keys are compared with
    columns of the same row: a join with another table would lose an edit that commits meanwhile on PostgreSQL.
    """
    if not rows:
        return []
    fields = _fields(model, [*keys, *columns])
    source, params = _source(fields, rows)
    values = [
        (field, greatest(f't."{field.column}"', f"s.c{i}") if field.attname in growing else f"s.c{i}")
        for i, field in enumerate(fields)
    ]
    assignments = ", ".join(f'"{field.column}" = {value}' for field, value in values[len(keys) :])
    matches = " AND ".join(f't."{fields[i].column}" = s.c{i}' for i in range(len(keys)))
    table = model._meta.db_table
    sql = f'UPDATE "{table}" AS t SET {assignments} FROM {source} AS s WHERE {matches}'  # noqa: S608
    return _run(model, sql, params, returning)


def delete_up_to(model: type[models.Model], key: str, column: str, rows: Sequence[Sequence[Any]]) -> None:
    """Delete the rows whose ``key`` is the first value of one of ``rows``, with at most its second in ``column``."""
    if not rows:
        return
    fields = _fields(model, [key, column])
    source, params = _source(fields, rows)
    table, (key, column) = model._meta.db_table, (field.column for field in fields)
    matches = f't."{key}" = s.c0 AND t."{column}" <= s.c1'
    if connection.vendor == "postgresql":
        sql = f'DELETE FROM "{table}" AS t USING {source} AS s WHERE {matches}'  # noqa: S608
    else:
        found = f'SELECT t."{key}" FROM {source} AS s JOIN "{table}" AS t ON {matches}'  # noqa: S608
        sql = f'DELETE FROM "{table}" WHERE "{key}" IN ({found})'  # noqa: S608
    _run(model, sql, params, ())


def matching(
    model: type[models.Model],
    key: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    where: str,
    params: Sequence[Any] = (),
) -> array[int]:
    """The ids in column ``key`` of the table's rows (``t``) that ``where`` joins with one of ``rows`` (``s.c0``,
    ``s.c1``, … in the order of ``columns``, whose types they have). Sorted; eight bytes each, however many there are.
    """
    found = array("q")
    if not rows:
        return found
    source, source_params = _source(_fields(model, columns), rows)
    [wanted] = _fields(model, [key])
    table = model._meta.db_table
    sql = f'SELECT t."{wanted.column}" FROM "{table}" AS t, {source} AS s WHERE {where} ORDER BY 1'  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [*source_params, *params])
        found.extend(row[0] for row in cursor)
    return found


def _fields(model: type[models.Model], names: Sequence[str]) -> list[models.Field[Any, Any]]:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    return [by_name[name] for name in names]


def _source(fields: Sequence[models.Field[Any, Any]], rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    prepared = [[_prepared(field, value) for field, value in zip(fields, row, strict=True)] for row in rows]
    if connection.vendor == "postgresql":
        arrays: list[Any] = []
        casts = []
        for i, field in enumerate(fields):
            arrays.append([row[i] for row in prepared])
            casts.append(f"%s::{_array_type(field)}[]")
        names = ", ".join(f"a{i}" for i in range(len(fields)))
        selected = ", ".join(
            f"a{i}::jsonb AS c{i}" if isinstance(field, models.JSONField) else f"a{i} AS c{i}"
            for i, field in enumerate(fields)
        )
        return f"(SELECT {selected} FROM unnest({', '.join(casts)}) AS u({names}))", arrays  # noqa: S608
    selected = ", ".join(f"json_extract(value, '$[{i}]') AS c{i}" for i in range(len(fields)))
    return f"(SELECT {selected} FROM json_each(%s))", [json.dumps(prepared, default=str)]  # noqa: S608


def _prepared(field: models.Field[Any, Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(field, models.JSONField):
        return json.dumps(value)
    return field.get_db_prep_value(value, connection, prepared=False)


def _array_type(field: models.Field[Any, Any]) -> str:
    # Not varchar(n): an explicit cast to it would cut longer text silently instead of refusing it.
    if isinstance(field, models.JSONField | models.CharField | models.TextField):
        return "text"
    if isinstance(field, models.ForeignKey):
        return "bigint"  # all keys here are BigAutoField, whose own type can't be the element of an array
    return field.db_type(connection) or "text"


def _run(model: type[models.Model], sql: str, params: list[Any], returning: Sequence[str]) -> list[tuple[Any, ...]]:
    if returning:
        fields = _fields(model, returning)
        sql += " RETURNING " + ", ".join(f'"{field.column}"' for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        if not returning:
            return []
        found = cursor.fetchall()
    converted = []
    for row in found:
        converted.append(tuple(field.to_python(value) for field, value in zip(fields, row, strict=True)))
    return converted
