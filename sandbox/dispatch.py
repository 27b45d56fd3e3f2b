"""From a request to its answer: faults, session, limits, transaction, headers."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from sandbox import control, page
from sandbox.clock import http_date
from sandbox.dml import late
from sandbox.errors import ConnectionDropped, SalesforceError, invalid_session, not_found
from sandbox.faults import Struck
from sandbox.org import Org
from sandbox.rest import limits, moved
from sandbox.rest.call import Call
from sandbox.rest.refusal import refusal
from sandbox.rest.router import route
from sandbox.signin import oauth, soap
from sandbox.wire import Request, Response

_VERSION = re.compile(r"v(\d{1,2})\.0\Z")
#: what Salesforce's front end says of a long address
_TOO_LONG = {
    414: ("URI_TOO_LONG", "The URI is too long"),
    431: ("REQUEST_HEADER_FIELDS_TOO_LARGE", "Request header fields are too large"),
}
_log = logging.getLogger("sandbox")


@dataclass(slots=True)
class Outcome:
    """An answer and what happens to the connection it travels on."""

    response: Response
    delay: float = 0.0
    dropped: bool = False


def handle(org: Org, request: Request) -> Outcome:
    """Answer one request. Waiting (``delay``) and dropping the connection are the transport's part."""
    try:
        if request.path.startswith("/services/") or request.path.startswith("/id/"):
            return _api(org, request)
        with org.lock:
            late.commit(org)
            response = _local(org, request)
            response.headers.setdefault("Date", http_date(org.clock.now()))
            return Outcome(response)
    except ConnectionDropped:
        return Outcome(Response.empty(), dropped=True)


def _local(org: Org, request: Request) -> Response:
    """The control path and the page: not part of Salesforce, not counted, spared by faults."""
    try:
        if request.segments[0] == "sandbox":
            return control.answer(org, request)
        return page.answer(org, request)
    except SalesforceError as error:
        return Response.refusal(error)
    except Exception:
        return _own_failure(request)


def _own_failure(request: Request) -> Response:
    """A fault of the sandbox itself still leaves as Salesforce would say it, and is written down for us."""
    _log.exception("the sandbox failed on %s %s", request.method, request.path)
    message = "An unexpected error occurred. Please include this ErrorId if you contact support: sandbox"
    return Response.refusal(SalesforceError(500, "UNKNOWN_EXCEPTION", message))


def _api(org: Org, request: Request) -> Outcome:
    with org.lock:
        late.commit(org)
        org.usage.saw(request.method, request.path)
        struck = org.faults.strike(request.method, request.path)
        if struck.first("drop_before"):
            raise ConnectionDropped
        if struck.first("expire_session"):
            org.sessions.revoke(request.headers.get("authorization", "").partition(" ")[2].strip())
        if struck.first("drop_locators"):
            org.cursors.open.clear()
        status = struck.first("status")
        if status is not None:
            response = _fault_answer(status.error(), html=status.html)
        else:
            response = _guarded(org, request, struck)
        if struck.first("drop_before") or struck.first("drop_after"):
            raise ConnectionDropped
        _finish(org, request, response, struck)
        org.usage.runs(org.clock.now(), struck.delay)
        return Outcome(response, struck.delay)


def _finish(org: Org, request: Request, response: Response, struck: Struck) -> None:
    """The headers that every answer has, and what a planned fault makes of it on its way out."""
    date = struck.date(org.clock.now())
    if date:
        response.headers["Date"] = date
    if request.path.startswith("/services/data"):
        used, allowed = limits.usage(org)
        response.headers["Sforce-Limit-Info"] = f"api-usage={used}/{allowed}"
    response.replace_content(lambda value: struck.value(value, request.path))
    response.invalid_utf8 = struck.first("invalid_utf8") is not None
    response.truncated = struck.first("truncate") is not None


def _fault_answer(error: SalesforceError, *, html: bool) -> Response:
    if html:
        text = f"<html><head><title>{error.status}</title></head><body><h1>{error.message}</h1></body></html>"
        return Response.text(text, "text/html;charset=UTF-8", error.status)
    return refusal(error, "")


def _guarded(org: Org, request: Request, struck: Struck) -> Response:
    try:
        return _answer(org, request, struck)
    except SalesforceError as error:
        response = refusal(error, "/".join(request.path.split("/")[:4]))
        if error.status == 401:
            response.headers["WWW-Authenticate"] = "Token"
        return response
    except ConnectionDropped:
        raise
    except Exception:
        return _own_failure(request)


def _answer(org: Org, request: Request, struck: Struck) -> Response:
    if len(request.path) + len(request.query_text) > org.settings.url_length:
        raise SalesforceError(org.settings.url_status, *_TOO_LONG[org.settings.url_status])
    parts = request.segments
    if parts[0] == "id":
        return oauth.identity(org, request)
    if len(parts) == 1:
        raise not_found()
    if parts[1] == "oauth2":
        return oauth.answer(org, request)
    if parts[1].lower() == "soap":
        return soap.answer(org, request)
    if parts[1] != "data":
        raise not_found()
    if len(parts) == 2:
        if request.method not in ("GET", "HEAD"):
            raise SalesforceError(
                405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed. Allowed are GET"
            )
        return limits.versions()
    version = _version(parts[2])
    session = org.sessions.of_header(request.headers.get("authorization"), org.clock.now())
    left_behind = moved.answer(session.moved, request)
    if left_behind is not None:
        return left_behind
    if not org.users.is_active(session.user_id):
        raise invalid_session()
    _count(org)
    _check_content(request)
    return route(Call(org, request, session, version, parts[3:], struck))


def _check_content(request: Request) -> None:
    """Bodies are JSON; a CSV upload checks for itself."""
    if request.method in ("POST", "PATCH") and request.body and request.content_type not in ("", "application/json"):
        message = f"Content type {request.content_type} not supported; it must be application/json"
        raise SalesforceError(415, "UNSUPPORTED_MEDIA_TYPE", message)


def _version(text: str) -> str:
    match = _VERSION.match(text)
    number = int(match[1]) if match else 0
    if match and number < limits.FIRST_VERSION:
        raise SalesforceError(410, "GONE", "The requested API version is no longer supported")
    if not match or number > limits.LAST_VERSION:
        raise not_found()
    return f"{number}.0"


def _count(org: Org) -> None:
    """One call against the daily limit (a Composite request is one); over the limit it is refused.

    So is any call while as many others as allowed have been running for long.
    """
    used, allowed = limits.usage(org)
    if used >= allowed:
        raise SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    if org.usage.running_long(org.clock.now()) >= org.settings.concurrent_limit:
        message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
        raise SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", message)
    org.usage.count(org.clock.now())
