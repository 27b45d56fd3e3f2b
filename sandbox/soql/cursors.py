"""Answers in pages. The rows are fixed when the query is first run; each page shows them as they are when it is read.

Sources: REST API Developer Guide, "Query"; SOQL and SOSL Reference, "Change the Batch Size in Queries"; Salesforce
Help, "Query cursor limits" (a locator lives two days, a user has ten open ones, the oldest makes room for an eleventh).
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.errors import SalesforceError
from sandbox.soql.parser import parse
from sandbox.soql.plan import Plan
from sandbox.soql.scope import Reader
from sandbox.store.database import Database

BATCH = 2000
SMALLEST_BATCH = 200
#: so many custom long text areas make a page as small as it can be
_LONG_TEXTS = 2
_LOCATOR = re.compile(r"([0-9A-Za-z]{18})-([0-9]{1,9})")
_LIFETIME = timedelta(days=2)
_OPEN_PER_USER = 10


@dataclass(slots=True)
class Cursor:
    """An open query."""

    plan: Plan
    numbers: array[int]
    batch: int
    user_id: str
    opened: datetime


@dataclass(slots=True)
class Cursors:
    """The open queries of the organisation."""

    database: Database
    open: dict[str, Cursor] = field(default_factory=dict)

    def start(self, text: str, reader: Reader, resource: str, batch: int = BATCH) -> dict[str, Any]:
        """Run a query; gives the answer's first page."""
        plan = Plan(parse(text), reader)
        if plan.counts:
            return {"totalSize": plan.count(self.database), "done": True, "records": []}
        if plan.grouped:
            grouped = plan.aggregate(self.database)
            return {"totalSize": len(grouped), "done": True, "records": grouped}
        if plan.selection.long_texts >= _LONG_TEXTS:
            batch = min(batch, SMALLEST_BATCH)
        rows = plan.first(self.database, batch + 1)
        if len(rows) <= batch:
            return {"totalSize": len(rows), "done": True, "records": plan.records(self.database, rows)}
        numbers = plan.all_row_numbers(self.database)
        self._make_room(reader.user_id)
        locator = self.database.next_id("01g")
        self.open[locator] = Cursor(plan, numbers, batch, reader.user_id, reader.now)
        return self._answer(locator, 0, plan.records(self.database, rows[:batch]), resource, reader.version)

    def _make_room(self, user_id: str) -> None:
        """Close a user's oldest open queries."""
        own = [locator for locator, cursor in self.open.items() if cursor.user_id == user_id]
        for locator in own[: max(0, len(own) - _OPEN_PER_USER + 1)]:
            del self.open[locator]

    def page(self, locator: str, reader: Reader, resource: str) -> dict[str, Any]:
        """A further page."""
        match = _LOCATOR.fullmatch(locator)
        identifier, start = (match[1], int(match[2])) if match else ("", 0)
        cursor = self.open.get(identifier)
        if cursor is None or cursor.user_id != reader.user_id or start >= len(cursor.numbers):
            raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        if reader.now - cursor.opened > _LIFETIME:
            del self.open[identifier]
            raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        rows = cursor.plan.read(self.database, cursor.numbers[start : start + cursor.batch])
        return self._answer(identifier, start, cursor.plan.records(self.database, rows), resource, reader.version)

    def _answer(
        self, locator: str, start: int, records: list[dict[str, Any]], resource: str, version: str
    ) -> dict[str, Any]:
        cursor = self.open[locator]
        following = start + cursor.batch
        answer: dict[str, Any] = {"totalSize": len(cursor.numbers), "done": following >= len(cursor.numbers)}
        if not answer["done"]:
            answer["nextRecordsUrl"] = f"/services/data/v{version}/{resource}/{locator}-{following}"
        answer["records"] = records
        return answer
