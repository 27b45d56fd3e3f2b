"""The rest of rows: fields that Salesforce does not bear in one query are asked for behind it, by id.

Several queries are no snapshot. A row counts when its stamps agree in all of them, else it is asked for again in all of
them. What one of them does not answer is unknown, and not empty: such a row is no record, and is read again later. The
rows belong to the reading of the query that brought them, which was the first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from syncer.salesforce import soql
from syncer.salesforce.client import Subrequest
from syncer.salesforce.composite import MOST_QUERIES_AND_COLLECTIONS
from syncer.sync.connection.pages import IDS_A_QUERY, all_rows, first_page
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.persons.record import WHOLE, stamp_of

#: Times that a row is asked for in all queries before it is left to the next cycle.
TRIES = 3

Row = dict[str, Any]


def complete(context: Context, fields: ObjectMap, rows: Sequence[Row]) -> list[Row]:
    """The rows of a query for ``fields.select`` with all other fields, in the same order. Those that can't be had as a
    whole now are as they came (``parse`` tells them by the mark that they lack). Raises FieldsChanged."""
    if not fields.rest:
        return list(rows)
    seen: Mapping[str, Row] = {row["Id"]: row for row in rows}
    whole: dict[str, Row] = {}
    for attempt in range(TRIES + 1):
        wanted = [record_id for record_id in seen if record_id not in whole]
        if not wanted:
            break
        if attempt:
            seen, *rest = _ask(context, fields.object, [fields.select, *fields.rest], wanted)
        else:
            rest = _ask(context, fields.object, fields.rest, wanted)
        for record_id in wanted:
            if (row := joined([answer.get(record_id) for answer in (seen, *rest)])) is not None:
                whole[record_id] = row
    return [whole.get(row["Id"], row) for row in rows]


def joined(parts: Iterable[Row | None]) -> Row | None:
    """One row of its parts, with the mark that it is whole; None when one is missing or was changed meanwhile."""
    result: Row = {}
    for part in parts:
        if part is None or (result and stamp_of(part) != stamp_of(result)):
            return None
        for name, value in part.items():
            known = result.get(name)
            if isinstance(known, dict) and isinstance(value, dict):  # read through the same reference
                value = {**known, **value}
            result[name] = value
    return {**result, WHOLE: True}


def _ask(
    context: Context, sobject: str, selects: Collection[Sequence[str]], ids: Sequence[str]
) -> list[dict[str, Row]]:
    """The rows with these ids, deleted ones included, for each select, by id."""
    found: list[dict[str, Row]] = [{} for _ in selects]
    chunks = [ids[start : start + IDS_A_QUERY] for start in range(0, len(ids), IDS_A_QUERY)]
    queries = [
        (number, soql.select(list(select), sobject, where=soql.in_("Id", chunk)))
        for chunk in chunks
        for number, select in enumerate(selects)
    ]
    for start in range(0, len(queries), MOST_QUERIES_AND_COLLECTIONS):
        batch = queries[start : start + MOST_QUERIES_AND_COLLECTIONS]
        answer, _ = context.ask(
            [Subrequest("GET", soql.query_path(text, deleted=True), f"rest{n}") for n, (_, text) in enumerate(batch)]
        )
        for n, (number, _) in enumerate(batch):
            found[number] |= {row["Id"]: row for row in all_rows(context, first_page(answer, f"rest{n}"))}
    return found
