"""Ingest jobs: insert, update, upsert and delete from a CSV upload.

Source: Bulk API 2.0 Developer Guide, "Bulk API 2.0 Ingest". An empty cell is ignored, ``#N/A`` means null. Rows are
saved in chunks that commit on their own, so a failed job may have saved a part. The results do not keep the order.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

from sandbox import ids
from sandbox.bulk import csvtext
from sandbox.bulk.job import COMPLETE, FAILED, OPEN, RUNNING, Job, ResultFile
from sandbox.dml import refusals, remove, save
from sandbox.dml.context import SaveOptions, Saver
from sandbox.errors import SalesforceError, WrongType, bad_id
from sandbox.org_data import OrgData
from sandbox.schema.sobject import SObject

CHUNK = 200
OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")
_NULL = "#N/A"


@dataclass(kw_only=True)
class IngestJob(Job):
    """A job that loads records."""

    chance: random.Random
    external_id_field: str | None = None
    assignment_rule: str | None = None
    fail_after: int | None = None
    upload: IO[bytes] | None = None
    header: list[str] = field(default_factory=list)
    results: dict[str, ResultFile] = field(default_factory=dict)
    _rows: Iterator[list[str]] | None = None

    def info(self) -> dict[str, Any]:
        """Job info."""
        info = self.basics() | {"jobType": "V2Ingest"}
        if self.external_id_field:
            info["externalIdFieldName"] = self.external_id_field
        if self.assignment_rule:
            info["assignmentRuleId"] = self.assignment_rule
        if self.state == OPEN:
            info["contentUrl"] = f"services/data/v{self.version}/jobs/ingest/{self.id}/batches"
        else:
            info |= {
                "retries": 0,
                "totalProcessingTime": self.milliseconds,
                "apiActiveProcessingTime": self.milliseconds,
                "apexProcessingTime": 0,
                "numberRecordsProcessed": self.processed,
                "numberRecordsFailed": self.failed,
            }
        if self.error_message:
            info["errorMessage"] = self.error_message
        return info

    def take(self, content: bytes) -> None:
        """Keep the upload."""
        self.upload = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the job
        self.upload.write(content)

    def result(self, kind: str) -> ResultFile:
        """The file of a kind of result: successful, failed or unprocessed."""
        if kind not in self.results:
            extra = {"successful": ["sf__Id", "sf__Created"], "failed": ["sf__Id", "sf__Error"], "unprocessed": []}[
                kind
            ]
            self.results[kind] = ResultFile(csvtext.line([*extra, *self.header], self.delimiter, self.ending))
        return self.results[kind]

    def step(self, data: OrgData) -> None:
        """Save the next chunk."""
        now = data.clock.now()
        try:
            if self._rows is None:
                self.to(RUNNING, now)
                self._begin(data)
            chunk = list(islice(self._rows or (), CHUNK))
            if self.fail_after is not None and self.processed + len(chunk) > self.fail_after:
                keep = max(0, self.fail_after - self.processed)
                self._save(data, chunk[:keep])
                self._leave(chunk[keep:])
                raise csvtext.BadCsv("InternalServerError : the job failed after too many retries")
            if not chunk:
                self.to(COMPLETE, now)
                return
            self._save(data, chunk)
        except (csvtext.BadCsv, SalesforceError) as error:
            self._leave_rest()
            self.to(FAILED, now, str(error) if isinstance(error, csvtext.BadCsv) else f"{error.code} : {error.message}")

    def _begin(self, data: OrgData) -> None:
        if self.upload is None:
            raise csvtext.BadCsv("ClientInputError : no data was uploaded")
        self._rows = csvtext.rows(self.upload, self.delimiter, self.line_ending)
        self.header = next(self._rows, [])
        item = data.catalog.view(self.user_id).object(self.object_name)
        if item is None:
            raise csvtext.BadCsv(f"InvalidBatch : object not found : {self.object_name}")
        if not self.header:
            raise csvtext.BadCsv("ClientInputError : the upload has no header row")
        self._check_header(item)

    def _check_header(self, item: SObject) -> None:
        if len({name.lower() for name in self.header}) < len(self.header):
            raise csvtext.BadCsv("InvalidBatch : Duplicate field name found in the header row")
        for name in self.header:
            relation, _, field_name = name.partition(".")
            known = item.field(name) if not field_name else item.relationship(relation)
            if known is None:
                raise csvtext.BadCsv(f"InvalidBatch : Field name not found : {name}")
        lowered = [name.lower() for name in self.header]
        if self.operation in ("update", "delete", "hardDelete") and "id" not in lowered:
            raise csvtext.BadCsv("InvalidBatch : Field name not found : Id")
        if self.operation in ("delete", "hardDelete") and len(lowered) > 1:
            raise csvtext.BadCsv("InvalidBatch : a delete job takes the column Id only")
        if self.operation == "upsert" and (self.external_id_field or "").lower() not in lowered:
            raise csvtext.BadCsv(f"InvalidBatch : Field name not found : {self.external_id_field}")

    def _save(self, data: OrgData, chunk: list[list[str]]) -> None:
        saver = Saver(data, self.user_id, SaveOptions(assignment=self.assignment_rule or "FALSE"))
        outcomes: list[tuple[str, bool] | SalesforceError] = []
        try:
            with data.database.atomic():
                outcomes = [self._save_row(saver, row) for row in chunk]
                saved = sum(1 for outcome in outcomes if not isinstance(outcome, SalesforceError))
                refusals.check_transaction(saver, saver.object(self.object_name).name, saved)
        except SalesforceError as error:
            outcomes = [outcome if isinstance(outcome, SalesforceError) else error for outcome in outcomes]
        good, bad = [], []
        for row, outcome in zip(chunk, outcomes, strict=True):
            if isinstance(outcome, SalesforceError):
                bad.append(self._line([self._known_id(row), _error_text(outcome), *row]))
            else:
                good.append(self._line([outcome[0], str(outcome[1]).lower(), *row]))
        self.processed += len(chunk)
        self.failed += len(bad)
        for lines, kind in ((good, "successful"), (bad, "failed")):
            self.chance.shuffle(lines)
            self.result(kind).add_all(lines)

    def _save_row(self, saver: Saver, row: list[str]) -> tuple[str, bool] | SalesforceError:
        """A row's id and whether it is a new record; or why it was refused."""
        try:
            with saver.database.atomic():
                return self._saved(saver, row)
        except SalesforceError as error:
            return error

    def _line(self, values: list[str]) -> bytes:
        return csvtext.line(values, self.delimiter, self.ending)

    def _known_id(self, row: list[str]) -> str:
        given = dict(zip((name.lower() for name in self.header), row, strict=False)).get("id", "")
        return ids.long_form(given) or given

    def _saved(self, saver: Saver, row: list[str]) -> tuple[str, bool]:
        if len(row) != len(self.header):
            raise SalesforceError(400, "INVALID_FIELD", "the row has another number of columns than the header", [])
        given = _values(self.header, row)
        item = saver.object(self.object_name)
        if self.operation == "insert":
            return save.insert(saver, item.name, given), True
        if self.operation == "upsert":
            lookup = save.lookup_field(item, self.external_id_field or "")
            value = next((given.pop(name) for name in list(given) if name.lower() == lookup.name.lower()), None)
            if value is None:
                raise SalesforceError(400, "MISSING_ARGUMENT", f"{lookup.name} not specified", [lookup.name])
            return save.upsert(saver, item.name, lookup.name, value, given)
        text = next((str(given.pop(name)) for name in list(given) if name.lower() == "id"), "")
        full = ids.long_form(text)
        if full is None or full[:3] != item.key_prefix:
            raise bad_id(f"{item.label} ID", text, "Id")
        if self.operation == "update":
            save.update(saver, item.name, full, given)
        else:
            remove.delete(saver, item.name, full)
            if self.operation == "hardDelete":
                remove.purge(saver, full)
        return full, False

    def _leave(self, rows: list[list[str]]) -> None:
        self.result("unprocessed").add_all([self._line(row) for row in rows])

    def _leave_rest(self) -> None:
        """What was not processed is handed back."""
        rows: list[list[str]] = []
        with suppress(csvtext.BadCsv):  # what cannot be read is not in the result
            for row in self._rows or ():
                rows.append(row)
                if len(rows) == CHUNK:
                    self._leave(rows)
                    rows = []
        self._leave(rows)

    def hand_back(self) -> None:
        """The rows that an aborted job has not come to."""
        if self.upload is not None and self._rows is None:
            self._rows = csvtext.rows(self.upload, self.delimiter, self.line_ending)
            with suppress(csvtext.BadCsv):
                self.header = next(self._rows, [])
        self._leave_rest()

    def close(self) -> None:
        """Give up the upload and the results."""
        if self._rows is not None:
            self._rows.close()  # type: ignore[attr-defined]
        for result in self.results.values():
            result.close()
        if self.upload is not None:
            self.upload.close()


def _values(header: list[str], row: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, text in zip(header, row, strict=True):
        if text == "":
            continue
        relation, _, field_name = name.partition(".")
        if field_name:
            given[relation] = {field_name: text}
        else:
            given[name] = None if text == _NULL else text
    return given


def _error_text(error: SalesforceError) -> str:
    """In CSV everything is text, so a value of the wrong type is the field's error, not the parser's."""
    if isinstance(error, WrongType):
        message = f"{error.label}: value not of required type: {error.value}"
        return f"INVALID_TYPE_ON_FIELD_IN_RECORD:{message}:{error.field} --"
    return error.as_bulk()
