"""The messages of the Composite resource: several requests in one call, answered one by one.

"Composite", REST API Developer Guide: at most 25 subrequests, at most 5 of them queries or collections; names of
letters, digits and underscores; without collation they run in the given order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from syncer.salesforce import jsontext
from syncer.salesforce.pages import Page, parse_page
from syncer.salesforce.rows import RowError, errors_of

MOST_SUBREQUESTS = 25
MOST_QUERIES_AND_COLLECTIONS = 5

_REFERENCE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_UNSAFE_PATH = re.compile(r"[\s#\\]|^//|/\.\.?(?:[/?]|$)")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_QUERY = re.compile(r"/(?:query|queryAll)\?q=(.*)")
_HEAVY = re.compile(r"/(?:query|queryAll|composite/sobjects)(?:[/?]|$)")
_SUBSTITUTION = "@{"
#: The code of a part that was not carried out because of another one.
HALTED = "PROCESSING_HALTED"


@dataclass(frozen=True, slots=True)
class Subrequest:
    """One request inside a Composite call. ``path`` begins with ``/`` below ``/services/data/vXX.X`` and is already
    percent-encoded; ``reference`` names its answer. ``only_after`` names a query before it without whose answer it is
    not carried out (a collection of records of one type). ValueError if it can't be sent."""

    method: str
    path: str
    reference: str
    body: object | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    only_after: str = ""

    def __post_init__(self) -> None:
        if self.method not in _METHODS:
            raise ValueError(f"{self.method!r} is not a method of Composite.")
        if not self.path.startswith("/") or _UNSAFE_PATH.search(self.path) or not self.path.isascii():
            raise ValueError(f"{self.path[:80]!r} is not a percent-encoded path that begins with one slash.")
        if not _REFERENCE.fullmatch(self.reference):
            raise ValueError(f"{self.reference[:80]!r} is not a reference: letters, digits, underscores.")

    @property
    def rows(self) -> int:
        """How many rows a collection call carries; 0 for anything else."""
        if isinstance(self.body, Mapping) and isinstance(self.body.get("records"), (list, tuple)):
            return len(self.body["records"])
        ids = re.match(r"/composite/sobjects\?(?:[^#]*&)?ids=([^&]+)", self.path)
        return len(ids[1].split(",")) if ids and self.method == "DELETE" else 0

    @property
    def query(self) -> str | None:
        """The query that it asks, whose answer is a page; None for any other request."""
        found = _QUERY.match(self.path) if self.method == "GET" else None
        return unquote(found[1]) if found else None

    @property
    def text(self) -> str:
        """The body as JSON; empty without one."""
        return "" if self.body is None else jsontext.dumps(self.body)

    @property
    def must_travel_alone(self) -> bool:
        """Whether its data hold ``@{``, which Composite would take for a reference to another answer and replace.

        No escape is documented, so somebody's text would be changed or the call refused; outside of Composite it is
        plain text.
        """
        return self.body is not None and _SUBSTITUTION in self.text


