"""sObject Collections: up to 200 records a call (REST API Developer Guide, "sObject Collections")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sandbox import ids
from sandbox.dml import refusals, remove, save
from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError, UnreadableBody, bad_id, malformed_json
from sandbox.rest.call import Call
from sandbox.rest.sobjects import rows
from sandbox.wire import Response, boolean

MAX_RECORDS = 200
MAX_READ = 2000
MAX_CHUNKS = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One record to be saved: its type as it was given, and what saves it.

    ``save`` gives the keys of its result besides success and errors.
    """

    type_name: str
    save: Callable[[], dict[str, Any]]


def _too_many(limit: int = MAX_RECORDS) -> SalesforceError:
    message = f"record limit reached. cannot submit more than {limit} records into this call"
    return SalesforceError(400, "EXCEEDED_ID_LIMIT", message)


def _records(call: Call) -> tuple[list[dict[str, Any]], bool]:
    body = call.request.json_object()
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise malformed_json("The 'records' property must be a list of records")
    if len(records) > MAX_RECORDS:
        raise _too_many()
    all_or_none = body.get("allOrNone", False)
    if not isinstance(all_or_none, bool):
        raise malformed_json(f"Cannot deserialize instance of boolean from value {all_or_none} at property allOrNone")
    return records, all_or_none


def _given_type(record: dict[str, Any]) -> str:
    """The type that a record names; empty if it names none."""
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    return name if isinstance(name, str) else ""


def _type_of(record: dict[str, Any]) -> str:
    name = _given_type(record)
    if not name:
        raise SalesforceError(400, "INVALID_TYPE", "Missing required attribute 'type' in 'attributes' of a record", [])
    return name


def _check_chunks(records: list[dict[str, Any]]) -> None:
    """Neighbours of one type are saved together; more than ten changes of type are refused."""
    chunks = sum(1 for _ in groupby(records, key=_given_type))
    if chunks > MAX_CHUNKS:
        message = f"The request contains {chunks} chunks of object types; at most {MAX_CHUNKS} are allowed"
        raise SalesforceError(400, "LIMIT_EXCEEDED", message)


