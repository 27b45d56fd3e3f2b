"""Query, queryAll and their further pages (REST API Developer Guide, "Query")."""

from __future__ import annotations

import re
import sqlite3

from sandbox.rest.call import Call
from sandbox.soql.cursors import BATCH, SMALLEST_BATCH
from sandbox.soql.plan import too_complicated
from sandbox.wire import Response

_BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)


def _batch(call: Call) -> int:
    found = _BATCH_SIZE.search(call.request.headers.get("sforce-query-options", ""))
    asked = max(SMALLEST_BATCH, int(found[1][:9])) if found else BATCH
    return min(asked, call.org.settings.page_records)  # Salesforce answers with fewer where rows are large


def _run(call: Call, resource: str, *, deleted_too: bool) -> Response:
    text = call.query("q")
    try:
        answer = call.org.cursors.start(text, call.reader(deleted_too=deleted_too), resource, _batch(call))
    except (sqlite3.Error, RecursionError, OverflowError) as error:
        # the database's own limits (depth of an expression, length of a pattern) stand for Salesforce's
        raise too_complicated(error) from error
    return Response.json(answer)


def query(call: Call) -> Response:
    """GET /query?q=…"""
    return _run(call, "query", deleted_too=False)


def query_all(call: Call) -> Response:
    """GET /queryAll?q=…: deleted and merged records too."""
    return _run(call, "queryAll", deleted_too=True)


def more(call: Call, locator: str) -> Response:
    """GET /query/{locator} or /queryAll/{locator}; both take either's locators."""
    resource = "queryAll" if call.rest[0].lower() == "queryall" else "query"
    return Response.json(call.org.cursors.page(locator, call.reader(), resource))
