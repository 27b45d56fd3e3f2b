"""Bulk API 2.0: many records as CSV, by jobs that Salesforce works on in the background (docs/salesforce.md 7.1, 7.3).

The steps of a job go through the `Caller`, like every other call, and not through simple-salesforce's ``bulk2``: that
one waits by itself (5 seconds at least, up to 24 hours, no lease could be renewed meanwhile), never signs in again
(its issue 619), gives its requests no time-out and shows them to no counter, writes None as "leave alone", reads
results in ISO-8859-1, and forgets the job's id when an answer is lost. What is used of it is the request itself.

A job's id makes outcomes known that a plain call would leave open: nothing is saved before the upload is declared
complete, and afterwards the job can be asked what became of each row.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import quote

from simple_salesforce.util import call_salesforce

from syncer.salesforce import bulkcsv, faults, jsontext
from syncer.salesforce.bulkcsv import Record
from syncer.salesforce.caller import Caller, Reply
from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.errors import OutcomeUnknown, Refused, SalesforceError, Unavailable, Unreachable
from syncer.salesforce.ids import is_salesforce_id, to_18
from syncer.salesforce.kinds import Canonical
from syncer.salesforce.rows import RowError, RowResult
from syncer.salesforce.soql import identifier

PAGE = 10_000  # rows of a query's result at a time
MOST_ROWS = 10_000  # of one ingest job: Salesforce works in batches of so many anyway
MOST_BYTES = 100_000_000  # of one upload
PATIENCE = 3600.0  # seconds that a job may take
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds between two looks at a job
UPLOADS = 3  # tries of an upload whose answer was lost

_CSV = "text/csv; charset=UTF-8"
_ENDED = frozenset({"JobComplete", "Failed", "Aborted"})
_ERROR = re.compile(r"(?P<code>[A-Z_]+):(?P<message>.*):(?P<fields>[\w. ]*?)\s*--", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BulkPage:
    """Some rows of a query, in the form of REST's records but every value as text. ``asked_at``: when it began."""

    records: list[Record]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the rows of one job, each named by its key: its Id, or its external id in an upsert.

    ``unprocessed``: certainly not touched, also because a Bulk file can't say it (the text ``#N/A``); to be sent in
    another way. ``unknown``: no result tells of them, so they may have been saved. ``problem``: why the job ended
    early, in Salesforce's words. ``job`` is empty if there was nothing to send.
    """

    job: str
    results: dict[str, RowResult] = field(default_factory=dict)
    unprocessed: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    problem: str = ""


class Bulk:
    """Bulk jobs of one organisation. ``pause`` waits between two looks at a job, and may renew a lease while at it."""

    def __init__(
        self, org: Caller, *, pause: Callable[[float], None] = time.sleep, patience: float = PATIENCE, page: int = PAGE
    ) -> None:
        self._org = org
        self._pause = pause
        self._patience = patience
        self._page = page

    def query(self, soql: str, *, deleted: bool = False) -> Iterator[BulkPage]:
        """The rows of a query, page by page; ``deleted`` adds deleted and merged ones. One page is in memory.

        Raises Refused for a query that Bulk does not take (grouping, OFFSET, compound addresses, subqueries) and
        Unavailable when the job fails or takes too long.
        """
        order = {"operation": "queryAll" if deleted else "query", "query": soql}
        job, asked_at = self._make("query", order)
        ended = False
        try:
            info = self._wait("query", job)
            ended = True
            if info["state"] != "JobComplete":
                reason = info.get("errorMessage") or f"it is {info['state']}"
                raise Unavailable(
                    f"Salesforce could not run the query as a Bulk job: {reason}", code=EdgeCode.BULK_JOB_FAILED
                )
            locator = ""
            while locator != "null":
                reply = self._results(f"jobs/query/{job}/results?maxRecords={self._page}{locator}")
                yield BulkPage([bulkcsv.record(row) for row in reply.body], asked_at)
                text = reply.headers.get("Sforce-Locator") or "null"  # absent, or this word, on the last page
                locator = text if text == "null" else f"&locator={quote(text, safe='')}"
        finally:
            if not ended:
                self._give_up("query", job)

    def ingest(
        self,
        object: str,
        operation: str,
        fields: Sequence[FieldDescribe],
        rows: Iterable[Mapping[str, Canonical]],
        *,
        external_id: str = "",
        note: Callable[[str], None] = lambda _: None,
    ) -> Iterator[Ingested]:
        """Updates, upserts or deletes rows, at most 10,000 in a job. Return each job's outcome when it has ended.

        Every row has its key, once: Id for ``update`` and ``delete``, ``external_id`` for ``upsert``. There is no
        insert: its results could not be told apart, nor found again. ``note`` is told the id of each job before
        anything is saved, so that `outcome` can be asked for it after a crash. No assignment rule runs.

        Raises OutcomeUnknown when a job can't be asked any more, what else stands in errors.py when nothing of the
        job at hand was saved.
        """
        key = {"update": "Id", "delete": "Id", "upsert": external_id}.get(operation)
        if not key:
            raise ValueError(f"{operation!r} is not update, delete, or upsert with an external id.")
        order = {"operation": operation, "object": identifier(object)}
        if operation == "upsert":
            order["externalIdFieldName"] = identifier(external_id)
        for part in _parts(rows):
            keys = [str(row.get(key) or "") for row in part]
            if "" in keys or len(set(keys)) < len(keys):
                raise ValueError(f"A row has no {key}, or two have the same.")
            for upload in _uploads(fields, part, key):
                yield self._ingest(order, upload, key, note)

    def _ingest(self, order: Mapping[str, object], upload: _Upload, key: str, note: Callable[[str], None]) -> Ingested:
        if not upload.keys:
            return Ingested("", unprocessed=upload.unsaid)
        job = self._upload(order, upload.content, note)
        self._complete(job)
        with _may_have_saved(job):
            outcome = self._collect(job, self._wait("ingest", job), key, upload.keys)
        return replace(outcome, unprocessed=outcome.unprocessed | upload.unsaid)

    def outcome(self, job: str, key: str, keys: Iterable[str]) -> Ingested:
        """What became of the rows with these keys in a job. Refused with NOT_FOUND once Salesforce dropped it (7 days).

        Waits for a job that is still running; one that was never declared complete is given up, with nothing saved.
        """
        if self._info("ingest", job)["state"] == "Open":
            self._give_up("ingest", job)
        return self._collect(job, self._wait("ingest", job), key, keys)

    # -- the steps of a job -----------------------------------------------------------------------------------------

    def _collect(self, job: str, info: Mapping[str, Any], key: str, keys: Iterable[str]) -> Ingested:
        """The results of a job that has ended, which come in any order."""
        results: dict[str, RowResult] = {}
        for row in self._results(f"jobs/ingest/{job}/successfulResults").body:
            results[row.get(key, "")] = RowResult(_id(row["sf__Id"]), True, row["sf__Created"] == "true")
        for row in self._results(f"jobs/ingest/{job}/failedResults").body:
            results[row.get(key, "")] = RowResult(_id(row["sf__Id"]), False, None, (_row_error(row["sf__Error"]),))
        results.pop("", None)  # a row without its key tells of nobody
        unprocessed = {row.get(key, "") for row in self._results(f"jobs/ingest/{job}/unprocessedrecords").body} - {""}
        asked = set(keys)
        return Ingested(
            job,
            results,
            frozenset(unprocessed - results.keys()),
            frozenset(asked - results.keys() - unprocessed),
            "" if info["state"] == "JobComplete" else str(info.get("errorMessage") or f"The job is {info['state']}."),
        )

    def _make(self, kind: str, order: Mapping[str, object]) -> tuple[str, datetime]:
        """A new job: its id, and the organisation's time of asking. Safe to repeat: a job nobody knows of has no rows,
        and disappears after a week."""
        body = {**order, "columnDelimiter": "COMMA", "lineEnding": "LF", "contentType": "CSV"}
        reply = self._org.call("POST", f"jobs/{kind}", safe=True, data=jsontext.dumps(body))
        job = reply.body.get("id") if isinstance(reply.body, Mapping) else None
        if not isinstance(job, str) or not is_salesforce_id(job):
            raise faults.of_nonsense("it names no job", self._org.host, safe=True)
        return job, reply.asked_at

    def _upload(self, order: Mapping[str, object], content: bytes, note: Callable[[str], None]) -> str:
        """A job that holds its rows but was not declared complete; its id. An upload is never repeated: Salesforce
        takes one per job, so after a lost answer that job is given up, unsaved, and another is made."""
        for last in [False] * (UPLOADS - 1) + [True]:
            job, _ = self._make("ingest", order)
            note(job)
            try:
                self._csv("PUT", f"jobs/ingest/{job}/batches", content, safe=False)
            except OutcomeUnknown as error:
                self._give_up("ingest", job)
                if last:  # a job that was never declared complete saves nothing
                    raise Unavailable(f"The rows did not arrive: {error}", http_status=error.http_status) from None
            except BaseException:
                self._give_up("ingest", job)
                raise
            else:
                break
        return job

    def _complete(self, job: str) -> None:
        """Declares the upload complete: this is what saves the rows. After a lost answer the job tells if it was."""
        for _ in range(UPLOADS):
            try:
                self._patch("ingest", job, "UploadComplete", safe=False)
                return
            except (OutcomeUnknown, Refused) as error:
                with _may_have_saved(job):
                    if self._info("ingest", job)["state"] != "Open":
                        return
                if isinstance(error, Refused):
                    raise
            except BaseException:
                self._give_up("ingest", job)
                raise
        self._give_up("ingest", job)
        raise Unavailable(f"Bulk job {job} could not be started; nothing of it was saved.")

    def _wait(self, kind: str, job: str) -> Mapping[str, Any]:
        """The job's last state. One that takes too long is stopped: it must not save old values at some later time."""
        waited, pause, stopped = 0.0, FIRST_WAIT, False
        while (info := self._info(kind, job))["state"] not in _ENDED:
            if waited >= self._patience * (1 + stopped):
                if stopped:
                    raise OutcomeUnknown(
                        f"Bulk job {job} neither ends nor can be stopped.", code=EdgeCode.BULK_JOB_RUNNING
                    )
                self._give_up(kind, job)
                stopped = True
                continue
            self._pause(pause)
            waited, pause = waited + pause, min(pause * 2, LONGEST_WAIT)
        return info

    def _info(self, kind: str, job: str) -> Mapping[str, Any]:
        reply = self._org.get(f"jobs/{kind}/{job}")
        if not isinstance(reply.body, Mapping) or not isinstance(reply.body.get("state"), str):
            raise faults.of_nonsense("it tells no state of the job", self._org.host, safe=True)
        return reply.body

    def _patch(self, kind: str, job: str, state: str, *, safe: bool) -> None:
        self._org.call("PATCH", f"jobs/{kind}/{job}", safe=safe, data=jsontext.dumps({"state": state}))

    def _give_up(self, kind: str, job: str) -> None:
        """Stops a job that is of no use any more, if that is possible; a week later it goes by itself."""
        with suppress(SalesforceError):
            self._patch(kind, job, "Aborted", safe=True)

    def _results(self, path: str) -> Reply:
        """A result with its rows for a body; asked for again when it is cut off."""
        rows: list[list[dict[str, str]]] = []

        def judge(reply: Reply) -> None:
            try:
                rows.append(bulkcsv.read(reply.body))
                told = reply.headers.get("Sforce-NumberOfRecords")
                if told is not None and int(told) != len(rows[-1]):
                    raise ValueError(f"{told} rows are announced, {len(rows[-1])} came")
            except ValueError as error:
                raise faults.of_nonsense(str(error), self._org.host, safe=True) from None

        reply = self._csv("GET", path, None, safe=True, judge=judge)
        return Reply(reply.status, rows[-1], reply.headers, reply.asked_at)

    def _csv(
        self, method: str, path: str, data: bytes | None, *, safe: bool, judge: Callable[[Reply], None] = lambda _: None
    ) -> Reply:
        """A call whose request or answer is CSV, with the bytes of the answer for a body."""

        def use(client: Any, rest: dict[str, Any]) -> bytes:
            headers = {**client.headers, "Content-Type": _CSV, "Accept": _CSV if data is None else "application/json"}
            response = call_salesforce(client.base_url + path, method, client.session, headers, data=data, **rest)
            return bytes(response.content)

        return self._org.through(use, safe=safe, judge=judge)


