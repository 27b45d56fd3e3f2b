"""Composite: up to 25 subrequests in one call.

Sources: REST API Developer Guide, "Composite", "Composite Request Body" (a subrequest that depends on a failed one is
not executed; references lead to single values, in urls and in bodies), "allOrNone Parameters in Composite and
Collections Requests" (that of the whole goes before that of a collection).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from sandbox.errors import SalesforceError, malformed_json
from sandbox.faults import Struck
from sandbox.rest.call import Call
from sandbox.rest.limits import FIRST_VERSION, LAST_VERSION
from sandbox.rest.refusal import refusal
from sandbox.wire import Request, Response

MAX_SUBREQUESTS = 25
MAX_HEAVY = 5
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
_NAME = re.compile(r"[A-Za-z0-9_]+\Z")
#: faults of a subrequest that are faults of the whole answer
_OF_THE_WHOLE = ("drop_before", "drop_after", "delay_ms", "truncate", "date", "invalid_utf8")
_INHERITED = {"accept", "authorization", "content-type"}
_HEAVY = re.compile(r"/services/data/v[\d.]+/(?:query|queryAll|composite/sobjects)(?:[/?]|$)", re.IGNORECASE)
_PATH = re.compile(r"/services/data/v(\d+\.\d)(/.*)?\Z")

#: the router's entry, handed in because the router imports this module
Route = Callable[[Call], Response]


class _Halted(Exception):
    """allOrNone: undo everything."""


def composite(call: Call, route: Route) -> Response:
    """POST /composite."""
    body = call.request.json_object()
    subrequests = body.get("compositeRequest")
    if not isinstance(subrequests, list) or not all(isinstance(entry, dict) for entry in subrequests):
        raise malformed_json("The property 'compositeRequest' must be a list of subrequests")
    if len(subrequests) > MAX_SUBREQUESTS:
        return _refused_whole("LIMIT_EXCEEDED", f"The request can't contain more than {MAX_SUBREQUESTS} operations.")
    if sum(1 for entry in subrequests if _HEAVY.match(str(entry.get("url")))) > MAX_HEAVY:
        message = f"The request can't contain more than {MAX_HEAVY} query or sObject Collections operations."
        return _refused_whole("LIMIT_EXCEEDED", message)
    _check(subrequests)
    faults = [call.org.faults.strike(entry["method"], entry["url"], except_for=call.struck) for entry in subrequests]
    call.struck.faults += [fault for struck in faults for fault in struck.faults if fault.kind in _OF_THE_WHOLE]
    if call.struck.first("drop_before"):
        # the dispatcher closes the connection; nothing may have been done
        return Response.empty()
    return Response.json(
        {"compositeResponse": _Composite(call, route, bool(body.get("allOrNone"))).run(subrequests, faults)}
    )


def _refused_whole(code: str, message: str) -> Response:
    error = {
        "body": [{"errorCode": code, "message": message}],
        "httpHeaders": {},
        "httpStatusCode": 400,
        "referenceId": None,
    }
    return Response.json({"compositeResponse": [error]})


def _check(subrequests: list[dict[str, Any]]) -> None:
    names: set[str] = set()
    for entry in subrequests:
        reference = entry.get("referenceId")
        if not isinstance(reference, str) or not _NAME.match(reference):
            raise malformed_json(
                f"Provided referenceId ({reference}) is invalid: it is made of letters, digits and underscores"
            )
        if reference in names:
            raise malformed_json(f"Duplicate referenceId: {reference}")
        names.add(reference)
        if entry.get("method") not in _METHODS:
            raise malformed_json(f"Unsupported method in subrequest {reference}: {entry.get('method')}")
        if not isinstance(entry.get("url"), str) or not entry["url"].startswith("/services/data/"):
            raise malformed_json(f"The url of subrequest {reference} must start with /services/data/")
        headers = entry.get("httpHeaders") or {}
        if not isinstance(headers, dict):
            raise malformed_json(f"The httpHeaders of subrequest {reference} must be an object")
        inherited = [name for name in headers if name.lower() in _INHERITED]
        if inherited:
            message = f"Subrequests inherit these headers from the request and can't set them: {', '.join(inherited)}"
            raise SalesforceError(400, "INVALID_HTTP_HEADER", message)


class _Composite:
    def __init__(self, call: Call, route: Route, all_or_none: bool) -> None:
        self._call = call
        self._route = route
        self._all_or_none = all_or_none
        self._results: dict[str, Response] = {}

    def run(self, subrequests: list[dict[str, Any]], faults: list[Struck]) -> list[dict[str, Any]]:
        """Run them in their order; gives the entries of ``compositeResponse``."""
        answers: list[dict[str, Any]] = []
        if not self._all_or_none:
            for entry, struck in zip(subrequests, faults, strict=True):
                answers.append(_shown(entry, self._answer(entry, struck), struck))
            return answers
        failed: int | None = None
        try:
            with self._call.org.database.atomic():
                for index, (entry, struck) in enumerate(zip(subrequests, faults, strict=True)):
                    response = self._answer(entry, struck)
                    answers.append(_shown(entry, response, struck))
                    # a collection's status is 200 even if rows failed
                    if _has_failed(response) or response.rows_failed:
                        failed = index
                        raise _Halted
        except _Halted:
            message = "The transaction was rolled back since another operation in the same transaction failed."
            halted = Response.refusal(SalesforceError(400, "PROCESSING_HALTED", message))
            answers = [
                answers[index] if index == failed else _shown(entry, halted, Struck())
                for index, entry in enumerate(subrequests)
            ]
        return answers

    def _answer(self, entry: dict[str, Any], struck: Struck) -> Response:
        try:
            response = self._run(entry, struck)
        except SalesforceError as error:
            response = refusal(error, self._call.base)
        self._results[entry["referenceId"]] = response
        return response

    def _run(self, entry: dict[str, Any], struck: Struck) -> Response:
        url = self._filled(entry["url"])
        body = self._substituted(entry.get("body"))
        if struck.first("drop_locators"):
            self._call.org.cursors.open.clear()
        status = struck.first("status")
        if status is not None:
            raise status.error()
        headers = {name: value for name, value in self._call.request.headers.items() if name in _INHERITED}
        headers |= {name.lower(): str(value) for name, value in (entry.get("httpHeaders") or {}).items()}
        request = Request.to(entry["method"], url, headers, origin=self._call.request.origin)
        request.parsed = body
        match = _PATH.match(request.path)
        if match is None or match[1] != self._call.version and not _known(match[1]):
            raise SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")
        rest = request.segments[3:]
        if [part.lower() for part in rest if part] == ["composite"]:
            raise SalesforceError(400, "INVALID_INPUT", "Composite requests cannot be nested")
        both = Struck([*struck.faults, *self._call.struck.faults])
        whole = self._call
        sub = Call(
            whole.org,
            request,
            whole.session,
            match[1],
            rest,
            both,
            inside_composite=True,
            all_or_none=self._all_or_none,
        )
        return self._route(sub)

    def _substituted(self, value: Any) -> Any:
        if isinstance(value, str):
            whole = _REFERENCE.fullmatch(value)
            return self._lookup(whole) if whole else self._filled(value)
        if isinstance(value, dict):
            return {key: self._substituted(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._substituted(part) for part in value]
        return value

    def _filled(self, text: str) -> str:
        return _REFERENCE.sub(lambda match: _as_text(self._lookup(match)), text)

    def _lookup(self, match: re.Match[str]) -> Any:
        """The value that a reference stands for: a single one, not a list or an object."""
        name, text = match[1], match[0][2:-1]
        message = f"Invalid reference specified. No value for {text} found in {name}"
        earlier = self._results.get(name)
        if earlier is not None and _has_failed(earlier):
            raise SalesforceError(400, "PROCESSING_HALTED", f"{message}. Provided dependency failed.")
        value: Any = earlier.content if earlier is not None else None
        for step in _STEP.finditer(match[2]):
            try:
                value = value[step[1]] if step[1] is not None else value[int(step[2])]
            except (KeyError, IndexError, TypeError):
                value = None
        if value is None or isinstance(value, (dict, list)):
            raise SalesforceError(400, "PROCESSING_HALTED", message)
        return value


def _has_failed(response: Response) -> bool:
    """Whether what refers to this answer is not executed: it is a refusal, or several records."""
    return response.status >= 300 and response.status != 304


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _known(version: str) -> bool:
    return version.endswith(".0") and FIRST_VERSION <= float(version) <= LAST_VERSION


def _shown(entry: dict[str, Any], response: Response, struck: Struck) -> dict[str, Any]:
    """The part of the answer that tells of one subrequest."""
    headers = {name: value for name, value in response.headers.items() if name.lower() in ("location", "last-modified")}
    return {
        "body": struck.value(response.content, entry["url"]),
        "httpHeaders": headers,
        "httpStatusCode": response.status,
        "referenceId": entry["referenceId"],
    }
