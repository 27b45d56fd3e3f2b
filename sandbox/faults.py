"""Planned faults: what goes wrong, on which requests.

A fault matches a request when ``route`` is part of "METHOD path"; inside a Composite request also a subrequest's.
``nth`` counts matching requests from when the fault was planned (1 = the next), ``times`` says how many in a row
are hit; ``probability`` hits each matching request by chance instead.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox import malformed
from sandbox.clock import http_date
from sandbox.errors import SalesforceError

KINDS = (
    "status",
    "drop_before",
    "drop_after",
    "delay_ms",
    "truncate",
    "lock",
    "expire_session",
    "late_commit",
    "date",
    "change",
    "repeat_page",
    "invalid_utf8",
    "drop_locators",
)
_CODES = {
    401: ("INVALID_SESSION_ID", "Session expired or invalid"),
    403: ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    404: ("NOT_FOUND", "The requested resource does not exist"),
    500: ("UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId if you contact support: 0"),
    503: ("SERVER_UNAVAILABLE", "The server is temporarily unavailable."),
}


@dataclass
class Fault:
    """One plan."""

    number: int
    name: str
    route: str
    kind: str
    nth: int = 1
    times: int | None = 1
    probability: float | None = None
    seconds: float = 0.0
    status: int = 503
    code: str | None = None
    message: str | None = None
    html: bool = False
    ids: tuple[str, ...] = ()
    #: of the kind ``change``: see ``sandbox.malformed``
    changes: tuple[dict[str, Any], ...] = ()
    #: of the kind ``date``: the header's text in place of a time that is off by ``seconds``; empty for no header
    date: str | None = None
    seen: int = 0
    hits: int = 0

    def hit(self, method: str, path: str, chance: random.Random) -> bool:
        """Whether this request is struck; counts it."""
        if self.route not in f"{method} {path}":
            return False
        self.seen += 1
        if self.times is not None and self.hits >= self.times:
            return False
        struck = self.seen >= self.nth if self.probability is None else chance.random() < self.probability
        self.hits += struck
        return struck

    def error(self) -> SalesforceError:
        """The answer of a ``status`` fault."""
        code, message = _CODES.get(self.status, ("UNKNOWN_EXCEPTION", "An unexpected error occurred."))
        return SalesforceError(self.status, self.code or code, self.message or message)

    def shown(self) -> dict[str, Any]:
        """As the control path lists it."""
        return {
            "id": self.number,
            "name": self.name,
            "route": self.route,
            "kind": self.kind,
            "nth": self.nth,
            "times": self.times,
            "probability": self.probability,
            "seconds": self.seconds,
            "status": self.status,
            "code": self.code,
            "ids": list(self.ids),
            "changes": list(self.changes),
            "seen": self.seen,
            "hits": self.hits,
        }


@dataclass
class Struck:
    """The faults that strike one request (or one subrequest)."""

    faults: list[Fault] = field(default_factory=list)

    def first(self, kind: str) -> Fault | None:
        """The first fault of a kind."""
        return next((fault for fault in self.faults if fault.kind == kind), None)

    def value(self, value: Any, path: str) -> Any:
        """The JSON of the answer to a request for this path, as it leaves."""
        for fault in self.faults:
            if fault.kind == "change":
                value = malformed.changed(value, fault.changes)
            elif fault.kind == "repeat_page":
                value = malformed.repeating(value, path)
        return value

    def date(self, now: datetime) -> str:
        """The text of the answer's ``Date`` header; empty for none."""
        wrong = self.first("date")
        if wrong is None:
            return http_date(now)
        return http_date(now + timedelta(seconds=wrong.seconds)) if wrong.date is None else wrong.date

    @property
    def delay(self) -> float:
        """Seconds to wait before the answer."""
        return sum(fault.seconds for fault in self.faults if fault.kind == "delay_ms")

    @property
    def locked_ids(self) -> frozenset[str]:
        """Records that somebody else holds during this request."""
        return frozenset(record_id for fault in self.faults if fault.kind == "lock" for record_id in fault.ids)

    @property
    def late_seconds(self) -> float | None:
        """How long after its stamp what is saved becomes visible."""
        fault = self.first("late_commit")
        return fault.seconds if fault else None


class Faults:
    """All plans of the organisation."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.planned: list[Fault] = []
        self._number = 0

    def plan(self, given: dict[str, Any]) -> Fault:
        """Add a fault from its JSON."""
        kind = given.get("kind")
        if kind not in KINDS:
            raise SalesforceError(400, "INVALID_FIELD", f"unknown kind of fault: {kind}; there are {', '.join(KINDS)}")
        milliseconds = given.get("delay_ms", given.get("ms"))
        seconds = float(milliseconds) / 1000 if milliseconds is not None else float(given.get("seconds", 1.0))
        probability = given.get("probability")
        default_times = None if probability is not None else 1
        times = given.get("times", default_times)
        self._number += 1
        fault = Fault(
            number=self._number,
            name=str(given.get("name", "")),
            route=str(given.get("route", "")),
            kind=kind,
            nth=int(given.get("nth", 1)),
            times=None if times is None else int(times),
            probability=None if probability is None else float(probability),
            seconds=seconds,
            status=int(given.get("status", 500 if kind == "lock" else 503)),
            code=given.get("code"),
            message=given.get("message"),
            html=bool(given.get("html", False)),
            ids=tuple(given.get("ids", ())),
            changes=tuple(malformed.checked(given.get("changes"))) if kind == "change" else (),
            date=given.get("date"),
        )
        self.planned.append(fault)
        return fault

    def strike(self, method: str, path: str, *, except_for: Struck | None = None) -> Struck:
        """The faults that hit this request. Those that hit the whole Composite request spare its parts."""
        if not self.planned:
            return Struck()
        whole = except_for.faults if except_for else []
        return Struck([fault for fault in self.planned if fault not in whole and fault.hit(method, path, self._chance)])

    def share(self, chance: random.Random) -> None:
        """Draw from this source of chance from now on."""
        self._chance = chance

    def clear(self, name: str | None = None) -> None:
        """Nothing goes wrong any more, or none of the faults of this name."""
        self.planned = [fault for fault in self.planned if name not in (None, fault.name)]