@dataclass(frozen=True, slots=True)
class _Upload:
    content: bytes
    keys: tuple[str, ...]
    unsaid: frozenset[str]


def _uploads(fields: Sequence[FieldDescribe], part: Sequence[Mapping[str, Canonical]], key: str) -> Iterator[_Upload]:
    """The part as one upload, or as several if it is too long for one."""
    unsaid: list[Mapping[str, Canonical]] = []
    content = bulkcsv.write(fields, part, unsaid.append)
    if len(content) > MOST_BYTES and len(part) > 1:
        half = len(part) // 2
        yield from _uploads(fields, part[:half], key)
        yield from _uploads(fields, part[half:], key)
        return
    left = frozenset(str(row[key]) for row in unsaid)
    yield _Upload(content, tuple(str(row[key]) for row in part if str(row[key]) not in left), left)


def _parts(rows: Iterable[Mapping[str, Canonical]]) -> Iterator[list[Mapping[str, Canonical]]]:
    rest = iter(rows)
    while part := list(islice(rest, MOST_ROWS)):
        yield part


def _id(text: str) -> str | None:
    return to_18(text) if is_salesforce_id(text) else None


def _row_error(text: str) -> RowError:
    """``CODE:message:Field1 Field2 --``; whatever does not look like it is all message."""
    if (found := _ERROR.fullmatch(text.strip())) is None:
        return RowError(EdgeCode.UNKNOWN, text or "Salesforce gave no reason.")
    return RowError(found["code"], found["message"], tuple(found["fields"].split()))


@contextmanager
def _may_have_saved(job: str) -> Iterator[None]:
    """From here on the rows are being saved, whether we hear of it or not."""
    try:
        yield
    except (Unavailable, Unreachable) as error:
        raise OutcomeUnknown(
            f"Bulk job {job} was sent off, then: {error}", code=error.code, http_status=error.http_status
        ) from None
