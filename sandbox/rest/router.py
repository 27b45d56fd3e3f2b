"""Which handler answers which resource. Slashes at the end of a path do not count."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.errors import SalesforceError, not_found
from sandbox.rest import bulk, collections, composite, describe, limits, query, replication, sobjects
from sandbox.rest.call import Call
from sandbox.wire import Response

Handler = Callable[..., Response]

#: (pattern, {method: handler}); the first pattern that fits wins, braces name a part of the path
ROUTES: list[tuple[str, dict[str, Handler]]] = [
    ("", {"GET": limits.resources}),
    ("limits", {"GET": limits.limits}),
    ("limits/recordCount", {"GET": limits.record_count}),
    ("query", {"GET": query.query}),
    ("query/{locator}", {"GET": query.more}),
    ("queryAll", {"GET": query.query_all}),
    ("queryAll/{locator}", {"GET": query.more}),
    ("sobjects", {"GET": describe.everything}),
    ("sobjects/{name}", {"GET": describe.basic, "POST": sobjects.create}),
    ("sobjects/{name}/describe", {"GET": describe.one}),
    ("sobjects/{name}/updated", {"GET": replication.updated}),
    ("sobjects/{name}/deleted", {"GET": replication.deleted}),
    ("sobjects/{name}/{record}", {"GET": sobjects.read, "PATCH": sobjects.change, "DELETE": sobjects.remove}),
    (
        "sobjects/{name}/{field}/{value}",
        {"GET": sobjects.read_by, "PATCH": sobjects.upsert, "DELETE": sobjects.remove_by},
    ),
    ("composite", {"POST": lambda call: composite.composite(call, route)}),
    ("composite/sobjects", {"POST": collections.create, "PATCH": collections.update, "DELETE": collections.delete}),
    ("composite/sobjects/{name}", {"GET": collections.read_get, "POST": collections.read}),
    ("composite/sobjects/{name}/{field}", {"PATCH": collections.upsert}),
    ("jobs/ingest", {"GET": bulk.list_ingest, "POST": bulk.create_ingest}),
    (
        "jobs/ingest/{job}",
        {"GET": bulk.ingest_info, "PATCH": bulk.change_ingest, "DELETE": bulk.delete_ingest},
    ),
    ("jobs/ingest/{job}/batches", {"PUT": bulk.upload}),
    ("jobs/ingest/{job}/{kind}", {"GET": bulk.ingest_result}),
    ("jobs/query", {"GET": bulk.list_query, "POST": bulk.create_query}),
    ("jobs/query/{job}", {"GET": bulk.query_info, "PATCH": bulk.change_query, "DELETE": bulk.delete_query}),
    ("jobs/query/{job}/results", {"GET": bulk.query_result}),
    ("jobs/query/{job}/resultPages", {"GET": bulk.query_pages}),
]


def _match(pattern: str, parts: list[str]) -> dict[str, str] | None:
    wanted = pattern.split("/") if pattern else []
    if len(wanted) != len(parts):
        return None
    found = {}
    for expected, part in zip(wanted, parts, strict=True):
        if expected.startswith("{"):
            if not part:
                return None
            found[expected[1:-1]] = part
        elif expected.lower() != part.lower():
            return None
    return found


def route(call: Call) -> Response:
    """Answer a call."""
    parts = [part for part in call.rest if part != ""] if not all(call.rest) else call.rest
    method = call.request.method
    if method == "POST" and "_HttpMethod" in call.request.query:
        # for clients that cannot send PATCH (REST API Developer Guide, "sObject Rows by External ID")
        method = call.request.query["_HttpMethod"].upper()
    if method == "HEAD":
        method = "GET"
    for pattern, handlers in ROUTES:
        found = _match(pattern, parts)
        if found is None:
            continue
        handler = handlers.get(method)
        if handler is None:
            allowed = ",".join(handlers)
            message = f"HTTP Method '{method}' not allowed. Allowed are {allowed}"
            raise SalesforceError(405, "METHOD_NOT_ALLOWED", message)
        return handler(call, **found)
    raise not_found()
