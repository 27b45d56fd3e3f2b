"""Rows as Bulk API 2.0 takes and gives them: CSV in UTF-8, commas, lines ended by LF (docs/salesforce.md 7.2).

What a cell means differs between the two ways. In an upload an empty cell leaves the field alone and ``#N/A`` empties
it; in a result an empty cell is null and ``#N/A`` is text. Quotes, commas, line ends and any script are Python's csv
module's work. Its limit of 131,072 characters a cell is also Salesforce's for the longest of its text fields.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence

from syncer.salesforce import values
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.kinds import BadValue, Canonical
from syncer.salesforce.soql import identifier

LEAVE_ALONE = ""

Record = dict[str, "str | None | Record"]


def write(
    fields: Sequence[FieldDescribe],
    rows: Iterable[Mapping[str, Canonical]],
    unsaid: Callable[[Mapping[str, Canonical]], None] | None = None,
) -> bytes:
    """The upload: a column for each field. None empties a field; one that a row does not name is left alone.

    A row with a value that no cell can say (the very text ``#N/A``) goes to ``unsaid`` instead; without it, BadValue is
    raised. ValueError for a value without a column.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([identifier(field.name) for field in fields])
    names = {field.name for field in fields}
    for row in rows:
        if extra := row.keys() - names:
            raise ValueError(f"There is no column for {', '.join(sorted(extra))}.")
        try:
            cells = [values.to_csv(field, row[field.name]) if field.name in row else LEAVE_ALONE for field in fields]
        except BadValue:
            if unsaid is None:
                raise
            unsaid(row)
        else:
            writer.writerow(cells)
    return text.getvalue().encode()


def read(content: bytes) -> list[dict[str, str]]:
    """The rows of a result, each cell as text. ValueError if it is cut off or no CSV at all."""
    text = content.decode("utf-8-sig").replace("\0", "")  # seen in results of Bulk jobs; no field can hold it
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    try:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = next(rows, [])
        return [dict(zip(header, row, strict=True)) for row in rows]
    except csv.Error as error:
        raise ValueError(str(error)) from None


def record(row: Mapping[str, str]) -> Record:
    """A row of a query's result in the form of REST: null for an empty cell, ``Owner.Name`` as a parent record."""
    found: Record = {}
    for name, cell in row.items():
        *parents, last = name.split(".")
        at = found
        for parent in parents:
            below = at.setdefault(parent, {})
            assert isinstance(below, dict)  # a column is either a field or a parent
            at = below
        at[last] = cell or None
    return {name: _without_empty_parents(value) for name, value in found.items()}


def _without_empty_parents(value: str | None | Record) -> str | None | Record:
    if not isinstance(value, dict):
        return value
    inner = {name: _without_empty_parents(below) for name, below in value.items()}
    return inner if any(below is not None for below in inner.values()) else None


def canonical(fields: Iterable[FieldDescribe], row: Mapping[str, str]) -> dict[str, Canonical]:
    """The canonical values of a row of a query's result. BadValue for nonsense, KeyError for a field not asked for."""
    return {field.name: values.from_csv(field, row[field.name]) for field in fields}
