"""Describe resources, with If-Modified-Since (REST API Developer Guide, "sObject Describe")."""

from __future__ import annotations

from sandbox.clock import http_date, read_http_date
from sandbox.rest.call import Call
from sandbox.schema.describe import global_describe, object_describe, summary
from sandbox.soql.scope import Scope
from sandbox.wire import Response


def _unchanged(call: Call) -> Response | None:
    since = read_http_date(call.request.headers.get("if-modified-since", ""))
    if since is not None and call.org.schema_changed <= since:
        return Response.empty(304, {"Last-Modified": http_date(call.org.schema_changed)})
    return None


def everything(call: Call) -> Response:
    """GET /sobjects."""
    return _unchanged(call) or Response.json(
        global_describe(call.view, call.version), headers={"Last-Modified": http_date(call.org.schema_changed)}
    )


def one(call: Call, name: str) -> Response:
    """GET /sobjects/{Object}/describe."""
    item, settings = call.object(name), call.org.settings
    unchanged = _unchanged(call)
    if unchanged is not None:
        return unchanged
    described = object_describe(
        item,
        call.view,
        call.version,
        first=settings.field_order.get(item.name, ()),
        record_types=settings.record_types.get(item.name, ()),
    )
    return Response.json(described, headers={"Last-Modified": http_date(call.org.schema_changed)})


def basic(call: Call, name: str) -> Response:
    """GET /sobjects/{Object}: what it is, and the records seen last (the newest ones)."""
    item = call.object(name)
    scope = Scope(call.reader(), item, "")
    where = " AND ".join(scope.restrictions()) or "1"
    title = "Name" if item.has("Name") else "Id"
    shown = scope.expression(item.fields[title], item, scope.root)
    sql = f"SELECT {scope.root}.Id, {shown} FROM {scope.source()} WHERE {where} ORDER BY {scope.root}._row DESC LIMIT 5"
    recent = [
        {
            "attributes": {"type": item.name, "url": f"{call.base}/sobjects/{item.name}/{row[0]}"},
            "Id": row[0],
            title: row[1],
        }
        for row in call.org.database.execute(sql)
    ]
    return Response.json({"objectDescribe": summary(item, call.version), "recentItems": recent})
