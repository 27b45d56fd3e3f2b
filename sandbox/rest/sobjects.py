"""Single records (REST API Developer Guide, "sObject Rows", "sObject Rows by External ID")."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.clock import http_date, read_http_date, read_wire
from sandbox.dml import remove as removal
from sandbox.dml import save
from sandbox.errors import ManyMatches, SalesforceError, deleted_record, unknown_record
from sandbox.rest.call import Call
from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject
from sandbox.soql.ast import Query
from sandbox.soql.scope import Scope
from sandbox.soql.selection import Selection
from sandbox.wire import Response, boolean

_UPSERT_BODY_SINCE = 46.0


def _record_id(item: SObject, text: str) -> str:
    full = ids.long_form(text)
    if full is None or full[:3] != item.key_prefix:
        raise unknown_record(text)
    return full


def create(call: Call, name: str) -> Response:
    """POST /sobjects/{Object}."""
    item = call.object(name)
    given = call.request.json_object()
    with call.org.database.atomic():
        record_id = save.insert(call.saver(), item.name, given)
    location = f"{call.base}/sobjects/{item.name}/{record_id}"
    return Response.json({"id": record_id, "success": True, "errors": []}, 201, {"Location": location})


def _wanted_fields(item: SObject, text: str | None) -> list[Field]:
    if text is None:
        return list(item.fields.values())
    fields = []
    for part in text.split(","):
        field = item.field(part.strip())
        if field is None:
            raise SalesforceError(400, "INVALID_FIELD", f"No such column '{part.strip()}' on entity '{item.name}'")
        if field not in fields:
            fields.append(field)
    return fields


def rows(
    call: Call, item: SObject, fields: list[Field], record_ids: list[str], *, deleted_too: bool = False
) -> dict[str, dict[str, Any]]:
    """The records with these ids that the caller can see, by id."""
    scope = Scope(call.reader(deleted_too=deleted_too), item, "")
    selection = Selection(scope, Query((), item.name, 0))
    selection.take_all(fields)
    where = " AND ".join([*scope.restrictions(), f"{scope.root}.Id = ?"])
    sql = f"SELECT {', '.join(selection.columns)} FROM {scope.source()} WHERE {where}"
    found = {}
    for record_id in record_ids:
        row = call.org.database.one(sql, (record_id,))
        record = selection.shape.build(row) if row else None
        if record is not None:
            found[record_id] = record
    return found


def _read_one(call: Call, item: SObject, record_id: str) -> Response:
    stored = call.org.database.row(item.name, record_id)
    if stored is None or call.org.is_hidden(call.session.user_id, record_id):
        raise unknown_record()
    if stored.get("IsDeleted"):
        raise deleted_record()
    refused = _conditional(call, stored)
    if refused is not None:
        return refused
    fields = _wanted_fields(item, call.request.query.get("fields"))
    headers = (
        {"Last-Modified": http_date(read_wire(stored["LastModifiedDate"]))} if stored.get("LastModifiedDate") else {}
    )
    return Response.json(rows(call, item, fields, [record_id])[record_id], headers=headers)


def _conditional(call: Call, stored: dict[str, Any]) -> Response | None:
    """304 or 412 by If-Modified-Since and If-Unmodified-Since ("Conditional Requests")."""
    if not stored.get("LastModifiedDate"):
        return None
    modified = read_wire(stored["LastModifiedDate"])
    since = read_http_date(call.request.headers.get("if-modified-since", ""))
    if since is not None and call.request.method in ("GET", "HEAD") and modified <= since:
        return Response.empty(304)
    until = read_http_date(call.request.headers.get("if-unmodified-since", ""))
    if until is not None and modified > until:
        return Response.empty(412)
    return None


def read(call: Call, name: str, record: str) -> Response:
    """GET /sobjects/{Object}/{Id}, perhaps with ?fields=A,B."""
    item = call.object(name)
    return _read_one(call, item, _record_id(item, record))


def read_by(call: Call, name: str, field: str, value: str) -> Response:
    """GET /sobjects/{Object}/{ExternalId}/{value}."""
    item = call.object(name)
    return _read_one(call, item, _find(call, item, field, value))


def _find(call: Call, item: SObject, field_name: str, value: str) -> str:
    field = save.lookup_field(item, field_name)
    found = save.find(call.saver(), item, field, value)
    if not found:
        raise unknown_record()
    if len(found) > 1:
        raise ManyMatches(field.name, value, found, item.name)
    return found[0]


def change(call: Call, name: str, record: str) -> Response:
    """PATCH /sobjects/{Object}/{Id}."""
    item = call.object(name)
    record_id = _record_id(item, record)
    given = call.request.json_object()
    if any(key.lower() == "id" for key in given):
        raise SalesforceError(400, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    stored = call.org.database.row(item.name, record_id)
    refused = _conditional(call, stored) if stored else None
    if refused is not None:
        return refused
    with call.org.database.atomic():
        save.update(call.saver(), item.name, record_id, given)
    return Response.empty()


def upsert(call: Call, name: str, field: str, value: str) -> Response:
    """PATCH /sobjects/{Object}/{ExternalId}/{value}."""
    item = call.object(name)
    given = call.request.json_object()
    if any(key.lower() == "id" for key in given):
        raise SalesforceError(400, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    update_only = boolean(call.request.query.get("updateOnly"))
    with call.org.database.atomic():
        record_id, created = save.upsert(call.saver(), item.name, field, value, given, update_only=update_only)
    answer = {"id": record_id, "success": True, "errors": [], "created": created}
    headers = {"Location": f"{call.base}/sobjects/{item.name}/{record_id}"} if created else None
    if float(call.version) < _UPSERT_BODY_SINCE and not created:
        return Response.empty()
    return Response.json(answer, 201 if created else 200, headers)


def remove(call: Call, name: str, record: str) -> Response:
    """DELETE /sobjects/{Object}/{Id}."""
    item = call.object(name)
    record_id = _record_id(item, record)
    with call.org.database.atomic():
        removal.delete(call.saver(), item.name, record_id)
    return Response.empty()


def remove_by(call: Call, name: str, field: str, value: str) -> Response:
    """DELETE /sobjects/{Object}/{ExternalId}/{value}."""
    item = call.object(name)
    record_id = _find(call, item, field, value)
    with call.org.database.atomic():
        removal.delete(call.saver(), item.name, record_id)
    return Response.empty()
