"""Writes as Subrequests over sObject Collections: up to 200 rows a call, each row refused or done on its own.

"sObject Collections", REST API Developer Guide. Assignment rules run on every create **and update** unless a header
says no, so updates always say no.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.composite import Subrequest, Subresponse
from syncer.salesforce.ids import is_salesforce_id, object_of, to_18
from syncer.salesforce.rows import RowError, RowResult, row_error
from syncer.salesforce.soql import identifier

__all__ = [
    "ALLOW_DUPLICATES",
    "AUTO_ASSIGN_OFF",
    "MOST_ROWS",
    "RowError",
    "RowResult",
    "create",
    "delete",
    "results",
    "update",
    "upsert",
]

MOST_ROWS = 200
AUTO_ASSIGN_OFF: Mapping[str, str] = {"Sforce-Auto-Assign": "FALSE"}
ALLOW_DUPLICATES: Mapping[str, str] = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}

_COLLECTIONS = "/composite/sobjects"


def update(
    reference: str,
    object: str,
    rows: Sequence[Mapping[str, object]],
    headers: Mapping[str, str] = AUTO_ASSIGN_OFF,
    *,
    only_after: str = "",
) -> Subrequest:
    """Updates by Id; ``only_after``: not without the answer to this query (`Subrequest`). ValueError if a row has no
    Id, or two rows the same (the second would be refused)."""
    for row in rows:
        to_18(str(row.get("Id") or ""))
    if len({to_18(str(row["Id"])) for row in rows}) < len(rows):
        raise ValueError("A record stands twice in one update.")
    return Subrequest("PATCH", _COLLECTIONS, reference, _records(object, rows), dict(headers), only_after)


def upsert(
    reference: str,
    object: str,
    external_id_field: str,
    rows: Sequence[Mapping[str, object]],
    headers: Mapping[str, str] = AUTO_ASSIGN_OFF,
) -> Subrequest:
    """Creates or updates by external id. ValueError if a row has no value in that field."""
    if any(not row.get(external_id_field) for row in rows):
        raise ValueError(f"A row has no {external_id_field}.")
    path = f"{_COLLECTIONS}/{identifier(object)}/{identifier(external_id_field)}"
    return Subrequest("PATCH", path, reference, _records(object, rows), dict(headers))


def create(
    reference: str,
    object: str,
    rows: Sequence[Mapping[str, object]],
    headers: Mapping[str, str] = AUTO_ASSIGN_OFF,
) -> Subrequest:
    """Creates. A lost answer may have been carried out: prefer `upsert` where there is an external id."""
    return Subrequest("POST", _COLLECTIONS, reference, _records(object, rows), dict(headers))


def delete(reference: str, ids: Sequence[str]) -> Subrequest:
    """Deletes by Id."""
    _check_number(len(ids))
    listed = ",".join(to_18(record_id) for record_id in ids)
    return Subrequest("DELETE", f"{_COLLECTIONS}?allOrNone=false&ids={listed}", reference)


def part(request: Subrequest, rows: Sequence[int]) -> Subrequest:
    """The same write for some of its rows, by their places."""
    if isinstance(request.body, Mapping):
        records = request.body["records"]
        return replace(request, body={**request.body, "records": [records[row] for row in rows]})
    start, _, listed = request.path.rpartition("ids=")
    ids = listed.split(",")
    return replace(request, path=f"{start}ids={','.join(ids[row] for row in rows)}")


def object_of_rows(request: Subrequest) -> str:
    """The object of the rows of a write; empty for one that nobody here knows."""
    if isinstance(request.body, Mapping):
        return str(request.body["records"][0]["attributes"]["type"])
    return object_of(request.path.rpartition("ids=")[2].partition(",")[0]) or ""


def rows_of(subresponse: Subresponse) -> list[Any]:
    """What was answered for each row; if the whole was refused, that refusal for every row."""
    if subresponse.ok:
        return list(subresponse.body)
    return [{"success": False, "errors": subresponse.body}] * subresponse.rows


def results(subresponse: Subresponse) -> list[RowResult]:
    """The outcome of each row in the order of the request; if the whole was refused, that refusal for every row.

    ValueError if the answer was carried out but does not speak of as many rows as were sent: what happened to each
    of them is then not known.
    """
    if (error := subresponse.error()) is not None:
        return [RowResult(None, False, None, (error,))] * subresponse.rows
    body = subresponse.body
    if not isinstance(body, list) or (subresponse.rows and len(body) != subresponse.rows):
        raise ValueError(f"Salesforce did not answer for each of the {subresponse.rows} rows.")
    return [_result(item) for item in body]


def _result(item: Any) -> RowResult:
    if not isinstance(item, Mapping):
        return RowResult(None, False, None, (row_error(item),))
    errors = tuple(row_error(error) for error in item.get("errors") or ())
    success = item.get("success") is True
    if not success and not errors:
        errors = (RowError(EdgeCode.UNKNOWN, "Salesforce gave no reason."),)
    created = item.get("created")
    record_id = item.get("id")
    return RowResult(
        to_18(record_id) if isinstance(record_id, str) and is_salesforce_id(record_id) else None,
        success,
        created if isinstance(created, bool) else None,
        () if success else errors,
    )


def _records(object_name: str, rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    _check_number(len(rows))
    attributes = {"type": identifier(object_name)}
    return {"allOrNone": False, "records": [{"attributes": attributes, **_named(row)} for row in rows]}


def _named(row: Mapping[str, object]) -> dict[str, object]:
    return {identifier(name): value for name, value in row.items()}


def _check_number(rows: int) -> None:
    if not 1 <= rows <= MOST_ROWS:
        raise ValueError(f"A call takes 1 to {MOST_ROWS} rows, not {rows}.")