@dataclass(frozen=True, slots=True)
class Subresponse:
    """The answer to one subrequest, whatever it says. ``body`` is parsed JSON (decimals as Decimal), or a text.

    ``page``: of a query that was carried out. ``problem``: why its answer is no page, as the end of a sentence.
    """

    reference: str
    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0  # rows in the request, so that a refusal of the whole can be told for each of them
    page: Page | None = None
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether the request as a whole was carried out (its rows may still be refused each)."""
        return 200 <= self.status < 300

    @property
    def not_modified(self) -> bool:
        """Whether a conditional request found nothing new (304)."""
        return self.status == 304

    def error(self) -> RowError | None:
        """Why the request as a whole was refused; None if it was carried out or nothing is new."""
        return None if self.ok or self.not_modified else errors_of(self.body, self.status)[0]

    def header(self, name: str) -> str | None:
        """One header, by its name in any case."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answers by reference. ``asked_at`` is the organisation's time when the request left, or a little earlier:
    whatever was committed before it is in the answers. UTC, whole seconds."""

    responses: dict[str, Subresponse]
    asked_at: datetime

    def __getitem__(self, reference: str) -> Subresponse:
        return self.responses[reference]

    def rows(self, reference: str) -> list[dict[str, Any]]:
        """The rows on the page that answers a query; none when it was refused or is no page."""
        page = self.responses[reference].page
        return [] if page is None else page.records


def check(subrequests: Sequence[Subrequest]) -> None:
    """ValueError if Composite would refuse them as a whole."""
    if not 1 <= len(subrequests) <= MOST_SUBREQUESTS:
        raise ValueError(f"A Composite request takes 1 to {MOST_SUBREQUESTS} subrequests, not {len(subrequests)}.")
    if len({request.reference for request in subrequests}) < len(subrequests):
        raise ValueError("Two subrequests have the same reference.")
    heavy = sum(1 for request in subrequests if _HEAVY.match(request.path))
    if heavy > MOST_QUERIES_AND_COLLECTIONS:
        raise ValueError(
            f"A Composite request takes {MOST_QUERIES_AND_COLLECTIONS} queries and collections, not {heavy}."
        )
    if any(_SUBSTITUTION in request.path for request in subrequests) and any(
        request.must_travel_alone for request in subrequests
    ):
        raise ValueError('A request that refers to other answers can\'t carry data with "@{".')


def halted(request: Subrequest) -> Subresponse:
    """The answer to a request that was not sent, because what it was to come after had failed."""
    error = {"errorCode": HALTED, "message": f"{request.only_after} failed, so that {request.reference} was left out."}
    return Subresponse(request.reference, 400, [error], {}, request.rows)


def groups(subrequests: Sequence[Subrequest]) -> list[tuple[bool, list[Subrequest]]]:
    """The subrequests in the calls that they travel in: one, unless data with ``@{`` must travel alone (then True)."""
    result: list[tuple[bool, list[Subrequest]]] = []
    for request in subrequests:
        alone = request.must_travel_alone
        if alone or not result or result[-1][0]:
            result.append((alone, []))
        result[-1][1].append(request)
    return result


def payload(subrequests: Sequence[Subrequest], base_path: str) -> str:
    """The JSON of the call; ``base_path`` is ``/services/data/vXX.X``."""
    entries: list[dict[str, object]] = []
    present = {request.reference for request in subrequests}
    for request in subrequests:
        entry: dict[str, object] = {
            "method": request.method,
            "url": base_path + (_referring(request) if request.only_after in present else request.path),
            "referenceId": request.reference,
        }
        if request.body is not None:
            entry["body"] = request.body
        if request.headers:
            entry["httpHeaders"] = dict(request.headers)
        entries.append(entry)
    # Not collated: a read before and a read after the writes must stay before and after them.
    return jsontext.dumps({"allOrNone": False, "collateSubrequests": False, "compositeRequest": entries})


def _referring(request: Subrequest) -> str:
    """The path of a request, with a parameter that is taken from the answer to the query before it: Composite leaves
    out what refers to a part that failed ("allOrNone", Composite Request Body). The one place that knows how. The
    records stay as they are in any other call: whoever stands in between reads their type there."""
    separator = "&" if "?" in request.path else "?"
    return f"{request.path}{separator}after=@{{{request.only_after}.records[0].attributes.type}}"


def parse(body: object, subrequests: Sequence[Subrequest], asked_at: datetime) -> dict[str, Subresponse]:
    """The answers by reference, in the order asked. ValueError if one is missing or the body has another shape."""
    items = body.get("compositeResponse") if isinstance(body, Mapping) else None
    if not isinstance(items, list):
        raise ValueError("The answer is not that of a Composite request.")
    asked = {request.reference: request for request in subrequests}
    found: dict[str, Subresponse] = {}
    for item in items:
        if not isinstance(item, Mapping) or not isinstance(item.get("httpStatusCode"), int):
            raise ValueError("A part of the Composite answer has no status.")
        # Without a reference the whole was refused: "can't contain more than 25 operations" (docs/salesforce.md 4.4).
        reference, headers = str(item.get("referenceId") or ""), item.get("httpHeaders")
        names = {str(k): str(v) for k, v in headers.items()} if isinstance(headers, Mapping) else {}
        told = Subresponse(reference, item["httpStatusCode"], item.get("body"), names)
        found[reference] = with_page(told, asked[reference], asked_at) if reference in asked else told
    if missing := [name for name in asked if name not in found]:
        if "" in found:
            return {"": found[""]}
        raise ValueError(f"The Composite answer lacks {', '.join(missing)}.")
    return {name: found[name] for name in asked}


def with_page(answer: Subresponse, request: Subrequest, asked_at: datetime) -> Subresponse:
    """The answer to a subrequest with the number of its rows, and with its page if it was a query."""
    answer, query = replace(answer, rows=request.rows), request.query
    if query is None or not answer.ok:
        return answer
    try:
        deleted = request.path.startswith("/queryAll")
        return replace(answer, page=parse_page(answer.body, asked_at, query, deleted=deleted))
    except ValueError as error:
        return replace(answer, problem=str(error))