def _type_error(name: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.", [])


class _Rollback(Exception):
    """allOrNone: a row failed, so nothing is kept."""


def _run(call: Call, rows: Sequence[Row], all_or_none: bool) -> Response:
    """Save each row on its own or, with allOrNone, all together; that of a whole Composite request goes before."""
    results: list[dict[str, Any]] = []
    failed = False
    try:
        with call.org.database.atomic():
            for type_name, together in groupby(rows, key=lambda row: row.type_name.lower()):
                results += _save_together(call.saver(), type_name, list(together))
            failed = not all(result["success"] for result in results)
            if failed and (all_or_none or call.all_or_none):
                raise _Rollback
    except _Rollback:
        results = [_rolled_back(result) for result in results]
    response = Response.json(results)
    response.rows_failed = failed
    return response


def _save_together(saver: Saver, type_name: str, rows: list[Row]) -> list[dict[str, Any]]:
    """Neighbours of one type: what the organisation's automations get at once."""
    item = saver.view.object(type_name)
    results: list[dict[str, Any]] = []
    try:
        with saver.database.atomic():
            results = [_save_one(saver, row) for row in rows]
            if item is not None:
                refusals.check_transaction(saver, item.name, sum(result["success"] for result in results))
    except UnreadableBody:
        raise
    except SalesforceError as error:
        results = [_failed(result, error) if result["success"] else result for result in results]
    return results


def _save_one(saver: Saver, row: Row) -> dict[str, Any]:
    try:
        with saver.database.atomic():
            return {**row.save(), "success": True, "errors": []}
    except UnreadableBody:
        raise  # the body of the request is read as a whole, before any row is saved
    except SalesforceError as error:
        return _failed({}, error)


def _failed(result: dict[str, Any], error: SalesforceError) -> dict[str, Any]:
    """The result of a row that was not saved, or (``result``) saved and undone."""
    kept = {"created": result["created"]} if "created" in result else {}
    return {"success": False, "errors": [error.as_row()], **kept}


def _rolled_back(result: dict[str, Any]) -> dict[str, Any]:
    if not result["success"]:
        return result
    message = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    return _failed(result, SalesforceError(400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", message))


def create(call: Call) -> Response:
    """POST /composite/sobjects."""
    records, all_or_none = _records(call)
    _check_chunks(records)
    saver = call.saver()

    def row(record: dict[str, Any]) -> Row:
        def run() -> dict[str, Any]:
            name = _type_of(record)
            if call.view.object(name) is None:
                raise _type_error(name)
            return {"id": save.insert(saver, name, record)}

        return Row(_given_type(record), run)

    return _run(call, [row(record) for record in records], all_or_none)


def update(call: Call) -> Response:
    """PATCH /composite/sobjects: each record carries its id."""
    records, all_or_none = _records(call)
    _check_chunks(records)
    saver = call.saver()
    seen: set[str] = set()

    def row(record: dict[str, Any]) -> Row:
        def run() -> dict[str, Any]:
            name = _type_of(record)
            item = call.view.object(name)
            if item is None:
                raise _type_error(name)
            given = next((value for key, value in record.items() if key.lower() == "id"), None)
            if given is None:
                raise SalesforceError(400, "MISSING_ARGUMENT", "Id not specified in an update call", [])
            full = ids.long_form(str(given))
            if full is None or full[:3] != item.key_prefix:
                raise bad_id(f"{item.label} ID", given, "Id")
            if full in seen:
                raise SalesforceError(400, "DUPLICATE_VALUE", f"Duplicate id specified: {full[:15]}", [])
            seen.add(full)
            save.update(saver, name, full, {key: value for key, value in record.items() if key.lower() != "id"})
            return {"id": full}

        return Row(_given_type(record), run)

    return _run(call, [row(record) for record in records], all_or_none)


def upsert(call: Call, name: str, field: str) -> Response:
    """PATCH /composite/sobjects/{Object}/{ExternalId}."""
    records, all_or_none = _records(call)
    item = call.object(name)
    lookup = save.lookup_field(item, field)
    saver = call.saver()
    seen: set[str] = set()

    def row(record: dict[str, Any]) -> Row:
        def run() -> dict[str, Any]:
            if _type_of(record).lower() != item.name.lower():
                raise _type_error(_type_of(record))
            value = next((value for key, value in record.items() if key.lower() == lookup.name.lower()), None)
            if value is None or value == "":
                raise SalesforceError(400, "MISSING_ARGUMENT", f"{lookup.name} not specified", [])
            if str(value).lower() in seen:
                raise SalesforceError(
                    400, "DUPLICATE_VALUE", f"Duplicate external id specified: {value}", [lookup.name]
                )
            seen.add(str(value).lower())
            left_out = {lookup.name.lower()} | ({"id"} if lookup.name != "Id" else set())
            if "id" in {key.lower() for key in record} and lookup.name != "Id":
                raise SalesforceError(
                    400, "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"]
                )
            given = {key: content for key, content in record.items() if key.lower() not in left_out}
            record_id, created = save.upsert(saver, item.name, lookup.name, value, given)
            return {"id": record_id, "created": created}

        return Row(item.name, run)

    response = _run(call, [row(record) for record in records], all_or_none)
    for result in response.content:
        result.setdefault("created", False)
    return response


def delete(call: Call) -> Response:
    """DELETE /composite/sobjects?ids=a,b&allOrNone=…"""
    wanted = [part.strip() for part in call.query("ids").split(",") if part.strip()]
    if len(wanted) > MAX_RECORDS:
        raise _too_many()
    saver = call.saver()

    def row(text: str) -> Row:
        full = ids.long_form(text)
        item = call.view.object_of(full) if full else None

        def run() -> dict[str, Any]:
            if full is None or item is None:
                raise SalesforceError(400, "MALFORMED_ID", f"malformed id {text}", [])
            remove.delete(saver, item.name, full)
            return {"id": full}

        return Row(item.name if item else "", run)

    return _run(call, [row(text) for text in wanted], boolean(call.request.query.get("allOrNone")))


def read(call: Call, name: str) -> Response:
    """POST /composite/sobjects/{Object} with ids and fields: null for a record that is not there."""
    body = call.request.json_object()
    wanted, fields = body.get("ids"), body.get("fields")
    if not isinstance(wanted, list) or not isinstance(fields, list):
        raise malformed_json("The properties 'ids' and 'fields' must be lists")
    return _read(call, name, [str(entry) for entry in wanted], [str(entry) for entry in fields])


def read_get(call: Call, name: str) -> Response:
    """GET /composite/sobjects/{Object}?ids=a,b&fields=c,d."""
    return _read(call, name, call.query("ids").split(","), call.query("fields").split(","))


def _read(call: Call, name: str, wanted: list[str], fields: list[str]) -> Response:
    item = call.object(name)
    if len(wanted) > MAX_READ:
        raise _too_many(MAX_READ)
    chosen = []
    for text in fields:
        field = item.field(text.strip())
        if field is None:
            raise SalesforceError(400, "INVALID_FIELD", f"No such column '{text.strip()}' on entity '{item.name}'")
        if field not in chosen:
            chosen.append(field)
    full_ids = [ids.long_form(text.strip()) for text in wanted]
    for text, full in zip(wanted, full_ids, strict=True):
        if full is None or full[:3] != item.key_prefix:
            raise SalesforceError(400, "MALFORMED_ID", f"malformed id {text.strip()}")
    found = rows(call, item, chosen, [full for full in full_ids if full])
    return Response.json([found.get(full) if full else None for full in full_ids])
