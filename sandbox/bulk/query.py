"""Query jobs (Bulk API 2.0 Developer Guide, "Bulk API 2.0 Query").

The rows are fixed when the job starts and written to a file chunk by chunk, so that memory stays flat.
"""

from __future__ import annotations

import base64
import binascii
from array import array
from dataclasses import dataclass
from typing import Any

from sandbox.bulk import csvtext
from sandbox.bulk.job import COMPLETE, FAILED, RUNNING, Job, ResultFile
from sandbox.errors import SalesforceError
from sandbox.org_data import OrgData
from sandbox.soql.ast import Path, Query
from sandbox.soql.parser import parse
from sandbox.soql.plan import Plan
from sandbox.soql.scope import Reader
from sandbox.soql.shape import Convert, converter

CHUNK = 2000
OPERATIONS = ("query", "queryAll")


class BulkPlan(Plan):
    """A query whose rows become lines of CSV."""

    def __init__(self, query: Query, reader: Reader) -> None:
        super().__init__(query, reader)
        if self.counts or self.grouped:
            raise SalesforceError(400, "API_ERROR", "Aggregate Relationships not supported in Bulk V2 Query")
        if query.offset is not None:
            raise SalesforceError(400, "API_ERROR", "OFFSET clause is not supported in Bulk V2 Query")
        if self.selection.children:
            raise SalesforceError(400, "API_ERROR", "Nested Relationships not supported in Bulk V2 Query")
        self.names: list[str] = []
        self._converters: list[Convert | None] = []
        self._columns = []
        for item in query.select:
            if not isinstance(item.value, Path):
                raise SalesforceError(
                    400, "API_ERROR", "Functions in the select list are not supported in Bulk V2 Query"
                )
            column = self.scope.resolve(item.value)
            if not column.field.stored and not column.field.computed:
                message = f"Selecting compound data not supported in Bulk V2 Query: {column.field.name}"
                raise SalesforceError(400, "API_ERROR", message)
            self.names.append(".".join([*self.scope.parts(item.value)[:-1], column.field.name]))
            self._columns.append(column.sql)
            self._converters.append(converter(column.field, reader.sees_encrypted))

    def line(self, row: Any, delimiter: str, ending: str) -> bytes:
        """A row as CSV; null is an empty cell."""
        values = [
            "" if value is None else _text(value if convert is None else convert(value))
            for value, convert in zip(row, self._converters, strict=True)
        ]
        return csvtext.line(values, delimiter, ending)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).removeprefix("\x00#")


@dataclass(kw_only=True)
class QueryJob(Job):
    """A job that reads records."""

    soql: str = ""
    result: ResultFile | None = None
    _plan: BulkPlan | None = None
    _numbers: array[int] | None = None
    _position: int = 0

    def info(self) -> dict[str, Any]:
        """Job info."""
        info = self.basics() | {"jobType": "V2Query", "retries": 0, "totalProcessingTime": self.milliseconds}
        info["numberRecordsProcessed"] = self.processed
        if self.error_message:
            info["errorMessage"] = self.error_message
        return info

    def prepare(self, data: OrgData) -> None:
        """Compile the query; refused here what cannot be run at all."""
        reader = data.reader(self.user_id, self.version, deleted_too=self.operation == "queryAll")
        self._plan = BulkPlan(parse(self.soql), reader)
        self.object_name = self._plan.item.name

    def step(self, data: OrgData) -> None:
        """Fix the rows, then write the next chunk of them."""
        now = data.clock.now()
        try:
            if self._plan is None:
                self.prepare(data)
            plan = self._plan
            if plan is None:
                return
            if self._numbers is None:
                self.to(RUNNING, now)
                self._numbers = array("q", (row[0] for row in plan.row_numbers(data.database)))
                self.result = ResultFile(csvtext.line(plan.names, self.delimiter, self.ending))
            chunk = self._numbers[self._position : self._position + CHUNK]
            rows = plan.read(data.database, chunk)
            if self.result is not None:
                self.result.add_all([plan.line(row, self.delimiter, self.ending) for row in rows])
            self._position += len(chunk)
            self.processed += len(rows)
            if self._position >= len(self._numbers):
                self._numbers = None
                self.to(COMPLETE, now)
        except SalesforceError as error:
            self.to(FAILED, now, f"{error.code}: {error.message}")

    def close(self) -> None:
        """Give up the result."""
        if self.result is not None:
            self.result.close()


def locator(row: int) -> str:
    """An opaque text for a place in the result."""
    return base64.urlsafe_b64encode(f"row:{row}".encode()).decode().rstrip("=")


def place(text: str) -> int:
    """The place that a locator stands for."""
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise SalesforceError(400, "INVALID_QUERY_LOCATOR", f"invalid query locator: {text}") from error
    name, _, number = decoded.partition(":")
    if name != "row" or not (number.isascii() and number.isdigit() and len(number) < 10):
        raise SalesforceError(400, "INVALID_QUERY_LOCATOR", f"invalid query locator: {text}")
    return int(number)
